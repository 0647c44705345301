// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Counts of durations in a few fixed buckets, for metrics: recording is a short search and two
/// additions, copying some 170 bytes, and counts of several places can be summed. *Threads*: one at
/// a time.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace probekit {

struct DurationBuckets {
  /// Upper bounds, included, in microseconds: 100 us to 120 s, the longest timeout of a probe.
  static constexpr std::array<std::uint32_t, 19> kBounds{
      100,       250,        500,        1'000,      2'500,      5'000,     10'000,
      25'000,    50'000,     100'000,    250'000,    500'000,    1'000'000, 2'500'000,
      5'000'000, 10'000'000, 30'000'000, 60'000'000, 120'000'000};

  void record(std::chrono::microseconds duration) noexcept {
    const auto value =
        static_cast<std::uint64_t>(std::max<std::chrono::microseconds::rep>(duration.count(), 0));
    const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin();
    ++counts[static_cast<std::size_t>(bucket)];
    sum_us += value;
  }

  std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< each value once; the last: beyond
  std::uint64_t sum_us = 0;
};

}  // namespace probekit
