// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/task_table.hpp"

#include <algorithm>
#include <cassert>
#include <functional>

#include "base/text.hpp"
#include "store/cursor.hpp"

namespace probekit::store {
namespace {

constexpr std::size_t kTargetBytesLimit = 64 * 1024;
/// Examined at most when a session asks for a task others returned; the rest wait for the next
/// ask or tick.
constexpr std::size_t kShunnedExaminedMax = 256;
/// Tasks that may expire inside one lease call, of which a master makes dozens in a row; the rest
/// at the next call or tick.
constexpr std::size_t kExpiriesPerLease = 500;
/// A session that waits for its tasks' various times is walked over again this long after, for
/// each of them, so that walks cost a part of the time at most.
constexpr std::chrono::microseconds kWalkIntervalPerTask{1};
/// A session replaced while it lived gives its tasks out again after this, should the one that
/// replaced it never say what it holds.
constexpr std::chrono::seconds kReplacedGrace{30};
/// What a task's numbers and punctuation take in a message, roughly.
constexpr std::size_t kTaskBytes = 48;
/// Tasks a lease takes from one batch before the next has its turn.
constexpr std::uint64_t kTurnMax = 64;

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

void mix(std::size_t& seed, std::size_t value) {
  seed ^= value + 0x9E3779B97F4A7C15ULL + (seed << 6) + (seed >> 2);  // boost::hash_combine's form
}

struct OptionsHash {
  std::size_t operator()(const ProbeOptions* options) const {
    const std::hash<std::string> hash;
    std::size_t seed = hash(options->kind);
    mix(seed, static_cast<std::size_t>(options->timeout.count()));
    mix(seed, options->deadline ? static_cast<std::size_t>(options->deadline->count()) : 0);
    mix(seed, static_cast<std::size_t>(options->priority));
    mix(seed, hash(options->section));
    for (const Label& label : options->labels) {
      mix(seed, hash(label.key));
      mix(seed, hash(label.value));
    }
    return seed;
  }
};
struct OptionsEqual {
  bool operator()(const ProbeOptions* a, const ProbeOptions* b) const { return *a == *b; }
};

/// Of the last one; options that are those of the one before are sent once for both.
std::size_t bytes_of(const std::vector<LeasedTask>& tasks) {
  const LeasedTask& task = tasks.back();
  std::size_t bytes = kTaskBytes + task.target.size();
  if (tasks.size() > 1 && tasks[tasks.size() - 2].options == task.options) return bytes;
  bytes += task.options->section.size();
  for (const Label& label : task.options->labels) bytes += label.key.size() + label.value.size();
  return bytes;
}

struct BindingKey {
  const ProbeOptions* options;
  std::uint32_t agent;
  bool operator==(const BindingKey& other) const {
    return options == other.options && agent == other.agent;
  }
};
struct BindingKeyHash {
  std::size_t operator()(const BindingKey& key) const {
    std::size_t seed = std::hash<const void*>()(key.options);
    mix(seed, key.agent);
    return seed;
  }
};

}  // namespace

/// A batch that is being filled, and what finds equal things in it; the latter goes at commit.
struct TaskTable::Upload {
  std::unique_ptr<StoredBatch> batch = std::make_unique<StoredBatch>();
  std::unordered_map<const ProbeOptions*, std::shared_ptr<const ProbeOptions>, OptionsHash,
                     OptionsEqual>
      options;
  std::unordered_map<std::string, std::uint32_t> agents;
  std::vector<std::string> agent_names;
  std::unordered_map<BindingKey, std::uint32_t, BindingKeyHash> bindings;
  struct Queue {
    Priority priority;
    std::string kind;
    std::uint32_t agent;
  };
  std::vector<Queue> queues;
  std::map<std::tuple<Priority, std::string, std::uint32_t>, std::uint32_t> queue_numbers;

  // The last one asked for: an import asks for the same again and again.
  std::shared_ptr<const ProbeOptions> last_options;
  std::uint32_t last_agent = kNoTask;
  std::uint32_t last_binding = 0;

