// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/query.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace probekit::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

QueryReader::QueryReader(std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('&'), raw.size());
    const std::string_view pair = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value || !is_valid_utf8(*name) || !is_valid_utf8(*value)) {
      fail("the query is not percent-encoded UTF-8: " + to_valid_utf8(pair.substr(0, 64)));
      return;
    }
    for (const Parameter& other : parameters_) {
      if (other.name == *name) fail("query parameter " + *name + " is given twice");
    }
    parameters_.push_back(Parameter{std::move(*name), std::move(*value), false});
  }
}

std::optional<std::string> QueryReader::text(std::string_view name) {
  for (Parameter& parameter : parameters_) {
    if (parameter.name != name) continue;
    parameter.taken = true;
    return parameter.value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> QueryReader::number(std::string_view name, std::uint64_t min,
                                                 std::uint64_t max) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto number = parse_uint(*value);
  if (number && *number >= min && *number <= max) return number;
  refuse(name, "must be a number from " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

std::optional<std::string> QueryReader::word(std::string_view name,
                                             std::initializer_list<std::string_view> words) {
  auto value = text(name);
  if (!value || std::find(words.begin(), words.end(), *value) != words.end()) return value;
  std::string list;
  for (const std::string_view word : words) {
    if (!list.empty()) list += ", ";
    list += word;
  }
  refuse(name, "must be one of: " + list);
  return std::nullopt;
}

void QueryReader::refuse(std::string_view name, std::string_view what) {
  fail("query parameter " + std::string(name) + ": " + std::string(what));
}

std::optional<std::string> QueryReader::fault() const {
  if (fault_) return fault_;
  for (const Parameter& parameter : parameters_) {
    if (!parameter.taken) return "unknown query parameter: " + parameter.name.substr(0, 64);
  }
  return std::nullopt;
}

void QueryReader::fail(std::string what) {
  if (!fault_) fault_ = std::move(what);
}

}  // namespace probekit::api
