// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A JSON value in memory, for specs, API bodies and configuration; messages are read by a Visitor
/// instead.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "json/json_reader.hpp"
#include "json/json_writer.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit::json {

struct Member;

/// One of null, bool, number (its digits), string, array, object. *Threads*: as a std::string.
class PROBEKIT_EXPORT Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;  ///< in the order of the text

  Value() = default;  ///< null

  /// Reads one value that fills all of `text`; a key that occurs twice in an object is an error
  /// that names it. Takes memory of some ten times the text: bound the text.
  /// *Errors*: those of json::parse(), and errc::invalid_argument for the key.
  static Expected<Value> parse(std::string_view text, ParseLimits limits);
  static Expected<Value> parse(std::string_view text) { return parse(text, ParseLimits{}); }

  static Value from_bool(bool value);
  static Value from_int64(std::int64_t value);
  static Value from_double(double value);
  static Value from_string(std::string text);
  static Value from_array(Array items);
  static Value from_object(Object members);

  bool is_null() const noexcept { return state_.index() == 0; }
  bool is_bool() const noexcept { return state_.index() == 1; }
  bool is_number() const noexcept { return state_.index() == 2; }
  bool is_string() const noexcept { return state_.index() == 3; }
  bool is_array() const noexcept { return state_.index() == 4; }
  bool is_object() const noexcept { return state_.index() == 5; }
  /// "null", "a boolean", "a number", ...: for messages.
  std::string_view kind() const noexcept;

  /// Empty or null when it is of another kind; for integers also when not exact or out of range.
  std::optional<bool> as_bool() const noexcept;
  std::optional<std::int64_t> as_int64() const noexcept;
  std::optional<std::uint64_t> as_uint64() const noexcept;
  std::optional<double> as_double() const noexcept;
  const std::string* as_string() const noexcept { return std::get_if<3>(&state_); }
  const Array* as_array() const noexcept { return std::get_if<4>(&state_); }
  const Object* as_object() const noexcept { return std::get_if<5>(&state_); }

  /// The member of that name; null when there is none or this is no object.
  const Value* find(std::string_view name) const noexcept;

  void write(Writer& writer) const;
  std::string to_json() const;

 private:
  struct Number {
    std::string digits;
  };
  class Builder;

  std::variant<std::monostate, bool, Number, std::string, Array, Object> state_;
};

struct Member {
  std::string name;
  Value value;
};

}  // namespace probekit::json
