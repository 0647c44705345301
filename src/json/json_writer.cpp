// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json/json_writer.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/text.hpp"

namespace probekit::json {
namespace {

constexpr std::uint64_t kLowBits = 0x0101010101010101U;
constexpr std::uint64_t kHighBits = 0x8080808080808080U;

// A high bit where a byte of `word` is zero; above the first such byte it may err, which costs
// a closer look and nothing else.
constexpr std::uint64_t zero_bytes(std::uint64_t word) {
  return (word - kLowBits) & ~word & kHighBits;
}

constexpr bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

bool is_plain_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return ((word & kHighBits) | zero_bytes(word & (kLowBits * 0xE0)) |
          zero_bytes(word ^ (kLowBits * '"')) | zero_bytes(word ^ (kLowBits * '\\'))) == 0;
}

// The length of the front of `text` that goes out as it is.
std::size_t plain_length(std::string_view text) {
  std::size_t at = 0;
  if (text.size() >= 8) {
    while (text.size() - at > 8 && is_plain_word(text.data() + at)) at += 8;
    // The last word may overlap the one before.
    if (text.size() - at <= 8 && is_plain_word(text.data() + text.size() - 8)) return text.size();
  }
  while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const std::size_t plain = plain_length(text);
    out.append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      append_json_escape(out, text.front());
      text.remove_prefix(1);
      continue;
    }
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  out += '"';
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view text) {
  separate();
  append_string(out_, text);
  return *this;
}

Writer& Writer::int64(std::int64_t value) {
  separate();
  append_int(out_, value);
  return *this;
}

Writer& Writer::uint64(std::uint64_t value) {
  separate();
  append_uint(out_, value);
  return *this;
}

Writer& Writer::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out_.append(digits.data(), end);
  return *this;
}

Writer& Writer::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  out_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace probekit::json
