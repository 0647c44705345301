// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/sqlite_journal.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "store/sqlite_statements.hpp"

namespace probekit::store {
namespace {

/// Rows stay below this, roughly: they are read whole.
constexpr std::size_t kRowBytes = 128 * 1024;
constexpr std::uint32_t kRowLines = 4096;
/// Rows of what is forgotten that one transaction deletes, beside a few for each batch it forgets.
constexpr std::size_t kGarbageRows = 64;
constexpr std::size_t kGarbageRowsABatch = 8;
/// Moves are written anew as the state they led to once there are so many more of them.
constexpr std::uint64_t kMovesSpare = 65'536;
constexpr std::size_t kMovesARow = 16'384;
constexpr std::size_t kSidesFinishedMax = 1000;
/// Targets that are kept in memory.
constexpr std::size_t kTargetBytesMax = 16 * 1024 * 1024;

}  // namespace

SqliteJournal::SqliteJournal(Database& database)
    : database_(database), sql_(std::make_shared<Statements>(database)), chunks_(kTargetBytesMax) {}

// -- what it hears ------------------------------------------------------------------------------

void SqliteJournal::on_targets(const StoredBatch& batch, const std::vector<NewTarget>& targets) {
  if (targets.empty()) return;
  changed_ = true;
  const auto [at, fresh] = staged_.try_emplace(&batch);
  Staged& staged = at->second;
  if (fresh) {
    staged.piece = ++last_piece_;
    uploads_begun_.push_back(staged.piece);
  }
  TargetRow* row = nullptr;
  for (const NewTarget& target : targets) {
    if (row == nullptr || row->text.size() + target.target.size() > kRowBytes) {
      const std::uint64_t key = key_of(staged.piece, staged.tasks);
      row = &targets_[key];
      row->key = key;
    }
    row->add(target);
    staged.tasks += target.copies;
  }
}

void SqliteJournal::on_accepted(const StoredBatch& batch, const StoredBatch* staged,
                                std::uint32_t first, std::uint32_t tasks,
                                std::size_t first_binding) {
  changed_ = true;
  const auto at = staged_.find(staged == nullptr ? &batch : staged);
  Side& side = sides_[batch.id.value];
  if (at == staged_.end()) return;  // there was none
  assert(at->second.tasks == tasks);
  const Piece piece{at->second.piece, first, tasks, static_cast<std::uint32_t>(first_binding)};
  side.pieces.push_back(piece);
  pieces_.push_back({batch.id, piece, batch.bindings.size() - first_binding});
  uploads_ended_.push_back(piece.number);
  staged_.erase(at);
}

void SqliteJournal::on_abandoned(const StoredBatch& staged) {
  const auto at = staged_.find(&staged);
  if (at == staged_.end()) return;
  changed_ = true;
  const std::uint32_t piece = at->second.piece;
  targets_.erase(targets_.lower_bound(key_of(piece, 0)), targets_.upper_bound(key_of(piece, ~0U)));
  pieces_dropped_.push_back(piece);
  staged_.erase(at);
}

void SqliteJournal::on_moved(TaskId id, const StoredTask& task, SessionId holder) {
  changed_ = true;
  write_move(moves_, id, task, holder);
  ++moves_count_;
}

void SqliteJournal::on_ended(const StoredBatch& batch, std::uint32_t index, const TaskEnd& end) {
  changed_ = true;
  LineRow*& row = open_lines_[batch.id.value];
  if (row == nullptr || row->lines >= kRowLines || row->text.size() > kRowBytes) {
    const std::uint64_t key =
        key_of(batch.id.value, static_cast<std::uint32_t>(batch.lines.size() - 1));
    row = &lines_[key];
    row->key = key;
  }
  row->add(batch, index, end);
}

void SqliteJournal::on_batch(const StoredBatch& batch) {
  changed_ = true;
  batches_.insert(batch.id.value);
  if (!batch.finished_at) sides_.try_emplace(batch.id.value);
}

void SqliteJournal::on_forgotten(BatchId id) {
  changed_ = true;
  batches_.erase(id.value);
  forgotten_.insert(id.value);
  sides_.erase(id.value);
  sides_finished_.erase(id.value);
  keys_.erase(std::remove_if(keys_.begin(), keys_.end(),
                             [id](const auto& key) { return key.second == id; }),
              keys_.end());
}

void SqliteJournal::on_key(const KeyAnswer& answer, BatchId batch) {
  changed_ = true;
  keys_.emplace_back(answer, batch);
}

void SqliteJournal::on_session(SessionId id, const NewSession& session, std::uint64_t epoch) {
  changed_ = true;
  sessions_[id] = session;
  agents_[session.agent] = epoch;
}

void SqliteJournal::on_session_forgotten(SessionId id) {
  changed_ = true;
  sessions_[id].reset();
}

void SqliteJournal::on_agent_forgotten(const std::string& name) {
  changed_ = true;
  agents_[name].reset();
}

void SqliteJournal::on_name_drained(const std::string& name, bool drained) {
  changed_ = true;
  drained_[name] = drained;
}

void SqliteJournal::on_schedule(const StoredSchedule& schedule) {
  changed_ = true;
  schedules_.insert(schedule.watch.value);
  schedule_counts_.insert(schedule.watch.value);
}

void SqliteJournal::on_schedule_run(const StoredSchedule& schedule, std::uint32_t target) {
  changed_ = true;
  schedule_runs_.emplace(schedule.watch.value, target);
}

void SqliteJournal::on_schedule_counts(const StoredSchedule& schedule) {
  changed_ = true;
  schedule_counts_.insert(schedule.watch.value);
}

void SqliteJournal::on_schedule_line(const StoredSchedule& schedule) {
  const auto [at, fresh] = schedule_lines_.try_emplace(schedule.watch.value);
  auto& [first, bytes] = at->second;
  if (fresh) first = schedule.lines_forgotten + schedule.lines.size() - 1;
  const std::uint64_t line = schedule.lines.back();
  char raw[sizeof line];
  std::memcpy(raw, &line, sizeof line);
  bytes.append(raw, sizeof raw);
}

void SqliteJournal::on_schedule_removed(BatchId watch) {
  changed_ = true;
  schedules_removed_.insert(watch.value);
  schedules_.erase(watch.value);
  schedule_counts_.erase(watch.value);
  schedule_lines_.erase(watch.value);
  schedule_runs_.erase(schedule_runs_.lower_bound({watch.value, 0}),
                       schedule_runs_.lower_bound({watch.value + 1, 0}));
}

// -- writing ------------------------------------------------------------------------------------

void SqliteJournal::write(Now now) {
  const WallClock clock(now);
  collected_ = 0;
  database_.run("BEGIN IMMEDIATE");
  try {
    if (changed_) {
      write_uploads();
      write_pieces(clock);
      write_lines();
      write_moves();
      write_batches(clock);
      write_names();
      write_schedules(clock);
      write_forgotten();
      const std::string totals = write_totals(table_->totals(), last_piece_);
      sql_->put_meta.bind_text(1, "totals").bind_bytes(2, totals).run();
    }
    collect(kGarbageRows + kGarbageRowsABatch * forgotten_.size());
    database_.run("COMMIT");
  } catch (...) {
    database_.roll_back();
    throw;
  }
  written(now);
}

void SqliteJournal::write_uploads() {
  for (const std::uint32_t piece : uploads_begun_) sql_->begin_upload.bind(1, piece).run();
  for (const std::uint32_t piece : uploads_ended_) sql_->end_upload.bind(1, piece).run();
  for (const std::uint32_t piece : pieces_dropped_) {
    sql_->end_upload.bind(1, piece).run();
    sql_->add_garbage.bind(1, static_cast<std::int64_t>(Garbage::piece)).bind(2, piece).run();
  }
  for (const auto& [key, row] : targets_) {
    sql_->add_targets.bind(1, key).bind(2, row.tasks).bind_bytes(3, row.entries);
    sql_->add_targets.bind_bytes(4, row.text).run();
  }
}

void SqliteJournal::write_pieces(const WallClock& clock) {
  for (const NewPiece& added : pieces_) {
    const StoredBatch* const batch =
        forgotten_.count(added.batch.value) > 0 ? nullptr : table_->find_to_read(added.batch);
    const std::string bindings =
        batch == nullptr ? std::string{}
                         : write_bindings(*batch, added.piece.first_binding, added.bindings, clock);
    sql_->add_piece.bind(1, key_of(added.batch.value, added.piece.first));
    sql_->add_piece.bind(2, added.piece.number).bind(3, added.piece.tasks);
    sql_->add_piece.bind(4, added.piece.first_binding).bind_bytes(5, bindings).run();
  }
}

void SqliteJournal::write_lines() {
  for (const auto& [key, row] : lines_) {
    const std::string head = row.head();
    sql_->add_lines.bind(1, key).bind(2, row.lines).bind(3, row.passed).bind(4, row.failed);
    sql_->add_lines.bind_bytes(5, head).bind_bytes(6, row.text).run();
  }
}

void SqliteJournal::write_moves() {
  const Ledger ledger = table_->totals().ledger;
  const std::uint64_t living = ledger.queued + ledger.in_flight;
  moves_compacted_.reset();
  if (moves_written_ + moves_count_ <= 2 * living + kMovesSpare) {
    if (moves_count_ == 0) return;
    sql_->add_moves.bind(1, moves_count_).bind_bytes(2, moves_).run();
    return;
  }
  database_.run("DELETE FROM moves");
  std::string entries;
  std::uint64_t count = 0;
  std::uint64_t all = 0;
  const auto flush = [&] {
    if (count == 0) return;
    sql_->add_moves.bind(1, count).bind_bytes(2, entries).run();
    all += count;
    count = 0;
    entries.clear();
  };
  table_->visit_moved([&](TaskId id, const StoredTask& task, SessionId holder) {
    write_move(entries, id, task, holder);
    if (++count >= kMovesARow) flush();
  });
  flush();
  moves_compacted_ = all;
}

void SqliteJournal::write_batches(const WallClock& clock) {
  for (const std::uint32_t id : batches_) {
    const StoredBatch* const batch = table_->find_to_read(BatchId{id});
    if (batch == nullptr) continue;
    Statement& put = sql_->put_batch;
    put.bind(1, id).bind(2, static_cast<std::int64_t>(batch->origin)).bind_text(3, batch->name);
    put.bind(4, batch->schedule == nullptr ? 0 : batch->schedule->watch.value);
    put.bind(5, std::int64_t{batch->open ? 1 : 0}).bind(6, batch->rejected);
    put.bind(7, WallClock::wall_us(batch->created_at)).bind(8, clock.wall_us(batch->accepted_at));
    put.bind_null(9).bind_null(10).bind(11, std::int64_t{0});
    if (batch->cancelled_at) put.bind(9, clock.wall_us(*batch->cancelled_at));
    if (batch->finished_at) {
      put.bind(10, WallClock::wall_us(*batch->finished_at));
      put.bind(11, std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(
                                    batch->finished - batch->accepted_at)
                                    .count()});
    }
    const Ledger& ledger = batch->ledger;
    put.bind(12, ledger.accepted).bind(13, ledger.done).bind(14, ledger.expired);
    put.bind(15, ledger.cancelled).bind(16, ledger.passed).bind(17, ledger.failed).run();
    if (!batch->finished_at || batch->origin == BatchOrigin::schedule ||
        batch->lines_elsewhere > 0) {
      continue;
    }
    BatchSummary summary;
    batch->statistics.summarize(summary);
    const std::string bytes = write_summary(summary);
    sql_->put_summary.bind(1, id).bind_bytes(2, bytes).run();
  }
}