  std::uint32_t agent_number(std::string_view name) {
    const auto [found, added] =
        agents.emplace(std::string{name}, static_cast<std::uint32_t>(agent_names.size()));
    if (added) agent_names.emplace_back(name);
    return found->second;
  }

  std::uint32_t binding(const NewTask& task) {
    if (task.options == last_options && last_agent != kNoTask &&
        agent_names[last_agent] == task.agent) {
      return last_binding;
    }
    const std::uint32_t agent = agent_number(task.agent);
    const auto kept = options.emplace(task.options.get(), task.options).first->second;
    const auto [found, added] = bindings.emplace(
        BindingKey{kept.get(), agent}, static_cast<std::uint32_t>(batch->bindings.size()));
    if (added) add_binding(kept, agent);
    last_options = task.options;
    last_agent = agent;
    last_binding = found->second;
    return last_binding;
  }

  void add_binding(const std::shared_ptr<const ProbeOptions>& of, std::uint32_t agent) {
    const auto [queue, added] =
        queue_numbers.emplace(std::make_tuple(of->priority, of->kind, agent),
                              static_cast<std::uint32_t>(batch->queues.size()));
    if (added) {
      batch->queues.emplace_back();
      queues.push_back({of->priority, of->kind, agent});
    }
    const auto usual = batch->origin == BatchOrigin::probe
                           ? of->timeout + kProbeDeadlineBeyondTimeout
                           : std::chrono::milliseconds(kImportDeadline);
    batch->bindings.push_back({of, queue->second, of->deadline.value_or(usual)});
  }
};

TaskTable::TaskTable(const StoreOptions& options, std::string id, std::size_t work_per_call)
    : queued_max_(options.queued_max),
      results_kept_max_(options.results_kept_max),
      attempts_max_(options.attempts_max),
      work_per_call_(work_per_call),
      id_(std::move(id)),
      prefix_(id_.substr(0, kIdPrefixLength)),
      lanes_swept_at_(kIdleNamesMax),
      agents_swept_at_(kIdleNamesMax) {}

TaskTable::~TaskTable() = default;

// -- uploads ------------------------------------------------------------------------------------

std::uint64_t TaskTable::open_upload(NewBatch batch) {
  auto upload = std::make_unique<Upload>();
  upload->batch->name = std::move(batch.name);
  upload->batch->origin = batch.origin;
  uploads_.emplace(next_upload_, std::move(upload));
  return next_upload_++;
}

Expected<std::uint64_t> TaskTable::append(std::uint64_t token, const std::vector<NewTask>& tasks) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return error(errc::not_found, "no such upload");
  for (const NewTask& task : tasks) {
    if (task.options == nullptr) return error(errc::invalid_argument, "a task without options");
    if (task.target.size() > kTargetBytesLimit) {
      return error(errc::invalid_argument, "a target over 64 KiB");
    }
  }
  const std::uint64_t not_ended = total_.queued + total_.in_flight + uploading_ + tasks.size();
  if (not_ended > queued_max_) {
    return error(errc::store_full,
                 "the store holds as many tasks as it may: " + std::to_string(queued_max_));
  }
  if (not_ended + results_open_ > queued_max_ + results_kept_max_) {
    return error(errc::store_full, "batches that have not ended hold " +
                                       std::to_string(results_open_) +
                                       " results: no room until one of them ends");
  }
  Upload& upload = *found->second;
  StoredBatch& batch = *upload.batch;
  for (const NewTask& task : tasks) {
    const std::uint32_t index = batch.tasks.size();
    StoredTask& stored = batch.tasks.add();
    stored.binding = upload.binding(task);
    stored.target = batch.arena.add(task.target);
    stored.state = TaskState::queued;
    link(batch.queues[batch.bindings[stored.binding].queue].ready, batch.tasks, index, End::back);
  }
  uploading_ += tasks.size();
  return std::uint64_t{batch.tasks.size()};
}

