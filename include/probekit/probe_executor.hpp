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
#include "probekit/diagnosis.hpp"
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
  /// A result taken while its thread was later than this is marked `suspect`; over 0, and counts
  /// as an hour at most.
  std::chrono::milliseconds suspect_lag{100};
  // injected; null: the default
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<RandomSource> random;
  /// Where callbacks of submit() run; default a DeliveryThread, made by start() without observer.
  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
};

struct ProbeExecutorFacts {
  TaskQueueFacts queue;
  std::uint64_t started = 0;
  std::uint64_t finished = 0;
  LoopLag lag;  ///< the latest of the probing threads
  /// Looked at once a second.
  ProbeWaits waits;
  LocalFailures failures;
};

/// What happens to tasks, for the agent's own plumbing. Called on probing threads, several at a
/// time; must not block and must not call back into the executor but for submit(). For each task
/// taken by submit() exactly one of on_result and on_returned, unless it is cancelled, taken back,
/// or the executor stops first.
class TaskObserver {
 public:
  enum class Returned {
    expired,      ///< its timeout and 1 s no longer fit before its deadline
    host_busy,    ///< too many wait for its host
    unsupported,  ///< no prober of its kind was added
  };
  virtual ~TaskObserver() = default;
  virtual void on_result(Task task, ProbeResult result) = 0;
  virtual void on_returned(Task task, Returned why) = 0;
  /// After each burst of the above on a thread, before it sleeps; at once after a result of high
  /// priority.
  virtual void on_burst_end() = 0;
};

/// A task starts once a slot is free, by priority, and ends by its prober's answer. A prober that
/// has not answered 1 s after the timeout is told to end and the task fails as `internal`, as it
/// does when a prober throws: what was accepted never waits for ever. Tasks are spread: no thread
/// runs more than its share of `concurrency`.
/// *Threads*: add(), start() and the destructor from one thread, add() and start() before the
/// rest; the rest from any.
class PROBEKIT_EXPORT ProbeExecutor {
 public:
  /// Throws std::invalid_argument naming the option out of range.
  explicit ProbeExecutor(ProbeExecutorOptions options);
  /// Calls stop(). When the executor made its own DeliveryThread, every callback has run after it;
  /// so not from a callback then.
  ~ProbeExecutor();
  ProbeExecutor(const ProbeExecutor&) = delete;
  ProbeExecutor& operator=(const ProbeExecutor&) = delete;

  /// A second one of the same kind replaces the first. Throws std::logic_error after start().
  void add(std::unique_ptr<Prober> prober);
  /// Kinds of the probers added, besides those every spec may name, for parsing specs.
  const ProbeKinds& kinds() const noexcept;
  /// With an observer, tasks go by submit(vector<Task>); it outlives the executor.
  /// Throws std::logic_error when called twice or after stop().
  void start(TaskObserver* observer);
  /// Without one, by submit(spec, done) and probe(). No task is handed back for its host then:
  /// they wait.
  void start();

  /// Probes once; `done` runs once on the Executor, never inside this call. A spec with a deadline
  /// that cannot start in time gets a result in state `expired`; without one it waits as long as
  /// it takes. What stop() meets gets failure `internal`, "stopped". A task takes its room until
  /// its callback is called: a host that is slow to take results is refused new tasks. *Errors*:
  /// invalid_argument (the spec), unsupported (no prober of its kind; tasks go to an observer),
  /// limit_reached (no room: window() tasks wait or run or have a result that waits for its
  /// callback), closed (not started, or stopped).
  Expected<void> submit(ProbeSpec spec, std::function<void(TaskResult)> done);
  /// Probes once and waits: not from a thread of the Executor. *Errors*: as submit().
  Expected<TaskResult> probe(ProbeSpec spec);

  /// Takes tasks while there is room; returns those it has none for: all, when there is no
  /// observer or it stopped.
  std::vector<Task> submit(std::vector<Task> tasks);
  /// Ends a task without a result. True: it was queued and is gone. A running one is told to end;
  /// if it does, nothing is reported. `cancelled` runs on a probing thread when it has ended so;
  /// never for one that was not running any more. May be empty.
  bool cancel(TaskId id, std::function<void(TaskId)> cancelled);
  /// Takes back everything not started. Without an observer their callbacks get state `cancelled`.
  std::vector<Task> take_back();
  /// While paused no probe starts.
  void set_paused(bool paused);
  bool is_queued(TaskId id) const;
  TaskQueueWindow window() const noexcept;
  ProbeExecutorFacts facts() const;

  /// Ends running probes without results and joins the threads; not from a probing thread.
  /// Idempotent. The observer hears nothing more once it returned.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