void SqliteJournal::write_names() {
  for (const auto& [name, epoch] : agents_) {
    if (epoch) {
      sql_->put_agent.bind_text(1, name).bind(2, *epoch).run();
    } else {
      sql_->drop_agent.bind_text(1, name).run();
    }
  }
  for (const auto& [id, session] : sessions_) {
    if (session) {
      sql_->put_session.bind(1, id).bind_text(2, session->agent);
      sql_->put_session.bind(3, std::int64_t{session->grace.count()}).run();
    } else {
      sql_->drop_session.bind(1, id).run();
    }
  }
  for (const auto& [name, drained] : drained_) {
    (drained ? sql_->put_drained : sql_->drop_drained).bind_text(1, name).run();
  }
  for (const auto& [answer, batch] : keys_) {
    sql_->put_key.bind_text(1, answer.key.scope).bind_text(2, answer.key.key);
    sql_->put_key.bind_bytes(3, answer.digest).bind_bytes(4, answer.answer);
    sql_->put_key.bind(5, batch.value).run();
  }
}

void SqliteJournal::write_schedules(const WallClock& clock) {
  for (const std::uint32_t watch : schedules_removed_) {
    for (Statement* const drop : {&sql_->drop_schedule, &sql_->drop_counts, &sql_->drop_lines}) {
      drop->bind(1, watch).run();
    }
    sql_->drop_targets.bind(1, key_of(watch, 0)).bind(2, key_of(watch, ~0U)).run();
  }
  const auto put_target = [&](const StoredSchedule& schedule, std::uint32_t number) {
    const StoredSchedule::Target& target = schedule.targets[number];
    Statement& put = sql_->put_target;
    put.bind(1, key_of(schedule.watch.value, number)).bind(2, target.ordinal);
    put.bind(3, schedule.spec->enabled ? clock.wall_us(schedule.clock.due_of(number)) : 0);
    put.bind(4, target.first.value).bind(5, target.count).run();
  };
  for (const std::uint32_t watch : schedules_) {
    const StoredSchedule& schedule = *table_->find_watch(BatchId{watch});
    const std::string spec = write_spec(*schedule.spec);
    Statement& put = sql_->put_schedule;
    put.bind(1, watch).bind_text(2, schedule.name);
    put.bind(3, WallClock::wall_us(schedule.created_at));
    put.bind(4, WallClock::wall_us(schedule.updated_at)).bind(5, schedule.phase);
    put.bind(6, clock.wall_us(schedule.base)).bind_bytes(7, spec).run();
    sql_->drop_targets.bind(1, key_of(watch, 0)).bind(2, key_of(watch, ~0U)).run();
    for (std::uint32_t i = 0; i < schedule.targets.size(); ++i) put_target(schedule, i);
  }
  for (const auto& [watch, target] : schedule_runs_) {
    if (schedules_.count(watch) > 0) continue;
    const StoredSchedule* const schedule = table_->find_watch(BatchId{watch});
    if (schedule != nullptr && target < schedule->targets.size()) put_target(*schedule, target);
  }
  for (const std::uint32_t watch : schedule_counts_) {
    const StoredSchedule& schedule = *table_->find_watch(BatchId{watch});
    const std::string counts = write_counts(schedule);
    sql_->put_counts.bind(1, watch).bind_bytes(2, counts).run();
    // Rows that are forgotten as a whole.
    sql_->drop_old_lines.bind(1, watch).bind(2, schedule.lines_forgotten).run();
  }
  for (const auto& [watch, lines] : schedule_lines_) {
    sql_->add_schedule_lines.bind(1, watch).bind(2, lines.first);
    sql_->add_schedule_lines.bind_bytes(3, lines.second).run();
  }
}

