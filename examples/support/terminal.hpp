// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// What programs show to people: colour where it is wanted, and nothing that a remote end put into
// a text to move the cursor.

#include <cstddef>
#include <string>
#include <string_view>

namespace examples {

/// A stream that goes to a terminal, or does not.
class Terminal {
 public:
  explicit Terminal(int fd);

  /// It is a terminal that can redraw a line.
  bool redraws() const { return redraws_; }
  /// Columns now; 80 when they are not known.
  std::size_t columns() const;
  /// The text in that colour, if the stream takes colours: a terminal, and NO_COLOR is not set.
  std::string green(const std::string& text) const { return coloured(text, "32"); }
  std::string red(const std::string& text) const { return coloured(text, "31"); }
  std::string dim(const std::string& text) const { return coloured(text, "2"); }

 private:
  std::string coloured(const std::string& text, const char* code) const;

  int fd_;
  bool redraws_ = false;
  bool colours_ = false;
};

/// Control characters as `\x1b`; the rest as it is.
std::string printable(std::string_view text);

/// `12`, `1,234,567`.
std::string with_commas(std::string_view digits);

}  // namespace examples
