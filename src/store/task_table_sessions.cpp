// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Sessions of the table: who is connected, what a lost one held, and who resumes it.

#include <algorithm>
#include <cassert>
#include <set>

#include "store/staged_upload.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

/// A session that waits for its tasks' various times is walked over again this long after, for
/// each of them, so that walks cost a part of the time at most.
constexpr std::chrono::microseconds kWalkIntervalPerTask{1};
/// Lanes and sessions that are looked at for tasks nobody serves, a millisecond in all: with every
/// status, and ten times a second.
constexpr std::size_t kUnservedLooksMax = 16'384;

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

}  // namespace

// -- sessions -----------------------------------------------------------------------------------

TaskTable::Agent& TaskTable::agent_named(const std::string& name) {
  if (agents_.size() >= agents_swept_at_) forget_agents();
  Agent& agent = agents_[name];
  if (agent.name == nullptr) {
    agent.name = std::make_shared<const std::string>(name);
    agent.key = ++last_agent_key_;
    agent.epoch = epoch_floor_;
  }
  return agent;
}

/// Those without a session; their epochs stay taken. Pinned tasks that wait for one of them see a
/// name that never came.
void TaskTable::forget_agents() {
  for (auto at = agents_.begin(); at != agents_.end();) {
    if (!at->second.sessions.empty()) {
      ++at;
      continue;
    }
    epoch_floor_ = std::max(epoch_floor_, at->second.epoch);
    if (journal_ != nullptr) journal_->on_agent_forgotten(at->first);
    at = agents_.erase(at);
  }
  agents_swept_at_ = std::max(kIdleNamesMax, 2 * agents_.size());
}

