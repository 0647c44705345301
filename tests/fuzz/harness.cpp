// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "fuzz/harness.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace probekit::fuzz {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

std::uint8_t take_byte(std::string_view& bytes) noexcept {
  if (bytes.empty()) return 0;
  const char byte = bytes.front();
  bytes.remove_prefix(1);
  return static_cast<std::uint8_t>(byte);
}

std::string_view take_part(std::string_view& bytes, char separator) noexcept {
  const std::size_t end = std::min(bytes.find(separator), bytes.size());
  const std::string_view part = bytes.substr(0, end);
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  return part;
}

std::string_view Pieces::next() noexcept {
  state_ = state_ * 1664525U + 1013904223U;
  // Short ones more often: that is where state is carried over.
  const unsigned shift = 1 + (state_ >> 20) % 9;
  const std::size_t size =
      std::min<std::size_t>(1 + ((state_ >> 8) & ((1U << shift) - 1)), rest_.size());
  const std::string_view piece = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return piece;
}

}  // namespace probekit::fuzz
