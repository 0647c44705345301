// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// How tasks come into the table: uploads, what their tasks share, and lanes.

#include <algorithm>
#include <functional>

#include "store/staged_upload.hpp"
#include "store/stored_schedule.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

constexpr std::uint32_t kCopiesLimit = 256;

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

void mix(std::size_t& seed, std::size_t value) {
  seed ^= value + 0x9E3779B97F4A7C15ULL + (seed << 6) + (seed >> 2);  // boost::hash_combine's form
}

}  // namespace

std::vector<std::pair<std::string, Reach>> reaches_of(const Selector& agents) {
  std::vector<std::pair<std::string, Reach>> reaches;
  switch (agents.kind) {
    case Selector::Kind::any:
    case Selector::Kind::tags:
      reaches.emplace_back(tags_text(agents.tags) + '*' + std::to_string(agents.count),
                           Reach{{}, agents.tags, agents.count, false});
      break;
    case Selector::Kind::all:
      reaches.emplace_back("all", Reach{{}, {}, 1, true});
      break;
    case Selector::Kind::names:
      for (const std::string& name : agents.names) {
        reaches.emplace_back(name, Reach{name, {}, 1, false});
      }
      break;
  }
  return reaches;
}

std::size_t OptionsHash::operator()(const ProbeOptions* options) const {
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

std::string tags_text(const std::vector<Label>& tags) {
  std::string text;
  for (const Label& tag : tags) {
    if (!text.empty()) text += ',';
    text += tag.key + '=' + tag.value;
  }
  return text;
}

std::string runs_text(const Lane& lane) {
  return " that runs " + lane.kind + (lane.tags.empty() ? "" : " with " + tags_text(lane.tags));
}

// -- what tasks share ---------------------------------------------------------------------------

/// The queue of a batch that is for this lane.
Expected<std::uint32_t> TaskTable::queue_for(StagedUpload& upload, const ProbeOptions& options,
                                             const Reach& reach) {
  LaneEntry* const lane = lane_for(options.priority, options.kind, reach.agent, reach.tags);
  if (lane == nullptr) {
    const std::string full = reach.agent.empty()
                                 ? std::to_string(kTagLanesMax) + " different sets of tags"
                                 : std::to_string(kNameLanesMax) + " different names";
    return error(errc::store_full, "agents: " + full +
                                       " are in use: no room for another until the tasks of one "
                                       "have ended");
  }
  StoredBatch& batch = *upload.batch;
  const auto [queue, added] =
      upload.queues.emplace(lane, static_cast<std::uint32_t>(batch.queues.size()));
  if (added) {
    batch.queues.emplace_back();
    batch.queues.back().batch = &batch;
    batch.queues.back().lane = lane;
    ++lane->batches;
  }
  return queue->second;
}

Expected<std::uint32_t> TaskTable::binding_for(StagedUpload& upload,
                                               const std::shared_ptr<const ProbeOptions>& options,
                                               std::uint32_t reach) {
  const std::pair<const ProbeOptions*, std::uint32_t> key{options.get(), reach};
  const auto known = upload.bindings.find(key);
  if (known != upload.bindings.end()) return known->second;
  const Reach& of = upload.reaches[reach];
  const auto queue = queue_for(upload, *options, of);
  if (!queue) return queue.error();
  StoredBatch& batch = *upload.batch;
  const auto number = static_cast<std::uint32_t>(batch.bindings.size());
  Binding binding;
  binding.options = options;
  binding.queue = *queue;
  binding.copies = of.copies;
  const auto usual = batch.origin == BatchOrigin::probe
                         ? options->timeout + kProbeDeadlineBeyondTimeout
                         : std::chrono::milliseconds(kImportDeadline);
  binding.within = of.nobody ? Binding::kNobody : options->deadline.value_or(usual);
  batch.bindings.push_back(std::move(binding));
  upload.bindings.emplace(key, number);
  return number;
}

/// Leaves the task's bindings in `last_bindings`.
Expected<void> TaskTable::bind(StagedUpload& upload, const NewTask& task) {
  static const Selector kAny;
  if (task.options == upload.last_options && task.agents == upload.last_agents) return {};
  upload.last_options = nullptr;
  upload.last_bindings.clear();
  const Selector& agents = task.agents == nullptr ? kAny : *task.agents;
  const auto kept = upload.options.emplace(task.options.get(), task.options).first->second;
  for (auto& [text, reach] : reaches_of(agents)) {
    const auto [number, added] =
        upload.reach_numbers.emplace(text, static_cast<std::uint32_t>(upload.reaches.size()));
    if (added) upload.reaches.push_back(std::move(reach));
    const auto binding = binding_for(upload, kept, number->second);
    if (!binding) return binding.error();
    upload.last_bindings.push_back(*binding);
  }
  upload.last_options = task.options;
  upload.last_agents = task.agents;
  return {};
}

// -- uploads ------------------------------------------------------------------------------------

Expected<std::uint64_t> TaskTable::open_upload(NewBatch batch) {
  if (batch.open && open_batches_ >= kOpenBatchesMax) {
    return error(errc::store_full,
                 std::to_string(kOpenBatchesMax) + " batches are open: close some");
  }
  if (batch.open) ++open_batches_;
  auto upload = std::make_unique<StagedUpload>();
  upload->batch->name = std::move(batch.name);
  upload->batch->origin = batch.origin;
  upload->batch->open = batch.open;
  uploads_.emplace(next_upload_, std::move(upload));
  return next_upload_++;
}

Expected<StoredBatch*> TaskTable::open_batch(BatchId id) const {
  StoredBatch* const batch = find(id);
  if (batch == nullptr) {
    return error(errc::not_found, "no such batch, or it has been forgotten");
  }
  if (!batch->open) return error(errc::batch_closed, "the batch is closed");
  return batch;
}

Expected<std::uint64_t> TaskTable::extend_batch(BatchId id) {
  const auto batch = open_batch(id);
  if (!batch) return batch.error();
  auto upload = std::make_unique<StagedUpload>();
  upload->batch->origin = (*batch)->origin;
  upload->into = id;
  ++(*batch)->uploads;
  set_close_at(**batch, kNever);
  uploads_.emplace(next_upload_, std::move(upload));
  return next_upload_++;
}

Expected<void> TaskTable::check_room(std::uint64_t tasks) const {
  const std::uint64_t not_ended = total_.queued + total_.in_flight + uploading_ + tasks;
  if (not_ended > queued_max_) {
    return error(errc::store_full,
                 "the store holds as many tasks as it may: " + std::to_string(queued_max_));
  }
  if (!lines_fit(tasks)) {
    return error(errc::store_full, "batches that have not ended hold " +
                                       std::to_string(results_open_) +
                                       " results: no room until one of them ends");
  }
  return {};
}

/// With theirs, those of what has not ended are within bounds.
bool TaskTable::lines_fit(std::uint64_t tasks) const {
  return total_.queued + total_.in_flight + uploading_ + tasks + results_open_ <=
         queued_max_ + results_kept_max_;
}

Expected<std::uint64_t> TaskTable::append(std::uint64_t token, const std::vector<NewTask>& tasks) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return error(errc::not_found, "no such upload");
  std::uint64_t count = 0;
  for (const NewTask& task : tasks) {
    if (task.options == nullptr) return error(errc::invalid_argument, "a task without options");
    if (task.target.size() > kStoredTargetMax) {
      return error(errc::invalid_argument, "a target over 64 KiB");
    }
    const std::size_t becomes = task.agents == nullptr ? 1 : task_count(*task.agents);
    if (becomes == 0 || (task.agents != nullptr && task.agents->count > kCopiesLimit)) {
      return error(errc::invalid_argument, "a selector of no agent, or of more than 256");
    }
    count += becomes;
  }
  if (const auto room = check_room(count); !room) return room.error();
  StagedUpload& upload = *found->second;
  StoredBatch& batch = *upload.batch;
  // All bindings first: what is refused leaves no task.
  std::vector<std::uint32_t> bound;
  bound.reserve(tasks.size());
  for (const NewTask& task : tasks) {
    const auto fine = bind(upload, task);
    if (!fine) return fine.error();
    bound.insert(bound.end(), upload.last_bindings.begin(), upload.last_bindings.end());
  }
  auto binding = bound.begin();
  std::vector<NewTarget> told;
  for (const NewTask& task : tasks) {
    const ArenaText target = journal_ == nullptr ? batch.arena.add(task.target) : ArenaText{};
    const bool named = task.agents != nullptr && task.agents->kind == Selector::Kind::names;
    for (std::size_t left = named ? task.agents->names.size() : 1; left > 0; --left) {
      if (journal_ != nullptr) {
        told.push_back({task.target, *binding, batch.bindings[*binding].copies});
      }
      add_task(batch, target, *binding++);
    }
  }
  if (journal_ != nullptr) journal_->on_targets(batch, told);
  uploading_ += count;
  return std::uint64_t{batch.tasks.size()};
}

