// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The journal of a TaskTable in a SQLite file. What it hears waits in memory until write() puts it
/// all into one transaction; if that fails nothing is lost, and write() may be tried again.
/// Everything that touches the file throws SqlError, or BadBytes. *Threads*: those of the table.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "store/sqlite_database_sqlite.hpp"
#include "store/sqlite_rows.hpp"
#include "store/target_cache.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {

class SqliteJournal final : public TaskJournal {
 public:
  /// Of a file whose schema is up to date.
  explicit SqliteJournal(Database& database);

  /// Before anything else. Fills the table, which is empty, from the file.
  void load(Now now, TaskTable& table);

  /// There is something to write, or to clean up.
  bool dirty() const noexcept { return changed_ || !garbage_.empty(); }
  bool changed() const noexcept { return changed_; }
  /// One transaction; it is on the disk when this returns.
  void write(Now now);

  /// As TaskTable's, of the lines that are written.
  Expected<ResultPage> results(Now now, const ResultQuery& query);
  Expected<ResultPageEnd> page_end(Now now, const ResultQuery& query);
  Expected<ResultPage> schedule_results(Now now, const ScheduleResultQuery& query);
  Expected<ResultPageEnd> schedule_page_end(Now now, const ScheduleResultQuery& query);

  void on_targets(const StoredBatch& batch, const std::vector<NewTarget>& targets) override;
  void on_accepted(const StoredBatch& batch, const StoredBatch* staged, std::uint32_t first,
                   std::uint32_t tasks, std::size_t first_binding) override;
  void on_abandoned(const StoredBatch& staged) override;
  void on_moved(TaskId id, const StoredTask& task, SessionId holder) override;
  void on_ended(const StoredBatch& batch, std::uint32_t index, const TaskEnd& end) override;
  void on_batch(const StoredBatch& batch) override;
  void on_forgotten(BatchId id) override;
  void on_key(const KeyAnswer& answer, BatchId batch) override;
  void on_session(SessionId id, const NewSession& session, std::uint64_t epoch) override;
  void on_session_forgotten(SessionId id) override;
  void on_agent_forgotten(const std::string& name) override;
  void on_name_drained(const std::string& name, bool drained) override;
  void on_schedule(const StoredSchedule& schedule) override;
  void on_schedule_run(const StoredSchedule& schedule, std::uint32_t target) override;
  void on_schedule_counts(const StoredSchedule& schedule) override;
  void on_schedule_line(const StoredSchedule& schedule) override;
  void on_schedule_removed(BatchId watch) override;
  std::string_view target(const StoredBatch& batch, std::uint32_t index) override;
  std::unique_ptr<StoredBatch> load(BatchId id) override;
  BatchSummary summary(BatchId id) override;

 private:
  struct Piece {
    std::uint32_t number = 0;
    std::uint32_t first = 0;  // of the batch's tasks
    std::uint32_t tasks = 0;
    std::uint32_t first_binding = 0;
  };
  struct NewPiece {
    BatchId batch;
    Piece piece;
    std::size_t bindings = 0;
  };
  /// What the journal knows of a batch beside the table.
  struct Side {
    std::vector<Piece> pieces;  // by first task
    std::uint32_t written = 0;  // lines
  };
  /// A piece whose tasks do not count yet.
  struct Staged {
    std::uint32_t piece = 0;
    std::uint32_t tasks = 0;
  };
  enum class Garbage : std::uint8_t { batch = 1, piece = 2 };
  struct SegmentLines;

  struct Statements;

  // writing
  void write_uploads();
  void write_pieces(const WallClock& clock);
  void write_lines();
  void write_moves();
  void write_batches(const WallClock& clock);
  void write_names();
  void write_schedules(const WallClock& clock);
  void write_forgotten();
  void collect(std::size_t rows);
  bool collect_batch(std::uint32_t id, std::size_t& rows);
  bool collect_targets(std::uint32_t piece, std::size_t& rows);
  void written(Now now);

  // loading
  void load_names(Now now);
  void load_schedules(const WallClock& clock);
  void load_finished(const WallClock& clock);
  void load_unfinished(Now now, const WallClock& clock);
  std::unique_ptr<StoredBatch> head_of(const Statement& row, const WallClock& clock) const;
  void load_tasks(StoredBatch& batch, const Side& side);
  void load_lines(StoredBatch& batch, Side& side);
  void load_rest();

  // reading
  Side& side_of(BatchId id);
  void need_bindings(StoredBatch& batch);
  const TargetChunk& chunk_of(std::uint32_t piece, std::uint32_t at, std::uint32_t& place);
  template <class Visit>
  Expected<ResultPageEnd> walk(const ResultQuery& query, bool texts, Visit visit);
  template <class Visit>
  Expected<ResultPageEnd> walk(Now now, const ScheduleResultQuery& query, Visit visit);
  void append_line(std::string& out, StoredBatch& batch, const StoredLine& line,
                   std::string_view batch_text);
  std::unique_ptr<SegmentLines> lines_of(BatchId segment);
  std::uint32_t lines_readable(const StoredBatch& batch);

  Database& database_;
  TaskTable* table_ = nullptr;
  Now now_{};  // of the last load or write
  const std::shared_ptr<Statements> sql_;

  std::uint32_t last_piece_ = 0;
  std::unordered_map<std::uint32_t, Side> sides_;           // of unfinished batches
  std::unordered_map<std::uint32_t, Side> sides_finished_;  // some
  std::unordered_map<const StoredBatch*, Staged> staged_;
  TargetCache chunks_;
  std::uint64_t moves_written_ = 0;
  std::deque<std::pair<Garbage, std::uint32_t>> garbage_;

  // Not written yet.
  bool changed_ = false;
  std::vector<std::uint32_t> uploads_begun_;
  std::vector<std::uint32_t> uploads_ended_;
  std::vector<std::uint32_t> pieces_dropped_;
  std::map<std::uint64_t, TargetRow> targets_;
  std::vector<NewPiece> pieces_;
  std::map<std::uint64_t, LineRow> lines_;
  std::unordered_map<std::uint32_t, LineRow*> open_lines_;  // of lines_, by batch
  std::string moves_;
  std::uint64_t moves_count_ = 0;
  std::optional<std::uint64_t> moves_compacted_;  // to so many, in the transaction under way
  std::set<std::uint32_t> batches_;
  std::unordered_set<std::uint32_t> forgotten_;
  std::vector<std::pair<KeyAnswer, BatchId>> keys_;
  std::map<SessionId, std::optional<NewSession>> sessions_;     // none: forgotten
  std::map<std::string, std::optional<std::uint64_t>> agents_;  // none: forgotten
  std::map<std::string, bool> drained_;
  std::set<std::uint32_t> schedules_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> schedule_runs_;
  std::set<std::uint32_t> schedule_counts_;
  std::map<std::uint32_t, std::pair<std::uint64_t, std::string>>
      schedule_lines_;  // from, 8 bytes a line
  std::set<std::uint32_t> schedules_removed_;
  std::size_t collected_ = 0;  // of garbage_, in the transaction under way
};

}  // namespace probekit::store
