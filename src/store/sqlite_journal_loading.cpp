// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the journal: a table out of its file. Whatever does not fit together is refused.

#include <algorithm>
#include <cstring>

#include "store/sqlite_journal.hpp"
#include "store/sqlite_statements.hpp"

namespace probekit::store {
namespace {

using std::chrono::microseconds;

void require(bool holds, const char* what) {
  if (!holds) {
    throw SqlError(SqlError::Kind::broken, std::string{"it contradicts itself: "} + what);
  }
}

std::uint32_t small(std::int64_t value) {
  if (value < 0 || value > 0xFFFFFFFF) throw BadBytes();
  return static_cast<std::uint32_t>(value);
}

std::uint32_t lower(std::int64_t key) { return static_cast<std::uint32_t>(key); }

}  // namespace

void SqliteJournal::load(Now now, TaskTable& table) {
  table_ = &table;
  now_ = now;
  const WallClock clock(now);
  Statement totals(database_, "SELECT value FROM meta WHERE key = 'totals'");
  if (totals.next()) {
    std::uint64_t last_piece = 0;
    table.restore(read_totals(totals.bytes(0), last_piece));
    last_piece_ = small(static_cast<std::int64_t>(last_piece));
    totals.reset();
  }
  load_names(now);
  load_schedules(clock);
  load_finished(clock);
  load_unfinished(now, clock);
  load_rest();
  require(table.restored(now), "its sums");
}

void SqliteJournal::load_names(Now now) {
  Statement agents(database_, "SELECT name, epoch FROM agents");
  while (agents.next()) {
    table_->restore_agent(now, std::string{agents.bytes(0)},
                          static_cast<std::uint64_t>(agents.number(1)));
  }
  Statement sessions(database_, "SELECT id, agent, grace_ms FROM sessions ORDER BY id");
  while (sessions.next()) {
    NewSession session;
    session.agent = sessions.bytes(1);
    session.grace = std::chrono::milliseconds(sessions.number(2));
    require(table_->restore_session(now, static_cast<SessionId>(sessions.number(0)), session),
            "a session");
  }
  Statement drained(database_, "SELECT name FROM drained");
  while (drained.next()) table_->restore_drained(std::string{drained.bytes(0)});
}

void SqliteJournal::load_schedules(const WallClock& clock) {
  Statement rows(database_,
                 "SELECT watch, name, created_us, updated_us, phase, base_us, spec, counts "
                 "FROM schedules JOIN schedule_counts USING (watch)");
  Statement targets(database_,
                    "SELECT id, ordinal, due_us, first, tasks FROM schedule_targets "
                    "WHERE id BETWEEN ? AND ? ORDER BY id");
  Statement lines(database_,
                  "SELECT first, lines FROM schedule_lines WHERE watch = ? ORDER BY first");
  while (rows.next()) {
    auto schedule = std::make_unique<StoredSchedule>();
    schedule->watch = BatchId{small(rows.number(0))};
    schedule->name = rows.bytes(1);
    schedule->created_at = WallClock::system(rows.number(2));
    schedule->updated_at = WallClock::system(rows.number(3));
    schedule->phase = rows.real(4);
    schedule->base = clock.steady(rows.number(5));
    schedule->spec = read_spec(rows.bytes(6));
    read_counts(rows.bytes(7), *schedule);
    schedule->clock = ScheduleClock{schedule->base, schedule->spec->interval, schedule->phase};
    const std::uint32_t watch = schedule->watch.value;
    targets.bind(1, key_of(watch, 0)).bind(2, key_of(watch, ~0U));
    while (targets.next()) {
      require(lower(targets.number(0)) == schedule->targets.size(), "a schedule's targets");
      schedule->targets.push_back({static_cast<std::uint64_t>(targets.number(1)),
                                   TaskId{static_cast<std::uint64_t>(targets.number(3))},
                                   small(targets.number(4))});
      if (schedule->spec->enabled) schedule->clock.add(clock.steady(targets.number(2)));
    }
    require(schedule->targets.size() == schedule->spec->targets.size(), "a schedule's targets");
    lines.bind(1, watch);
    while (lines.next()) {
      const std::string_view bytes = lines.bytes(1);
      auto at = static_cast<std::uint64_t>(lines.number(0));
      for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8, ++at) {
        if (at < schedule->lines_forgotten) continue;
        require(at == schedule->lines_forgotten + schedule->lines.size(), "a schedule's lines");
        std::uint64_t line = 0;
        std::memcpy(&line, bytes.data() + i, sizeof line);
        schedule->lines.push_back(line);
      }
    }
    require(table_->restore_schedule(std::move(schedule)), "a schedule");
  }
}

