// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Cuts a list that arrives in pieces into numbered lines. Without I/O; one thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace probekit::api {

struct NumberedLine {
  std::uint64_t number = 0;  ///< from 1, every line counted
  std::string_view text;     ///< valid until the splitter's next call; of a long one the beginning
  bool too_long = false;
};

/// A byte order mark before the first line and a carriage return at a line's end are no part of
/// it. Holds at most `line_bytes_max` bytes and the few of those marks.
class LineSplitter {
 public:
  /// What is kept of a line that is too long.
  static constexpr std::size_t kBeginningBytes = 256;

  explicit LineSplitter(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// Takes bytes from the front of `bytes`, up to the end of the next line; empty when all were
  /// taken and the line goes on.
  std::optional<NumberedLine> next(std::string_view& bytes);
  /// The last line, when no newline ended it.
  std::optional<NumberedLine> finish();

 private:
  NumberedLine line(std::string_view text);
  void keep(std::string_view bytes);

  std::size_t line_bytes_max_;
  std::string kept_;
  std::uint64_t number_ = 0;
  bool delivered_ = false;  // kept_ was given out and is to be cleared
  bool too_long_ = false;
};

}  // namespace probekit::api
