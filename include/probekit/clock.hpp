// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Time and chance, injected: nothing in probekit reads a clock or a random device but through
/// these. State machines do not even hold a Clock; they are told the time.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "probekit/export.hpp"

namespace probekit {

/// Moments for intervals, timeouts and deadlines; never steps.
using SteadyTime = std::chrono::steady_clock::time_point;
/// Moments for people, in microseconds; may step.
using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// Tells the time. *Threads*: every implementation is safe to share.
class PROBEKIT_EXPORT Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady_now() const noexcept = 0;
  virtual SystemTime system_now() const noexcept = 0;
};

/// The operating system's clocks; one shared object.
PROBEKIT_EXPORT std::shared_ptr<const Clock> system_clock();

/// A source of unpredictable bits: ids, masking keys, jitter. *Threads*: safe to share.
class PROBEKIT_EXPORT RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(void* bytes, std::size_t count) = 0;

  std::uint64_t next();
  /// Evenly from [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Evenly from [0, 1).
  double unit();
};

/// getrandom(2), read ahead in blocks; one shared object.
PROBEKIT_EXPORT std::shared_ptr<RandomSource> system_random();

}  // namespace probekit
