// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "import_source.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "json_tree_rapidjson.hpp"

namespace examples {
namespace {

constexpr char kBom[] = "\xEF\xBB\xBF";
constexpr std::size_t kSniffBytes = 64 * 1024;
constexpr std::size_t kReadBytes = 64 * 1024;
// Far beyond what a master takes.
constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r\n") - first + 1);
}

JsonTree tree_of(JsonTree::Kind kind, std::string text = {}) {
  JsonTree tree;
  tree.kind = kind;
  tree.text = std::move(text);
  return tree;
}

// The spec with those labels whose keys it has not itself. False: it is no object, or its labels
// are none; the master says so.
bool add_labels(JsonTree& spec, const Labels& labels) {
  if (!spec.is(JsonTree::Kind::object)) return false;
  const auto is_labels = [](const auto& member) { return member.first == "labels"; };
  auto found = std::find_if(spec.members.begin(), spec.members.end(), is_labels);
  if (found == spec.members.end())
    found = spec.members.insert(found, {"labels", tree_of(JsonTree::Kind::object)});
  if (!found->second.is(JsonTree::Kind::object)) return false;
  const JsonTree own = found->second;
  for (const auto& [key, value] : labels)
    if (own[key].is(JsonTree::Kind::null))
      found->second.members.emplace_back(key, tree_of(JsonTree::Kind::string, value));
  return true;
}

// Without blanks and a byte order mark; empty for a comment.
std::string_view content_of(std::string_view line) {
  auto text = trimmed(line);
  if (text.substr(0, 3) == kBom) text = trimmed(text.substr(3));
  return !text.empty() && text.front() == '#' ? std::string_view{} : text;
}

}  // namespace

ImportSource::ImportSource(InputFile& input, Labels labels)
    : input_(input), labels_(std::move(labels)) {}

// False: nothing came.
bool ImportSource::fill() {
  const std::size_t held = raw_.size();
  raw_.resize(held + kReadBytes);
  const auto count = input_.read(raw_.data() + held, kReadBytes);
  raw_.resize(held + count.value_or(0));
  bytes_read_ += count.value_or(0);
  ended_ = ended_ || count == std::size_t{0};
  return count.has_value();
}

bool ImportSource::find_form() {
  for (;;) {
    const auto end = raw_.find('\n', searched_);
    if (end == std::string::npos && !ended_ && raw_.size() < kSniffBytes) {
      if (!fill()) return false;
      continue;
    }
    const auto text = content_of(std::string_view{raw_}.substr(searched_, end - searched_));
    ndjson_ = !text.empty() && text.front() == '{';
    if (!text.empty() || end == std::string::npos || end >= kSniffBytes) return true;
    searched_ = end + 1;
  }
}

const char* ImportSource::content_type() const {
  return ndjson_ || !labels_.empty() ? "application/x-ndjson" : "text/plain";
}

std::string ImportSource::labelled(std::string_view line) const {
  const auto text = content_of(line);
  if (text.empty()) return "\n";
  JsonTree spec;
  if (ndjson_) {
    try {
      spec = parse_json(std::string{text});
    } catch (const std::runtime_error&) {
    }
  } else {
    spec = tree_of(JsonTree::Kind::object);
    spec.members.emplace_back("target", tree_of(JsonTree::Kind::string, std::string{text}));
  }
  // What is not a spec goes as it is: the master says what is wrong with it.
  return (add_labels(spec, labels_) ? to_json(spec) : std::string{text}) + '\n';
}

// Moves whole lines from raw_ to pending_.
void ImportSource::label_lines() {
  std::size_t start = 0;
  for (std::size_t end; start < raw_.size(); start = end) {
    const auto newline = raw_.find('\n', start);
    end = newline == std::string::npos ? raw_.size() : newline + 1;
    const auto line = std::string_view{raw_}.substr(start, end - start);
    const bool whole = newline != std::string::npos || ended_;
    if (!whole && !too_long_ && line.size() < kLineBytesMax) break;
    pending_ += too_long_ || !whole ? std::string{line} : labelled(line);
    too_long_ = !whole;
  }
  raw_.erase(0, start);
}

std::optional<std::size_t> ImportSource::read(char* bytes, std::size_t size) {
  while (sent_ == pending_.size()) {
    pending_.clear();
    sent_ = 0;
    if (labels_.empty())
      pending_.swap(raw_);
    else
      label_lines();
    if (!pending_.empty()) break;
    if (ended_) return 0;
    if (!fill()) return std::nullopt;
  }
  const auto count = std::min(size, pending_.size() - sent_);
  std::memcpy(bytes, pending_.data() + sent_, count);
  sent_ += count;
  at_line_start_ = bytes[count - 1] == '\n';
  return count;
}

}  // namespace examples
