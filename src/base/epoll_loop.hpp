// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The ProbeLoop of a probing thread: epoll(7), an eventfd(2) and a TimerQueue. It runs on the
/// thread that calls run().

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/lag_meter.hpp"
#include "base/timer_queue.hpp"
#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"

namespace probekit {

/// *Threads*: post(), stop(), lag(), failures() and on_loop_thread() from any; the rest on the
/// thread in run(), or before it. An exception from a callback is caught, counted and logged.
class PROBEKIT_EXPORT EpollLoop final : public ProbeLoop {
 public:
  /// Null: the system's clock, no log. Throws std::system_error when there is no descriptor left.
  EpollLoop(std::shared_ptr<const Clock> clock, std::shared_ptr<Log> log);
  /// Not while run() runs. What did not run is destroyed unrun.
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  /// Serves this thread until stop(); returns at once when that came before.
  void run();
  /// Ends run() after the callback that is running.
  void stop();

  /// Called between two events of a round: starts what cannot wait for the round's end. True: what
  /// it posted runs at once.
  void set_interlude(std::function<bool()> interlude) { interlude_ = std::move(interlude); }

  /// Called once after each round of events, timers and posts, before the loop sleeps; what it
  /// posts or schedules is seen before the sleep.
  void set_idle(std::function<void()> idle) { idle_ = std::move(idle); }

  /// A descriptor that epoll refuses (closed, a regular file) reports `failed` once, in the next
  /// round. With `none` the descriptor is kept and reports nothing.
  void watch(int fd, unsigned events, std::function<void(unsigned)> ready) override;
  void unwatch(int fd) override;
  TimerId call_at(SteadyTime when, std::function<void()> function) override;
  void cancel(TimerId timer) override { timers_.cancel(timer); }
  void post(std::function<void()> function) override;
  SteadyTime now() const noexcept override { return now_; }
  SteadyTime clock_now() const noexcept override { return clock_->steady_now(); }
  SystemTime system_now() const noexcept override { return clock_->system_now(); }
  LoopLag lag() const noexcept override { return lag_.read(); }
  /// Grows ten times a second at least while the loop turns. From any thread.
  std::uint64_t turns() const noexcept { return lag_.measured(); }

  bool on_loop_thread() const noexcept;
  std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }

 private:
  // By descriptor. The generation goes to the kernel and back, so that an event fetched before
  // unwatch() never reaches the next owner of the same number.
  struct Watch {
    std::function<void(unsigned)> ready;
    std::uint32_t generation = 0;
    std::uint8_t events = none;
    bool watched = false;
    bool in_epoll = false;
    bool urgent = false;  // in urgent_fd_, not in epoll_fd_
  };

  void apply(int fd, unsigned asked);
  void remove_from_epoll(int fd, Watch& watch);
  void serve_urgent();
  void deliver(std::uint64_t mark, unsigned events);
  void run_timers();
  void run_posted();
  void schedule_tick();
  int wait_milliseconds();
  template <class Function>
  void guarded(Function&& function) noexcept;
  void count_failure(const char* what) noexcept;

  std::shared_ptr<const Clock> clock_;
  std::shared_ptr<Log> log_;
  int epoll_fd_ = -1;
  int urgent_fd_ = -1;  // another epoll, watched by the first
  int event_fd_ = -1;
  std::size_t urgent_watched_ = 0;
  std::function<void()> idle_;
  std::function<bool()> interlude_;
  std::vector<Watch> watches_;
  TimerQueue timers_;
  SteadyTime now_{};
  SteadyTime started_at_{};
  LagMeter lag_;
  std::vector<std::function<void()>> burst_;
  std::atomic<std::thread::id> thread_id_{};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // under mutex_
  bool sleeping_ = false;                      // under mutex_: a post must wake the loop
};

}  // namespace probekit
