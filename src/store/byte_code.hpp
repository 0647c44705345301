// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Numbers and texts as bytes, for what durable stores keep: integers in as many bytes as they need
/// (LEB128, as in DWARF 5, section 7.6), texts with their length before them. *Threads*: distinct
/// objects safe.

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

namespace probekit::store {

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_ += static_cast<char>(value | 0x80);
      value >>= 7;
    }
    out_ += static_cast<char>(value);
  }
  /// Small ones are short, whatever their sign.
  void signed_number(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    number((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0));
  }
  void text(std::string_view value) {
    number(value.size());
    out_ += value;
  }

 private:
  std::string& out_;
};

/// The bytes are not what a ByteWriter wrote.
struct BadBytes : std::runtime_error {
  BadBytes() : std::runtime_error("a row holds what was never written there") {}
};

/// Throws BadBytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  bool empty() const noexcept { return left_.empty(); }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) throw BadBytes();
      const auto byte = static_cast<std::uint8_t>(left_.front());
      left_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    throw BadBytes();
  }
  /// At most `max`.
  template <class T = std::uint32_t>
  T number_to(std::uint64_t max) {
    const std::uint64_t value = number();
    if (value > max) throw BadBytes();
    return static_cast<T>(value);
  }
  std::uint32_t number32() { return number_to(std::numeric_limits<std::uint32_t>::max()); }
  std::int64_t signed_number() {
    const std::uint64_t bits = number();
    return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  }
  std::string_view bytes(std::uint64_t count) {
    if (count > left_.size()) throw BadBytes();
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  std::string_view text() { return bytes(number()); }

 private:
  std::string_view left_;
};

}  // namespace probekit::store
