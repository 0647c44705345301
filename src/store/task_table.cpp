// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/task_table.hpp"

#include <algorithm>

#include "probe/selector.hpp"
#include "store/cursor.hpp"
#include "store/staged_upload.hpp"
#include "store/task_journal.hpp"

namespace probekit::store {
namespace {

/// Examined at most when a session asks for a task others returned; the rest wait for the next
/// ask or tick.
constexpr std::size_t kShunnedExaminedMax = 256;
/// Tasks that may expire inside one lease call, of which a master makes dozens in a row; the rest
/// at the next call or tick.
constexpr std::size_t kExpiriesPerLease = 500;
/// What a task's numbers and punctuation take in a message, roughly.
constexpr std::size_t kTaskBytes = 48;
/// Tasks a lease takes from one batch before the next has its turn.
constexpr std::uint64_t kTurnMax = 64;

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

/// Of the last one; options that are those of the one before are sent once for both.
std::size_t bytes_of(const std::vector<LeasedTask>& tasks) {
  const LeasedTask& task = tasks.back();
  std::size_t bytes = kTaskBytes + task.target.size();
  if (tasks.size() > 1 && tasks[tasks.size() - 2].options == task.options) return bytes;
  bytes += task.options->section.size();
  for (const Label& label : task.options->labels) bytes += label.key.size() + label.value.size();
  return bytes;
}

}  // namespace

TaskTable::TaskTable(const StoreOptions& options, std::string id, std::size_t work_per_call,
                     TaskJournal* journal)
    : queued_max_(options.queued_max),
      results_kept_max_(options.results_kept_max),
      attempts_max_(options.attempts_max),
      work_per_call_(work_per_call),
      journal_(journal),
      id_(std::move(id)),
      prefix_(id_.substr(0, kIdPrefixLength)),
      agents_swept_at_(kIdleNamesMax) {
  ended_task_.state = TaskState::done;
}

TaskTable::~TaskTable() = default;

// -- finding ------------------------------------------------------------------------------------

StoredBatch* TaskTable::find(BatchId id) const {
  if (found_last_ != nullptr && found_last_->id == id) return found_last_;
  const auto found = batches_.find(id.value);
  if (found != batches_.end()) return found_last_ = found->second.get();
  if (journal_ == nullptr || id.value == 0 || id.value > last_batch_) return nullptr;
  const auto known = remembered_.find(id.value);
  if (known != remembered_.end()) return known->second.get();
  std::unique_ptr<StoredBatch> loaded = journal_->load(id);
  if (loaded == nullptr) return nullptr;
  StoredBatch* const batch = loaded.get();
  remember_finished(std::move(loaded));
  return batch;
}

TaskTable::Place TaskTable::find(TaskId id) {
  StoredBatch* batch = find(id.batch());
  if (batch == nullptr) return {};
  if (id.index() < batch->lines_elsewhere) return {batch, &ended_task_, id.index()};
  if (id.index() >= batch->tasks.size()) return {};
  return {batch, &batch->tasks[id.index()], id.index()};
}

TaskTable::Session* TaskTable::find_session(SessionId id) const {
  const auto found = slots_.find(id);
  return found == slots_.end() ? nullptr : sessions_[found->second].get();
}

// -- where a living task is ---------------------------------------------------------------------

void TaskTable::link(BatchQueue::List& list, StoredTasks& tasks, std::uint32_t index, End end) {
  StoredTask::QueueLinks& links = tasks[index].queued;
  links = {kNoTask, kNoTask};
  if (list.count++ == 0) {
    list.head = list.tail = index;
  } else if (end == End::back) {
    links.previous = list.tail;
    tasks[list.tail].queued.next = index;
    list.tail = index;
  } else {
    links.next = list.head;
    tasks[list.head].queued.previous = index;
    list.head = index;
  }
}

void TaskTable::unlink(BatchQueue::List& list, StoredTasks& tasks, std::uint32_t index) {
  const StoredTask::QueueLinks links = tasks[index].queued;
  (links.previous == kNoTask ? list.head : tasks[links.previous].queued.next) = links.next;
  (links.next == kNoTask ? list.tail : tasks[links.next].queued.previous) = links.previous;
  --list.count;
}

void TaskTable::enter_ring(BatchQueue& queue) {
  LaneEntry& lane = *queue.lane;
  if (lane.ring == nullptr) {
    lane.ring = queue.previous = queue.next = &queue;
  } else {  // last of the round
    queue.next = lane.ring;
    queue.previous = lane.ring->previous;
    queue.previous->next = queue.next->previous = &queue;
  }
  ++lane.rings;
}

void TaskTable::leave_ring(BatchQueue& queue) {
  LaneEntry& lane = *queue.lane;
  if (--lane.rings == 0) {
    lane.ring = nullptr;
  } else {
    queue.previous->next = queue.next;
    queue.next->previous = queue.previous;
    if (lane.ring == &queue) lane.ring = queue.next;
  }
  queue.previous = queue.next = nullptr;
}

void TaskTable::enqueue(Place place, End end, bool shunned) {
  BatchQueue& queue = place.queue();
  place.task->state = TaskState::queued;
  if (shunned) {
    place.task->flags |= StoredTask::kShunned;
    ++queue.lane->shunned;
  }
  link(shunned ? queue.shunned : queue.ready, place.batch->tasks, place.index, end);
  ++queue.lane->queued;
  if (queue.count() == 1) enter_ring(queue);
  tell_ready(*queue.lane);
}

void TaskTable::dequeue(Place place) {
  BatchQueue& queue = place.queue();
  const bool shunned = (place.task->flags & StoredTask::kShunned) != 0;
  unlink(shunned ? queue.shunned : queue.ready, place.batch->tasks, place.index);
  if (shunned) {
    place.task->flags = static_cast<std::uint8_t>(place.task->flags & ~StoredTask::kShunned);
    --queue.lane->shunned;
  }
  --queue.lane->queued;
  if (queue.count() == 0) leave_ring(queue);
}

void TaskTable::hold(Session& session, Place place) {
  const std::uint64_t id = place.id().value;
  StoredTask& task = *place.task;
  task.state = TaskState::in_flight;
  task.session = session.slot;
  task.held = {session.tail, kNoTaskId};
  if (session.tail == kNoTaskId) {
    session.head = id;
  } else {
    find(TaskId{session.tail}).task->held.next = id;
  }
  session.tail = id;
  ++session.held;
}

void TaskTable::release(Place place) {
  Session& session = *sessions_[place.task->session];
  const StoredTask::HeldLinks links = place.task->held;
  if (session.walk == place.id().value) session.walk = links.previous;
  if (links.previous == kNoTaskId) {
    session.head = links.next;
  } else {
    find(TaskId{links.previous}).task->held.next = links.next;
  }
  if (links.next == kNoTaskId) {
    session.tail = links.previous;
  } else {
    find(TaskId{links.next}).task->held.previous = links.previous;
  }
  --session.held;
}

// -- from state to state ------------------------------------------------------------------------

void TaskTable::move_terms(StoredBatch& batch, std::uint64_t Ledger::*from,
                           std::uint64_t Ledger::*to) {
  ++work_done_;
  for_ledgers(batch, [&](Ledger& ledger) {
    --(ledger.*from);
    ++(ledger.*to);
  });
}

/// From a queue to a session.
void TaskTable::take(Session& session, Place place) {
  dequeue(place);
  hold(session, place);
  if (place.binding().copies > 1) shun_neighbours(place);
  move_terms(*place.batch, &Ledger::queued, &Ledger::in_flight);
  if (journal_ != nullptr) tell_moved(place);
}

/// From a session to the head of its lane; or it ends, when it was cancelled or is too late.
void TaskTable::requeue(Now now, Place place) {
  if (place.batch->cancelled_at) {
    end_cancelled(now, place);
    return;
  }
  release(place);
  const SteadyTime start_by = place.binding().start_by();
  enqueue(place, End::front,
          (place.task->flags & StoredTask::kHasShuns) != 0 || agents_used(place) > 0);
  move_terms(*place.batch, &Ledger::in_flight, &Ledger::queued);
  if (journal_ != nullptr) tell_moved(place);
  if (now.steady > start_by) {
    expire_queued(now, place);
  } else {
    lower_due(*place.batch, start_by);
  }
}

void TaskTable::end(Now now, Place place, const TaskEnd& how) {
  const TaskState state = how.state;
  StoredBatch& batch = *place.batch;
  StoredTask& task = *place.task;
  const auto from = task.state == TaskState::queued ? &Ledger::queued : &Ledger::in_flight;
  if (task.state == TaskState::queued) {
    dequeue(place);
  } else {
    release(place);
  }
  if ((task.flags & StoredTask::kHasShuns) != 0) shuns_.erase(place.id());
  task.state = state;
  move_terms(batch, from,
             state == TaskState::done      ? &Ledger::done
             : state == TaskState::expired ? &Ledger::expired
                                           : &Ledger::cancelled);
  if (batch.lines.empty()) batch.lines.reserve(batch.tasks.size());
  batch.lines.push_back(place.index << kVerdictBits | static_cast<std::uint32_t>(how.verdict));
  if (journal_ != nullptr) journal_->on_ended(batch, place.index, how);
  if (batch.schedule != nullptr) {
    batch.schedule->lines.push_back(std::uint64_t{batch.id.value} << StoredSchedule::kSegmentBits |
                                    batch.lines.back());
    if (journal_ != nullptr) journal_->on_schedule_line(*batch.schedule);
  }
  ++results_open_;
  --batch.open_in_chunk[place.index / StoredTasks::kChunk];
  if (batch.rate == nullptr) batch.rate = std::make_unique<RecentRate>();
  batch.rate->add(now.steady, 1);
  tell_progress(batch);
  if (batch.ledger.ended() && !batch.open) finish(now, batch);
}

void TaskTable::end_done(Now now, Place place, const TaskReport& report, const Agent& agent) {
  StoredBatch& batch = *place.batch;
  const bool passed = report.verdict == Verdict::passed;
  const std::uint32_t number = batch.statistics.agent_number(agent.key, agent.name);
  const std::optional<FailureKind> failure =
      passed ? std::nullopt : std::optional(report.failure.value_or(FailureKind::internal));
  if (batch.origin != BatchOrigin::schedule) {  // segments have no summary
    batch.statistics.add_result(number, failure, report.phases, report.duration);
  }
  ended_.add_result(place.binding().options->kind, failure, report.duration);
  for_ledgers(batch, [&](Ledger& ledger) { ++(passed ? ledger.passed : ledger.failed); });
  const StoredTask::Ending ending{
      journal_ == nullptr ? batch.arena.add(report.fields) : ArenaText{}, number, report.attempt};
  TaskEnd how;
  how.state = TaskState::done;
  how.verdict = passed ? Verdict::passed : Verdict::failed;
  how.attempt = report.attempt;
  how.text = report.fields;
  how.agent = *agent.name;
  how.failure = failure;
  how.phases = &report.phases;
  how.duration = report.duration;
  end(now, place, how);
  place.task->ending = ending;
}

void TaskTable::end_expired(Now now, Place place, ExpiryReason reason,
                            const std::string& diagnosis) {
  StoredBatch& batch = *place.batch;
  StoredTask& task = *place.task;
  if (journal_ == nullptr && (!batch.diagnosis_text || batch.diagnosis != diagnosis)) {
    batch.diagnosis = diagnosis;
    batch.diagnosis_text = batch.arena.add(diagnosis);
  }
  const std::uint32_t attempts = task.lost + (task.state == TaskState::in_flight ? 1U : 0U);
  const StoredTask::Ending ending{batch.diagnosis_text, 0, attempts};
  batch.statistics.add_expiry(reason);
  ended_.add_expiry(reason);
  task.reason = reason;
  if (reason == ExpiryReason::missed && batch.schedule != nullptr) ++batch.schedule->missed;
  ++expired_since_tick_;
  TaskEnd how;
  how.state = TaskState::expired;
  how.reason = reason;
  how.attempt = attempts;
  how.text = diagnosis;
  end(now, place, how);
  task.ending = ending;
}

void TaskTable::end_cancelled(Now now, Place place) { end(now, place, TaskEnd{}); }

/// No attempt fits any more.
void TaskTable::expire_queued(Now now, Place place) {
  const StoredTask& task = *place.task;
  if (place.binding().within == Binding::kNobody) {
    end_expired(now, place, ExpiryReason::no_agent,
                "no agent that runs " + place.binding().options->kind +
                    " was connected when it was accepted for all");
    return;
  }
  std::string text;
  if (task.lost > 0) {
    text = std::to_string(task.lost) + (task.lost == 1 ? " agent was" : " agents were") +
           " lost with it in hand; no other took it before its deadline";
  } else if ((task.flags & StoredTask::kCameBack) != 0) {
    text = "agents gave it back without running it, and none took it again before its deadline";
  } else {
    text = "no agent took it before its deadline";
  }
  const std::string nobody = nobody_fits(place);
  text += "; " + (nobody.empty() ? connected_text() : nobody);
  const ExpiryReason reason = place.batch->origin == BatchOrigin::schedule ? ExpiryReason::missed
                              : nobody.empty()                             ? ExpiryReason::deadline
                                                                           : ExpiryReason::no_agent;
  end_expired(now, place, reason, text);
}

std::string TaskTable::connected_text() const {
  return std::to_string(connected_) +
         (connected_ == 1 ? " agent was connected then" : " agents were connected then") +
         because();
}

/// What the master found to stand in the way.
std::string TaskTable::because() const {
  return diagnosis_.empty() ? std::string{} : "; " + diagnosis_;
}

std::string TaskTable::because_of(const Session& lost) const {
  return lost.diagnosis.empty() ? std::string{} : " (" + lost.diagnosis + ')';
}

/// Why no connected agent could take it now; empty when one could.
std::string TaskTable::nobody_fits(Place place) {
  const std::uint32_t copies = place.binding().copies;
  LaneEntry& entry = *place.queue().lane;
  const Lane& lane = entry.lane;
  const std::uint32_t fitting = agents_fitting(entry);
  if (fitting == 0) {
    return "no agent" + (lane.agent.empty() ? "" : " named " + lane.agent) + runs_text(lane) +
           " was connected then";
  }
  if (copies == 1 || !lane.agent.empty() || fitting > agents_used(place)) return {};
  return "its target is for " + std::to_string(copies) + " different agents, and one" +
         runs_text(lane) + " that had none of the others was not connected then";
}

/// The deadline itself has passed.
void TaskTable::expire_held(Now now, Place place) {
  const Session& session = *sessions_[place.task->session];
  if (session.connected) {
    cancels_.emplace_back(session.id, place.id());
    end_expired(now, place, ExpiryReason::deadline,
                "agent " + *session.agent->name +
                    " had it in hand, and no result came before its deadline" + because());
  } else {
    end_expired(now, place, ExpiryReason::agent_lost,
                "agent " + *session.agent->name + " was lost with it in hand" +
                    because_of(session) + ", and no other attempt fitted before its deadline");
  }
}

void TaskTable::finish(Now now, StoredBatch& batch) {
  batch.finished_at = now.system;
  batch.finished = now.steady;
  for (BatchQueue& queue : batch.queues) leave_lane(*queue.lane);
  batch.queues = {};
  batch.queue_numbers = {};
  batch.open_in_chunk = {};
  batch.rate.reset();
  set_due(batch, kNever);
  results_kept_ += batch.lines_kept();
  results_open_ -= batch.lines.size();
  const bool orphan = batch.origin == BatchOrigin::schedule && batch.schedule == nullptr;
  (orphan ? orphans_ : finished_).push_back(batch.id);
  if (journal_ != nullptr) {
    just_finished_.push_back(batch.id);
    journal_->on_batch(batch);
  }
  tell_progress(batch);
}

// -- leases -------------------------------------------------------------------------------------

LeasedTask TaskTable::leased(Now now, Place place) const {
  const Binding& binding = place.binding();
  LeasedTask task;
  task.task = place.id();
  task.attempt = place.task->lost + 1U;
  task.target =
      journal_ == nullptr ? place.task->target.view() : journal_->target(*place.batch, place.index);
  task.options = binding.options;
  task.left =
      std::chrono::duration_cast<std::chrono::milliseconds>(binding.deadline() - now.steady);
  return task;
}

Expected<LeaseReply> TaskTable::lease(Now now, const LeaseRequest& request) {
  Session* session = find_session(request.session);
  if (session == nullptr || !session->connected) {
    return error(errc::not_found, "no such session");
  }
  LeaseReply reply;
  std::size_t expiries_left = std::min(kExpiriesPerLease, work_per_call_);
  std::size_t bytes_left = request.bytes_max;
  end_host_busy_delays(now, expiries_left);
  for (const LaneId id : request.lanes) {
    const auto found = lanes_by_id_.find(id);
    if (found == lanes_by_id_.end()) {
      reply.empty.push_back(id);
      continue;
    }
    LaneEntry& lane = *found->second;
    if (!fits(*session, lane.lane)) {
      reply.unfit.push_back(id);
      continue;
    }
    const auto turn = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(lane.rings == 0 ? 1 : request.count / lane.rings, 1, kTurnMax));
    std::uint64_t fruitless = 0;  // queues in a row that had nothing for this session
    while (reply.tasks.size() < request.count && bytes_left > 0 && expiries_left > 0 &&
           fruitless < lane.rings) {
      BatchQueue& queue = *lane.ring;
      lane.ring = queue.next;
      const std::uint64_t rings = lane.rings;
      const std::size_t taken =
          lease_from(now, queue, *session, std::min(turn, request.count - reply.tasks.size()),
                     bytes_left, expiries_left, reply);
      if (taken > 0) {
        fruitless = 0;
      } else if (lane.rings == rings) {  // else all of it was too late, and it is in no ring now
        ++fruitless;
      }
    }
    if (expiries_left > 0 && (lane.rings == 0 || fruitless >= lane.rings)) {
      (lane.queued == 0 ? reply.empty : reply.unfit).push_back(id);
    }
  }
  forget_batches(now);
  return reply;
}

