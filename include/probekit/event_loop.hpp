// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The loop that connections live on: what a transport is given. Master and Agent each own one with
/// its thread. ProbeLoop is the smaller loop that a prober sees on a probing thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit {

class Log;

using TimerId = std::uint64_t;  ///< 0 names no timer

/// How late a loop is: the time between the moment a timer was due and the moment it ran.
struct LoopLag {
  std::chrono::microseconds last{0};
  std::chrono::microseconds max{0};  ///< over the last 60 s
};

struct EventLoopOptions {
  std::string name = "probekit-io";    ///< the thread's, at most 15 bytes (pthread_setname_np(3))
  std::shared_ptr<const Clock> clock;  ///< default: the system's
  std::shared_ptr<Log> log;            ///< may be null
};

/// One thread, its timers and its sockets. *Threads*: post(), on_loop_thread(), lag() and
/// failures() from any; the rest on the loop's thread, or before start().
/// An exception from a posted function is caught, counted and logged; the loop goes on (Asio's
/// own run() would let it out).
class PROBEKIT_EXPORT EventLoop {
 public:
  explicit EventLoop(EventLoopOptions options);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void start();

  /// Runs `function` on the loop's thread, after this call returned to the loop.
  void post(std::function<void()> function);
  /// Runs `function` once at `when`. Returns an id for cancel(); cancel() after it ran does
  /// nothing.
  TimerId call_at(SteadyTime when, std::function<void()> function);
  TimerId call_after(std::chrono::nanoseconds delay, std::function<void()> function);
  void cancel(TimerId timer);

  bool on_loop_thread() const noexcept;
  const Clock& clock() const noexcept;
  SteadyTime now() const noexcept { return clock().steady_now(); }
  LoopLag lag() const noexcept;
  std::uint64_t failures() const noexcept;

  /// Ends the loop after the function that is running; what is posted and did not run is
  /// destroyed unrun. Not from the loop's own thread. Idempotent; the destructor calls it.
  void stop();

  /// The implementation, for this library's own transports.
  struct Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// What a prober may use on its probing thread: descriptors, timers and posts, all called back on
/// that thread. A level-triggered epoll(7) loop underneath.
class PROBEKIT_EXPORT ProbeLoop {
 public:
  /// `urgent` is asked for, never reported: somebody waits, so this descriptor is served before
  /// others that are ready.
  enum Events : unsigned { none = 0, readable = 1, writable = 2, failed = 4, urgent = 8 };

  virtual ~ProbeLoop() = default;

  /// Calls `ready` with the events that hold, until unwatch(). The loop never closes `fd`.
  /// On a watched `fd` it changes the events and, when `ready` is not empty, the callback.
  virtual void watch(int fd, unsigned events, std::function<void(unsigned)> ready) = 0;
  /// Forgets `fd`; no callback for it follows. Call it before the descriptor is closed.
  virtual void unwatch(int fd) = 0;
  virtual TimerId call_at(SteadyTime when, std::function<void()> function) = 0;
  virtual void cancel(TimerId timer) = 0;
  /// From any thread.
  virtual void post(std::function<void()> function) = 0;
  /// The time when the loop last woke; one clock reading serves all its callbacks.
  virtual SteadyTime now() const noexcept = 0;
  /// Reads the clock anew: for measuring.
  virtual SteadyTime clock_now() const noexcept = 0;
  virtual SystemTime system_now() const noexcept = 0;
  virtual LoopLag lag() const noexcept = 0;
};

}  // namespace probekit
