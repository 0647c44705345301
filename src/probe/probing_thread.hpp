// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The threads of a ProbeExecutor: each takes tasks from the queue they share, runs them by its own
/// runners, and tells the observer.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/epoll_loop.hpp"
#include "base/local_failures.hpp"
#include "probekit/probe_executor.hpp"

namespace probekit {

/// Told to every probing thread; the one that runs the task acts.
struct CancelRequest {
  TaskId id;
  std::shared_ptr<const std::function<void(TaskId)>> cancelled;
};

class ProbingThread;

/// What all threads share.
struct ProbingCore {
  explicit ProbingCore(ProbeExecutorOptions checked) : options(std::move(checked)) {}

  /// Wakes up to `count` threads that sleep and have free slots.
  void wake(std::size_t count, const ProbingThread* but);

  const ProbeExecutorOptions options;
  std::unique_ptr<TaskQueue> queue;
  std::vector<std::unique_ptr<Prober>> probers;
  ProbeEnvironment environment;
  TaskObserver* observer = nullptr;
  std::vector<std::unique_ptr<ProbingThread>> threads;
  std::atomic<std::size_t> next_thread{0};
  std::atomic<bool> high_waits{false};  // in the queue, for a thread between two events
};

/// One thread with its loop, its runners and its share of the slots. Everything but the public
/// part runs on that thread.
class ProbingThread final : private ProbeSink {
 public:
  ProbingThread(ProbingCore& core, std::size_t index, std::size_t slots_max);
  void start();
  void stop() { loop_.stop(); }

  /// Returns the tasks that ran when the loop ended.
  std::vector<Task> join();

  /// True: it slept with free slots, and looks into the queue now.
  bool wake();
  void cancel(CancelRequest request);
  void add_facts(ProbeExecutorFacts& facts) const;

 private:
  struct Slot {
    Task task;  // its texts stay in place while the probe runs: runners hold views of them
    ProbeRunner* runner = nullptr;
    SteadyTime started{};
    std::uint32_t generation = 0;
    bool used = false;
  };

  struct Runner {
    std::string kind;
    std::unique_ptr<ProbeRunner> runner;  // null: could not be made
    std::string error;
  };
  void run();
  void make_runner(const Prober& prober);
  void log(LogLevel level, std::string message, const std::string& kind);

  /// Before each sleep: starts what there is room for.
  void pull();

  /// A task that somebody waits for does not wait for the round's end, if it may start when it is
  /// first looked for.
  bool start_high();
  void hand_back(TaskQueue::Popped& popped);
  void hand_back(Task task, TaskObserver::Returned why);
  void start_task(Task task);
  void on_result(std::uint64_t probe, ProbeResult result) override;

  /// Late answers, and second ones, find their slot used by another generation.
  void answer(std::uint64_t probe, ProbeResult&& result);

  /// Whether this thread was late in this round or the one before, or slept longer than it asked.
  bool is_late() const noexcept;
  Task release(Slot& slot, std::uint64_t probe);
  std::uint64_t number_of(std::uint32_t index) const noexcept;
  Slot* slot_of(std::uint64_t probe) noexcept;
  void end_probe(std::uint64_t probe) noexcept;
  void run_cancels();
  void schedule_check(SteadyTime when);
  void check();
  void ask_runners();
  static void count(std::atomic<std::uint64_t>& counter) noexcept;

  ProbingCore& core_;
  const std::size_t index_;
  const std::size_t slots_max_;
  EpollLoop loop_;
  std::vector<Runner> runners_;
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Task> abandoned_;
  std::size_t busy_ = 0;
  SteadyTime idle_end_{};
  std::chrono::nanoseconds busy_for_{0};  // the round before
  bool reported_ = false;
  bool freed_ = false;  // a slot, after the last look into the queue
  bool ended_ = false;
  std::atomic<bool> hungry_{false};
  std::atomic<std::uint64_t> started_{0};
  std::atomic<std::uint64_t> finished_{0};

  mutable std::mutex told_mutex_;  // once a second, and when somebody asks for facts
  ProbeWaits waits_;               // under told_mutex_
  LocalFailures failures_;         // under told_mutex_

  std::mutex cancels_mutex_;
  std::vector<CancelRequest> cancels_;  // under cancels_mutex_

  std::thread thread_;
};

}  // namespace probekit
