// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the rows of a durable store hold, as bytes. Reading throws BadBytes. *Threads*: distinct
/// objects safe.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/byte_code.hpp"
#include "store/stored_batch.hpp"
#include "store/stored_schedule.hpp"
#include "store/task_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {

/// Wall time, which is kept, and steady time, which is not.
class WallClock {
 public:
  explicit WallClock(Now now) : now_(now) {}
  std::int64_t wall_us(SteadyTime at) const {
    return wall_us(now_.system) +
           std::chrono::duration_cast<std::chrono::microseconds>(at - now_.steady).count();
  }
  static std::int64_t wall_us(SystemTime at) { return at.time_since_epoch().count(); }
  SteadyTime steady(std::int64_t us) const {
    return now_.steady + std::chrono::microseconds(us - wall_us(now_.system));
  }
  static SystemTime system(std::int64_t us) { return SystemTime(std::chrono::microseconds(us)); }

 private:
  Now now_;
};

/// Some targets of a piece, in order.
struct TargetRow {
  std::uint64_t key = 0;  // piece, first task
  std::uint32_t tasks = 0;
  std::string entries;
  std::string text;

  void add(const NewTarget& target);

 private:
  const char* last_ = nullptr;  // the text that was added last
  std::size_t last_size_ = 0;
};

/// The same, read.
struct TargetChunk {
  struct Task {
    std::uint32_t binding = 0;  // of the piece
    std::uint32_t copy = 0;
    std::uint32_t at = 0;  // of its text
    std::uint32_t size = 0;
  };
  std::vector<Task> tasks;
  std::string text;

  /// With or without the text.
  static TargetChunk read(std::string_view entries, std::string_view text);
};

/// Some lines of a batch, in order.
struct LineRow {
  std::uint64_t key = 0;  // batch, first line
  std::uint32_t lines = 0;
  std::uint32_t passed = 0;
  std::uint32_t failed = 0;
  std::vector<std::string> names;  // of agents and phases
  std::string entries;             // without the names
  std::string text;

  void add(const StoredBatch& batch, std::uint32_t index, const TaskEnd& end);
  /// Names and entries.
  std::string head() const;

 private:
  std::uint64_t name(std::string_view name);
  std::string last_diagnosis_;
};

/// One of them, read.
struct StoredLine {
  std::uint32_t index = 0;
  std::uint32_t binding = 0;
  bool catch_up = false;
  TaskEnd end;  // its texts are the row's
};

/// Goes through a row; `text` may be left out where lines' texts are not asked for.
class LineReader {
 public:
  LineReader(std::string_view head, std::uint32_t lines, std::optional<std::string_view> text);
  /// False: that was the last.
  bool next();
  const StoredLine& line() const noexcept { return line_; }

 private:
  std::string_view name_at(std::uint64_t number) const;

  ByteReader entries_;
  std::vector<std::string_view> names_;
  std::optional<std::string_view> text_;
  std::size_t text_at_ = 0;
  std::string_view diagnosis_;
  std::uint32_t left_;
  StoredLine line_;
  std::vector<Phase> phases_;
};

/// Different lanes, each with its number.
class LaneList {
 public:
  std::uint32_t number(const Lane& lane);
  const std::vector<Lane>& lanes() const noexcept { return lanes_; }

 private:
  std::vector<Lane> lanes_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // by their text
};

/// Bindings of a batch from `first` on, with the lane of each.
std::string write_bindings(const StoredBatch& batch, std::size_t first, std::size_t count,
                           const WallClock& clock);
/// Appends them; `queue` of each is a place in `lanes`.
void read_bindings(std::string_view bytes, const WallClock& clock, std::vector<Binding>& bindings,
                   LaneList& lanes);

std::string write_spec(const ScheduleSpec& spec);
std::shared_ptr<const ScheduleSpec> read_spec(std::string_view bytes);

/// next_ordinal, ledger, missed and lines_forgotten.
std::string write_counts(const StoredSchedule& schedule);
void read_counts(std::string_view bytes, StoredSchedule& schedule);

std::string write_totals(const StoredTotals& totals, std::uint64_t last_piece);
StoredTotals read_totals(std::string_view bytes, std::uint64_t& last_piece);

/// All but the ledger, which the batch has.
std::string write_summary(const BatchSummary& summary);
BatchSummary read_summary(std::string_view bytes);

/// Visits (task, state of it, holder).
struct StoredMove {
  TaskId task;
  SessionId holder = 0;
  std::uint16_t lost = 0;
  bool came_back = false;
};
void write_move(std::string& out, TaskId id, const StoredTask& task, SessionId holder);
StoredMove read_move(ByteReader& reader);

}  // namespace probekit::store