/// As many as the binding has copies, at the end of their queue; told and counted nowhere.
void TaskTable::add_task(StoredBatch& batch, ArenaText target, std::uint32_t binding) {
  const Binding& of = batch.bindings[binding];
  for (std::uint32_t copy = 0; copy < of.copies; ++copy) {
    const std::uint32_t index = batch.tasks.size();
    StoredTask& stored = batch.tasks.add();
    stored.binding = binding;
    stored.target = target;
    stored.state = TaskState::queued;
    stored.copy = static_cast<std::uint8_t>(copy);
    link(batch.queues[of.queue].ready, batch.tasks, index, End::back);
  }
}

Expected<BatchView> TaskTable::commit_upload(Now now, std::uint64_t token, std::uint64_t rejected,
                                             std::optional<KeyAnswer> answer) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return error(errc::not_found, "no such upload");
  StagedUpload& upload = *found->second;
  const std::uint32_t tasks = upload.batch->tasks.size();
  const bool extends = upload.into.value != 0;
  auto into = extends ? open_batch(upload.into) : Expected<StoredBatch*>{nullptr};
  if (into && extends && kBatchTasksMax - (*into)->tasks.size() < tasks) {
    into = error(errc::store_full,
                 "the batch has as many tasks as one may: " + std::to_string(kBatchTasksMax));
  }
  if (!extends && last_batch_ == 0xFFFFFFFF) {
    into = error(errc::store_failed, "no batch number is left");
  }
  if (!into) {
    abandon_upload(now, token);
    return into.error();
  }
  std::unique_ptr<StoredBatch> staged = std::move(upload.batch);
  uploads_.erase(found);
  uploading_ -= tasks;

  StoredBatch& batch = extends ? **into : begin_batch(now, std::move(staged));
  batch.rejected += rejected;
  if (extends) {
    const std::size_t first_binding = batch.bindings.size();
    merge(batch, *staged);
    end_extension(now, batch);
    if (journal_ != nullptr) {
      journal_->on_accepted(batch, staged.get(), batch.tasks.size() - tasks, tasks, first_binding);
      journal_->on_batch(batch);
    }
    forgotten_.push_back(std::move(staged));
    accept(now, batch, tasks, first_binding);
  } else {
    for (BatchQueue& queue : batch.queues) offer(queue, queue.count());
    if (journal_ != nullptr) journal_->on_accepted(batch, nullptr, 0, tasks, 0);
    accept(now, batch, tasks, 0);
  }
  if (answer) {
    if (journal_ != nullptr) journal_->on_key(*answer, batch.id);
    keys_.answer(std::move(*answer), batch.id);
  }
  BatchView made = view(now, batch);
  forget_batches(now);
  return made;
}

