// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/token_set.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/sha256.hpp"
#include "base/text.hpp"

namespace probekit {

namespace {

constexpr std::size_t kTokenBytesMax = 512;
constexpr std::size_t kPatternBytesMax = 64;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kIdBytes = 16;

struct Line {
  std::string_view token;
  std::string_view names = "*";
};

struct Entry {
  Sha256 digest{};
  std::string names;
};

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

bool is_valid_pattern(std::string_view pattern) {
  return pattern.size() <= kPatternBytesMax &&
         std::all_of(pattern.begin(), pattern.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-' || c == '*';
         });
}

Error fault(const std::string& source, const std::string& what) {
  return Error(errc::invalid_argument, source + ": " + what);
}

Error fault(const std::string& source, std::size_t line, const std::string& what) {
  return fault(source, "line " + std::to_string(line) + ": " + what);
}

// What is wrong never shows a token: it goes to logs.
Expected<std::vector<Line>> parse(std::string_view text, const std::string& source) {
  if (text.size() > kFileBytesMax) return fault(source, "longer than 1 MiB");
  std::vector<Line> lines;
  std::unordered_map<std::string_view, std::size_t> seen;  // line numbers, by token
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view rest = trim(text.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (rest.empty() || rest.front() == '#') continue;
    Line line;
    line.token = take_word(rest);
    if (!is_valid_token(line.token)) {
      return fault(source, number, "a token is 1 to 512 characters of visible ASCII");
    }
    if (!rest.empty()) {
      line.names = take_word(rest);
      if (!is_valid_pattern(line.names)) {
        return fault(source, number,
                     "a name pattern is 1 to 64 characters of letters, digits and ._-*");
      }
    }
    if (!rest.empty()) return fault(source, number, "more than a token and a name pattern");
    const auto [earlier, is_new] = seen.emplace(line.token, number);
    if (!is_new) {
      return fault(source, number, "the same token as in line " + std::to_string(earlier->second));
    }
    lines.push_back(line);
  }
  if (lines.empty()) return fault(source, "holds no token");
  return lines;
}

Expected<std::string> read_file(const std::string& path) {
  const auto failed = [&path] {
    const std::error_code code(errno, std::generic_category());
    return Error(code, path + ": " + code.message());
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"));
  if (!file) return failed();
  std::string text(kFileBytesMax + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return failed();
  return text;
}

}  // namespace

bool is_valid_token(std::string_view token) noexcept {
  return !token.empty() && token.size() <= kTokenBytesMax &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string_view bearer_token(std::string_view authorization) noexcept {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = trim(authorization);
  if (!equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) return {};
  const std::string_view token = trim(value.substr(kScheme.size()));
  return is_valid_token(token) ? token : std::string_view();
}

bool TokenGrant::allows(std::string_view name) const noexcept {
  const std::string_view pattern = names;
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

struct TokenSet::Impl {
  using Watcher = std::function<void()>;

  mutable std::mutex mutex;
  std::vector<Entry> entries;                            // under mutex
  mutable std::vector<std::weak_ptr<Watcher>> watchers;  // under mutex
};

TokenSet::TokenSet() : impl_(std::make_unique<Impl>()) {}
TokenSet::~TokenSet() = default;

Expected<void> TokenSet::assign(std::string_view text, const std::string& source) {
  const auto lines = parse(text, source);
  if (!lines) return lines.error();
  std::vector<Entry> entries;
  entries.reserve(lines->size());
  for (const Line& line : *lines) entries.push_back({sha256(line.token), std::string(line.names)});
  std::vector<std::shared_ptr<Impl::Watcher>> watchers;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->entries = std::move(entries);
    auto& all = impl_->watchers;
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto& one) { return one.expired(); }),
              all.end());
    for (const auto& one : all) {
      if (auto watcher = one.lock()) watchers.push_back(std::move(watcher));
    }
  }
  for (const auto& watcher : watchers) (*watcher)();
  return {};
}

Expected<void> TokenSet::load(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  return assign(*text, path);
}

std::optional<TokenGrant> TokenSet::find(std::string_view token) const {
  const Sha256 digest = sha256(token);
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  const Entry* found = nullptr;
  for (const Entry& entry : impl_->entries) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < digest.size(); ++i) {
      difference |= static_cast<unsigned>(digest[i] ^ entry.digest[i]);
    }
    if (difference == 0) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  TokenGrant grant;
  append_hex(grant.id, digest.data(), kIdBytes);
  grant.names = found->names;
  return grant;
}

std::size_t TokenSet::size() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->entries.size();
}

std::shared_ptr<void> TokenSet::watch(std::function<void()> changed) const {
  auto watcher = std::make_shared<Impl::Watcher>(std::move(changed));
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->watchers.push_back(watcher);
  return watcher;
}

}  // namespace probekit
