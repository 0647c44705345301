// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How a store keeps one batch in memory: a task is 40 bytes and its target's text; everything
/// tasks have in common stands once. Plain data of TaskTable, which alone changes it.
/// *Threads*: one at a time.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "probe/task_times.hpp"
#include "probekit/clock.hpp"
#include "probekit/task.hpp"
#include "store/arena.hpp"
#include "store/batch_statistics.hpp"
#include "store/task_store.hpp"

namespace probekit::store {

constexpr std::uint32_t kNoTask = 0xFFFFFFFF;  ///< an index
constexpr std::uint64_t kNoTaskId = 0;         ///< a TaskId's value: batches count from 1
constexpr SteadyTime kNever = SteadyTime::max();

/// One task. Which links are alive follows from `state`.
struct StoredTask {
  struct QueueLinks {
    std::uint32_t previous, next;  // indices in the batch
  };
  struct HeldLinks {
    std::uint64_t previous, next;  // task ids: a session holds tasks of many batches
  };
  struct Ending {
    ArenaText text;         // done: the fields of its line; expired: the diagnosis
    std::uint32_t agent;    // done: its number in the batch's statistics
    std::uint32_t attempt;  // done: the one that was recorded; expired: how many there were
  };
  static constexpr std::uint8_t kShunned = 1;     // queued in the shunned list
  static constexpr std::uint8_t kHasShuns = 2;    // some session is not to be offered it
  static constexpr std::uint8_t kCancelTold = 4;  // its holder was told of the cancel
  static constexpr std::uint8_t kCameBack = 8;    // was returned by an agent
  static constexpr std::uint8_t kCatchUp = 16;    // stands for runs nobody looked at in time

  ArenaText target;
  union {
    QueueLinks queued;
    HeldLinks held;
    Ending ending;
  };
  std::uint32_t binding;  // index into the batch's bindings
  std::uint32_t session;  // in flight: the slot of its holder
  std::uint16_t lost;     // agents lost with it in hand
  TaskState state;
  std::uint8_t flags;
  ExpiryReason reason;
  std::uint8_t copy;  // of its target's tasks for different agents, which are neighbours: from 0
};
static_assert(sizeof(StoredTask) == 40, "a million of these are queued at a time");

/// Tasks in pieces that never move once full, so that a growing upload copies next to nothing.
class StoredTasks {
 public:
  static constexpr std::uint32_t kChunk = 4096;

  StoredTask& operator[](std::uint32_t index) { return chunks_[index / kChunk][index % kChunk]; }
  const StoredTask& operator[](std::uint32_t index) const {
    return chunks_[index / kChunk][index % kChunk];
  }
  std::uint32_t size() const noexcept { return size_; }
  StoredTask& add() {
    if (size_ % kChunk == 0) {
      chunks_.emplace_back();
      if (size_ > 0) chunks_.back().reserve(kChunk);
    }
    chunks_.back().emplace_back();
    ++size_;
    return chunks_.back().back();
  }
  /// Once it will not grow any more.
  void settle() {
    if (!chunks_.empty()) chunks_.back().shrink_to_fit();
    chunks_.shrink_to_fit();
  }

 private:
  std::vector<std::vector<StoredTask>> chunks_;
  std::uint32_t size_ = 0;
};

/// What tasks share: options, times, and the queue they wait in.
struct Binding {
  std::shared_ptr<const ProbeOptions> options;
  std::uint32_t queue = 0;           // index into the batch's queues
  std::uint32_t copies = 1;          // tasks of one target, each for another agent
  std::chrono::milliseconds within;  // from acceptance to the deadline; kNobody
  SteadyTime accepted_at{};
  SystemTime scheduled_at{};

  /// Of tasks for all agents when there was none: they expire at once.
  static constexpr std::chrono::milliseconds kNobody = -std::chrono::hours(24);

  SteadyTime deadline() const { return accepted_at + within; }
  /// An attempt may start until then: its timeout and the way back still fit.
  SteadyTime start_by() const { return deadline() - options->timeout - kWayBack; }
};

struct LaneEntry;
struct StoredBatch;
struct StoredSchedule;

/// The queued tasks of one batch in one lane. `shunned` come first: they are not for everybody, as
/// a session returned them, or an agent has another one of their target's.
struct BatchQueue {
  struct List {
    std::uint32_t head = kNoTask;
    std::uint32_t tail = kNoTask;
    std::uint32_t count = 0;
  };
  StoredBatch* batch = nullptr;
  LaneEntry* lane = nullptr;
  BatchQueue* previous = nullptr;  // the ring of the lane's queues that are not empty
  BatchQueue* next = nullptr;
  List ready;
  List shunned;

  std::uint32_t count() const noexcept { return ready.count + shunned.count; }
};

/// Ends a second, over the last ten.
class RecentRate {
 public:
  void add(SteadyTime now, std::uint64_t count);
  /// Since `start` while that is less than ten seconds ago.
  double per_second(SteadyTime now, SteadyTime start) const;

 private:
  static constexpr std::int64_t kSeconds = 10;
  std::array<std::uint64_t, kSeconds> counts_{};
  std::int64_t last_ = 0;  // the second counted last
};

struct StoredBatch {
  BatchId id;
  BatchOrigin origin = BatchOrigin::import;
  StoredSchedule* schedule = nullptr;  // whose segment it is, until that is removed
  std::string name;
  Ledger ledger;
  std::uint64_t rejected = 0;
  SystemTime created_at{};
  SteadyTime accepted_at{};  // the first of it
  std::optional<SystemTime> finished_at;
  SteadyTime finished{};
  std::optional<SteadyTime> cancelled_at;
  SteadyTime read_until{};       // somebody is reading its finished results
  bool open = false;             // may get more tasks
  std::uint32_t uploads = 0;     // into it, under way
  SteadyTime close_at = kNever;  // when no upload comes

  StoredTasks tasks;
  std::vector<Binding> bindings;
  std::vector<BatchQueue> queues;  // until it has ended; those in a ring stay in place
  // Of the queues by lane, once it was asked for one: an open batch has many that grow.
  std::unordered_map<const LaneEntry*, std::uint32_t> queue_numbers;
  std::vector<std::uint32_t> lines;          // ended tasks in order: index * 4 + verdict
  std::uint32_t lines_elsewhere = 0;         // finished, and tasks and lines are the journal's
  std::vector<std::uint32_t> open_in_chunk;  // tasks that have not ended, for scans to skip
  Arena arena;
  BatchStatistics statistics;
  std::unique_ptr<RecentRate> rate;  // until it has ended
  std::string diagnosis;             // the last one written
  ArenaText diagnosis_text{};

  // No task's time comes before `due`; then a scan ends those whose time has come.
  SteadyTime due = kNever;
  std::uint32_t scan_position = 0;
  SteadyTime scan_due = kNever;  // the least it has seen so far
  bool in_news = false;

  /// What it counts for when batches are forgotten: an empty one as one line.
  std::size_t lines_kept() const noexcept { return std::max<std::size_t>(line_count(), 1); }
  std::size_t line_count() const noexcept { return lines.size() + lines_elsewhere; }
};

constexpr std::uint32_t kVerdictBits = 2;

}  // namespace probekit::store