Expected<BatchView> TaskTable::commit_upload(Now now, std::uint64_t token, std::uint64_t rejected) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return error(errc::not_found, "no such upload");
  if (last_batch_ == 0xFFFFFFFF) return error(errc::store_failed, "no batch number is left");
  const std::unique_ptr<Upload> upload = std::move(found->second);
  uploads_.erase(found);

  const BatchId id{++last_batch_};
  StoredBatch& batch = *batches_.emplace(id.value, std::move(upload->batch)).first->second;
  batch.id = id;
  batch.rejected = rejected;
  batch.created_at = now.system;
  batch.accepted_at = now.steady;
  batch.tasks.settle();
  batch.bindings.shrink_to_fit();
  batch.queues.shrink_to_fit();
  const std::uint32_t count = batch.tasks.size();
  for (std::uint32_t first = 0; first < count; first += StoredTasks::kChunk) {
    batch.open_in_chunk.push_back(std::min(StoredTasks::kChunk, count - first));
  }
  uploading_ -= count;
  for (Ledger* ledger : {&batch.ledger, &total_}) {
    ledger->accepted += count;
    ledger->queued += count;
  }
  if (batch.origin == BatchOrigin::import) listed_.insert(id.value);

  for (std::size_t i = 0; i < batch.queues.size(); ++i) {
    const Upload::Queue& key = upload->queues[i];
    BatchQueue& queue = batch.queues[i];
    LaneEntry& lane = lane_for(key.priority, key.kind, upload->agent_names[key.agent]);
    queue.batch = &batch;
    queue.lane = &lane;
    ++lane.batches;
    lane.queued += queue.count();
    enter_ring(queue);
    tell_ready(lane);
  }
  SteadyTime due = kNever;
  for (const Binding& binding : batch.bindings) due = std::min(due, batch.start_by(binding));
  set_due(batch, due);
  tell_progress(batch);
  if (batch.ledger.ended()) finish(now, batch);
  BatchView made = view(now, batch);
  forget_batches(now);
  return made;
}

void TaskTable::abandon_upload(std::uint64_t token) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return;
  uploading_ -= found->second->batch->tasks.size();
  forgotten_.push_back(std::move(found->second->batch));
  uploads_.erase(found);
}

/// Counted, for the audit.
std::uint64_t TaskTable::tasks_uploading() const {
  std::uint64_t tasks = 0;
  for (const auto& [token, upload] : uploads_) tasks += upload->batch->tasks.size();
  return tasks;
}

// -- finding ------------------------------------------------------------------------------------

StoredBatch* TaskTable::find(BatchId id) const {
  if (found_last_ != nullptr && found_last_->id == id) return found_last_;
  const auto found = batches_.find(id.value);
  if (found == batches_.end()) return nullptr;
  return found_last_ = found->second.get();
}

TaskTable::Place TaskTable::find(TaskId id) {
  StoredBatch* batch = find(id.batch());
  if (batch == nullptr || id.index() >= batch->tasks.size()) return {};
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
  --(batch.ledger.*from);
  ++(batch.ledger.*to);
  --(total_.*from);
  ++(total_.*to);
}

/// From a queue to a session.
void TaskTable::take(Session& session, Place place) {
  dequeue(place);
  hold(session, place);
  move_terms(*place.batch, &Ledger::queued, &Ledger::in_flight);
}

/// From a session to the head of its lane; or it ends, when it was cancelled or is too late.
void TaskTable::requeue(Now now, Place place) {
  if (place.batch->cancelled_at) {
    end_cancelled(now, place);
    return;
  }
  release(place);
  const SteadyTime start_by = place.batch->start_by(place.binding());
  enqueue(place, End::front, (place.task->flags & StoredTask::kHasShuns) != 0);
  move_terms(*place.batch, &Ledger::in_flight, &Ledger::queued);
  if (now.steady > start_by) {
    expire_queued(now, place);
  } else {
    lower_due(*place.batch, start_by);
  }
}

