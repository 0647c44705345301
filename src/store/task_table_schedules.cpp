// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Schedules of the table: their runs, which are tasks of segments, and their lines.

#include <algorithm>
#include <unordered_map>

#include "base/text.hpp"
#include "probe/selector.hpp"
#include "store/cursor.hpp"
#include "store/staged_upload.hpp"
#include "store/stored_schedule.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

/// A segment takes runs for so long.
constexpr std::chrono::hours kSegmentTime{1};
/// A run there is no room for is tried again after this.
constexpr std::chrono::seconds kRetry{1};

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

Error no_such_schedule(const std::string& name) {
  return error(errc::not_found, "no schedule `" + name.substr(0, 64) + "`");
}

Expected<void> check(const std::string& name, ScheduleSpec& spec) {
  const auto refuse = [](std::string what) {
    return error(errc::invalid_argument, std::move(what));
  };
  if (!is_valid_name(name)) return refuse("name: not 1 to 64 of A-Z a-z 0-9 . _ -");
  if (spec.interval < kScheduleIntervalMin || spec.interval > kScheduleIntervalMax) {
    return refuse("interval: 1 s to 366 days");
  }
  if (spec.targets.empty()) return refuse("targets: there is none to probe");
  for (const ScheduledTarget& target : spec.targets) {
    if (target.options == nullptr) return refuse("a target without options");
    if (target.target.size() > kStoredTargetMax) return refuse("a target over 64 KiB");
  }
  if (const auto fine = complete_selector(spec.agents); !fine) {
    return refuse("agents: " + fine.error().message());
  }
  return {};
}

std::chrono::milliseconds within(const ScheduleSpec& spec, const ProbeOptions& options) {
  const std::chrono::milliseconds usual = std::max<std::chrono::milliseconds>(
      spec.interval + options.timeout, options.timeout + kScheduleDeadlineBeyondTimeout);
  return options.deadline.value_or(usual);
}

}  // namespace

StoredSchedule* TaskTable::find_schedule(const std::string& name) const {
  const auto found = schedules_.find(name);
  return found == schedules_.end() ? nullptr : found->second.get();
}

void TaskTable::set_due(StoredSchedule& schedule, SteadyTime due) {
  if (schedule.due != kNever) schedules_due_.erase({schedule.due, schedule.watch.value});
  schedule.due = due;
  if (due != kNever) schedules_due_.emplace(due, schedule.watch.value);
}

// -- changes ------------------------------------------------------------------------------------

Expected<SchedulePut> TaskTable::put_schedule(Now now, const std::string& name, ScheduleSpec spec,
                                              double phase) {
  if (const auto fine = check(name, spec); !fine) return fine.error();
  StoredSchedule* schedule = find_schedule(name);
  const std::size_t before = schedule == nullptr ? 0 : schedule->spec->targets.size();
  if (schedule == nullptr && schedules_.size() >= kSchedulesMax) {
    return error(errc::store_full,
                 "there are as many schedules as there may be: " + std::to_string(kSchedulesMax));
  }
  if (schedule_targets_ - before + spec.targets.size() > kScheduleTargetsMax) {
    return error(errc::store_full, "schedules may have " + std::to_string(kScheduleTargetsMax) +
                                       " targets in all, of which " +
                                       std::to_string(kScheduleTargetsMax - schedule_targets_) +
                                       " are left");
  }
  if (schedule == nullptr && last_batch_ == 0xFFFFFFFF) {
    return error(errc::store_failed, "no batch number is left");
  }
  if (schedule != nullptr) {
    if (const auto settled = settle(now, *schedule, spec); !settled) return settled.error();
  }
  SchedulePut put;
  put.created = schedule == nullptr;
  if (put.created) {
    schedule = schedules_.emplace(name, std::make_unique<StoredSchedule>()).first->second.get();
    schedule->name = name;
    schedule->watch = BatchId{++last_batch_};
    schedule->phase = phase;
    schedule->base = now.steady;
    schedule->created_at = now.system;
    schedules_by_watch_.emplace(schedule->watch.value, schedule);
  }
  schedule_targets_ = schedule_targets_ - before + spec.targets.size();
  schedule->updated_at = now.system;
  change(now, *schedule, std::make_shared<const ScheduleSpec>(std::move(spec)));
  due_news_ = true;  // its first run may come before the tick that was asked for
  put.view = view(now, *schedule);
  return put;
}

