// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// When the targets of one schedule are due. Told the time; *Threads*: one at a time.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit::store {

/// A target's time, seen late or not.
struct ScheduleDue {
  std::uint32_t target = 0;
  SteadyTime at{};           ///< the latest that has come
  std::uint64_t passed = 0;  ///< dues before it that nobody looked at in time
  SteadyTime first{};        ///< of these
  SteadyTime last{};
};

/// A target of ordinal i is due at `base + offset(i) + k * interval`. Offsets are the golden
/// ratio's multiples from a phase on, which spread evenly however many there are, so that one more
/// target moves no other (Knuth, TAOCP 6.4, theorem S).
class PROBEKIT_EXPORT ScheduleClock {
 public:
  ScheduleClock() = default;
  /// `phase`: from 0 to less than 1.
  ScheduleClock(SteadyTime base, std::chrono::milliseconds interval, double phase)
      : base_(base), interval_(interval), phase_(phase) {}

  SteadyTime::duration offset(std::uint64_t ordinal) const;
  /// The first due of such a target after `now`.
  SteadyTime first_after(SteadyTime now, std::uint64_t ordinal) const;

  /// Adds the next target, counted from 0, with its next due.
  void add(SteadyTime due);
  SteadyTime due_of(std::uint32_t target) const { return dues_[target]; }
  /// When to be asked; empty: never.
  std::optional<SteadyTime> next() const;
  /// The target that has been due longest; empty: none is.
  std::optional<ScheduleDue> due(SteadyTime now) const;
  /// This target; empty: it is not due.
  std::optional<ScheduleDue> due(SteadyTime now, std::uint32_t target) const;
  /// It has been seen to: the target's next is one interval later.
  void pass(const ScheduleDue& due);

 private:
  SteadyTime base_{};
  std::chrono::milliseconds interval_{1000};
  double phase_ = 0;
  std::vector<SteadyTime> dues_;                          // by target
  std::set<std::pair<SteadyTime, std::uint32_t>> order_;  // the same
};

}  // namespace probekit::store
