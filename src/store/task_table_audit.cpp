// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// The audit of the table, for tests.

#include <algorithm>
#include <set>

#include "store/staged_upload.hpp"
#include "store/task_table.hpp"

namespace probekit::store {

// -- audit --------------------------------------------------------------------------------------

std::string TaskTable::audit() const {
  const auto differs = [](const Ledger& a, const Ledger& b) {
    return a.accepted != b.accepted || a.queued != b.queued || a.in_flight != b.in_flight ||
           a.done != b.done || a.expired != b.expired || a.cancelled != b.cancelled;
  };
  std::unordered_map<LaneId, std::pair<std::uint64_t, std::uint64_t>> lane_counts;
  std::size_t open_batches = 0;
  for (const auto& [token, upload] : uploads_) open_batches += upload->batch->open ? 1 : 0;
  std::unordered_map<LaneId, std::uint64_t> lane_batches;
  for (const auto& [token, upload] : uploads_) {
    for (const BatchQueue& queue : upload->batch->queues) ++lane_batches[queue.lane->lane.id];
  }
  std::unordered_map<std::uint32_t, std::uint64_t> held_counts;
  std::uint64_t living = 0;
  std::size_t finished = 0;
  std::uint64_t lines_of_finished = 0;
  std::uint64_t lines_of_open = 0;
  for (const auto& [number, owned] : batches_) {
    const StoredBatch& batch = *owned;
    const std::string where = "batch " + std::to_string(number) + ": ";
    Ledger counted;
    counted.accepted = batch.tasks.size();
    std::uint64_t open = 0;
    for (std::uint32_t index = 0; index < batch.tasks.size(); ++index) {
      const StoredTask& task = batch.tasks[index];
      switch (task.state) {
        case TaskState::queued:
          ++counted.queued;
          ++open;
          if (batch.due > std::max({batch.bindings[task.binding].start_by(), ticked_,
                                    batch.bindings[task.binding].accepted_at,
                                    batch.cancelled_at.value_or(SteadyTime{})}) +
                              std::chrono::seconds(2)) {
            return where + "a queued task is due long before its batch";
          }
          break;
        case TaskState::in_flight:
          ++counted.in_flight;
          ++open;
          ++held_counts[task.session];
          if (sessions_[task.session] == nullptr) return where + "held by no session";
          break;
        case TaskState::done:
          ++counted.done;
          break;
        case TaskState::expired:
          ++counted.expired;
          break;
        case TaskState::cancelled:
          ++counted.cancelled;
          break;
      }
    }
    living += open;
    if (differs(counted, batch.ledger)) return where + "the ledger is not what its tasks are";
    if (!batch.ledger.balanced()) return where + "the ledger does not balance";
    if (batch.line_count() != batch.tasks.size() - open) return where + "not a line an end";
    if (batch.finished_at.has_value() != (open == 0 && !batch.open))
      return where + "finished is wrong";
    finished += batch.finished_at ? 1 : 0;
    (batch.finished_at ? lines_of_finished : lines_of_open) +=
        batch.finished_at ? batch.lines_kept() : batch.line_count();
    if (batch.open && batch.origin != BatchOrigin::schedule) ++open_batches;
    std::vector<bool> seen(batch.tasks.size());
    for (const std::uint32_t line : batch.lines) {
      if (seen[line >> kVerdictBits]) return where + "a task with two lines";
      seen[line >> kVerdictBits] = true;
    }
    for (std::uint32_t index = 0; index < batch.tasks.size(); ++index) {
      const std::uint32_t copies = batch.bindings[batch.tasks[index].binding].copies;
      if (batch.tasks[index].copy != 0 || copies == 1) continue;
      std::set<std::string> agents;  // of one target
      std::uint32_t used = 0;
      bool ready = false;
      for (std::uint32_t copy = 0; copy < copies; ++copy) {
        if (index + copy >= batch.tasks.size()) return where + "a target lacks tasks";
        const StoredTask& task = batch.tasks[index + copy];
        if (task.copy != copy || task.binding != batch.tasks[index].binding) {
          return where + "a target's tasks are not neighbours";
        }
        if (task.state == TaskState::queued) {
          ready = ready || (task.flags & StoredTask::kShunned) == 0;
        } else if (task.state == TaskState::in_flight || task.state == TaskState::done) {
          ++used;
          agents.insert(task.state == TaskState::in_flight
                            ? *sessions_[task.session]->agent->name
                            : batch.statistics.agent_name(task.ending.agent));
        }
      }
      if (agents.size() != used) return where + "two of a target's tasks with one agent";
      if (ready && used > 0) return where + "a task that is not for everybody is in the wrong list";
    }
    std::uint64_t in_queues = 0;
    for (const BatchQueue& queue : batch.queues) {
      for (const bool shunned : {false, true}) {
        const BatchQueue::List& list = shunned ? queue.shunned : queue.ready;
        std::uint32_t length = 0;
        std::uint32_t previous = kNoTask;
        for (std::uint32_t at = list.head; at != kNoTask; at = batch.tasks[at].queued.next) {
          const StoredTask& task = batch.tasks[at];
          if (task.state != TaskState::queued) return where + "a task in a queue is not queued";
          if (task.queued.previous != previous) return where + "a queue's links are broken";
          if (((task.flags & StoredTask::kShunned) != 0) != shunned) {
            return where + "a task is in the wrong list";
          }
          previous = at;
          ++length;
        }
        if (length != list.count || list.tail != previous) return where + "a queue's count";
      }
      in_queues += queue.count();
      if ((queue.next != nullptr) != (queue.count() > 0)) return where + "a ring without tasks";
      lane_counts[queue.lane->lane.id].first += queue.count();
      lane_counts[queue.lane->lane.id].second += queue.shunned.count;
    }
    for (const BatchQueue& queue : batch.queues) ++lane_batches[queue.lane->lane.id];
    if (in_queues != counted.queued) return where + "queued tasks outside queues";
  }
  if (total_.queued + total_.in_flight != living) return "the total is not what the batches are";
  if (!total_.balanced()) return "the total does not balance";
  // With a journal most finished batches are in its hands alone.
  for (const auto* list : {&finished_, &orphans_}) {
    for (const BatchId id : *list) {
      if (journal_ == nullptr || batches_.count(id.value) > 0) continue;
      const StoredBatch* const batch = find(id);
      if (batch == nullptr) continue;
      ++finished;
      lines_of_finished += batch->lines_kept();
    }
  }
  if (lines_of_finished != results_kept_) return "results kept";
  if (lines_of_open != results_open_) return "results of unfinished batches";
  for (const auto& [key, lane] : lanes_) {
    const auto& [queued, shunned] = lane_counts[lane->lane.id];
    if (lane_batches[lane->lane.id] != lane->batches) return "a lane's batches";
    if (queued != lane->queued || shunned != lane->shunned) return "a lane's count";
    std::uint64_t rings = 0;
    const BatchQueue* at = lane->ring;
    while (at != nullptr) {
      ++rings;
      if (at->lane != lane.get() || at->next->previous != at) return "a ring is broken";
      at = at->next == lane->ring ? nullptr : at->next;
    }
    if (rings != lane->rings) return "a ring's count";
  }
  for (const auto& [name, schedule] : schedules_) {
    std::uint64_t open = 0;
    std::uint64_t lines = 0;
    for (const BatchId id : schedule->segments) {
      const StoredBatch* const segment = find(id);
      if (segment == nullptr || segment->schedule != schedule.get()) return "a schedule's segment";
      open += segment->ledger.queued + segment->ledger.in_flight;
      lines += segment->line_count();
    }
    std::uint64_t kept = 0;
    for (const std::uint64_t line : schedule->lines) {
      const BatchId of{static_cast<std::uint32_t>(line >> StoredSchedule::kSegmentBits)};
      kept += std::binary_search(schedule->segments.begin(), schedule->segments.end(), of) ? 1 : 0;
    }
    if (kept != lines) return "a schedule's lines";
    if (!schedule->ledger.balanced()) return "a schedule's ledger does not balance";
    if (schedule->ledger.queued + schedule->ledger.in_flight != open) return "a schedule's ledger";
    if (schedule->lines_forgotten + schedule->lines.size() !=
        schedule->ledger.done + schedule->ledger.expired + schedule->ledger.cancelled) {
      return "a schedule has not a line an end";
    }
  }
  if (finished_.size() + orphans_.size() != finished) return "finished batches";
  if (open_batches != open_batches_) return "open batches";
  if (tasks_uploading() != uploading_) return "tasks of open uploads";
  for (const auto& [id, slot] : slots_) {
    const Session& session = *sessions_[slot];
    std::uint64_t length = 0;
    std::uint64_t previous = kNoTaskId;
    for (std::uint64_t at = session.head; at != kNoTaskId;) {
      const StoredBatch* batch = find(TaskId{at}.batch());
      if (batch == nullptr) return "a session holds a task of no batch";
      const StoredTask& task = batch->tasks[TaskId{at}.index()];
      if (task.state != TaskState::in_flight || task.session != slot) return "a session's task";
      if (task.held.previous != previous) return "a session's links are broken";
      previous = at;
      at = task.held.next;
      ++length;
    }
    if (length != session.held || session.tail != previous) return "a session's count";
    if (held_counts[slot] != length) return "tasks in flight outside sessions";
  }
  for (const auto& [id, shuns] : shuns_) {
    const StoredBatch* batch = find(id.batch());
    if (batch == nullptr || shuns.empty()) return "shuns of no task";
    if ((batch->tasks[id.index()].flags & StoredTask::kHasShuns) == 0) return "shuns untold";
  }
  return {};
}

}  // namespace probekit::store