/// Runs that are due and that the change would drop begin now; where there is no room for one, a
/// line tells of it.
Expected<void> TaskTable::settle(Now now, StoredSchedule& schedule, const ScheduleSpec& next) {
  if (!schedule.clock.due(now.steady)) return {};
  const ScheduleSpec& spec = *schedule.spec;
  std::unordered_map<std::string_view, std::size_t> staying;
  if (next.enabled && next.interval == spec.interval) {
    for (const ScheduledTarget& target : next.targets) ++staying[target.target];
  }
  for (std::uint32_t number = 0; number < spec.targets.size(); ++number) {
    const auto stays = staying.find(spec.targets[number].target);
    if (stays != staying.end() && stays->second > 0) {
      --stays->second;
      continue;
    }
    const auto due = schedule.clock.due(now.steady, number);
    if (!due) continue;
    std::size_t budget = kWorkPerCall;
    if (!run(now, schedule, *due, Runs::begin, budget) &&
        !run(now, schedule, *due, Runs::are_told, budget)) {
      return error(errc::store_full, "a run of it is due, and there is no room for its line");
    }
    schedule.clock.pass(*due);
    // The change may be refused after all.
    if (journal_ != nullptr) journal_->on_schedule_run(schedule, due->target);
  }
  return {};
}

/// Targets that stay keep their latest run and, where the interval stays, their next.
void TaskTable::change(Now now, StoredSchedule& schedule,
                       std::shared_ptr<const ScheduleSpec> spec) {
  const std::shared_ptr<const ScheduleSpec> before = std::exchange(schedule.spec, std::move(spec));
  const bool same_times =
      before != nullptr && before->enabled && before->interval == schedule.spec->interval;
  if (before != nullptr && before->interval != schedule.spec->interval) schedule.base = now.steady;
  std::unordered_map<std::string_view, std::deque<std::uint32_t>> old;
  if (before != nullptr) {
    for (std::uint32_t i = 0; i < before->targets.size(); ++i) {
      old[before->targets[i].target].push_back(i);
    }
  }
  ScheduleClock clock{schedule.base, schedule.spec->interval, schedule.phase};
  std::vector<StoredSchedule::Target> targets;
  for (const ScheduledTarget& target : schedule.spec->targets) {
    const auto known = old.find(target.target);
    const bool stays = known != old.end() && !known->second.empty();
    const std::uint32_t number = stays ? known->second.front() : 0;
    if (stays) known->second.pop_front();
    targets.push_back(stays ? schedule.targets[number]
                            : StoredSchedule::Target{schedule.next_ordinal++, {}, 0});
    if (!schedule.spec->enabled) continue;
    clock.add(stays && same_times ? schedule.clock.due_of(number)
                                  : clock.first_after(now.steady, targets.back().ordinal));
  }
  schedule.targets = std::move(targets);
  schedule.clock = std::move(clock);
  set_due(schedule, schedule.clock.next().value_or(kNever));
  if (journal_ != nullptr) journal_->on_schedule(schedule);
}

Expected<ScheduleView> TaskTable::remove_schedule(Now now, const std::string& name) {
  const auto found = schedules_.find(name);
  if (found == schedules_.end()) return no_such_schedule(name);
  StoredSchedule& schedule = *found->second;
  ScheduleView last = view(now, schedule);
  set_due(schedule, kNever);
  schedule_targets_ -= schedule.targets.size();
  progress_ids_.push_back(schedule.watch);
  for (const BatchId id : schedule.segments) {
    StoredBatch& segment = *find(id);
    segment.schedule = nullptr;
    if (segment.finished_at) {
      orphans_.push_back(id);
    } else {
      close(now, segment);
    }
  }
  const std::deque<BatchId>& segments = schedule.segments;
  finished_.erase(std::remove_if(finished_.begin(), finished_.end(),
                                 [&](BatchId id) {
                                   return std::binary_search(segments.begin(), segments.end(), id);
                                 }),
                  finished_.end());
  if (journal_ != nullptr) journal_->on_schedule_removed(schedule.watch);
  schedules_by_watch_.erase(schedule.watch.value);
  schedules_.erase(found);
  forget_batches(now);
  return last;
}

