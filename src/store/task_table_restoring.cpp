// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// The table and its journal: what it tells, what it lets go once that is written, and how it
/// becomes again what it was.

#include <algorithm>
#include <cassert>

#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

// Ids of batches that are gone, besides one for each that is not.
constexpr std::size_t kOrderSlack = 64;

}  // namespace

void TaskTable::tell_moved(Place place) {
  const StoredTask& task = *place.task;
  journal_->on_moved(
      place.id(), task,
      task.state == TaskState::in_flight ? sessions_[task.session]->id : SessionId{0});
}

void TaskTable::tell_counts(const StoredSchedule& schedule) {
  journal_->on_schedule_counts(schedule);
}

StoredTotals TaskTable::totals() const {
  return {total_, ended_, last_batch_, last_session_, epoch_floor_};
}

// -- letting go ---------------------------------------------------------------------------------

void TaskTable::release_tasks(StoredBatch& batch) {
  batch.lines_elsewhere = static_cast<std::uint32_t>(batch.lines.size());
  batch.lines = {};
  batch.tasks = {};
  batch.bindings = {};
  batch.statistics = {};
}

void TaskTable::remember_finished(std::unique_ptr<StoredBatch> batch) const {
  const std::uint32_t id = batch->id.value;
  if (remembered_.emplace(id, std::move(batch)).second) remembered_order_.push_back(id);
}

void TaskTable::let_go(Now now) {
  assert(progress_news_.empty());
  found_last_ = nullptr;
  for (const BatchId id : just_finished_) {
    const auto at = batches_.find(id.value);
    if (at == batches_.end()) continue;  // forgotten already
    release_tasks(*at->second);
    remember_finished(std::move(at->second));
    batches_.erase(at);
  }
  just_finished_.clear();
  // Those that are being read stay, as long as they are not too many.
  for (std::size_t left = remembered_order_.size();
       left > 0 && remembered_.size() > kFinishedRemembered; --left) {
    const std::uint32_t id = remembered_order_.front();
    remembered_order_.pop_front();
    const auto at = remembered_.find(id);
    if (at == remembered_.end()) continue;
    if (at->second->read_until > now.steady && remembered_.size() < 4 * kFinishedRemembered) {
      remembered_order_.push_back(id);
    } else {
      remembered_.erase(at);
    }
  }
  // Ids of those forgotten for another reason.
  if (remembered_order_.size() > 2 * remembered_.size() + kOrderSlack) {
    const auto gone = [this](std::uint32_t id) { return remembered_.count(id) == 0; };
    remembered_order_.erase(
        std::remove_if(remembered_order_.begin(), remembered_order_.end(), gone),
        remembered_order_.end());
  }
}

void TaskTable::visit_moved(
    const std::function<void(TaskId, const StoredTask&, SessionId)>& visit) const {
  for (const auto& [number, owned] : batches_) {
    const StoredBatch& batch = *owned;
    if (batch.finished_at) continue;
    for (std::uint32_t index = 0; index < batch.tasks.size(); ++index) {
      if (index % StoredTasks::kChunk == 0 &&
          batch.open_in_chunk[index / StoredTasks::kChunk] == 0) {
        index += std::min(StoredTasks::kChunk, batch.tasks.size() - index) - 1;
        continue;
      }
      const StoredTask& task = batch.tasks[index];
      const TaskId id = TaskId::of(batch.id, index);
      if (task.state == TaskState::in_flight) {
        visit(id, task, sessions_[task.session]->id);
      } else if (task.state == TaskState::queued &&
                 (task.lost > 0 || (task.flags & StoredTask::kCameBack) != 0)) {
        visit(id, task, 0);
      }
    }
  }
}

// -- becoming what it was -----------------------------------------------------------------------

void TaskTable::restore(const StoredTotals& totals) {
  total_ = totals.ledger;
  ended_ = totals.ended;
  last_batch_ = totals.last_batch;
  last_session_ = totals.last_session;
  epoch_floor_ = totals.epoch_floor;
}

void TaskTable::restore_agent(Now now, const std::string& name, std::uint64_t epoch) {
  Agent& agent = agent_named(name);
  agent.epoch = epoch;
  agent.away_since = now.steady;
}

/// Lost, from now on.
bool TaskTable::restore_session(Now now, SessionId id, const NewSession& session) {
  if (id == 0 || id > last_session_ || slots_.count(id) > 0) return false;
  Agent& agent = agent_named(session.agent);
  const auto slot = static_cast<std::uint32_t>(sessions_.size());
  Session& made = *sessions_.emplace_back(std::make_unique<Session>());
  made.id = id;
  made.slot = slot;
  made.agent = &agent;
  made.connected = false;
  made.lost_at = now.steady;
  made.grace = std::max(session.grace, std::chrono::milliseconds(0));
  slots_.emplace(id, slot);
  agent.sessions.push_back(id);
  set_session_due(made, now.steady);
  return true;
}