void TaskTable::end(Now now, Place place, TaskState state, std::uint32_t verdict) {
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
  batch.lines.push_back(place.index << kVerdictBits | verdict);
  ++results_open_;
  --batch.open_in_chunk[place.index / StoredTasks::kChunk];
  if (batch.rate == nullptr) batch.rate = std::make_unique<RecentRate>();
  batch.rate->add(now.steady, 1);
  tell_progress(batch);
  if (batch.ledger.ended()) finish(now, batch);
}

void TaskTable::end_done(Now now, Place place, const Outcome& outcome, const Agent& agent) {
  StoredBatch& batch = *place.batch;
  const bool passed = outcome.verdict == Verdict::passed;
  const std::uint32_t number = batch.statistics.agent_number(agent.key, agent.name);
  batch.statistics.add_result(
      number,
      passed ? std::nullopt : std::optional(outcome.failure.value_or(FailureKind::internal)),
      outcome.phases, outcome.duration);
  for (Ledger* ledger : {&batch.ledger, &total_}) ++(passed ? ledger->passed : ledger->failed);
  const StoredTask::Ending ending{batch.arena.add(outcome.fields), number, outcome.attempt};
  end(now, place, TaskState::done,
      static_cast<std::uint32_t>(passed ? Verdict::passed : Verdict::failed));
  place.task->ending = ending;
}

void TaskTable::end_expired(Now now, Place place, ExpiryReason reason,
                            const std::string& diagnosis) {
  StoredBatch& batch = *place.batch;
  StoredTask& task = *place.task;
  if (!batch.diagnosis_text || batch.diagnosis != diagnosis) {
    batch.diagnosis = diagnosis;
    batch.diagnosis_text = batch.arena.add(diagnosis);
  }
  const std::uint32_t attempts = task.lost + (task.state == TaskState::in_flight ? 1U : 0U);
  const StoredTask::Ending ending{batch.diagnosis_text, 0, attempts};
  batch.statistics.add_expiry(reason);
  task.reason = reason;
  ++expired_since_tick_;
  end(now, place, TaskState::expired, static_cast<std::uint32_t>(Verdict::none));
  task.ending = ending;
}

void TaskTable::end_cancelled(Now now, Place place) {
  end(now, place, TaskState::cancelled, static_cast<std::uint32_t>(Verdict::none));
}

/// No attempt fits any more.
void TaskTable::expire_queued(Now now, Place place) {
  const StoredTask& task = *place.task;
  std::string text;
  if (task.lost > 0) {
    text = std::to_string(task.lost) + (task.lost == 1 ? " agent was" : " agents were") +
           " lost with it in hand; no other took it before its deadline";
  } else if ((task.flags & StoredTask::kCameBack) != 0) {
    text = "agents gave it back without running it, and none took it again before its deadline";
  } else {
    text = "no agent took it before its deadline";
  }
  text += "; " + std::to_string(connected_) +
          (connected_ == 1 ? " agent was connected then" : " agents were connected then");
  end_expired(now, place, ExpiryReason::deadline, text);
}

/// The deadline itself has passed.
void TaskTable::expire_held(Now now, Place place) {
  const Session& session = *sessions_[place.task->session];
  if (session.connected) {
    cancels_.emplace_back(session.id, place.id());
    end_expired(now, place, ExpiryReason::deadline,
                "agent " + *session.agent->name +
                    " had it in hand, and no result came before its deadline");
  } else {
    end_expired(now, place, ExpiryReason::agent_lost,
                "agent " + *session.agent->name +
                    " was lost with it in hand, and no other attempt fitted before its deadline");
  }
}

void TaskTable::finish(Now now, StoredBatch& batch) {
  batch.finished_at = now.system;
  batch.finished = now.steady;
  for (BatchQueue& queue : batch.queues) --queue.lane->batches;
  batch.queues = {};
  batch.open_in_chunk = {};
  batch.rate.reset();
  set_due(batch, kNever);
  finished_.push_back(batch.id);
  results_kept_ += batch.lines.size();
  results_open_ -= batch.lines.size();
  tell_progress(batch);
}

