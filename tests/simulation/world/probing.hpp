// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What stands in for an agent's probing threads: the real TaskQueue, and probes that take as long
/// as chance says and touch nothing.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "agent/agent_core.hpp"
#include "probekit/task_queue.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

struct ProbingPlan {
  TaskQueueOptions queue;
  Time duration_min{0};
  Time duration_max{0};
  std::uint64_t hang_one_in = 0;         ///< a probe lasts until its timeout; 0: none does
  std::uint64_t unsupported_one_in = 0;  ///< a task comes back so; 0: none does
  std::size_t result_bytes_max = 0;      ///< what a result holds besides the usual
  bool in_the_reading_thread = false;    ///< the mistake that this library was made to avoid
};

/// Lives as long as one process of an agent.
class SimulatedProbing final : public AgentProbing {
 public:
  SimulatedProbing(World& world, Machine& machine, ProbingPlan plan);

  /// Before the loop runs; outlives this.
  void start(Mailbox& mailbox) { mailbox_ = &mailbox; }

  const ProbeKinds& kinds() const override;
  std::vector<Task> submit(std::vector<Task> tasks) override;
  bool cancel(TaskId task, std::function<void(TaskId)> cancelled) override;
  std::vector<Task> take_back() override;
  void set_paused(bool paused) override;
  bool is_queued(TaskId task) const override { return queue_.is_queued(task); }
  ProbeExecutorFacts facts() const override;
  std::chrono::microseconds cpu_time() const override;

  // -- for who checks ---------------------------------------------------------------------------
  /// Tasks in hand that nobody has told this side to end.
  const std::set<TaskId>& wanted() const noexcept { return wanted_; }
  /// A result of this task was made by this process, whatever became of it.
  bool has_run(TaskId task) const { return ran_.count(task) > 0; }
  /// Called with each result as it is given away; `wanted`: nobody had told it to end.
  std::function<void(TaskId task, bool wanted)> on_result;
  /// For how long the reading thread stands still because a probe runs in it.
  std::function<void(Time)> block_reading;

 private:
  struct Running {
    Task task;
    std::uint64_t number = 0;
  };

  void pull_later();
  void pull();
  void start_probe(Task task);
  void end_probe(TaskId id, std::uint64_t number, bool hung);
  void check_later();

  World& world_;
  Machine& machine_;
  const ProbingPlan plan_;
  Mailbox* mailbox_ = nullptr;
  TaskQueue queue_;
  std::map<TaskId, Running> running_;
  std::set<TaskId> wanted_;
  std::set<TaskId> ran_;
  std::uint64_t last_number_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t finished_ = 0;
  bool pull_posted_ = false;
  bool check_posted_ = false;
  bool paused_ = false;
};

}  // namespace probekit::simulation