// -- runs ---------------------------------------------------------------------------------------

void TaskTable::run_schedules(Now now, std::size_t& budget) {
  while (budget > 0 && !schedules_due_.empty() && schedules_due_.begin()->first <= now.steady) {
    StoredSchedule& schedule = *schedules_by_watch_.at(schedules_due_.begin()->second);
    const auto due = schedule.clock.due(now.steady);
    if (due && !run(now, schedule, *due, Runs::begin, budget)) {
      // It is not lost: should it be over before there is room, a line tells so.
      set_due(schedule, now.steady + kRetry);
      continue;
    }
    if (due) {
      schedule.clock.pass(*due);
      if (journal_ != nullptr) journal_->on_schedule_run(schedule, due->target);
    }
    set_due(schedule, schedule.clock.next().value_or(kNever));
  }
}

/// False: there is no room for it. Those before it, or all, may only be told of, in one line.
bool TaskTable::run(Now now, StoredSchedule& schedule, const ScheduleDue& due, Runs runs,
                    std::size_t& budget) {
  const bool begins = runs == Runs::begin;
  const std::uint64_t told = due.passed + (begins ? 0 : 1);
  StoredSchedule::Target& target = schedule.targets[due.target];
  const ScheduledTarget& what = schedule.spec->targets[due.target];
  end_missed(now, target, budget);
  Selector agents = begins ? schedule.spec->agents : Selector{};
  if (agents.kind == Selector::Kind::all) resolve_all(agents, what.options->kind);
  const bool nobody = agents.kind == Selector::Kind::all;
  const auto count = static_cast<std::uint32_t>(task_count(agents));
  // Also where there is no room for it; what it missed may have used up the budget.
  budget -= std::min<std::size_t>(budget, count);
  ++work_done_;
  if (begins ? !check_room(count + (told > 0 ? 1U : 0U)) : !lines_fit(1)) return false;
  std::vector<std::pair<LaneEntry*, std::uint32_t>> lanes;  // and copies
  const auto reaches = reaches_of(agents);
  for (const auto& [text, reach] : reaches) {
    LaneEntry* const lane =
        lane_for(what.options->priority, what.options->kind, reach.agent, reach.tags);
    if (lane == nullptr) break;
    lanes.emplace_back(lane, reach.copies);
    ++lane->batches;  // so that the next one does not make it forgotten
  }
  StoredBatch* const segment =
      lanes.size() == reaches.size() ? segment_for(now, schedule, count + 1) : nullptr;
  const auto leave_lanes = [&] {
    for (const auto& [lane, copies] : lanes) leave_lane(*lane);
  };
  if (segment == nullptr) {
    leave_lanes();
    return false;
  }
  StoredBatch& batch = *segment;
  const auto seen_at = [&](SteadyTime at) {
    return now.system - std::chrono::duration_cast<SystemTime::duration>(now.steady - at);
  };
  const ArenaText text = journal_ == nullptr ? batch.arena.add(what.target) : ArenaText{};
  const auto begin = [&](LaneEntry& lane, std::uint32_t copies, SteadyTime at) {
    Binding binding;
    binding.options = what.options;
    binding.queue = live_queue(batch, lane);
    binding.copies = copies;
    binding.within = within(*schedule.spec, *what.options);
    const std::size_t number = batch.bindings.size();
    batch.bindings.push_back(std::move(binding));
    if (journal_ != nullptr) {
      journal_->on_targets(batch, {{what.target, 0, copies}});
    }
    add_task(batch, text, static_cast<std::uint32_t>(number));
    if (journal_ != nullptr) {
      journal_->on_accepted(batch, nullptr, batch.tasks.size() - copies, copies, number);
    }
    offer(batch.queues[batch.bindings[number].queue], copies);
    accept(now, batch, copies, number);
    batch.bindings[number].scheduled_at = seen_at(at);
    return batch.tasks.size() - copies;
  };
  if (told > 0) {
    const SteadyTime last = begins ? due.last : due.at;
    const std::uint32_t index = begin(*lanes.front().first, 1, last);
    std::string fields = ",\"count\":";
    append_uint(fields, told);
    for (const auto& [name, at] : {std::pair{"first", due.first}, {"last", last}}) {
      fields += ",\"" + std::string{name} + "\":\"";
      append_rfc3339(fields, seen_at(at));
      fields += '"';
    }
    batch.tasks[index].flags |= StoredTask::kCatchUp;
    schedule.missed += told - 1;
    end_expired(now, Place{&batch, &batch.tasks[index], index}, ExpiryReason::missed, fields);
  }
  target.first = TaskId::of(batch.id, batch.tasks.size());
  target.count = 0;
  for (const auto& [lane, copies] : lanes) {
    if (!begins) break;
    const std::uint32_t index = begin(*lane, copies, due.at);
    target.count += copies;
    if (!nobody) continue;
    end_expired(now, Place{&batch, &batch.tasks[index], index}, ExpiryReason::no_agent,
                "no agent that runs " + what.options->kind + " was connected when it was due");
  }
  leave_lanes();
  if (batch.tasks.size() >= segment_full()) close(now, batch);
  return true;
}

