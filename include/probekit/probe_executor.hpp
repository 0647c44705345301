// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Runs probes on its own threads, with a bounded queue in front; usable alone, without a master.
/// The Agent is an executor with a connection.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/executor.hpp"
#include "probekit/export.hpp"
#include "probekit/prober.hpp"
#include "probekit/task_queue.hpp"

namespace probekit {

struct ProbeExecutorOptions {
  // limits
  std::size_t concurrency = 512;  ///< probes in flight at most, 1 to 65536
  std::size_t queue = 4096;       ///< tasks held and not started at most
  std::size_t threads = 0;        ///< probing threads, at most 64; 0: cores, at most 4
  std::size_t per_host = 16;      ///< probes in flight against one host and port; 0: no limit
  // behaviour
  AddressPolicy address_policy;
  std::vector<Address> dns_servers;  ///< empty: the system's
  /// A result taken while its thread was later than this is marked `suspect`.
  std::chrono::milliseconds suspect_lag{100};
  // injected; null: the default
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<RandomSource> random;
  std::shared_ptr<Executor>
      executor;  ///< where callbacks of submit() run; default a DeliveryThread
  std::shared_ptr<Log> log;
};

struct ProbeExecutorFacts {
  TaskQueueFacts queue;
  std::uint64_t started = 0;
  std::uint64_t finished = 0;
  LoopLag lag;  ///< the latest of the probing threads
};

/// What happens to tasks, for the agent's own plumbing. Called on probing threads; must not block
/// and must not call back into the executor but for submit().
class TaskObserver {
 public:
  enum class Returned { expired, host_busy, unsupported };
  virtual ~TaskObserver() = default;
  virtual void on_result(Task task, ProbeResult result) = 0;
  virtual void on_returned(Task task, Returned why) = 0;
  /// Once after each burst of the above on a thread, before it sleeps.
  virtual void on_burst_end() = 0;
};

/// *Threads*: add() and start() from one thread, before the rest; the rest from any.
class PROBEKIT_EXPORT ProbeExecutor {
 public:
  /// Throws std::invalid_argument naming the option out of range.
  explicit ProbeExecutor(ProbeExecutorOptions options);
  /// Calls stop().
  ~ProbeExecutor();
  ProbeExecutor(const ProbeExecutor&) = delete;
  ProbeExecutor& operator=(const ProbeExecutor&) = delete;

  void add(std::unique_ptr<Prober> prober);
  /// Kinds of the probers added, for parsing specs.
  const ProbeKinds& kinds() const noexcept;
  /// With an observer, tasks go by submit(vector<Task>); it outlives the executor.
  void start(TaskObserver* observer);
  void start();

  /// Probes once; `done` runs once on the Executor, never inside this call. *Errors*:
  /// invalid_argument (the spec), limit_reached (the queue is full), closed.
  Expected<void> submit(ProbeSpec spec, std::function<void(TaskResult)> done);
  /// Probes once and waits: not from a thread of the Executor. *Errors*: as submit().
  Expected<TaskResult> probe(ProbeSpec spec);

  /// Takes tasks while there is room; returns those it has none for.
  std::vector<Task> submit(std::vector<Task> tasks);
  /// Ends a task without a result. True: it was queued and is gone. A running one is told to end;
  /// if it does, nothing is reported. `cancelled` runs on a probing thread when it has ended so.
  bool cancel(TaskId id, std::function<void(TaskId)> cancelled);
  /// Takes back everything not started.
  std::vector<Task> take_back();
  /// While paused no probe starts.
  void set_paused(bool paused);
  bool is_queued(TaskId id) const;
  TaskQueueWindow window() const noexcept;
  ProbeExecutorFacts facts() const;

  /// Ends running probes without results and joins the threads. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
