// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/stored_batch.hpp"

#include <algorithm>

namespace probekit::store {
namespace {

std::int64_t second_of(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

void RecentRate::add(SteadyTime now, std::uint64_t count) {
  const std::int64_t second = second_of(now);
  if (second - last_ >= kSeconds) {
    counts_.fill(0);
    last_ = second;
  }
  while (last_ < second) counts_[static_cast<std::size_t>(++last_ % kSeconds)] = 0;
  counts_[static_cast<std::size_t>(second % kSeconds)] += count;
}

double RecentRate::per_second(SteadyTime now, SteadyTime start) const {
  const std::int64_t second = second_of(now);
  std::uint64_t sum = 0;
  for (std::int64_t s = std::max(last_ - kSeconds, second - kSeconds) + 1; s <= last_; ++s) {
    sum += counts_[static_cast<std::size_t>(s % kSeconds)];
  }
  // The seconds counted are nine whole ones and what has passed of the last.
  const std::chrono::duration<double> since_start = now - start;
  const std::chrono::duration<double> counted =
      now.time_since_epoch() - std::chrono::seconds(second - kSeconds + 1);
  const double span = std::min(since_start, counted).count();
  return span > 1e-3 ? static_cast<double>(sum) / span : 0;
}

}  // namespace probekit::store
