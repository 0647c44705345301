// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Chance that comes out the same each time: for tests of everything that takes a RandomSource.

#include <cstddef>
#include <cstdint>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit::testing {

/// Equal seeds give equal bytes, however they are asked for. Nothing for secrets: ids made of it
/// can be guessed. *Threads*: one at a time.
class PROBEKIT_EXPORT SeededRandom final : public RandomSource {
 public:
  SeededRandom();  ///< the same as of 1
  explicit SeededRandom(std::uint64_t seed);

  void fill(void* bytes, std::size_t count) override;

 private:
  std::uint64_t state_;
};

}  // namespace probekit::testing