TaskStore::SessionOpened TaskTable::open_session(NewSession opened) {
  Agent& agent = agent_named(opened.agent);
  std::uint32_t slot = static_cast<std::uint32_t>(sessions_.size());
  if (free_slots_.empty()) {
    sessions_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  sessions_[slot] = std::make_unique<Session>();
  Session& session = *sessions_[slot];
  session.id = ++last_session_;
  session.slot = slot;
  session.agent = &agent;
  ++agent.epoch;
  if (journal_ != nullptr) journal_->on_session(session.id, opened, agent.epoch);
  session.tags = std::move(opened.tags);
  session.kinds = std::move(opened.kinds);
  slots_.emplace(session.id, slot);
  agent.sessions.push_back(session.id);
  ++agent.connected;
  ++connected_;
  ++sessions_moved_;
  return {session.id, agent.epoch};
}

Expected<ResumeReply> TaskTable::resume(Now now, const ResumeRequest& request) {
  Session* session = find_session(request.session);
  if (session == nullptr || !session->connected) {
    return error(errc::not_found, "no such session");
  }
  Agent& agent = *session->agent;
  Session* previous = find_session(request.previous);
  if (previous == session || (previous != nullptr && previous->agent != &agent)) {
    return error(errc::invalid_argument, "the previous session is not of the same agent");
  }
  if (previous != nullptr && previous->connected) {
    disconnect(now, *previous);
    previous->grace = kReplacedGrace;
    set_session_due(*previous, now.steady + kReplacedGrace);
  }

  ResumeReply reply;
  for (const auto& [id, attempt] : request.held) {
    ++work_done_;
    const Place place = find(id);
    if (!place) continue;
    StoredTask& task = *place.task;
    if (task.state == TaskState::in_flight) {
      const Session& holder = *sessions_[task.session];
      if (&holder == session) continue;  // listed twice
      if (holder.connected || holder.agent != &agent) {
        reply.elsewhere.push_back(id);
        continue;
      }
      if (place.batch->cancelled_at) {
        end_cancelled(now, place);
        continue;
      }
      release(place);
      hold(*session, place);
      if (journal_ != nullptr) tell_moved(place);
    } else if (task.state == TaskState::queued) {
      if (place.batch->cancelled_at) {
        end_cancelled(now, place);
        continue;
      }
      if (!fits(*session, place.queue().lane->lane) || !apart_from(place, agent)) continue;
      take(*session, place);
      // An attempt that comes back was not lost. Of two that do, the later one stays counted when
      // the earlier one has been given back between: its number is past what is left.
      if (task.lost > 0 && attempt <= task.lost) {
        --task.lost;
        if (journal_ != nullptr) tell_moved(place);
      }
    } else {
      continue;
    }
    reply.wanted.push_back(id);
  }
  // What this agent had and does not hold.
  std::size_t budget = request.last ? work_per_call_ : 0;
  for (const SessionId id : std::vector<SessionId>(agent.sessions)) {
    Session& lost = *find_session(id);
    if (lost.connected || lost.held == 0 || !request.last) continue;
    if (lost.fate == Fate::wait) {
      lost.fate = request.restarted ? Fate::lost : Fate::requeue;
      lost.walking = false;
    }
    reply.requeued += give_up(now, lost, budget);
    if (lost.held == 0) set_session_due(lost, lost.lost_at + kLostSessionKept);
  }
  forget_batches(now);
  return reply;
}

/// Its agent is gone with it in hand: to others, or its end.
void TaskTable::lose_attempt(Now now, Place place, const Session& session) {
  StoredTask& task = *place.task;
  if (!place.batch->cancelled_at && task.lost + 1U >= attempts_max_) {
    end_expired(now, place, ExpiryReason::agent_lost,
                std::to_string(attempts_max_) +
                    (attempts_max_ == 1 ? " agent was" : " agents were") +
                    " lost with it in hand, the last of them " + *session.agent->name +
                    because_of(session));
    return;
  }
  ++task.lost;
  requeue(now, place);
}

void TaskTable::disconnect(Now now, Session& session) {
  session.connected = false;
  session.lost_at = now.steady;
  --connected_;
  ++sessions_moved_;
  if (--session.agent->connected == 0) session.agent->away_since = now.steady;
}

std::uint64_t TaskTable::lose_session(Now now, const SessionLoss& loss) {
  Session* session = find_session(loss.session);
  if (session == nullptr || !session->connected) return 0;
  disconnect(now, *session);
  if (session->held > 0) session->diagnosis = loss.diagnosis;
  session->grace = std::max(loss.grace, std::chrono::milliseconds(0));
  const std::uint64_t held = session->held;
  std::size_t budget = work_per_call_;
  tell_requeued(*session, give_up(now, *session, budget));
  forget_batches(now);
  return held;
}

/// Gives out again what has waited long enough for its lost agent, from the end, so that the heads
/// of lanes keep the order. Goes on where it stopped when the budget ran out; returns how many it
/// queued again.
std::uint64_t TaskTable::give_up(Now now, Session& session, std::size_t& budget) {
  if (!std::exchange(session.walking, true)) {
    session.walk = session.tail;
    session.walk_due = kNever;
  }
  std::uint64_t requeued = 0;
  while (session.walk != kNoTaskId) {
    if (budget == 0) {
      set_session_due(session, now.steady);
      due_news_ = true;
      return requeued;
    }
    --budget;
    ++work_done_;
    const Place place = find(TaskId{session.walk});
    session.walk = place.task->held.previous;
    if (place.batch->cancelled_at) {
      end_cancelled(now, place);
      continue;
    }
    if (session.fate == Fate::requeue) {
      requeue(now, place);
      if (place.task->state == TaskState::queued) ++requeued;
      continue;
    }
    if (session.fate == Fate::wait) {
      const Binding& binding = place.binding();
      const auto spare = binding.deadline() - session.lost_at - binding.options->timeout;
      const SteadyTime until =
          session.lost_at +
          std::clamp<SteadyTime::duration>(spare / 2, SteadyTime::duration(0), session.grace);
      if (until > now.steady) {
        session.walk_due = std::min(session.walk_due, until);
        continue;
      }
      // When no other attempt fits, it stays its agent's until the deadline.
      if (place.task->lost + 1U < attempts_max_ && now.steady > binding.start_by()) {
        continue;
      }
    }
    lose_attempt(now, place, session);
    if (place.task->state == TaskState::queued) ++requeued;
  }
  session.walking = false;
  const SteadyTime due =
      std::max(session.walk_due,
               now.steady + static_cast<std::int64_t>(session.held) * kWalkIntervalPerTask);
  set_session_due(session, std::min(due, std::max(now.steady, session.lost_at) + kLostSessionKept));
  return requeued;
}

bool TaskTable::runs(const Session& session, const Lane& lane) {
  return std::find(session.kinds.begin(), session.kinds.end(), lane.kind) != session.kinds.end();
}

/// Different agents, connected now.
std::uint32_t TaskTable::agents_fitting(LaneEntry& lane) {
  if (lane.fitting_at == sessions_moved_) return lane.fitting;
  std::set<const Agent*> agents;
  const auto look = [&](const Session& session) {
    if (!session.connected || !fits(session, lane.lane) || !runs(session, lane.lane)) return;
    agents.insert(session.agent);
  };
  if (lane.lane.agent.empty()) {
    for (const auto& session : sessions_) {
      if (session != nullptr) look(*session);
    }
  } else if (const auto agent = agents_.find(lane.lane.agent); agent != agents_.end()) {
    for (const SessionId id : agent->second.sessions) look(*find_session(id));
  }
  lane.fitting_at = sessions_moved_;
  return lane.fitting = static_cast<std::uint32_t>(agents.size());
}

/// Whether an agent that takes tasks is connected for it; each place of a session costs one look.
bool TaskTable::served(const Lane& lane, std::size_t& looks) const {
  const auto serves = [&](const Session* session) {
    if (looks > 0) --looks;
    return session != nullptr && session->connected && !session->drained && fits(*session, lane) &&
           runs(*session, lane);
  };
  if (!lane.agent.empty()) {
    const auto agent = agents_.find(lane.agent);
    if (agent == agents_.end()) return false;
    const std::vector<SessionId>& ids = agent->second.sessions;
    return std::any_of(ids.begin(), ids.end(),
                       [&](SessionId id) { return serves(find_session(id)); });
  }
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [&](const auto& session) { return serves(session.get()); });
}