/// May end the queue's batch, and with it the queue.
std::size_t TaskTable::lease_from(Now now, BatchQueue& queue, Session& session, std::size_t count,
                                  std::size_t& bytes_left, std::size_t& expiries_left,
                                  LeaseReply& reply) {
  StoredBatch& batch = *queue.batch;
  if (batch.cancelled_at) return 0;  // ticks are ending its tasks
  const auto queue_number = static_cast<std::size_t>(&queue - batch.queues.data());
  std::size_t taken = 0;
  std::size_t examined_left = std::min<std::size_t>(kShunnedExaminedMax, queue.shunned.count);
  while (taken < count && bytes_left > 0 && !batch.queues.empty()) {
    BatchQueue& from = batch.queues[queue_number];
    const bool shunned = examined_left > 0 && from.shunned.count > 0;
    if (shunned) {
      --examined_left;
    } else if (from.ready.count == 0) {
      break;
    }
    const std::uint32_t index = shunned ? from.shunned.head : from.ready.head;
    const Place place{&batch, &batch.tasks[index], index};
    if (now.steady > place.binding().start_by()) {
      if (expiries_left == 0) break;
      --expiries_left;
      expire_queued(now, place);
      continue;
    }
    if (shunned && !offered(now, place, session)) {
      unlink(from.shunned, batch.tasks, index);
      link(from.shunned, batch.tasks, index, End::back);
      continue;
    }
    take(session, place);
    reply.tasks.push_back(leased(now, place));
    ++taken;
    bytes_left -= std::min(bytes_left, bytes_of(reply.tasks));
  }
  return taken;
}

