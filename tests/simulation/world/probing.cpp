// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/probing.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace probekit::simulation {

namespace {

const ProbeKinds& known_kinds() {
  static const ProbeKinds kinds;
  return kinds;
}

}  // namespace

SimulatedProbing::SimulatedProbing(World& world, Machine& machine, ProbingPlan plan)
    : world_(world), machine_(machine), plan_(plan), queue_(plan.queue) {}

const ProbeKinds& SimulatedProbing::kinds() const { return known_kinds(); }

std::vector<Task> SimulatedProbing::submit(std::vector<Task> tasks) {
  for (const Task& task : tasks) wanted_.insert(task.id);
  std::vector<Task> refused = queue_.push(std::move(tasks), machine_.clock()->steady_now());
  for (const Task& task : refused) wanted_.erase(task.id);
  if (!refused.empty()) {
    world_.fail(machine_.name() + " has no room for " + std::to_string(refused.size()) +
                " tasks for which it granted credit");
  }
  pull_later();
  check_later();
  return refused;
}

bool SimulatedProbing::cancel(TaskId task, std::function<void(TaskId)> cancelled) {
  wanted_.erase(task);
  if (queue_.remove(task)) {
    pull_later();
    return true;
  }
  // The thread that runs it, if one does, hears of it.
  world_.at(world_.now(), machine_, [this, task, cancelled = std::move(cancelled)] {
    const auto found = running_.find(task);
    if (found == running_.end()) return;
    const Task over = std::move(found->second.task);
    running_.erase(found);
    queue_.finish(over);
    ++finished_;
    cancelled(task);
    pull_later();
  });
  return false;
}

std::vector<Task> SimulatedProbing::take_back() {
  std::vector<Task> tasks = queue_.remove_all();
  for (const Task& task : tasks) wanted_.erase(task.id);
  return tasks;
}

void SimulatedProbing::set_paused(bool paused) {
  paused_ = paused;
  queue_.set_paused(paused);
  if (!paused) pull_later();
}

ProbeExecutorFacts SimulatedProbing::facts() const {
  ProbeExecutorFacts facts;
  facts.queue = queue_.facts(machine_.clock()->steady_now());
  facts.started = started_;
  facts.finished = finished_;
  return facts;
}

std::chrono::microseconds SimulatedProbing::cpu_time() const {
  return std::chrono::duration_cast<microseconds>(world_.now()) / 10;
}

void SimulatedProbing::pull_later() {
  if (std::exchange(pull_posted_, true)) return;
  world_.at(world_.now(), machine_, [this] {
    pull_posted_ = false;
    pull();
  });
}

void SimulatedProbing::pull() {
  const auto taken = static_cast<std::size_t>(world_.chance().between(1, 64));
  TaskQueue::Popped popped = queue_.pop(taken, machine_.clock()->steady_now());
  if (popped.start.size() == taken) pull_later();
  if (paused_ && !popped.start.empty())
    world_.fail(machine_.name() + ": a probe starts in a pause");
  for (Task& task : popped.expired) {
    wanted_.erase(task.id);
    mailbox_->on_returned(std::move(task), TaskObserver::Returned::expired);
  }
  for (Task& task : popped.host_busy) {
    wanted_.erase(task.id);
    mailbox_->on_returned(std::move(task), TaskObserver::Returned::host_busy);
  }
  for (Task& task : popped.start) {
    if (plan_.unsupported_one_in > 0 && world_.chance().one_in(plan_.unsupported_one_in)) {
      queue_.finish(task);
      wanted_.erase(task.id);
      mailbox_->on_returned(std::move(task), TaskObserver::Returned::unsupported);
      pull_later();
      continue;
    }
    start_probe(std::move(task));
  }
  mailbox_->on_burst_end();
}

void SimulatedProbing::start_probe(Task task) {
  const SteadyTime now = machine_.clock()->steady_now();
  if (task.deadline != SteadyTime::max() &&
      now + task.options->timeout + seconds{1} > task.deadline)
    world_.fail(machine_.name() + " starts a probe that cannot end before its deadline");
  const bool hangs = plan_.hang_one_in > 0 && world_.chance().one_in(plan_.hang_one_in);
  const Time timeout = task.options->timeout;
  const Time lasts =
      hangs ? timeout
            : std::min(world_.chance().between(plan_.duration_min, plan_.duration_max), timeout);
  const TaskId id = task.id;
  const std::uint64_t number = ++last_number_;
  running_[id] = Running{std::move(task), number};
  ++started_;
  world_.trace([&] { return machine_.name() + " probes " + std::to_string(id.value); });
  if (plan_.in_the_reading_thread && block_reading) block_reading(lasts);
  world_.at(world_.now() + lasts, machine_,
            [this, id, number, hangs] { end_probe(id, number, hangs); });
}

void SimulatedProbing::end_probe(TaskId id, std::uint64_t number, bool hung) {
  const auto found = running_.find(id);
  if (found == running_.end() || found->second.number != number) return;
  Task task = std::move(found->second.task);
  running_.erase(found);
  queue_.finish(task);
  ++finished_;
  ran_.insert(id);
  const bool was_wanted = wanted_.erase(id) > 0;
  ProbeResult result = hung ? failed_result(FailureKind::timeout, "no answer") : ProbeResult{};
  if (!hung) result.verdict = Verdict::passed;
  result.started_at = machine_.clock()->system_now();
  result.duration = microseconds{1234};
  if (plan_.result_bytes_max > 0) {
    const auto size = static_cast<std::size_t>(world_.chance().below(plan_.result_bytes_max));
    result.sections.push_back({"body", '"' + std::string(size, 'x') + '"'});
  }
  if (on_result) on_result(id, was_wanted);
  mailbox_->on_result(std::move(task), std::move(result));
  mailbox_->on_burst_end();
  pull_later();
}

// Tasks expire in line, too.
void SimulatedProbing::check_later() {
  if (std::exchange(check_posted_, true)) return;
  world_.at(world_.now() + seconds{1}, machine_, [this] {
    check_posted_ = false;
    TaskQueue::Popped popped = queue_.pop(0, machine_.clock()->steady_now());
    for (Task& task : popped.expired) {
      wanted_.erase(task.id);
      mailbox_->on_returned(std::move(task), TaskObserver::Returned::expired);
    }
    for (Task& task : popped.host_busy) {
      wanted_.erase(task.id);
      mailbox_->on_returned(std::move(task), TaskObserver::Returned::host_busy);
    }
    mailbox_->on_burst_end();
    const TaskQueueFacts facts = queue_.facts(machine_.clock()->steady_now());
    if (facts.queued_high + facts.queued_other > 0) check_later();
    pull_later();
  });
}

}  // namespace probekit::simulation
