// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// What time alone does to the table: deadlines, graces, absent agents, forgetting.

#include <algorithm>

#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

/// Batches forgotten in one call at most.
constexpr std::size_t kForgottenPerCall = 1000;
/// A batch whose tasks have many different deadlines is walked over this often at most, and
/// seldomer the larger it is, so that scans cost about a hundredth of the time.
constexpr std::chrono::milliseconds kScanIntervalMin{10};
constexpr std::chrono::microseconds kScanIntervalPerTask{1};
constexpr std::chrono::milliseconds kTickInterval{1000};

}  // namespace

StoreTick TaskTable::tick(Now now) {
  ticked_ = now.steady;
  std::size_t budget = work_per_call_;
  end_host_busy_delays(now, budget);
  while (!sessions_due_.empty() && sessions_due_.begin()->first <= now.steady && budget > 0) {
    Session& session = *find_session(sessions_due_.begin()->second);
    --budget;
    if (session.held == 0 && session.lost_at + kLostSessionKept <= now.steady) {
      forget_session(session);
    } else {
      tell_requeued(session, give_up(now, session, budget));
    }
  }
  while (!batches_closing_.empty() && batches_closing_.begin()->first <= now.steady && budget > 0) {
    --budget;
    close(now, *find(BatchId{batches_closing_.begin()->second}));
  }
  run_schedules(now, budget);
  expire_due(now, budget);
  expire_for_absent_agents(now, budget);
  const bool more = forget_batches(now) || budget == 0;
  due_news_ = false;  // what is left is told by `next`

  StoreTick tick;
  tick.expired = std::exchange(expired_since_tick_, 0);
  tick.requeued = std::exchange(requeued_since_tick_, 0);
  for (const SessionId id : requeued_sessions_) {
    Session* session = find_session(id);
    if (session == nullptr) continue;
    tick.requeued_by_session.emplace_back(id, std::exchange(session->requeued, 0));
  }
  requeued_sessions_.clear();
  for (const auto& [session, task] : cancels_) {
    const Session* holder = find_session(session);
    if (holder != nullptr && holder->connected) tick.cancel.emplace_back(session, task);
  }
  cancels_.clear();

  SteadyTime next = now.steady + kTickInterval;
  if (!busy_.empty()) next = std::min(next, busy_.front().first);
  if (!sessions_due_.empty()) next = std::min(next, sessions_due_.begin()->first);
  if (!schedules_due_.empty()) next = std::min(next, schedules_due_.begin()->first);
  if (!batches_due_.empty()) next = std::min(next, batches_due_.begin()->first);
  if (more) next = now.steady;
  tick.next = std::max(std::chrono::milliseconds(1),
                       std::chrono::ceil<std::chrono::milliseconds>(next - now.steady));
  return tick;
}

void TaskTable::set_due(StoredBatch& batch, SteadyTime due) {
  if (batch.due == due) return;
  if (batch.due != kNever) batches_due_.erase({batch.due, batch.id.value});
  batch.due = due;
  if (due != kNever) batches_due_.emplace(due, batch.id.value);
}

void TaskTable::lower_due(StoredBatch& batch, SteadyTime due) {
  if (batch.scan_position > 0) batch.scan_due = std::min(batch.scan_due, due);
  if (due < batch.due) set_due(batch, due);
}

void TaskTable::expire_due(Now now, std::size_t& budget) {
  while (budget > 0 && !batches_due_.empty() && batches_due_.begin()->first <= now.steady) {
    StoredBatch& batch = *find(BatchId{batches_due_.begin()->second});
    if (!scan(now, batch, budget)) return;  // the next tick goes on with it
  }
}

/// Ends what is due of a batch and learns when something will be next. False: the budget ran out
/// on the way.
bool TaskTable::scan(Now now, StoredBatch& batch, std::size_t& budget) {
  const std::uint32_t count = batch.tasks.size();
  while (batch.scan_position < count) {
    if (budget == 0) return false;
    const std::uint32_t index = batch.scan_position;
    if (index % StoredTasks::kChunk == 0 && batch.open_in_chunk[index / StoredTasks::kChunk] == 0) {
      batch.scan_position += std::min(StoredTasks::kChunk, count - index);
      --budget;
      continue;
    }
    ++batch.scan_position;
    --budget;
    ++work_done_;
    const Place place{&batch, &batch.tasks[index], index};
    SteadyTime due = kNever;
    if (batch.cancelled_at) {
      due = scan_cancelled(now, place);
    } else if (place.task->state == TaskState::queued) {
      due = place.binding().start_by();
      if (due < now.steady) {
        expire_queued(now, place);
        due = kNever;
      }
    } else if (place.task->state == TaskState::in_flight) {
      due = place.binding().deadline();
      if (due <= now.steady) {
        expire_held(now, place);
        due = kNever;
      }
    }
    if (batch.finished_at) return true;  // that was the last one
    batch.scan_due = std::min(batch.scan_due, due);
  }
  const SteadyTime soonest =
      now.steady + std::max<SteadyTime::duration>(kScanIntervalMin, count * kScanIntervalPerTask);
  const SteadyTime due = std::max(batch.scan_due, soonest);
  batch.scan_position = 0;
  batch.scan_due = kNever;
  set_due(batch, due);
  return true;
}