/// Gives an uploaded batch its number and its place.
StoredBatch& TaskTable::begin_batch(Now now, std::unique_ptr<StoredBatch> made) {
  const BatchId id{++last_batch_};
  StoredBatch& batch = *batches_.emplace(id.value, std::move(made)).first->second;
  batch.id = id;
  batch.created_at = now.system;
  batch.accepted_at = now.steady;
  batch.tasks.settle();
  batch.bindings.shrink_to_fit();
  batch.queues.shrink_to_fit();
  if (batch.origin == BatchOrigin::import) listed_.insert(id.value);
  if (batch.open) set_close_at(batch, now.steady + kOpenBatchIdle);
  if (journal_ != nullptr) {
    journal_->on_batch(batch);
    if (batch.origin != BatchOrigin::schedule) visible_.insert(id);
  }
  return batch;
}

/// Moves what was uploaded to the end of an open batch.
void TaskTable::merge(StoredBatch& batch, StoredBatch& staged) {
  std::vector<std::uint32_t> queues;
  for (BatchQueue& queue : staged.queues) {
    queues.push_back(live_queue(batch, *queue.lane));
    leave_lane(*queue.lane);
  }
  const auto first_binding = static_cast<std::uint32_t>(batch.bindings.size());
  for (Binding& binding : staged.bindings) {
    binding.queue = queues[binding.queue];
    batch.bindings.push_back(std::move(binding));
  }
  std::vector<std::uint32_t> added;
  for (const BatchQueue& queue : batch.queues) added.push_back(queue.count());
  for (std::uint32_t i = 0; i < staged.tasks.size(); ++i) {
    const std::uint32_t index = batch.tasks.size();
    StoredTask& task = batch.tasks.add();
    task = staged.tasks[i];
    task.binding += first_binding;
    link(batch.queues[batch.bindings[task.binding].queue].ready, batch.tasks, index, End::back);
  }
  for (std::size_t i = 0; i < added.size(); ++i) {
    offer(batch.queues[i], batch.queues[i].count() - added[i]);
  }
  batch.arena.adopt(staged.arena);
}

