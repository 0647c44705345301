// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Writes JSON text straight onto the end of a string. Commas come by themselves; whether brackets
/// match and keys precede values is the caller's part.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "probekit/export.hpp"

namespace probekit::json {

/// What it appends is always well-formed UTF-8: a byte of a string that belongs to no well-formed
/// sequence becomes U+FFFD.
class PROBEKIT_EXPORT Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }

  Writer& key(std::string_view name);
  Writer& string(std::string_view text);
  Writer& int64(std::int64_t value);
  Writer& uint64(std::uint64_t value);
  /// The shortest digits that read back as the same number; null when not finite.
  Writer& number(double value);
  Writer& boolean(bool value);
  Writer& null();
  /// One complete JSON value, appended as it is.
  Writer& raw(std::string_view json);

  /// The next value needs no comma although one was written: between lines of NDJSON.
  void restart() noexcept { comma_ = false; }

  /// A key and its value, by the value's type: bool, integers, floating point, text, nullptr.
  template <class T>
  Writer& member(std::string_view name, const T& value) {
    key(name);
    if constexpr (std::is_same_v<T, bool>) {
      return boolean(value);
    } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
      return null();
    } else if constexpr (std::is_floating_point_v<T>) {
      return number(static_cast<double>(value));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return int64(value);
    } else if constexpr (std::is_integral_v<T>) {
      return uint64(value);
    } else {
      return string(value);
    }
  }

 private:
  void separate() {
    if (comma_) out_ += ',';
    comma_ = true;
  }
  Writer& open(char bracket) {
    separate();
    out_ += bracket;
    comma_ = false;
    return *this;
  }
  Writer& close(char bracket) {
    out_ += bracket;
    comma_ = true;
    return *this;
  }

  std::string& out_;
  bool comma_ = false;
};

/// Appends `text` in quotes, escaped.
PROBEKIT_EXPORT void append_string(std::string& out, std::string_view text);

}  // namespace probekit::json