// -- leases -------------------------------------------------------------------------------------

LeasedTask TaskTable::leased(Now now, Place place) const {
  const Binding& binding = place.binding();
  LeasedTask task;
  task.task = place.id();
  task.attempt = place.task->lost + 1U;
  task.target = place.task->target.view();
  task.options = binding.options;
  task.left = std::chrono::duration_cast<std::chrono::milliseconds>(place.batch->deadline(binding) -
                                                                    now.steady);
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
    if (!lane.lane.agent.empty() && lane.lane.agent != *session->agent->name) {
      reply.empty.push_back(id);
      continue;
    }
    const auto turn = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(lane.rings == 0 ? 1 : request.count / lane.rings, 1, kTurnMax));
    std::uint64_t fruitless = 0;  // queues in a row that had nothing for this session
    while (reply.tasks.size() < request.count && bytes_left > 0 && expiries_left > 0 &&
           fruitless < lane.rings) {
      BatchQueue& queue = *lane.ring;
      lane.ring = queue.next;
      const std::size_t taken =
          lease_from(now, queue, *session, std::min(turn, request.count - reply.tasks.size()),
                     bytes_left, expiries_left, reply);
      fruitless = taken > 0 ? 0 : fruitless + 1;
    }
    if (expiries_left > 0 && (lane.rings == 0 || fruitless >= lane.rings)) {
      reply.empty.push_back(id);
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
    if (now.steady > batch.start_by(place.binding())) {
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

bool TaskTable::offered(Now now, Place place, const Session& session) const {
  const auto found = shuns_.find(place.id());
  if (found == shuns_.end()) return true;
  return std::none_of(found->second.begin(), found->second.end(), [&](const Shun& shun) {
    return shun.session == session.id && shun.until > now.steady;
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
    enqueue(place, End::front, false);
  }
}

// -- what agents say ----------------------------------------------------------------------------

OutcomeReport TaskTable::record(Now now, SessionId id, const std::vector<Outcome>& outcomes) {
  static const Agent kNobody{std::make_shared<const std::string>(), 0, 0, {}, 0, {}};
  OutcomeReport report;
  const Session* session = find_session(id);
  for (const Outcome& outcome : outcomes) {
    const Place place = find(outcome.task);
    if (!place) {
      ++report.unknown;
      continue;
    }
    const TaskState state = place.task->state;
    const bool living = state == TaskState::queued || state == TaskState::in_flight;
    const Session* holder =
        state == TaskState::in_flight ? sessions_[place.task->session].get() : nullptr;
    if (outcome.kind == Outcome::Kind::result) {
      if (!living) {
        ++report.duplicate;
        continue;
      }
      if (holder != nullptr && holder->id != id && holder->connected) {
        report.cancel.emplace_back(holder->id, outcome.task);
      }
      const Session* by = session != nullptr ? session : holder;
      end_done(now, place, outcome, by != nullptr ? *by->agent : kNobody);
      ++report.recorded;
      continue;
    }
    if (holder == nullptr || holder->id != id) {  // nothing of its own to give back
      ++report.not_held;
      continue;
    }
    place.task->flags |= StoredTask::kCameBack;
    if (outcome.kind == Outcome::Kind::unsupported) {
      add_shun(now, place, id, kNever);
    } else if (outcome.kind == Outcome::Kind::host_busy) {
      add_shun(now, place, id, now.steady + kHostBusyDelay);
    }
    requeue(now, place);
    if (place.task->state == TaskState::queued) ++report.requeued;
  }
  forget_batches(now);
  return report;
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
    at = agents_.erase(at);
  }
  agents_swept_at_ = std::max(kIdleNamesMax, 2 * agents_.size());
}

TaskStore::SessionOpened TaskTable::open_session(const std::string& name) {
  Agent& agent = agent_named(name);
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
  slots_.emplace(session.id, slot);
  agent.sessions.push_back(session.id);
  ++agent.connected;
  ++agent.epoch;
  ++connected_;
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
    } else if (task.state == TaskState::queued) {
      if (place.batch->cancelled_at) {
        end_cancelled(now, place);
        continue;
      }
      const std::string& pinned = place.queue().lane->lane.agent;
      if (!pinned.empty() && pinned != *agent.name) continue;
      take(*session, place);
      if (task.lost > 0 && task.lost == attempt) --task.lost;  // it was not lost after all
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
                    " lost with it in hand, the last of them " + *session.agent->name);
    return;
  }
  ++task.lost;
  requeue(now, place);
}

