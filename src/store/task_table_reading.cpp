// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// What can be asked of the table, and cancel, which answers with what it left.

#include <algorithm>

#include "store/cursor.hpp"
#include "store/result_line.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

Error no_such_batch() {
  return Error{make_error_code(errc::not_found), "no such batch, or it has been forgotten"};
}

Error bad_limit() { return Error{make_error_code(errc::invalid_argument), "limit: 1 to 10000"}; }

Error bad_cursor() {
  return Error{make_error_code(errc::invalid_argument), "after: not a cursor of this list"};
}

std::uint32_t verdict_of(std::uint32_t line) { return line & ((1U << kVerdictBits) - 1); }

}  // namespace

std::string TaskTable::batch_name(BatchId id) const { return batch_text(prefix_, id); }

std::optional<BatchId> TaskTable::find_batch(std::string_view text) const {
  const auto id = parse_batch_text(prefix_, text);
  if (!id || batches_.count(id->value) == 0) return std::nullopt;
  return id;
}

BatchView TaskTable::view(Now now, const StoredBatch& batch) const {
  BatchView made;
  made.id = batch.id;
  made.origin = batch.origin;
  BatchSnapshot& info = made.info;
  info.id = batch_name(batch.id);
  info.name = batch.name;
  info.ledger = batch.ledger;
  info.rejected = batch.rejected;
  info.created_at = batch.created_at;
  info.finished_at = batch.finished_at;
  if (batch.finished_at) {
    info.state = batch.cancelled_at ? BatchState::cancelled : BatchState::done;
    const std::chrono::duration<double> took = batch.finished - batch.accepted_at;
    if (took.count() > 0) {
      info.tasks_per_second = static_cast<double>(batch.ledger.accepted) / took.count();
    }
  } else if (batch.rate != nullptr) {
    info.tasks_per_second = batch.rate->per_second(now.steady, batch.accepted_at);
    if (info.tasks_per_second > 0) {
      const auto left = static_cast<double>(batch.ledger.queued + batch.ledger.in_flight);
      // A hundred years at most, so that the slowest rate does not overflow.
      const double seconds = std::min(left / info.tasks_per_second, 3.2e9);
      info.eta = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
    }
  }
  return made;
}

Expected<BatchView> TaskTable::batch(Now now, BatchId id) const {
  const StoredBatch* batch = find(id);
  if (batch == nullptr) return no_such_batch();
  return view(now, *batch);
}

Expected<BatchList> TaskTable::batches(Now now, const BatchListQuery& query) const {
  auto from = listed_.end();
  if (!query.after.empty()) {
    const auto after = parse_batch_cursor(prefix_, query.after);
    if (!after) return bad_cursor();
    from = listed_.lower_bound(after->value);
  }
  BatchList list;
  const std::size_t limit = std::max<std::size_t>(query.limit, 1);
  while (from != listed_.begin() && list.items.size() < limit) {
    --from;
    list.items.push_back(view(now, *find(BatchId{*from})).info);
  }
  if (from != listed_.begin()) list.next = batch_cursor(prefix_, BatchId{*from});
  return list;
}

Expected<ResultPage> TaskTable::results(Now now, const ResultQuery& query) {
  ResultPage page;
  std::string name;
  const auto end = walk(query, [&](const StoredBatch& batch, std::uint32_t index) {
    if (name.empty()) name = batch_name(batch.id);
    append_line(page.lines, batch, index, name);
    return page.lines.size() <= query.bytes_max;
  });
  if (!end) return end.error();
  page.count = end->count;
  page.next = end->next;
  find(query.batch)->read_until = page.next.empty() ? SteadyTime{} : now.steady + kReadingGuard;
  return page;
}

Expected<ResultPageEnd> TaskTable::page_end(Now now, const ResultQuery& query) {
  auto end = walk(query, [](const StoredBatch&, std::uint32_t) { return true; });
  if (end) find(query.batch)->read_until = now.steady + kReadingGuard;  // its lines come next
  return end;
}

/// Visits lines of a page with (batch, index) until it is full or `visit` says stop.
template <class Visit>
Expected<ResultPageEnd> TaskTable::walk(const ResultQuery& query, Visit visit) const {
  if (query.limit < 1 || query.limit > kPageLinesMax) return bad_limit();
  const StoredBatch* batch = find(query.batch);
  if (batch == nullptr) return no_such_batch();
  const auto after = parse_result_cursor(prefix_, batch->id, query.after);
  if (!after || *after > batch->lines.size()) return bad_cursor();
  const auto unwanted = [&](std::uint32_t line) {
    return query.verdict && verdict_of(line) != static_cast<std::uint32_t>(*query.verdict);
  };
  ResultPageEnd page;
  const std::vector<std::uint32_t>& lines = batch->lines;
  auto position = static_cast<std::size_t>(*after);
  bool open = true;
  for (; position < lines.size() && page.count < query.limit && open; ++position) {
    if (unwanted(lines[position])) continue;
    ++page.count;
    open = visit(*batch, lines[position] >> kVerdictBits);
  }
  if (batch->finished_at) {  // then what is left can be known, and the last page be the last
    while (position < lines.size() && unwanted(lines[position])) ++position;
    if (position == lines.size()) return page;
  }
  page.next = result_cursor(prefix_, batch->id, position);
  return page;
}