bool TaskTable::fits(const Session& session, const Lane& lane) {
  if (!lane.agent.empty()) return lane.agent == *session.agent->name;
  return lane.tags.empty() || has_tags(session.tags, lane.tags);
}

bool TaskTable::offered(Now now, Place place, const Session& session) const {
  if (!apart_from(place, *session.agent)) return false;
  if ((place.task->flags & StoredTask::kHasShuns) == 0) return true;
  const std::vector<Shun>& shuns = shuns_.at(place.id());
  return std::none_of(shuns.begin(), shuns.end(), [&](const Shun& shun) {
    return shun.session == session.id && shun.until > now.steady;
  });
}

// -- one target's tasks for different agents ----------------------------------------------------

template <class Visit>
bool TaskTable::any_neighbour(Place place, Visit visit) {
  const std::uint32_t copies = place.binding().copies;
  if (copies == 1) return false;
  const std::uint32_t first = place.index - place.task->copy;
  for (std::uint32_t index = first; index < first + copies; ++index) {
    if (index != place.index && visit(place.batch->tasks[index], index)) return true;
  }
  return false;
}

/// Whether this agent neither has nor did another one of its target's.
bool TaskTable::apart_from(Place place, const Agent& agent) const {
  return !any_neighbour(place, [&](const StoredTask& other, std::uint32_t) {
    if (other.state == TaskState::in_flight) return sessions_[other.session]->agent == &agent;
    return other.state == TaskState::done &&
           place.batch->statistics.agent_name(other.ending.agent) == *agent.name;
  });
}