void SqliteJournal::write_forgotten() {
  for (const std::uint32_t id : forgotten_) {
    for (Statement* const drop : {&sql_->drop_batch, &sql_->drop_summary, &sql_->drop_keys}) {
      drop->bind(1, id).run();
    }
    sql_->add_garbage.bind(1, static_cast<std::int64_t>(Garbage::batch)).bind(2, id).run();
  }
}

// What is forgotten may be large: it goes a part at a time.
void SqliteJournal::collect(std::size_t rows) {
  for (const auto& [kind, id] : garbage_) {
    if (rows == 0) return;
    if (!(kind == Garbage::batch ? collect_batch(id, rows) : collect_targets(id, rows))) return;
    sql_->drop_garbage.bind(1, static_cast<std::int64_t>(kind)).bind(2, id).run();
    ++collected_;
  }
}

/// False: there are more.
bool SqliteJournal::collect_batch(std::uint32_t id, std::size_t& rows) {
  const std::size_t asked = std::max<std::size_t>(rows, 1);
  sql_->collect_lines.bind(1, key_of(id, 0)).bind(2, key_of(id, ~0U)).bind(3, std::int64_t(asked));
  const auto gone = static_cast<std::size_t>(sql_->collect_lines.run());
  rows -= std::min(rows, gone);
  if (gone == asked) return false;
  while (rows > 0) {
    sql_->first_piece.bind(1, key_of(id, 0)).bind(2, key_of(id, ~0U));
    if (!sql_->first_piece.next()) return true;
    const std::int64_t key = sql_->first_piece.number(0);
    const auto piece = static_cast<std::uint32_t>(sql_->first_piece.number(1));
    sql_->first_piece.reset();
    if (!collect_targets(piece, rows)) return false;
    sql_->drop_piece.bind(1, key).run();
    rows -= std::min<std::size_t>(rows, 1);
  }
  return false;
}

