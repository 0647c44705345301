// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// SIGINT and SIGTERM: the first asks for a graceful end, the second ends the process at once.
// SIGHUP asks to read files again, where a program has such.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <probekit/error.hpp>
#include <thread>

namespace examples {

/// Made first in main(), before any thread: threads inherit its signal mask.
class StopSignal {
 public:
  static constexpr bool kTakesHangup = true;

  explicit StopSignal(bool takes_hangup = false);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Blocks until the first signal.
  void wait();
  bool stopped() const;
  /// What SIGHUP does, on a thread of its own, one at a time; nothing so far, if the program takes
  /// it. Once this returns, what was given before does not run any more.
  void on_hangup(std::function<void()> function);
  /// Readable from the first signal on, for poll(). Nobody reads it.
  int fd() const { return fd_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  int fd_ = -1;
  std::mutex hangup_mutex_;
  std::function<void()> hangup_;  // under hangup_mutex_
  std::thread thread_;
};

/// Runs an asynchronous drain and waits for its end. Returns the exit code: kExitDone, or
/// kExitFailed with one line on stderr when it did not end in time.
int drain_and_wait(const std::string& program,
                   const std::function<void(std::function<void(probekit::Expected<void>)>)>& drain);

}  // namespace examples
