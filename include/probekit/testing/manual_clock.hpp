// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A clock that stands still until it is told to move: for tests of everything that takes a Clock.

#include <atomic>
#include <chrono>
#include <cstdint>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit::testing {

/// Starts at 2026-01-01T00:00:00Z, an hour after its steady epoch. *Threads*: safe to share.
class PROBEKIT_EXPORT ManualClock final : public Clock {
 public:
  ManualClock();

  SteadyTime steady_now() const noexcept override;
  SystemTime system_now() const noexcept override;

  /// Moves both clocks forward. Throws std::invalid_argument when `by` is negative.
  void advance(std::chrono::nanoseconds by);
  /// Steps the system clock alone, as an administrator or NTP would; either way.
  void step_system(std::chrono::microseconds by);

 private:
  std::atomic<std::int64_t> steady_;  // nanoseconds since the steady epoch
  std::atomic<std::int64_t> offset_;  // of the system clock from it, in microseconds
};

}  // namespace probekit::testing