void TaskTable::append_line(std::string& out, const StoredBatch& batch, std::uint32_t index,
                            std::string_view batch_text) const {
  const StoredTask& task = batch.tasks[index];
  const std::string id = task_text(prefix_, TaskId::of(batch.id, index));
  ResultLine line;
  line.state = task.state;
  line.task = id;
  line.target = task.target.view();
  if (task.state == TaskState::done) {
    line.batch = batch_text;
    line.attempt = task.ending.attempt;
    line.agent = batch.statistics.agent_name(task.ending.agent);
    line.options = batch.bindings[task.binding].options.get();
    line.scheduled_at = batch.created_at;
    line.fields = task.ending.text.view();
  } else if (task.state == TaskState::expired) {
    line.reason = task.reason;
    line.attempts = task.ending.attempt;
    line.diagnosis = task.ending.text.view();
  }
  append_result_line(out, line);
}

Expected<BatchSummary> TaskTable::summary(BatchId id) const {
  const StoredBatch* batch = find(id);
  if (batch == nullptr) return no_such_batch();
  BatchSummary summary;
  summary.ledger = batch->ledger;
  batch->statistics.summarize(summary);
  return summary;
}

Expected<BatchView> TaskTable::cancel(Now now, BatchId id) {
  StoredBatch* batch = find(id);
  if (batch == nullptr) return no_such_batch();
  if (!batch->finished_at && !batch->cancelled_at) {
    batch->cancelled_at = now.steady;
    tell_progress(*batch);
    batch->scan_position = 0;
    batch->scan_due = kNever;
    set_due(*batch, now.steady);  // until the scan has been through all of it
    std::size_t budget = work_per_call_;
    scan(now, *batch, budget);
    due_news_ = true;  // ticks tell the holders, and do the rest
  }
  BatchView made = view(now, *batch);
  forget_batches(now);
  return made;
}

StoreFacts TaskTable::facts() const {
  StoreFacts facts;
  facts.kind = "memory";
  facts.id = id_;
  facts.ledger = total_;
  facts.queued_max = queued_max_;
  facts.results_kept_max = results_kept_max_;
  facts.results_kept = results_kept_;
  return facts;
}

std::vector<Lane> TaskTable::lanes() const {
  std::vector<Lane> lanes;
  lanes.reserve(lanes_.size());
  for (const auto& [key, lane] : lanes_) lanes.push_back(lane->lane);
  return lanes;
}

// -- audit --------------------------------------------------------------------------------------

std::string TaskTable::audit() const {
  const auto differs = [](const Ledger& a, const Ledger& b) {
    return a.accepted != b.accepted || a.queued != b.queued || a.in_flight != b.in_flight ||
           a.done != b.done || a.expired != b.expired || a.cancelled != b.cancelled;
  };
  std::unordered_map<LaneId, std::pair<std::uint64_t, std::uint64_t>> lane_counts;
  std::unordered_map<std::uint32_t, std::uint64_t> held_counts;
  std::uint64_t living = 0;
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
          if (batch.due > std::max(batch.start_by(batch.bindings[task.binding]), ticked_) +
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
    if (batch.lines.size() != batch.tasks.size() - open) return where + "not a line an end";
    if (batch.finished_at.has_value() != (open == 0)) return where + "finished is wrong";
    (batch.finished_at ? lines_of_finished : lines_of_open) += batch.lines.size();
    std::vector<bool> seen(batch.tasks.size());
    for (const std::uint32_t line : batch.lines) {
      if (seen[line >> kVerdictBits]) return where + "a task with two lines";
      seen[line >> kVerdictBits] = true;
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
    if (in_queues != counted.queued) return where + "queued tasks outside queues";
  }
  if (total_.queued + total_.in_flight != living) return "the total is not what the batches are";
  if (!total_.balanced()) return "the total does not balance";
  if (lines_of_finished != results_kept_) return "results kept";
  if (lines_of_open != results_open_) return "results of unfinished batches";
  for (const auto& [key, lane] : lanes_) {
    const auto& [queued, shunned] = lane_counts[lane->lane.id];
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
