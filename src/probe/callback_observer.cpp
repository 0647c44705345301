// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/callback_observer.hpp"

#include <string>
#include <utility>

namespace probekit {

CallbackObserver::CallbackObserver(std::shared_ptr<Executor> executor, TaskQueueWindow window)
    : executor_(std::move(executor)), window_(window) {
  if (!executor_) executor_ = std::make_shared<DeliveryThread>();
}

bool CallbackObserver::take(Priority priority) noexcept {
  std::atomic<std::size_t>& count = unanswered_->of(priority);
  if (count >= (is_high(priority) ? window_.high : window_.other)) return false;
  ++count;
  return true;
}

void CallbackObserver::on_result(Task task, ProbeResult result) {
  TaskResult out;
  static_cast<ProbeResult&>(out) = std::move(result);
  deliver(std::move(task), std::move(out));
}

void CallbackObserver::on_returned(Task task, Returned why) {
  TaskResult out;
  if (why == Returned::expired) {
    out.state = TaskState::expired;
    out.reason = ExpiryReason::deadline;
    out.diagnosis = "no slot was free before its deadline";
  } else {
    static_cast<ProbeResult&>(out) =
        failed_result(FailureKind::internal, "no prober took the task");
  }
  deliver(std::move(task), std::move(out));
}

void CallbackObserver::on_stopped(Task task) {
  on_result(std::move(task), failed_result(FailureKind::internal, "stopped"));
}

void CallbackObserver::on_taken_back(const Task& task) {
  TaskResult out;
  out.state = TaskState::cancelled;
  deliver(task, std::move(out));
}

void CallbackObserver::deliver(Task task, TaskResult result) {
  const auto& options = static_cast<const CallbackOptions&>(*task.options);
  result.task = std::to_string(task.id.value);
  result.target = std::move(task.target);
  result.kind = options.kind;
  result.attempt = task.attempt;
  result.labels = options.labels;
  executor_->post([done = std::move(options.done), result = std::move(result),
                   unanswered = unanswered_, priority = options.priority]() mutable {
    --unanswered->of(priority);  // first: a callback may submit the next
    if (done) done(std::move(result));
  });
}

}  // namespace probekit
