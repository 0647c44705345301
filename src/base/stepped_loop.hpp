// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An EventLoop without a thread: whoever made it runs it bit by bit, under a clock of its own. For
/// simulations, in which nothing but a seed decides what happens next.

#include <optional>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Instead of EventLoop::start(), before anything is posted; for loops that no sockets live on. The
/// thread that makes this is the loop's. *Threads*: one. The loop outlives this.
class PROBEKIT_EXPORT SteppedLoop {
 public:
  explicit SteppedLoop(EventLoop& loop);
  SteppedLoop(const SteppedLoop&) = delete;
  SteppedLoop& operator=(const SteppedLoop&) = delete;

  bool has_posted() const;
  std::optional<SteadyTime> next_timer() const;
  /// What was posted before this call, in order.
  void run_posted();
  /// The timers that are due.
  void run_timers();

 private:
  EventLoop::Impl& loop_;
};

}  // namespace probekit
