// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Counts of durations, in microseconds: each power of two is cut into 32 equal parts, so that a
/// percentile is within 1.6 % of the truth. Memory grows with the range seen, at most 9 KiB.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "probekit/export.hpp"

namespace probekit {

/// *Threads*: distinct objects safe; shared ones by one thread at a time.
class PROBEKIT_EXPORT Histogram {
 public:
  /// Larger values count as this one: 12.7 days.
  static constexpr std::uint64_t kValueMax = (std::uint64_t{1} << 40) - 1;

  void record(std::uint64_t microseconds);
  void merge(const Histogram& other);
  void clear();

  /// The value that `percent` of 0 to 100 of all values do not exceed; 0 when empty.
  std::uint64_t percentile(double percent) const;
  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }  ///< exact
  std::uint64_t max() const noexcept { return max_; }                    ///< exact
  std::uint64_t sum() const noexcept { return sum_; }                    ///< exact

 private:
  std::uint64_t& part(std::size_t index);

  std::vector<std::uint64_t> parts_;  // whole octaves, the first at first_
  std::size_t first_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t min_ = kValueMax;
  std::uint64_t max_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace probekit
