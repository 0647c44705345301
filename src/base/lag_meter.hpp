// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How late a loop runs its timers: the last figure and the worst of a minute. Written by the
/// loop's thread, read by any.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

class PROBEKIT_EXPORT LagMeter {
 public:
  /// How often a loop measures itself when it has no timers due.
  static constexpr std::chrono::milliseconds kTick{100};

  void record(SteadyTime now, std::chrono::nanoseconds late);
  LoopLag read() const noexcept;
  /// How often record() was called: grows ten times a second at least while the loop turns.
  std::uint64_t measured() const noexcept { return measured_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::chrono::seconds kSlice{5};

  std::array<std::int64_t, 12> worst_{};  // of 5 s each, in microseconds
  std::int64_t slice_ = 0;
  std::atomic<std::int64_t> last_{0};
  std::atomic<std::int64_t> max_{0};
  std::atomic<std::uint64_t> measured_{0};
};

}  // namespace probekit
