// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// What can be asked of the table, and cancel, which answers with what it left.

#include <algorithm>

#include "store/cursor.hpp"
#include "store/result_line.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {
namespace {

Error no_such_batch() {
  return Error{make_error_code(errc::not_found), "no such batch, or it has been forgotten"};
}

Error bad_limit() { return Error{make_error_code(errc::invalid_argument), "limit: 1 to 10000"}; }

Error bad_cursor(const std::string& field) {
  return Error{make_error_code(errc::invalid_argument), field + ": not a cursor of this list"};
}

std::uint32_t verdict_of(std::uint32_t line) { return line & ((1U << kVerdictBits) - 1); }

}  // namespace

std::string TaskTable::batch_name(BatchId id) const { return batch_text(prefix_, id); }

std::optional<BatchId> TaskTable::find_batch(std::string_view text) const {
  const auto id = parse_batch_text(prefix_, text);
  if (id && journal_ != nullptr) return visible_.contains(*id) ? id : std::nullopt;
  const StoredBatch* const batch = id ? find(*id) : nullptr;
  if (batch == nullptr || batch->origin == BatchOrigin::schedule) return std::nullopt;
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
  if (batch.open) info.state = BatchState::open;
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
    if (!after) return bad_cursor("after");
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
  if (!after || *after > batch->lines.size()) return bad_cursor("after");
  const auto until = query.until.empty() ? std::optional<std::uint64_t>(batch->lines.size())
                                         : parse_result_cursor(prefix_, batch->id, query.until);
  if (!until || *until > batch->lines.size()) return bad_cursor("until");
  const auto unwanted = [&](std::uint32_t line) {
    return query.verdict && verdict_of(line) != static_cast<std::uint32_t>(*query.verdict);
  };
  ResultPageEnd page;
  const std::vector<std::uint32_t>& lines = batch->lines;
  auto position = static_cast<std::size_t>(*after);
  bool open = true;
  for (; position < *until && page.count < query.limit && open; ++position) {
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
  if (batch.schedule != nullptr) line.schedule = batch.schedule->name;
  line.scheduled_at = batch.bindings[task.binding].scheduled_at;
  if (task.state == TaskState::done) {
    line.batch = batch_text;
    line.attempt = task.ending.attempt;
    line.agent = batch.statistics.agent_name(task.ending.agent);
    line.options = batch.bindings[task.binding].options.get();
    line.fields = task.ending.text.view();
  } else if (task.state == TaskState::expired) {
    line.reason = task.reason;
    line.attempts = task.ending.attempt;
    const bool catch_up = (task.flags & StoredTask::kCatchUp) != 0;
    (catch_up ? line.fields : line.diagnosis) = task.ending.text.view();
    if (catch_up) line.diagnosis = kCatchUpDiagnosis;
  }
  append_result_line(out, line);
}

Expected<BatchSummary> TaskTable::summary(BatchId id) const {
  const StoredBatch* batch = find(id);
  if (batch == nullptr) return no_such_batch();
  if (batch->lines_elsewhere > 0) return journal_->summary(id);
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
    if (journal_ != nullptr) journal_->on_batch(*batch);
    tell_progress(*batch);
    close(now, *batch);
    if (!batch->finished_at) {
      batch->scan_position = 0;
      batch->scan_due = kNever;
      set_due(*batch, now.steady);  // until the scan has been through all of it
      std::size_t budget = work_per_call_;
      scan(now, *batch, budget);
      due_news_ = true;  // ticks tell the holders, and do the rest
    }
  }
  BatchView made = view(now, *batch);
  forget_batches(now);
  return made;
}

StoreFacts TaskTable::facts() const {
  StoreFacts facts;
  facts.kind = journal_ == nullptr ? "memory" : "sqlite";
  facts.id = id_;
  facts.ledger = total_;
  facts.queued_max = queued_max_;
  facts.results_kept_max = results_kept_max_;
  facts.results_kept = results_kept_;
  facts.ended = ended_;
  count_unserved(facts);
  return facts;
}

std::vector<Lane> TaskTable::lanes() const {
  std::vector<Lane> lanes;
  lanes.reserve(lanes_.size());
  for (const auto& [key, lane] : lanes_) lanes.push_back(lane->lane);
  return lanes;
}

}  // namespace probekit::store
