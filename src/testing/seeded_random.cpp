// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/testing/seeded_random.hpp"

namespace probekit::testing {

SeededRandom::SeededRandom() : SeededRandom(1) {}

SeededRandom::SeededRandom(std::uint64_t seed) : state_(seed) {}

// A linear congruential generator, of which only the highest byte is used: Knuth, The Art of
// Computer Programming, volume 2, 3.3.4, table 1, line 26.
void SeededRandom::fill(void* bytes, std::size_t count) {
  auto* const at = static_cast<unsigned char*>(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    at[i] = static_cast<unsigned char>(state_ >> 56);
  }
}

}  // namespace probekit::testing
