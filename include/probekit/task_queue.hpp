// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The agent's bounded queue of tasks not yet started, usable alone. It also owns the probe slots:
/// what may start now is decided in one place, by priority, by host and by free slots.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// An order to probe one target once.
struct Task {
  TaskId id;
  std::uint32_t attempt = 1;
  std::string target;
  std::shared_ptr<const ProbeOptions> options;  ///< never null
  SteadyTime deadline = SteadyTime::max();      ///< the attempt must start timeout + 1 s before it
  std::string host_key;                         ///< what the per-host limit counts; "" for none
};

struct TaskQueueOptions {
  std::size_t concurrency = 512;  ///< 1 to 65536 tasks started and not finished
  std::size_t queue = 4096;       ///< normal and low tasks held and not started, 1 to 1048576
  std::size_t per_host = 16;      ///< started against one host_key; 0: no limit
  std::size_t waiting = 0;  ///< of a class, set aside for their host; 0: a quarter of its window
};

/// Room in a TaskQueue, fixed at construction; what credit windows are made of.
struct TaskQueueWindow {
  std::size_t high;   ///< 2 x concurrency
  std::size_t other;  ///< concurrency + queue: normal and low together
};

struct TaskQueueFacts {
  std::size_t queued_high = 0;
  std::size_t queued_other = 0;
  std::size_t waiting_for_host = 0;
  std::size_t running = 0;
  std::chrono::nanoseconds oldest_age{0};  ///< of the oldest queued task; 0 when empty
};

/// Bounded by the window of each class, counted over queued and running; ordered by priority,
/// within one by arrival. max(1, concurrency / 16) slots are for `high` only (none at concurrency
/// 1); of 16 starts of `normal` and `low` at least one is `low` while both wait. Tasks of a host
/// at its limit wait aside; what is over the limit of those that may is handed back. When a slot of
/// that host is free again, its oldest waiting task, a `high` one before others, becomes ready
/// ahead in its priority. The ids of tasks held at one time are distinct. The queue never reads a
/// clock. *Threads*: safe to share; one short lock a call.
class PROBEKIT_EXPORT TaskQueue {
 public:
  /// Throws std::invalid_argument naming the option out of range.
  explicit TaskQueue(TaskQueueOptions options);
  ~TaskQueue();
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  TaskQueueWindow window() const noexcept;

  /// Takes tasks in order while their class has room; returns those without room, untouched.
  std::vector<Task> push(std::vector<Task> tasks, SteadyTime now);

  /// What pop() found.
  struct Popped {
    std::vector<Task> start;      ///< each has a slot until finish()
    std::vector<Task> expired;    ///< can no longer end before their deadline; no slot
    std::vector<Task> host_busy;  ///< over what may wait for a host; no slot
  };
  /// At most `count` tasks to start now, none while paused. A task is expired once `deadline -
  /// now < timeout + 1 s`; those in line are found within a second of that by any call, with
  /// `count` 0 and while paused too. Calls are cheap: work is done once a task.
  Popped pop(std::size_t count, SteadyTime now);
  /// Frees the slot of a task that pop() gave to start.
  void finish(const Task& task);

  /// Takes a queued task out; nothing if it is not queued (any more).
  std::optional<Task> remove(TaskId id);
  /// Takes out everything queued, the oldest first.
  std::vector<Task> remove_all();
  bool is_queued(TaskId id) const;

  /// While paused nothing is popped; running tasks are not touched.
  void set_paused(bool paused);

  TaskQueueFacts facts(SteadyTime now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
