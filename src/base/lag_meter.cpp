// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/lag_meter.hpp"

#include <algorithm>

namespace probekit {

void LagMeter::record(SteadyTime now, std::chrono::nanoseconds late) {
  const auto slices = static_cast<std::int64_t>(worst_.size());
  const std::int64_t slice = now.time_since_epoch() / kSlice;
  if (slice - slice_ >= slices) {
    worst_.fill(0);
  } else {
    for (std::int64_t s = slice_ + 1; s <= slice; ++s) {
      worst_[static_cast<std::size_t>(s % slices)] = 0;
    }
  }
  slice_ = slice;
  const std::int64_t microseconds = std::max<std::int64_t>(late / std::chrono::microseconds(1), 0);
  auto& worst = worst_[static_cast<std::size_t>(slice % slices)];
  worst = std::max(worst, microseconds);
  last_.store(microseconds, std::memory_order_relaxed);
  max_.store(*std::max_element(worst_.begin(), worst_.end()), std::memory_order_relaxed);
  measured_.fetch_add(1, std::memory_order_relaxed);
}

LoopLag LagMeter::read() const noexcept {
  LoopLag lag;
  lag.last = std::chrono::microseconds(last_.load(std::memory_order_relaxed));
  lag.max = std::chrono::microseconds(max_.load(std::memory_order_relaxed));
  return lag;
}

}  // namespace probekit