/// The queue of a batch that has begun for this lane; makes it one.
std::uint32_t TaskTable::live_queue(StoredBatch& batch, LaneEntry& lane) {
  std::vector<BatchQueue>& queues = batch.queues;
  auto& numbers = batch.queue_numbers;
  for (auto number = static_cast<std::uint32_t>(numbers.size()); number < queues.size(); ++number) {
    numbers.emplace(queues[number].lane, number);
  }
  const auto [known, added] = numbers.emplace(&lane, static_cast<std::uint32_t>(queues.size()));
  if (!added) return known->second;
  if (queues.size() == queues.capacity()) {  // they move
    for (BatchQueue& queue : queues) {
      if (queue.count() > 0) leave_ring(queue);
    }
    queues.reserve(std::max<std::size_t>(4, 2 * queues.size()));
    for (BatchQueue& queue : queues) {
      if (queue.count() > 0) enter_ring(queue);
    }
  }
  queues.emplace_back();
  queues.back().batch = &batch;
  queues.back().lane = &lane;
  ++lane.batches;
  return known->second;
}

/// So many tasks were linked to it.
void TaskTable::offer(BatchQueue& queue, std::uint32_t added) {
  if (added == 0) return;
  queue.lane->queued += added;
  if (queue.next == nullptr) enter_ring(queue);
  tell_ready(*queue.lane);
}

/// The last `tasks` of the batch begin to count, and the times of bindings from `first_binding` on.
void TaskTable::accept(Now now, StoredBatch& batch, std::uint32_t tasks,
                       std::size_t first_binding) {
  const std::uint32_t size = batch.tasks.size();
  batch.open_in_chunk.resize((size + StoredTasks::kChunk - 1) / StoredTasks::kChunk);
  for (std::uint32_t index = size - tasks; index < size;) {
    const std::uint32_t chunk = index / StoredTasks::kChunk;
    const std::uint32_t to = std::min(size, (chunk + 1) * StoredTasks::kChunk);
    batch.open_in_chunk[chunk] += to - index;
    index = to;
  }
  for_ledgers(batch, [&](Ledger& ledger) {
    ledger.accepted += tasks;
    ledger.queued += tasks;
  });
  SteadyTime due = kNever;
  for (std::size_t i = first_binding; i < batch.bindings.size(); ++i) {
    Binding& binding = batch.bindings[i];
    binding.accepted_at = now.steady;
    binding.scheduled_at = now.system;
    due = std::min(due, binding.start_by());
  }
  tell_progress(batch);
  lower_due(batch, std::max(due, now.steady));
  if (due < now.steady) {  // some are for agents of whom there is none
    std::size_t budget = work_per_call_;
    scan(now, batch, budget);
    due_news_ = true;  // ticks do the rest
  }
  if (batch.ledger.ended() && !batch.open && !batch.finished_at) finish(now, batch);
}