std::unique_ptr<StoredBatch> SqliteJournal::head_of(const Statement& row,
                                                    const WallClock& clock) const {
  auto made = std::make_unique<StoredBatch>();
  StoredBatch& batch = *made;
  const auto count = [&row](int column) { return static_cast<std::uint64_t>(row.number(column)); };
  batch.id = BatchId{small(row.number(0))};
  const std::int64_t origin = row.number(1);
  require(origin >= 0 && origin <= static_cast<std::int64_t>(BatchOrigin::schedule), "a batch");
  batch.origin = static_cast<BatchOrigin>(origin);
  batch.name = row.bytes(2);
  batch.schedule = table_->find_watch(BatchId{small(row.number(3))});
  batch.open = row.number(4) != 0;
  batch.rejected = count(5);
  batch.created_at = WallClock::system(row.number(6));
  batch.accepted_at = clock.steady(row.number(7));
  if (!row.is_null(8)) batch.cancelled_at = clock.steady(row.number(8));
  if (row.is_null(9)) return made;
  batch.finished_at = WallClock::system(row.number(9));
  batch.finished = batch.accepted_at + microseconds(row.number(10));
  Ledger& ledger = batch.ledger;
  ledger.accepted = count(11);
  ledger.done = count(12);
  ledger.expired = count(13);
  ledger.cancelled = count(14);
  ledger.passed = count(15);
  ledger.failed = count(16);
  require(ledger.balanced() && ledger.accepted <= kBatchTasksMax, "a batch's sums");
  batch.lines_elsewhere = static_cast<std::uint32_t>(ledger.accepted);
  return made;
}

void SqliteJournal::load_finished(const WallClock& clock) {
  Statement rows(database_,
                 "SELECT * FROM batches WHERE finished_us IS NOT NULL ORDER BY finished_us, id");
  while (rows.next()) require(table_->restore_finished(*head_of(rows, clock)), "a batch");
}

void SqliteJournal::load_tasks(StoredBatch& batch, const Side& side) {
  // Copies of a target stand side by side, all of them.
  std::uint32_t next_copy = 0;
  std::uint32_t last_binding = 0;
  for (const Piece& piece : side.pieces) {
    require(piece.first == batch.tasks.size(), "a batch's parts");
    Statement& rows = sql_->entries;
    rows.bind(1, key_of(piece.number, 0)).bind(2, key_of(piece.number, ~0U));
    while (rows.next()) {
      require(piece.first + lower(rows.number(0)) == batch.tasks.size(), "a batch's targets");
      for (const TargetChunk::Task& read : TargetChunk::read(rows.bytes(2), {}).tasks) {
        const std::uint32_t binding = piece.first_binding + read.binding;
        require(binding < batch.bindings.size() && read.copy == next_copy &&
                    (next_copy == 0 || binding == last_binding),
                "a batch's targets");
        last_binding = binding;
        next_copy = next_copy + 1 < batch.bindings[binding].copies ? next_copy + 1 : 0;
        StoredTask& task = batch.tasks.add();
        task = {};
        task.binding = binding;
        task.state = TaskState::queued;
        task.copy = static_cast<std::uint8_t>(read.copy);
      }
    }
    require(batch.tasks.size() - piece.first == piece.tasks && next_copy == 0, "a batch's targets");
  }
  batch.ledger.accepted = batch.tasks.size();
}

void SqliteJournal::load_lines(StoredBatch& batch, Side& side) {
  Statement& rows = sql_->lines;
  rows.bind(1, key_of(batch.id.value, 0)).bind(2, key_of(batch.id.value, 0));
  rows.bind(3, key_of(batch.id.value, ~0U));
  batch.lines.reserve(batch.tasks.size());
  while (rows.next()) {
    require(lower(rows.number(0)) == side.written, "a batch's lines");
    const std::uint32_t lines = small(rows.number(1));
    LineReader reader(rows.bytes(4), lines, std::nullopt);
    while (reader.next()) {
      const StoredLine& line = reader.line();
      const TaskEnd& end = line.end;
      require(line.index < batch.tasks.size(), "a batch's lines");
      StoredTask& task = batch.tasks[line.index];
      require(task.state == TaskState::queued, "a task with two lines");
      task.state = end.state;
      task.reason = end.reason;
      if (line.catch_up) task.flags |= StoredTask::kCatchUp;
      std::uint32_t agent = 0;
      if (end.state == TaskState::done) {
        const std::string name{end.agent};
        agent = batch.statistics.agent_number(table_->agent_key(name), table_->agent_name(name));
        if (batch.origin != BatchOrigin::schedule) {
          batch.statistics.add_result(agent, end.failure, *end.phases, end.duration);
        }
        ++batch.ledger.done;
        ++(end.verdict == Verdict::passed ? batch.ledger.passed : batch.ledger.failed);
      } else if (end.state == TaskState::expired) {
        batch.statistics.add_expiry(end.reason);
        ++batch.ledger.expired;
      } else {
        ++batch.ledger.cancelled;
      }
      task.ending = StoredTask::Ending{ArenaText{}, agent, end.attempt};
      batch.lines.push_back(line.index << kVerdictBits | static_cast<std::uint32_t>(end.verdict));
    }
    side.written += lines;
  }
}