/// The run before this one, where it still waits.
void TaskTable::end_missed(Now now, StoredSchedule::Target& target, std::size_t& budget) {
  for (std::uint32_t i = 0; i < target.count; ++i) {
    const Place place = find(TaskId{target.first.value + i});
    if (!place || place.task->state != TaskState::queued) continue;
    budget -= std::min<std::size_t>(budget, 1);
    const std::string nobody = nobody_fits(place);
    end_expired(now, place, ExpiryReason::missed,
                "it still waited for an agent when its target's next run was due; " +
                    (nobody.empty() ? connected_text() : nobody));
  }
  target.count = 0;
}

/// Names of those connected that run the kind and take tasks; stays as it is where there is none.
void TaskTable::resolve_all(Selector& agents, const std::string& kind) const {
  std::set<std::string> names;
  for (const auto& session : sessions_) {
    if (session == nullptr || !session->connected || session->drained) continue;
    if (std::find(session->kinds.begin(), session->kinds.end(), kind) == session->kinds.end()) {
      continue;
    }
    names.insert(*session->agent->name);
  }
  if (names.empty()) return;
  agents.kind = Selector::Kind::names;
  agents.names.assign(names.begin(), names.end());
}

/// Tasks that close a segment: so few that all open ones together hold half the lines that are to
/// be kept at most, since lines of what is open are never forgotten.
std::uint32_t TaskTable::segment_full() const {
  const auto share = std::max<std::uint64_t>(100, 2 * schedules_.size());
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(results_kept_max_ / share, 1, kSegmentTasks));
}

/// One with room for so many tasks. Null: no number is left for another.
StoredBatch* TaskTable::segment_for(Now now, StoredSchedule& schedule, std::uint32_t tasks) {
  StoredBatch* const now_open = schedule.segment;
  if (now_open != nullptr && now.steady < now_open->close_at &&
      kBatchTasksMax - now_open->tasks.size() > tasks) {
    return now_open;
  }
  if (last_batch_ == 0xFFFFFFFF) return nullptr;
  if (now_open != nullptr) close(now, *now_open);
  auto made = std::make_unique<StoredBatch>();
  made->origin = BatchOrigin::schedule;
  StoredBatch& batch = begin_batch(now, std::move(made));
  batch.open = true;
  batch.schedule = &schedule;
  if (journal_ != nullptr) journal_->on_batch(batch);
  schedule.segment = &batch;
  set_close_at(batch, now.steady + kSegmentTime);
  schedule.segments.push_back(batch.id);
  return &batch;
}

/// A segment is gone, and with it its lines.
void TaskTable::forget_segment(StoredSchedule& schedule, BatchId id) {
  std::deque<BatchId>& segments = schedule.segments;
  segments.erase(std::find(segments.begin(), segments.end(), id));
  while (!schedule.lines.empty()) {
    const BatchId of{
        static_cast<std::uint32_t>(schedule.lines.front() >> StoredSchedule::kSegmentBits)};
    if (std::binary_search(segments.begin(), segments.end(), of)) break;
    schedule.lines.pop_front();
    ++schedule.lines_forgotten;
  }
  if (journal_ != nullptr) tell_counts(schedule);
}