void TaskTable::abandon_upload(Now now, std::uint64_t token) {
  const auto found = uploads_.find(token);
  if (found == uploads_.end()) return;
  StagedUpload& upload = *found->second;
  uploading_ -= upload.batch->tasks.size();
  for (BatchQueue& queue : upload.batch->queues) leave_lane(*queue.lane);
  if (upload.batch->open) --open_batches_;
  if (StoredBatch* const batch = find(upload.into)) end_extension(now, *batch);
  if (journal_ != nullptr) journal_->on_abandoned(*upload.batch);
  forgotten_.push_back(std::move(upload.batch));
  uploads_.erase(found);
}

// -- open batches -------------------------------------------------------------------------------

void TaskTable::end_extension(Now now, StoredBatch& batch) {
  if (--batch.uploads == 0 && batch.open) set_close_at(batch, now.steady + kOpenBatchIdle);
}

void TaskTable::set_close_at(StoredBatch& batch, SteadyTime at) {
  if (batch.close_at != kNever) batches_closing_.erase({batch.close_at, batch.id.value});
  batch.close_at = at;
  if (at != kNever) batches_closing_.emplace(at, batch.id.value);
}

void TaskTable::close(Now now, StoredBatch& batch) {
  if (!std::exchange(batch.open, false)) return;
  if (batch.origin != BatchOrigin::schedule) --open_batches_;
  if (batch.schedule != nullptr) batch.schedule->segment = nullptr;
  set_close_at(batch, kNever);
  if (journal_ != nullptr) journal_->on_batch(batch);
  tell_progress(batch);
  if (batch.ledger.ended()) finish(now, batch);
}

Expected<BatchView> TaskTable::close_batch(Now now, BatchId id) {
  StoredBatch* const batch = find(id);
  if (batch == nullptr) {
    return error(errc::not_found, "no such batch, or it has been forgotten");
  }
  close(now, *batch);
  BatchView made = view(now, *batch);
  forget_batches(now);
  return made;
}

/// Counted, for the audit.
std::uint64_t TaskTable::tasks_uploading() const {
  std::uint64_t tasks = 0;
  for (const auto& [token, upload] : uploads_) tasks += upload->batch->tasks.size();
  return tasks;
}

// -- lanes --------------------------------------------------------------------------------------

/// Null: there are as many lanes of names, or of tags, as there may be.
LaneEntry* TaskTable::lane_for(Priority priority, const std::string& kind, const std::string& agent,
                               const std::vector<Label>& tags) {
  auto key = std::make_tuple(priority, kind, agent, tags_text(tags));
  const auto known = lanes_.find(key);
  if (known != lanes_.end()) return known->second.get();
  const bool limited = !agent.empty() || !tags.empty();
  std::size_t& used = agent.empty() ? tag_lanes_ : name_lanes_;
  const std::size_t most = agent.empty() ? kTagLanesMax : kNameLanesMax;
  if ((limited && used >= most) || idle_lanes_.size() >= kIdleNamesMax) forget_lanes();
  if (limited && used >= most) return nullptr;
  if (limited) ++used;
  auto entry = std::make_unique<LaneEntry>();
  entry->lane = Lane{++last_lane_, priority, kind, agent, tags};
  LaneEntry* const made = entry.get();
  lanes_by_id_.emplace(made->lane.id, made);
  lanes_.emplace(std::move(key), std::move(entry));
  return made;
}

/// A batch has no queue in it any more.
void TaskTable::leave_lane(LaneEntry& lane) {
  if (--lane.batches > 0 || lane.idle_listed) return;
  if (lane.lane.agent.empty() && lane.lane.tags.empty()) return;  // as few as there are kinds
  lane.idle_listed = true;
  idle_lanes_.push_back(lane.lane.id);
}

/// All that are idle.
void TaskTable::forget_lanes() {
  for (const LaneId id : std::exchange(idle_lanes_, {})) {
    LaneEntry& lane = *lanes_by_id_.at(id);
    lane.idle_listed = false;
    if (lane.batches > 0) continue;
    --(lane.lane.agent.empty() ? tag_lanes_ : name_lanes_);
    gone_news_.push_back(id);
    lanes_by_id_.erase(id);
    lanes_.erase(
        LaneKey{lane.lane.priority, lane.lane.kind, lane.lane.agent, tags_text(lane.lane.tags)});
  }
}

}  // namespace probekit::store