void SqliteJournal::load_unfinished(Now now, const WallClock& clock) {
  struct Loaded {
    std::unique_ptr<StoredBatch> batch;
    LaneList lanes;
  };
  std::unordered_map<std::uint32_t, Loaded> all;
  Statement rows(database_, "SELECT * FROM batches WHERE finished_us IS NULL");
  while (rows.next()) {
    Loaded loaded;
    loaded.batch = head_of(rows, clock);
    StoredBatch& batch = *loaded.batch;
    Side& side = sides_[batch.id.value];
    Statement& pieces = sql_->pieces;
    pieces.bind(1, key_of(batch.id.value, 0)).bind(2, key_of(batch.id.value, ~0U));
    while (pieces.next()) {
      side.pieces.push_back({small(pieces.number(1)), lower(pieces.number(0)),
                             small(pieces.number(2)), small(pieces.number(3))});
      require(side.pieces.back().first_binding == batch.bindings.size(), "a batch's options");
      read_bindings(pieces.bytes(4), clock, batch.bindings, loaded.lanes);
    }
    load_tasks(batch, side);
    load_lines(batch, side);
    all.emplace(batch.id.value, std::move(loaded));
  }

  // What moved last holds; who has it, and since which move, waits in the links until all is told.
  Statement moves(database_, "SELECT tasks, entries FROM moves ORDER BY id");
  while (moves.next()) {
    ByteReader entries(moves.bytes(1));
    while (!entries.empty()) {
      const StoredMove move = read_move(entries);
      ++moves_written_;
      const auto at = all.find(move.task.batch().value);
      if (at == all.end()) continue;
      StoredBatch& batch = *at->second.batch;
      require(move.task.index() < batch.tasks.size(), "a task");
      StoredTask& task = batch.tasks[move.task.index()];
      if (task.state != TaskState::queued && task.state != TaskState::in_flight) continue;
      task.state = move.holder == 0 ? TaskState::queued : TaskState::in_flight;
      task.lost = move.lost;
      task.flags = move.came_back ? StoredTask::kCameBack : std::uint8_t{0};
      task.held = {move.holder, moves_written_};
    }
  }
  struct Held {
    std::uint64_t since;
    TaskId task;
    SessionId holder;
  };
  std::vector<Held> held;
  for (auto& [number, loaded] : all) {
    StoredBatch& batch = *loaded.batch;
    for (std::uint32_t index = 0; index < batch.tasks.size(); ++index) {
      const StoredTask& task = batch.tasks[index];
      if (task.state != TaskState::in_flight) continue;
      held.push_back({task.held.next, TaskId::of(batch.id, index), task.held.previous});
    }
    require(table_->restore_batch(now, std::move(loaded.batch), loaded.lanes.lanes()), "a batch");
  }
  std::sort(held.begin(), held.end(),
            [](const Held& a, const Held& b) { return a.since < b.since; });
  for (const Held& each : held) {
    require(table_->restore_held(each.task, each.holder), "a task that somebody has in hand");
  }
}

void SqliteJournal::load_rest() {
  Statement keys(database_, "SELECT scope, key, digest, answer, batch FROM keys");
  while (keys.next()) {
    table_->restore_key({{std::string{keys.bytes(0)}, std::string{keys.bytes(1)}},
                         std::string{keys.bytes(2)},
                         std::string{keys.bytes(3)}},
                        BatchId{small(keys.number(4))});
  }
  Statement garbage(database_, "SELECT kind, id FROM garbage");
  while (garbage.next()) {
    garbage_.emplace_back(garbage.number(0) == 1 ? Garbage::batch : Garbage::piece,
                          small(garbage.number(1)));
  }
  // Uploads that nobody will commit any more.
  Statement uploads(database_, "SELECT piece FROM uploads");
  while (uploads.next()) {
    pieces_dropped_.push_back(small(uploads.number(0)));
    changed_ = true;
  }
}

}  // namespace probekit::store