// -- reading ------------------------------------------------------------------------------------

ScheduleView TaskTable::view(Now now, const StoredSchedule& schedule) const {
  ScheduleView made;
  made.name = schedule.name;
  made.spec = schedule.spec;
  made.created_at = schedule.created_at;
  made.updated_at = schedule.updated_at;
  if (const auto next = schedule.clock.next()) {
    made.next_at =
        now.system + std::chrono::duration_cast<SystemTime::duration>(*next - now.steady);
  }
  made.ledger = schedule.ledger;
  made.missed = schedule.missed;
  made.watch = schedule.watch;
  return made;
}

Expected<ScheduleView> TaskTable::schedule(Now now, const std::string& name) const {
  const StoredSchedule* const found = find_schedule(name);
  if (found == nullptr) return no_such_schedule(name);
  return view(now, *found);
}

Expected<ScheduleList> TaskTable::schedules(Now now, const std::string& after,
                                            std::size_t limit) const {
  if (!after.empty() && !is_valid_name(after)) {
    return error(errc::invalid_argument, "after: not a cursor of this list");
  }
  ScheduleList list;
  auto at = schedules_.upper_bound(after);
  for (; at != schedules_.end() && list.items.size() < std::max<std::size_t>(limit, 1); ++at) {
    list.items.push_back(view(now, *at->second));
  }
  if (at != schedules_.end()) list.next = list.items.back().name;
  return list;
}

/// As of a batch; lines that are read are kept a while.
template <class Visit>
Expected<ResultPageEnd> TaskTable::walk(Now now, const ScheduleResultQuery& query, Visit visit) {
  const auto refuse = [](const char* what) { return error(errc::invalid_argument, what); };
  if (query.limit < 1 || query.limit > kPageLinesMax) return refuse("limit: 1 to 10000");
  const StoredSchedule* const schedule = find_schedule(query.name);
  if (schedule == nullptr) return no_such_schedule(query.name);
  const std::deque<std::uint64_t>& lines = schedule->lines;
  const std::uint64_t forgotten = schedule->lines_forgotten;
  const std::uint64_t end = forgotten + lines.size();
  const auto after = parse_result_cursor(prefix_, schedule->watch, query.after);
  if (!after || *after > end) return refuse("after: not a cursor of this list");
  const auto until = query.until.empty()
                         ? std::optional<std::uint64_t>(end)
                         : parse_result_cursor(prefix_, schedule->watch, query.until);
  if (!until || *until > end) return refuse("until: not a cursor of this list");
  ResultPageEnd page;
  std::uint64_t position = std::max(*after, forgotten);
  bool more = true;
  for (; position < *until && page.count < query.limit && more; ++position) {
    const std::uint64_t place = lines[static_cast<std::size_t>(position - forgotten)];
    const auto line = static_cast<std::uint32_t>(place);
    StoredBatch* const batch =
        find(BatchId{static_cast<std::uint32_t>(place >> StoredSchedule::kSegmentBits)});
    if (batch == nullptr) continue;
    const std::uint32_t verdict = line & ((1U << kVerdictBits) - 1);
    if (query.verdict && verdict != static_cast<std::uint32_t>(*query.verdict)) continue;
    ++page.count;
    batch->read_until = now.steady + kReadingGuard;
    more = visit(*batch, line >> kVerdictBits);
  }
  page.next = result_cursor(prefix_, schedule->watch, position);
  return page;
}

Expected<ResultPage> TaskTable::schedule_results(Now now, const ScheduleResultQuery& query) {
  ResultPage page;
  const auto end = walk(now, query, [&](const StoredBatch& batch, std::uint32_t index) {
    append_line(page.lines, batch, index, {});
    return page.lines.size() <= query.bytes_max;
  });
  if (!end) return end.error();
  page.count = end->count;
  page.next = end->next;
  return page;
}

Expected<ResultPageEnd> TaskTable::schedule_page_end(Now now, const ScheduleResultQuery& query) {
  return walk(now, query, [](const StoredBatch&, std::uint32_t) { return true; });
}

}  // namespace probekit::store
