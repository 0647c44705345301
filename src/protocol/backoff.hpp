// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How long to wait before the next attempt to connect: evenly between 0 and a bound that doubles
/// (full jitter), so that many agents that lost one master do not come back as one.

#include <chrono>

#include "probekit/clock.hpp"

namespace probekit::protocol {

class Backoff {
 public:
  /// `random` outlives this; 0 < min <= max.
  Backoff(std::chrono::milliseconds min, std::chrono::milliseconds max, RandomSource& random)
      : min_(min), max_(max), bound_(min), random_(&random) {}

  /// The wait before the next attempt, and doubles the bound for the one after. `cap`: the bound
  /// counts as at most this.
  std::chrono::milliseconds next(std::chrono::milliseconds cap);
  /// An attempt held: the next wait is short again.
  void reset() noexcept { bound_ = min_; }

 private:
  std::chrono::milliseconds min_;
  std::chrono::milliseconds max_;
  std::chrono::milliseconds bound_;
  RandomSource* random_;
};

}  // namespace probekit::protocol
