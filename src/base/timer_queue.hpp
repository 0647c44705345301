// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Timers without a clock: functions and the moments they are due, in a heap. The owner tells the
/// time and is told when to come back. Used on one thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

class PROBEKIT_EXPORT TimerQueue {
 public:
  /// Adds a function due at `when`; of equal moments the first scheduled runs first. O(log n).
  /// Never returns 0.
  TimerId schedule(SteadyTime when, std::function<void()> function);

  /// Destroys the function unrun; false when it has run, was cancelled or never was. O(log n).
  bool cancel(TimerId timer);

  /// The earliest moment something is due.
  std::optional<SteadyTime> next_wakeup() const;

  /// Runs what is due at `now`, in order, and returns how many ran. Functions may schedule and
  /// cancel; what they schedule runs in a later call, even when it is due already. An exception
  /// leaves with its timer removed and the rest in place: call again to go on.
  std::size_t run_due(SteadyTime now);

  std::size_t size() const noexcept { return heap_.size() + fresh_count_; }
  bool empty() const noexcept { return size() == 0; }

  /// Destroys every function unrun.
  void clear();

 private:
  struct Entry {
    SteadyTime when;
    std::uint64_t sequence;
    std::uint32_t slot;
  };
  // Where a timer lies. An id is the slot and its generation, so that an old one hits nothing.
  struct Slot {
    std::function<void()> function;
    std::uint32_t generation = 0;
    std::uint32_t position = 0;
    bool used = false;
    bool fresh = false;
  };

  static bool before(const Entry& a, const Entry& b) noexcept;
  void place(std::size_t position, const Entry& entry);
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);
  void remove_at(std::size_t position);
  void free_slot(std::uint32_t slot);
  void merge_fresh();

  std::vector<Entry> heap_;
  std::vector<Entry> fresh_;  // scheduled while running
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t sequence_ = 0;
  std::size_t fresh_count_ = 0;
  bool running_ = false;
};

}  // namespace probekit