/// How many agents have or did others of its target's.
std::uint32_t TaskTable::agents_used(Place place) {
  std::uint32_t used = 0;
  any_neighbour(place, [&](const StoredTask& other, std::uint32_t) {
    if (other.state == TaskState::in_flight || other.state == TaskState::done) ++used;
    return false;
  });
  return used;
}

/// It has been taken: the others are no longer for everybody.
void TaskTable::shun_neighbours(Place place) {
  BatchQueue& queue = place.queue();
  any_neighbour(place, [&](StoredTask& other, std::uint32_t index) {
    if (other.state == TaskState::queued && (other.flags & StoredTask::kShunned) == 0) {
      unlink(queue.ready, place.batch->tasks, index);
      link(queue.shunned, place.batch->tasks, index, End::back);
      other.flags |= StoredTask::kShunned;
      ++queue.lane->shunned;
    }
    return false;
  });
}

void TaskTable::add_shun(Now now, Place place, SessionId session, SteadyTime until) {
  std::vector<Shun>& shuns = shuns_[place.id()];
  shuns.erase(std::remove_if(shuns.begin(), shuns.end(),
                             [&](const Shun& shun) {
                               return shun.session == session || shun.until <= now.steady ||
                                      find_session(shun.session) == nullptr;
                             }),
              shuns.end());
  shuns.push_back({session, until});
  place.task->flags |= StoredTask::kHasShuns;
  if (until != kNever) busy_.emplace_back(until, place.id());
}

