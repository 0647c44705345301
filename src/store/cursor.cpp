// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/cursor.hpp"

#include <charconv>
#include <limits>

#include "base/text.hpp"

namespace probekit::store {
namespace {

std::string with_prefix(char letter, std::string_view prefix) {
  std::string out;
  out.reserve(48);
  out += letter;
  out += prefix;
  return out;
}

bool skip(std::string_view& text, std::string_view expected) {
  if (text.substr(0, expected.size()) != expected) return false;
  text.remove_prefix(expected.size());
  return true;
}

/// Only the form append_uint writes: one text a number, so that ids can be compared as text.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  if (text.front() == '0' && end != text.data() + 1) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<BatchId> take_batch(std::string_view& text) {
  const auto number = take_number(text);
  if (!number || *number == 0 || *number > std::numeric_limits<std::uint32_t>::max()) {
    return std::nullopt;
  }
  return BatchId{static_cast<std::uint32_t>(*number)};
}

std::optional<BatchId> parse_batch(char letter, std::string_view prefix, std::string_view text) {
  if (!skip(text, {&letter, 1}) || !skip(text, prefix) || !skip(text, "-")) return std::nullopt;
  const auto id = take_batch(text);
  if (!text.empty()) return std::nullopt;
  return id;
}

}  // namespace

std::string batch_text(std::string_view prefix, BatchId id) {
  std::string out = with_prefix('b', prefix);
  out += '-';
  append_uint(out, id.value);
  return out;
}

std::string task_text(std::string_view prefix, TaskId id) {
  std::string out = with_prefix('t', prefix);
  out += '-';
  append_uint(out, id.batch().value);
  out += '-';
  append_uint(out, id.index());
  return out;
}

std::optional<BatchId> parse_batch_text(std::string_view prefix, std::string_view text) {
  return parse_batch('b', prefix, text);
}

std::string result_cursor(std::string_view prefix, BatchId id, std::uint64_t position) {
  std::string out = with_prefix('r', prefix);
  out += '-';
  append_uint(out, id.value);
  out += '-';
  append_uint(out, position);
  return out;
}

std::optional<std::uint64_t> parse_result_cursor(std::string_view prefix, BatchId id,
                                                 std::string_view text) {
  if (text.empty()) return 0;
  if (!skip(text, "r") || !skip(text, prefix) || !skip(text, "-")) return std::nullopt;
  const auto batch = take_batch(text);
  if (!batch || *batch != id || !skip(text, "-")) return std::nullopt;
  const auto position = take_number(text);
  if (!text.empty()) return std::nullopt;
  return position;
}

std::string batch_cursor(std::string_view prefix, BatchId last) {
  std::string out = with_prefix('l', prefix);
  out += '-';
  append_uint(out, last.value);
  return out;
}

std::optional<BatchId> parse_batch_cursor(std::string_view prefix, std::string_view text) {
  return parse_batch('l', prefix, text);
}

}  // namespace probekit::store
