// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Reads the query of a request strictly: what is not asked for is refused by name, numbers have
/// ranges. Plain values.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace probekit::api {

/// Percent-decoded; `plus_is_space` as forms write it. Empty result: `%` without two hex digits,
/// or a byte 0.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// Takes the parameters one by one and remembers the first fault.
class QueryReader {
 public:
  explicit QueryReader(std::string_view raw);

  std::optional<std::string> text(std::string_view name);
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t min, std::uint64_t max);
  /// One of these words.
  std::optional<std::string> word(std::string_view name,
                                  std::initializer_list<std::string_view> words);
  /// Makes `what` the fault of parameter `name`.
  void refuse(std::string_view name, std::string_view what);

  /// After all were taken: the first fault, or the name of a parameter that nobody took.
  std::optional<std::string> fault() const;

 private:
  struct Parameter {
    std::string name;
    std::string value;
    bool taken = false;
  };
  void fail(std::string what);

  std::vector<Parameter> parameters_;
  std::optional<std::string> fault_;
};

}  // namespace probekit::api