/// Those whose second is over go back to the head of their lane, for everybody.
void TaskTable::end_host_busy_delays(Now now, std::size_t& budget) {
  while (!busy_.empty() && busy_.front().first <= now.steady && budget > 0) {
    --budget;
    ++work_done_;
    const TaskId id = busy_.front().second;
    busy_.pop_front();
    const auto found = shuns_.find(id);
    if (found == shuns_.end()) continue;
    std::vector<Shun>& shuns = found->second;
    shuns.erase(std::remove_if(shuns.begin(), shuns.end(),
                               [&](const Shun& shun) { return shun.until <= now.steady; }),
                shuns.end());
    if (!shuns.empty()) continue;
    shuns_.erase(found);
    const Place place = find(id);
    place.task->flags = static_cast<std::uint8_t>(place.task->flags & ~StoredTask::kHasShuns);
    if ((place.task->flags & StoredTask::kShunned) == 0) continue;  // somebody has it in hand
    dequeue(place);
    enqueue(place, End::front, agents_used(place) > 0);
  }
}

// -- what agents say ----------------------------------------------------------------------------

RecordReply TaskTable::record(Now now, SessionId id, const std::vector<TaskReport>& reports) {
  static const Agent kNobody{std::make_shared<const std::string>(), 0, 0, {}, 0, {}};
  RecordReply reply;
  const Session* session = find_session(id);
  for (const TaskReport& report : reports) {
    const Place place = find(report.task);
    if (!place) {
      ++reply.unknown;
      continue;
    }
    const TaskState state = place.task->state;
    const bool living = state == TaskState::queued || state == TaskState::in_flight;
    const Session* holder =
        state == TaskState::in_flight ? sessions_[place.task->session].get() : nullptr;
    if (report.kind == TaskReport::Kind::result) {
      // What it does not hold must not make one agent's of two that are for different ones.
      if (!living || (place.binding().copies > 1 && (holder == nullptr || holder->id != id) &&
                      (session == nullptr || !apart_from(place, *session->agent)))) {
        ++reply.duplicate;
        continue;
      }
      if (holder != nullptr && holder->id != id && holder->connected) {
        reply.cancel.emplace_back(holder->id, report.task);
      }
      const Session* by = session != nullptr ? session : holder;
      end_done(now, place, report, by != nullptr ? *by->agent : kNobody);
      ++reply.recorded;
      continue;
    }
    if (holder == nullptr || holder->id != id) {  // nothing of its own to give back
      ++reply.not_held;
      continue;
    }
    place.task->flags |= StoredTask::kCameBack;
    if (report.kind == TaskReport::Kind::unsupported) {
      add_shun(now, place, id, kNever);
    } else if (report.kind == TaskReport::Kind::host_busy) {
      add_shun(now, place, id, now.steady + kHostBusyDelay);
    }
    requeue(now, place);
    if (place.task->state == TaskState::queued) ++reply.requeued;
  }
  forget_batches(now);
  return reply;
}

