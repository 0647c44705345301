// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One kind's runner on a loop and thread of its own, for tests of probers without an executor.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/epoll_loop.hpp"
#include "probekit/prober.hpp"

namespace probekit::test {

/// A loop with its thread. post() from any.
class LoopThread {
 public:
  LoopThread();
  ~LoopThread();
  EpollLoop& loop() { return loop_; }
  /// Runs `function` on the loop and returns when it has.
  void run(const std::function<void()>& function);

 private:
  EpollLoop loop_;
  std::thread thread_;
};

/// Probes with one runner and keeps what comes back. *Threads*: the test's.
class ProbeBench final : private ProbeSink {
 public:
  /// An environment that allows loopback and asks no one for names.
  static ProbeEnvironment environment();

  ProbeBench(std::unique_ptr<Prober> prober, ProbeEnvironment environment);
  ~ProbeBench();

  /// Starts a probe and returns its number.
  std::uint64_t start(std::string target, std::chrono::milliseconds timeout);
  void cancel(std::uint64_t probe);
  /// Waits for the result of a probe that was started.
  ProbeResult wait(std::uint64_t probe);
  ProbeResult probe(std::string target,
                    std::chrono::milliseconds timeout = std::chrono::seconds(10));
  /// Probes all, at most `at_once` in flight, and returns their results in order.
  std::vector<ProbeResult> probe_all(const std::vector<std::string>& targets, std::size_t at_once,
                                     std::chrono::milliseconds timeout);

  std::size_t results() const;
  /// Ends the runner with what it has in flight.
  void destroy_runner();
  /// Runs `function` on the loop and waits for it.
  void run(const std::function<void()>& function) { thread_.run(function); }

 private:
  struct Order {
    std::string target;
    ProbeOptions options;
  };
  void on_result(std::uint64_t probe, ProbeResult result) override;

  const std::unique_ptr<Prober> prober_;
  const ProbeEnvironment environment_;
  mutable std::mutex mutex_;
  std::uint64_t next_ = 1;                        // under mutex_
  std::map<std::uint64_t, ProbeResult> results_;  // under mutex_
  std::map<std::uint64_t, Order> orders_;         // the loop's
  std::function<void()> refill_;                  // the loop's
  std::unique_ptr<ProbeRunner> runner_;           // the loop's
  LoopThread thread_;
};

}  // namespace probekit::test