void TaskTable::disconnect(Now now, Session& session) {
  session.connected = false;
  session.lost_at = now.steady;
  --connected_;
  if (--session.agent->connected == 0) session.agent->away_since = now.steady;
}

std::uint64_t TaskTable::lose_session(Now now, const SessionLoss& loss) {
  Session* session = find_session(loss.session);
  if (session == nullptr || !session->connected) return 0;
  disconnect(now, *session);
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
      const auto spare =
          place.batch->deadline(binding) - session.lost_at - binding.options->timeout;
      const SteadyTime until =
          session.lost_at +
          std::clamp<SteadyTime::duration>(spare / 2, SteadyTime::duration(0), session.grace);
      if (until > now.steady) {
        session.walk_due = std::min(session.walk_due, until);
        continue;
      }
      // When no other attempt fits, it stays its agent's until the deadline.
      if (place.task->lost + 1U < attempts_max_ && now.steady > place.batch->start_by(binding)) {
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
  std::vector<SessionId>& sessions = session.agent->sessions;
  sessions.erase(std::find(sessions.begin(), sessions.end(), session.id));
  slots_.erase(session.id);
  free_slots_.push_back(session.slot);
  sessions_[session.slot].reset();
}

// -- lanes and news -----------------------------------------------------------------------------

LaneEntry& TaskTable::lane_for(Priority priority, const std::string& kind,
                               const std::string& agent) {
  if (lanes_.size() >= lanes_swept_at_) forget_lanes();
  std::unique_ptr<LaneEntry>& entry = lanes_[std::make_tuple(priority, kind, agent)];
  if (entry == nullptr) {
    entry = std::make_unique<LaneEntry>();
    entry->lane = Lane{++last_lane_, priority, kind, agent};
    lanes_by_id_.emplace(entry->lane.id, entry.get());
  }
  return *entry;
}

/// Idle ones of pinned agents; the others are as few as there are kinds.
void TaskTable::forget_lanes() {
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    const LaneEntry& lane = *at->second;
    if (lane.batches > 0 || lane.in_news || lane.lane.agent.empty()) {
      ++at;
      continue;
    }
    lanes_by_id_.erase(lane.lane.id);
    at = lanes_.erase(at);
  }
  lanes_swept_at_ = std::max(kIdleNamesMax, 2 * lanes_.size());
}

void TaskTable::tell_ready(LaneEntry& lane) {
  if (lane.in_news) return;
  lane.in_news = true;
  ready_news_.push_back(&lane);
}

void TaskTable::tell_progress(StoredBatch& batch) {
  if (batch.in_news) return;
  batch.in_news = true;
  progress_news_.push_back(&batch);
}

TaskTable::News TaskTable::take_news() {
  News news;
  for (LaneEntry* lane : ready_news_) {
    lane->in_news = false;
    if (lane->queued > 0) news.ready.push_back(lane->lane);
  }
  for (StoredBatch* batch : progress_news_) {
    batch->in_news = false;
    news.progress.push_back(batch->id);
  }
  ready_news_.clear();
  progress_news_.clear();
  news.forgotten.swap(forgotten_);
  news.due = std::exchange(due_news_, false);
  return news;
}

}  // namespace probekit::store
