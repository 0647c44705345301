// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the journal: targets for leases, and lines for readers.

#include <algorithm>
#include <cstring>
#include <list>

#include "store/cursor.hpp"
#include "store/result_line.hpp"
#include "store/sqlite_journal.hpp"
#include "store/sqlite_statements.hpp"

namespace probekit::store {
namespace {

Error error(errc code, std::string message) {
  return Error{make_error_code(code), std::move(message)};
}

Error bad_cursor(const char* field) {
  return error(errc::invalid_argument, std::string{field} + ": not a cursor of this list");
}

std::uint32_t place_in(std::int64_t key) { return static_cast<std::uint32_t>(key); }

}  // namespace

// -- targets ------------------------------------------------------------------------------------

SqliteJournal::Side& SqliteJournal::side_of(BatchId id) {
  const auto live = sides_.find(id.value);
  if (live != sides_.end()) return live->second;
  const auto [at, fresh] = sides_finished_.try_emplace(id.value);
  Side& side = at->second;
  if (!fresh) return side;
  sql_->pieces.bind(1, key_of(id.value, 0)).bind(2, key_of(id.value, ~0U));
  while (sql_->pieces.next()) {
    side.pieces.push_back({static_cast<std::uint32_t>(sql_->pieces.number(1)),
                           place_in(sql_->pieces.number(0)),
                           static_cast<std::uint32_t>(sql_->pieces.number(2)),
                           static_cast<std::uint32_t>(sql_->pieces.number(3))});
  }
  return side;
}

/// The rows of a piece around this task, and its place in them.
const TargetChunk& SqliteJournal::chunk_of(std::uint32_t piece, std::uint32_t at,
                                           std::uint32_t& place) {
  const std::uint64_t key = key_of(piece, at);
  const std::uint64_t lowest = key_of(piece, 0);
  const auto covers = [&](std::uint64_t first, std::size_t tasks) {
    return first >= lowest && first <= key && key - first < tasks;
  };
  if (const TargetChunk* const known = chunks_.find(key, place)) return *known;
  std::uint64_t first = 0;
  TargetChunk chunk;
  auto pending = targets_.upper_bound(key);
  if (pending != targets_.begin()) --pending;
  if (pending != targets_.end() && covers(pending->first, pending->second.tasks)) {
    first = pending->first;
    chunk = TargetChunk::read(pending->second.entries, pending->second.text);
  } else {
    Statement& row = sql_->targets;
    row.bind(1, lowest).bind(2, key);
    if (!row.next()) throw BadBytes();
    first = static_cast<std::uint64_t>(row.number(0));
    try {
      chunk = TargetChunk::read(row.bytes(2), row.bytes(3));
    } catch (...) {
      row.reset();
      throw;
    }
    row.reset();
    if (!covers(first, chunk.tasks.size())) throw BadBytes();
  }
  place = static_cast<std::uint32_t>(key - first);
  return chunks_.add(first, std::move(chunk));
}

std::string_view SqliteJournal::target(const StoredBatch& batch, std::uint32_t index) {
  const std::vector<Piece>& pieces = side_of(batch.id).pieces;
  auto piece = std::upper_bound(pieces.begin(), pieces.end(), index,
                                [](std::uint32_t at, const Piece& of) { return at < of.first; });
  if (piece == pieces.begin()) throw BadBytes();
  --piece;
  if (index - piece->first >= piece->tasks) throw BadBytes();
  std::uint32_t place = 0;
  const TargetChunk& chunk = chunk_of(piece->number, index - piece->first, place);
  const TargetChunk::Task& task = chunk.tasks[place];
  if (std::uint64_t{task.at} + task.size > chunk.text.size()) throw BadBytes();
  return std::string_view{chunk.text}.substr(task.at, task.size);
}

// -- finished batches ---------------------------------------------------------------------------

std::unique_ptr<StoredBatch> SqliteJournal::load(BatchId id) {
  if (forgotten_.count(id.value) > 0) return nullptr;
  Statement& row = sql_->batch;
  row.bind(1, id.value);
  if (!row.next()) return nullptr;
  auto batch = head_of(row, WallClock(now_));
  row.reset();
  return batch;
}

BatchSummary SqliteJournal::summary(BatchId id) {
  BatchSummary summary;
  Statement& row = sql_->summary;
  row.bind(1, id.value);
  if (row.next()) {
    const std::string bytes{row.bytes(0)};
    row.reset();
    summary = read_summary(bytes);
  }
  const StoredBatch* const batch = table_->find_to_read(id);
  if (batch != nullptr) summary.ledger = batch->ledger;
  return summary;
}

void SqliteJournal::need_bindings(StoredBatch& batch) {
  if (batch.lines_elsewhere == 0 || !batch.bindings.empty()) return;
  LaneList lanes;
  std::vector<std::string> rows;
  sql_->pieces.bind(1, key_of(batch.id.value, 0)).bind(2, key_of(batch.id.value, ~0U));
  while (sql_->pieces.next()) rows.emplace_back(sql_->pieces.bytes(4));
  for (const std::string& row : rows) read_bindings(row, WallClock(now_), batch.bindings, lanes);
}

/// Those that are written: what is not may be lost yet.
std::uint32_t SqliteJournal::lines_readable(const StoredBatch& batch) {
  const auto side = sides_.find(batch.id.value);
  return side != sides_.end() ? side->second.written
                              : static_cast<std::uint32_t>(batch.line_count());
}

// -- lines of a batch ---------------------------------------------------------------------------

void SqliteJournal::append_line(std::string& out, StoredBatch& batch, const StoredLine& stored,
                                std::string_view batch_text) {
  need_bindings(batch);
  if (stored.binding >= batch.bindings.size()) throw BadBytes();
  const Binding& binding = batch.bindings[stored.binding];
  const TaskEnd& end = stored.end;
  const std::string id = task_text(table_->id_prefix(), TaskId::of(batch.id, stored.index));
  ResultLine line;
  line.state = end.state;
  line.task = id;
  line.target = target(batch, stored.index);
  if (batch.schedule != nullptr) line.schedule = batch.schedule->name;
  line.scheduled_at = binding.scheduled_at;
  if (end.state == TaskState::done) {
    line.batch = batch_text;
    line.attempt = end.attempt;
    line.agent = end.agent;
    line.options = binding.options.get();
    line.fields = end.text;
  } else if (end.state == TaskState::expired) {
    line.reason = end.reason;
    line.attempts = end.attempt;
    (stored.catch_up ? line.fields : line.diagnosis) = end.text;
    if (stored.catch_up) line.diagnosis = kCatchUpDiagnosis;
  }
  append_result_line(out, line);
}

/// Visits the lines of a page; `visit` says whether there is room for more.
template <class Visit>
Expected<ResultPageEnd> SqliteJournal::walk(const ResultQuery& query, bool texts, Visit visit) {
  if (query.limit < 1 || query.limit > kPageLinesMax) {
    return error(errc::invalid_argument, "limit: 1 to 10000");
  }
  StoredBatch* const batch = table_->find_to_read(query.batch);
  if (batch == nullptr) {
    return error(errc::not_found, "no such batch, or it has been forgotten");
  }
  const auto after = parse_result_cursor(table_->id_prefix(), batch->id, query.after);
  if (!after || *after > batch->line_count()) return bad_cursor("after");
  const auto until = query.until.empty()
                         ? std::optional<std::uint64_t>(batch->line_count())
                         : parse_result_cursor(table_->id_prefix(), batch->id, query.until);
  if (!until || *until > batch->line_count()) return bad_cursor("until");
  const std::uint32_t readable = lines_readable(*batch);
  ResultPageEnd page;
  auto position = static_cast<std::uint32_t>(*after);
  bool room = true;
  if (position < readable) {
    Statement& row = sql_->lines;
    row.bind(1, key_of(batch->id.value, position)).bind(2, key_of(batch->id.value, 0));
    row.bind(3, key_of(batch->id.value, ~0U));
    try {
      while (position < readable && row.next()) {
        const std::uint32_t first = place_in(row.number(0));
        const auto lines = static_cast<std::uint32_t>(row.number(1));
        if (position < first || position - first >= lines) throw BadBytes();
        const std::uint64_t matching =
            !query.verdict                      ? lines
            : *query.verdict == Verdict::passed ? static_cast<std::uint64_t>(row.number(2))
            : *query.verdict == Verdict::failed
                ? static_cast<std::uint64_t>(row.number(3))
                : lines - static_cast<std::uint64_t>(row.number(2) + row.number(3));
        const bool full = page.count >= query.limit || !room || position >= *until;
        if (full && !batch->finished_at) break;
        if (matching == 0) {
          position = first + lines;
          continue;
        }
        LineReader reader(row.bytes(4), lines, texts ? std::optional(row.bytes(5)) : std::nullopt);
        for (std::uint32_t at = first; reader.next(); ++at) {
          if (at < position) continue;
          const bool wanted = !query.verdict || reader.line().end.verdict == *query.verdict;
          if (page.count >= query.limit || !room || at >= *until) {
            // What is left of a finished batch can be known, and the last page be the last.
            if (!batch->finished_at || wanted) break;
          } else if (wanted) {
            ++page.count;
            room = visit(*batch, reader.line());
          }
          position = at + 1;
        }
        if (position < first + lines) break;
      }
    } catch (...) {
      row.reset();
      throw;
    }
    row.reset();
  }
  if (batch->finished_at && position == batch->line_count()) return page;
  page.next = result_cursor(table_->id_prefix(), batch->id, position);
  return page;
}

Expected<ResultPage> SqliteJournal::results(Now now, const ResultQuery& query) {
  ResultPage page;
  const std::string name = table_->batch_name(query.batch);
  const auto end = walk(query, true, [&](StoredBatch& batch, const StoredLine& line) {
    append_line(page.lines, batch, line, name);
    return page.lines.size() <= query.bytes_max;
  });
  if (!end) return end.error();
  page.count = end->count;
  page.next = end->next;
  table_->find_to_read(query.batch)->read_until =
      page.next.empty() ? SteadyTime{} : now.steady + kReadingGuard;
  return page;
}

Expected<ResultPageEnd> SqliteJournal::page_end(Now now, const ResultQuery& query) {
  auto end = walk(query, false, [](StoredBatch&, const StoredLine&) { return true; });
  if (end) table_->find_to_read(query.batch)->read_until = now.steady + kReadingGuard;
  return end;
}

// -- lines of a schedule ------------------------------------------------------------------------

/// All lines of one segment, of which there are a thousand or so.
struct SqliteJournal::SegmentLines {
  std::list<std::string> rows;                          // what the lines' texts are parts of
  std::unordered_map<std::uint32_t, StoredLine> lines;  // by task
};

std::unique_ptr<SqliteJournal::SegmentLines> SqliteJournal::lines_of(BatchId segment) {
  auto all = std::make_unique<SegmentLines>();
  Statement& row = sql_->lines;
  row.bind(1, key_of(segment.value, 0)).bind(2, key_of(segment.value, 0));
  row.bind(3, key_of(segment.value, ~0U));
  std::vector<std::uint32_t> counts;
  while (row.next()) {
    counts.push_back(static_cast<std::uint32_t>(row.number(1)));
    all->rows.emplace_back(row.bytes(4));
    all->rows.emplace_back(row.bytes(5));
  }
  auto at = all->rows.begin();
  for (const std::uint32_t count : counts) {
    const std::string& head = *at++;
    LineReader reader(head, count, std::string_view{*at++});
    while (reader.next()) {
      StoredLine line = reader.line();
      line.end.phases = nullptr;  // the reader's
      all->lines.emplace(line.index, line);
    }
  }
  return all;
}

template <class Visit>
Expected<ResultPageEnd> SqliteJournal::walk(Now now, const ScheduleResultQuery& query,
                                            Visit visit) {
  if (query.limit < 1 || query.limit > kPageLinesMax) {
    return error(errc::invalid_argument, "limit: 1 to 10000");
  }
  const StoredSchedule* const schedule = table_->find_to_read(query.name);
  if (schedule == nullptr) {
    return error(errc::not_found, "no schedule `" + query.name.substr(0, 64) + "`");
  }
  const std::deque<std::uint64_t>& lines = schedule->lines;
  const std::uint64_t forgotten = schedule->lines_forgotten;
  const std::uint64_t last = forgotten + lines.size();
  const auto after = parse_result_cursor(table_->id_prefix(), schedule->watch, query.after);
  if (!after || *after > last) return bad_cursor("after");
  const auto until = query.until.empty()
                         ? std::optional<std::uint64_t>(last)
                         : parse_result_cursor(table_->id_prefix(), schedule->watch, query.until);
  if (!until || *until > last) return bad_cursor("until");
  const auto pending = schedule_lines_.find(schedule->watch.value);
  const std::size_t unwritten =
      pending == schedule_lines_.end() ? 0 : pending->second.second.size() / sizeof(std::uint64_t);
  const std::uint64_t readable =
      std::min(*until, forgotten + lines.size() - std::min(lines.size(), unwritten));
  ResultPageEnd page;
  std::uint64_t position = std::max(*after, forgotten);
  bool room = true;
  for (; position < readable && page.count < query.limit && room; ++position) {
    const std::uint64_t place = lines[static_cast<std::size_t>(position - forgotten)];
    const auto line = static_cast<std::uint32_t>(place);
    const BatchId segment{static_cast<std::uint32_t>(place >> StoredSchedule::kSegmentBits)};
    if (!std::binary_search(schedule->segments.begin(), schedule->segments.end(), segment)) {
      continue;
    }
    StoredBatch* const batch = table_->find_to_read(segment);
    if (batch == nullptr) throw BadBytes();
    batch->read_until = now.steady + kReadingGuard;
    const std::uint32_t verdict = line & ((1U << kVerdictBits) - 1);
    if (query.verdict && verdict != static_cast<std::uint32_t>(*query.verdict)) continue;
    ++page.count;
    room = visit(*batch, line >> kVerdictBits);
  }
  page.next = result_cursor(table_->id_prefix(), schedule->watch, position);
  return page;
}

Expected<ResultPage> SqliteJournal::schedule_results(Now now, const ScheduleResultQuery& query) {
  ResultPage page;
  std::unordered_map<std::uint32_t, std::unique_ptr<SegmentLines>> segments;
  const auto end = walk(now, query, [&](StoredBatch& batch, std::uint32_t index) {
    std::unique_ptr<SegmentLines>& known = segments[batch.id.value];
    if (known == nullptr) known = lines_of(batch.id);
    const auto line = known->lines.find(index);
    if (line == known->lines.end()) throw BadBytes();
    append_line(page.lines, batch, line->second, {});
    return page.lines.size() <= query.bytes_max;
  });
  if (!end) return end.error();
  page.count = end->count;
  page.next = end->next;
  return page;
}

Expected<ResultPageEnd> SqliteJournal::schedule_page_end(Now now,
                                                         const ScheduleResultQuery& query) {
  return walk(now, query, [](StoredBatch&, std::uint32_t) { return true; });
}

}  // namespace probekit::store
