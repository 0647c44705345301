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

/// The name of a member that is known when it is compiled and has nothing to escape, in the form in
/// which it is appended: the hot paths write each at once.
template <std::size_t N>
class Key {
 public:
  explicit constexpr Key(const char (&name)[N]) {
    text_[0] = ',';
    text_[1] = '"';
    for (std::size_t i = 0; i + 1 < N; ++i) text_[i + 2] = name[i];
    text_[N + 1] = '"';
    text_[N + 2] = ':';
  }
  constexpr std::string_view after_member() const { return {text_, sizeof text_}; }
  constexpr std::string_view first() const { return {text_ + 1, sizeof text_ - 1}; }

 private:
  char text_[N + 3] = {};
};

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

  template <std::size_t N>
  Writer& key(const Key<N>& name) {
    out_ += comma_ ? name.after_member() : name.first();
    comma_ = false;
    return *this;
  }

  /// A value by its type: bool, integers, floating point, text, nullptr.
  template <class T>
  Writer& value(const T& value) {
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

  /// A key and its value.
  template <class T>
  Writer& member(std::string_view name, const T& of) {
    return key(name).value(of);
  }
  template <std::size_t N, class T>
  Writer& member(const Key<N>& name, const T& of) {
    return key(name).value(of);
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