bool TaskTable::restore_schedule(std::unique_ptr<StoredSchedule> restored) {
  StoredSchedule& schedule = *restored;
  if (schedule.watch.value == 0 || schedule.watch.value > last_batch_) return false;
  if (!schedules_by_watch_.emplace(schedule.watch.value, &schedule).second) return false;
  schedule_targets_ += schedule.targets.size();
  const std::string name = schedule.name;
  if (!schedules_.emplace(name, std::move(restored)).second) return false;
  set_due(schedule, schedule.clock.next().value_or(kNever));
  return true;
}

StoredSchedule* TaskTable::find_watch(BatchId watch) const {
  const auto found = schedules_by_watch_.find(watch.value);
  return found == schedules_by_watch_.end() ? nullptr : found->second;
}

/// In the order they ended.
bool TaskTable::restore_finished(const StoredBatch& batch) {
  if (batch.id.value == 0 || batch.id.value > last_batch_) return false;
  const bool orphan = batch.origin == BatchOrigin::schedule && batch.schedule == nullptr;
  (orphan ? orphans_ : finished_).push_back(batch.id);
  results_kept_ += batch.lines_kept();
  if (batch.origin == BatchOrigin::import) listed_.insert(batch.id.value);
  if (batch.origin != BatchOrigin::schedule) {
    visible_.insert(batch.id);
    return true;
  }
  if (!orphan) batch.schedule->segments.push_back(batch.id);
  return true;
}

bool TaskTable::restore_batch(Now now, std::unique_ptr<StoredBatch> restored,
                              const std::vector<Lane>& lanes) {
  const BatchId id = restored->id;
  if (id.value == 0 || id.value > last_batch_) return false;
  const auto [at, added] = batches_.emplace(id.value, std::move(restored));
  if (!added) return false;
  StoredBatch& batch = *at->second;
  std::vector<std::uint32_t> queues;
  for (const Lane& lane : lanes) {
    LaneEntry* const entry = lane_for(lane.priority, lane.kind, lane.agent, lane.tags);
    if (entry == nullptr) return false;
    queues.push_back(live_queue(batch, *entry));
  }
  for (Binding& binding : batch.bindings) binding.queue = queues[binding.queue];

  const std::uint32_t size = batch.tasks.size();
  batch.open_in_chunk.resize((size + StoredTasks::kChunk - 1) / StoredTasks::kChunk);
  std::uint64_t in_flight = 0;
  for (std::uint32_t index = 0; index < size; ++index) {
    StoredTask& task = batch.tasks[index];
    const bool queued = task.state == TaskState::queued;
    if (!queued && task.state != TaskState::in_flight) continue;
    ++batch.open_in_chunk[index / StoredTasks::kChunk];
    if (!queued) {
      ++in_flight;
      continue;
    }
    const Place place{&batch, &task, index};
    const bool shunned = agents_used(place) > 0;
    BatchQueue& queue = place.queue();
    if (shunned) {
      task.flags |= StoredTask::kShunned;
      ++queue.lane->shunned;
    }
    link(shunned ? queue.shunned : queue.ready, batch.tasks, index, End::back);
    ++batch.ledger.queued;
  }
  batch.ledger.in_flight = in_flight;
  for (BatchQueue& queue : batch.queues) offer(queue, queue.count());
  results_open_ += batch.lines.size();
  if (batch.ledger.ended() && !batch.open) return false;  // it would have been finished
  if (batch.origin == BatchOrigin::import) listed_.insert(id.value);
  if (batch.origin != BatchOrigin::schedule) visible_.insert(id);
  if (batch.origin != BatchOrigin::schedule && batch.open) {
    ++open_batches_;
    set_close_at(batch, now.steady + kOpenBatchIdle);
  }
  if (batch.schedule != nullptr) {
    batch.schedule->segments.push_back(id);
    if (batch.open) {
      batch.schedule->segment = &batch;
      set_close_at(batch, now.steady);  // the next run begins another
    }
  }
  set_due(batch, now.steady);  // deadlines may have passed meanwhile
  return batch.ledger.balanced();
}

bool TaskTable::restore_held(TaskId id, SessionId holder) {
  const Place place = find(id);
  Session* const session = find_session(holder);
  if (!place || session == nullptr || place.task->state != TaskState::in_flight) return false;
  hold(*session, place);
  return true;
}

bool TaskTable::restored(Now now) {
  std::uint64_t living = 0;
  std::uint64_t held = 0;
  for (const auto& [number, batch] : batches_) {
    living += batch->ledger.queued + batch->ledger.in_flight;
    held += batch->ledger.in_flight;
  }
  for (const auto& session : sessions_) held -= session->held;
  for (auto& [name, schedule] : schedules_) {
    std::sort(schedule->segments.begin(), schedule->segments.end());
  }
  forget_batches(now);
  return held == 0 && total_.balanced() && total_.queued + total_.in_flight == living;
}

}  // namespace probekit::store