std::uint64_t TaskTable::give_back(Now now, SessionId id, const std::vector<TaskId>& tasks) {
  const Session* session = find_session(id);
  if (session == nullptr) return 0;
  std::uint64_t requeued = 0;
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {  // the head keeps their order
    const Place place = find(*task);
    if (!place || place.task->state != TaskState::in_flight ||
        place.task->session != session->slot) {
      continue;
    }
    requeue(now, place);
    if (place.task->state == TaskState::queued) ++requeued;
  }
  forget_batches(now);
  return requeued;
}

// -- news ---------------------------------------------------------------------------------------

void TaskTable::tell_ready(LaneEntry& lane) {
  if (lane.in_news) return;
  lane.in_news = true;
  ready_news_.push_back(lane.lane.id);
}

void TaskTable::tell_progress(StoredBatch& batch) {
  if (batch.origin == BatchOrigin::schedule) {
    if (batch.schedule == nullptr || std::exchange(batch.schedule->in_news, true)) return;
    progress_ids_.push_back(batch.schedule->watch);
    return;
  }
  if (batch.in_news) return;
  batch.in_news = true;
  progress_news_.push_back(&batch);
}

TaskTable::News TaskTable::take_news() {
  News news;
  for (const LaneId id : ready_news_) {
    const auto lane = lanes_by_id_.find(id);
    if (lane == lanes_by_id_.end()) continue;  // forgotten since
    lane->second->in_news = false;
    if (lane->second->queued > 0) news.ready.push_back(lane->second->lane);
  }
  for (StoredBatch* batch : progress_news_) {
    batch->in_news = false;
    news.progress.push_back(batch->id);
  }
  for (const BatchId watch : progress_ids_) {
    const auto schedule = schedules_by_watch_.find(watch.value);
    if (schedule != schedules_by_watch_.end()) schedule->second->in_news = false;
    news.progress.push_back(watch);
  }
  progress_ids_.clear();
  ready_news_.clear();
  progress_news_.clear();
  news.gone.swap(gone_news_);
  news.forgotten.swap(forgotten_);
  news.due = std::exchange(due_news_, false);
  return news;
}

}  // namespace probekit::store