void TaskTable::count_unserved(StoreFacts& facts) const {
  const LaneEntry* largest = nullptr;
  std::size_t looks = kUnservedLooksMax;
  for (const auto& [key, lane] : lanes_) {
    if (looks == 0) break;
    --looks;
    if (lane->queued == 0 || served(lane->lane, looks)) continue;
    facts.unserved += lane->queued;
    if (largest == nullptr || lane->queued > largest->queued) largest = lane.get();
  }
  if (largest == nullptr) return;
  const Lane& lane = largest->lane;
  facts.unserved_for = (lane.agent.empty() ? "an agent" : "an agent named " + lane.agent) +
                       runs_text(lane) + (facts.unserved > largest->queued ? " and others" : "");
}

void TaskTable::set_drained(SessionId id, bool drained) {
  if (Session* const session = find_session(id)) session->drained = drained;
}

void TaskTable::set_name_drained(const std::string& name, bool drained) {
  const bool changed =
      drained ? drained_names_.insert(name).second : drained_names_.erase(name) > 0;
  if (changed && journal_ != nullptr) journal_->on_name_drained(name, drained);
}

std::vector<std::string> TaskTable::drained_names() const {
  return {drained_names_.begin(), drained_names_.end()};
}

void TaskTable::tell_requeued(Session& session, std::uint64_t count) {
  if (count == 0) return;
  requeued_since_tick_ += count;
  if (session.requeued == 0) requeued_sessions_.push_back(session.id);
  session.requeued += count;
}

void TaskTable::set_session_due(Session& session, SteadyTime due) {
  if (session.due == due) return;
  if (session.due != kNever) sessions_due_.erase({session.due, session.id});
  session.due = due;
  if (due != kNever) sessions_due_.emplace(due, session.id);
}

void TaskTable::forget_session(Session& session) {
  assert(session.held == 0 && !session.connected);
  set_session_due(session, kNever);
  if (journal_ != nullptr) journal_->on_session_forgotten(session.id);
  std::vector<SessionId>& sessions = session.agent->sessions;
  sessions.erase(std::find(sessions.begin(), sessions.end(), session.id));
  slots_.erase(session.id);
  free_slots_.push_back(session.slot);
  sessions_[session.slot].reset();
}

}  // namespace probekit::store