/// Ends it, or tells its holder once and says until when to wait for an answer.
SteadyTime TaskTable::scan_cancelled(Now now, Place place) {
  StoredTask& task = *place.task;
  if (task.state == TaskState::queued) {
    end_cancelled(now, place);
    return kNever;
  }
  if (task.state != TaskState::in_flight) return kNever;
  const Session& holder = *sessions_[task.session];
  const SteadyTime due =
      std::min(place.binding().deadline(), *place.batch->cancelled_at + kCancelWait);
  if (!holder.connected || due <= now.steady) {
    end_cancelled(now, place);
    return kNever;
  }
  if ((task.flags & StoredTask::kCancelTold) == 0) {
    task.flags |= StoredTask::kCancelTold;
    cancels_.emplace_back(holder.id, place.id());
  }
  return due;
}

void TaskTable::expire_for_absent_agents(Now now, std::size_t& budget) {
  if (!absence_from_) {
    if (absence_checked_ && now.steady - *absence_checked_ < kTickInterval) return;
    absence_checked_ = now.steady;
  }
  const auto from = std::exchange(absence_from_, std::nullopt);
  for (auto at = from ? lanes_.lower_bound(*from) : lanes_.begin(); at != lanes_.end(); ++at) {
    LaneEntry& lane = *at->second;
    if (lane.shunned > 0) tell_ready(lane);  // a session examines only so many of them at a time
    if (lane.lane.agent.empty() || lane.queued == 0) continue;
    const auto agent = agents_.find(lane.lane.agent);
    const bool known = agent != agents_.end();
    if (known && agent->second.connected > 0) continue;
    if (known && now.steady - agent->second.away_since <= kAgentAwayMax) continue;
    const std::string text =
        known ? "agent " + lane.lane.agent + ", which it is for, has been away for over 5 min"
              : "no agent named " + lane.lane.agent + ", which it is for, came within 5 min";
    std::uint64_t left = lane.rings;
    if (from && at->first == *from) left = std::min(left, absence_left_);
    for (; left > 0; --left) {
      BatchQueue* const queue = lane.ring;
      StoredBatch& batch = *queue->batch;
      const auto number = static_cast<std::size_t>(queue - batch.queues.data());
      lane.ring = queue->next;
      // Those that are cancelled end as such.
      while (!batch.cancelled_at && !batch.queues.empty() && batch.queues[number].count() > 0) {
        BatchQueue& waiting = batch.queues[number];
        if (budget == 0) {  // the next tick goes on here
          lane.ring = &waiting;
          absence_from_ = at->first;
          absence_left_ = left;
          return;
        }
        --budget;
        ++work_done_;
        const std::uint32_t index =
            waiting.shunned.count > 0 ? waiting.shunned.head : waiting.ready.head;
        const Place place{&batch, &batch.tasks[index], index};
        if (now.steady - place.binding().accepted_at <= kAgentAwayMax) break;  // nor those behind
        end_expired(now, place, ExpiryReason::agent_lost, text);
      }
    }
  }
}

/// Whole finished batches, the oldest first. The newest stays whatever its size, and the oldest
/// while somebody is reading it, unless there are twice as many lines as are to be kept.
/// True: there are more, for the next call.
bool TaskTable::forget_batches(Now now) {
  std::size_t left = kForgottenPerCall;
  while (!orphans_.empty()) {
    if (left-- == 0) return true;
    forget_batch(*find(orphans_.back()));
    orphans_.pop_back();
  }
  while (results_kept_ > results_kept_max_ && finished_.size() > 1) {
    StoredBatch* const oldest = find(finished_.front());
    if (oldest != nullptr) {
      if (oldest->read_until > now.steady && results_kept_ <= 2 * results_kept_max_) return false;
      if (left-- == 0) return true;
      forget_batch(*oldest);
    }
    finished_.pop_front();
  }
  return false;
}

void TaskTable::forget_batch(StoredBatch& batch) {
  const BatchId id = batch.id;
  StoredSchedule* const schedule = batch.schedule;
  results_kept_ -= batch.lines_kept();
  keys_.forget(id);
  listed_.erase(id.value);
  found_last_ = nullptr;
  const auto at = batches_.find(id.value);
  if (at != batches_.end()) {
    forgotten_.push_back(std::move(at->second));
    batches_.erase(at);
  } else {
    remembered_.erase(id.value);
  }
  if (journal_ != nullptr) {
    journal_->on_forgotten(id);
    visible_.erase(id);
  }
  if (schedule != nullptr) forget_segment(*schedule, id);
}

}  // namespace probekit::store
