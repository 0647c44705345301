// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the harnesses share. A harness is one file that defines LLVMFuzzerTestOneInput: Clang's
/// libFuzzer calls it with inputs it makes up, replay_main.cpp with the files of the corpus.

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace probekit::fuzz {

/// Ends the process, saying `what`, unless it holds: that is a find.
void require(bool holds, const char* what);

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(data), size};
}

/// The first byte of `bytes`, taken away from it; 0 when there is none.
std::uint8_t take_byte(std::string_view& bytes) noexcept;
/// The bytes before the first `separator`, which are taken away with it; else all of them.
std::string_view take_part(std::string_view& bytes, char separator) noexcept;

/// Cuts bytes into pieces; the same `seed` cuts at the same places.
class Pieces {
 public:
  Pieces(std::string_view bytes, std::uint8_t seed) noexcept : rest_(bytes), state_(seed) {}
  bool more() const noexcept { return !rest_.empty(); }
  /// Never empty while there is more.
  std::string_view next() noexcept;

 private:
  std::string_view rest_;
  std::uint32_t state_;
};

}  // namespace probekit::fuzz
