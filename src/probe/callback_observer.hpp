// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The tasks of a ProbeExecutor without an observer: each has a callback.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "probe/is_high.hpp"
#include "probekit/executor.hpp"
#include "probekit/probe_executor.hpp"

namespace probekit {

/// The options of a task that a callback waits for.
struct CallbackOptions : ProbeOptions {
  mutable std::function<void(TaskResult)> done;  // taken once, by whoever ends the task
};

/// Tasks taken whose callback was not called yet: results that wait for the host count, too.
/// Shared with what was posted to the host's Executor, which may outlive the executor here.
struct Unanswered {
  std::atomic<std::size_t> high{0};
  std::atomic<std::size_t> other{0};

  std::atomic<std::size_t>& of(Priority priority) noexcept {
    return is_high(priority) ? high : other;
  }
};

/// Turns what happens to tasks into calls of their callbacks.
class CallbackObserver final : public TaskObserver {
 public:
  CallbackObserver(std::shared_ptr<Executor> executor, TaskQueueWindow window);

  /// False: as many wait for their callback as may. By one thread at a time.
  bool take(Priority priority) noexcept;
  void give_back(Priority priority) noexcept { --unanswered_->of(priority); }

  void on_result(Task task, ProbeResult result) override;
  void on_returned(Task task, Returned why) override;
  void on_burst_end() override {}
  void on_stopped(Task task);
  void on_taken_back(const Task& task);

 private:
  void deliver(Task task, TaskResult result);

  std::shared_ptr<Executor> executor_;
  const TaskQueueWindow window_;
  const std::shared_ptr<Unanswered> unanswered_ = std::make_shared<Unanswered>();
};

}  // namespace probekit
