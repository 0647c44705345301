// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace examples {
namespace {

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

}  // namespace

Terminal::Terminal(int fd) : fd_(fd) {
  redraws_ = isatty(fd) == 1 && environment("TERM") != "dumb";
  colours_ = redraws_ && environment("NO_COLOR").empty();  // no-color.org
}

std::size_t Terminal::columns() const {
  winsize size{};
  return ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string Terminal::coloured(const std::string& text, const char* code) const {
  return colours_ ? std::string{"\x1b["} + code + 'm' + text + "\x1b[0m" : text;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // The second byte of U+0080 to U+009F, which terminals take as control characters too.
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte >= 0x20 && byte != 0x7F && !c1) {
      out += text[i];
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x",
                  c1 ? static_cast<unsigned>(static_cast<unsigned char>(text[++i])) : byte);
    out += escaped;
  }
  return out;
}

std::string with_commas(std::string_view digits) {
  std::string out{digits};
  for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
  return out;
}

}  // namespace examples
