// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// JSON read whole, for the little that programs read: configuration and a master's answers.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace examples {

struct JsonTree {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  std::string text;                                       ///< of booleans, numbers and strings
  std::vector<JsonTree> elements;                         ///< of arrays
  std::vector<std::pair<std::string, JsonTree>> members;  ///< of objects, in order

  /// A member, or a null one.
  const JsonTree& operator[](const std::string& name) const;
  bool is(Kind wanted) const { return kind == wanted; }
  /// 0 for what is not a number.
  double number() const;
  std::uint64_t count() const;
};

/// Throws std::runtime_error naming the byte where it stops being JSON.
JsonTree parse_json(const std::string& text);

/// On one line; numbers as they were written.
std::string to_json(const JsonTree& tree);
/// With quotes.
std::string json_string(const std::string& text);

}  // namespace examples
