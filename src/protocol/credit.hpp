// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Credit for tasks, of the side that grants it out of its room. Two classes: `high`, and `other`
/// for normal and low. Totals of a session, never less than before, so that a message lost or late
/// heals itself. No I/O, no clock.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "probekit/clock.hpp"
#include "probekit/task.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

/// How many of something happened in the last two seconds.
class RecentCount {
 public:
  static constexpr std::chrono::seconds kSpan{2};

  void add(SteadyTime now, std::uint64_t count);
  std::uint64_t count(SteadyTime now);

 private:
  static constexpr std::size_t kSlots = 8;  // of 250 ms

  void advance(SteadyTime now);

  std::array<std::uint64_t, kSlots> slots_{};
  std::int64_t slot_ = 0;
  std::uint64_t sum_ = 0;
};

/// The side that has the room. A task takes room from its arrival until what was said of it is
/// acknowledged.
class CreditGranter {
 public:
  /// Windows: `high` 2 x concurrency; `other` from concurrency + min(concurrency, queue) up to
  /// concurrency + queue, by what the last two seconds finished.
  CreditGranter(std::size_t concurrency, std::size_t queue);

  /// A new session: totals and counts are 0 again. What occupies room stays with the caller.
  void restart();

  /// Counts an arrival; false when it was beyond what was granted.
  bool receive(bool high);
  /// `occupied`: tasks of the class held or not yet acknowledged. `finished`: of `other`, in the
  /// last two seconds.
  void update(std::uint64_t occupied_high, std::uint64_t occupied_other, std::uint64_t finished);

  /// True when the peer should hear of the present totals now: they grew by an eighth of the
  /// window, or it has nothing left to spend.
  bool worth_telling() const noexcept;
  /// The totals, which count as told from now on.
  Credit tell();
  Credit granted() const noexcept { return {high_.granted, other_.granted}; }
  std::uint64_t window_other(std::uint64_t finished) const noexcept;
  std::uint64_t window_high() const noexcept { return window_high_; }

 private:
  struct Class {
    std::uint64_t received = 0;
    std::uint64_t granted = 0;
    std::uint64_t told = 0;
    void update(std::uint64_t window, std::uint64_t occupied);
    bool worth_telling(std::uint64_t window) const noexcept;
  };

  std::uint64_t concurrency_;
  std::uint64_t queue_;
  std::uint64_t window_high_;
  Class high_;
  Class other_;
};

}  // namespace probekit::protocol