bool SqliteJournal::collect_targets(std::uint32_t piece, std::size_t& rows) {
  chunks_.drop(piece);
  const std::size_t asked = std::max<std::size_t>(rows, 1);
  Statement& collect = sql_->collect_targets;
  collect.bind(1, key_of(piece, 0)).bind(2, key_of(piece, ~0U)).bind(3, std::int64_t(asked));
  const auto gone = static_cast<std::size_t>(collect.run());
  rows -= std::min(rows, gone);
  return gone < asked;
}

void SqliteJournal::written(Now now) {
  now_ = now;
  garbage_.erase(garbage_.begin(), garbage_.begin() + static_cast<std::ptrdiff_t>(collected_));
  for (const std::uint32_t id : forgotten_) garbage_.emplace_back(Garbage::batch, id);
  for (const std::uint32_t piece : pieces_dropped_) garbage_.emplace_back(Garbage::piece, piece);
  for (const auto& [key, row] : lines_) {
    const auto side = sides_.find(static_cast<std::uint32_t>(key >> 32));
    if (side != sides_.end()) side->second.written += row.lines;
  }
  for (const std::uint32_t id : batches_) {
    const StoredBatch* const batch = table_->find_to_read(BatchId{id});
    if (batch != nullptr && batch->finished_at) sides_.erase(id);
  }
  if (sides_finished_.size() > kSidesFinishedMax) sides_finished_.clear();
  moves_written_ = moves_compacted_.value_or(moves_written_ + moves_count_);

  changed_ = false;
  uploads_begun_.clear();
  uploads_ended_.clear();
  pieces_dropped_.clear();
  targets_.clear();
  pieces_.clear();
  lines_.clear();
  open_lines_.clear();
  moves_.clear();
  moves_count_ = 0;
  moves_compacted_.reset();
  batches_.clear();
  forgotten_.clear();
  keys_.clear();
  sessions_.clear();
  agents_.clear();
  drained_.clear();
  schedules_.clear();
  schedule_runs_.clear();
  schedule_counts_.clear();
  schedule_lines_.clear();
  schedules_removed_.clear();
  collected_ = 0;
}

}  // namespace probekit::store
