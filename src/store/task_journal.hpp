// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a durable store hears of its TaskTable, and what the table asks of it. A table with a
/// journal keeps no text of targets and results, and no finished batch: the journal has those. It
/// is told of each change that must outlive the process, right after it was made, and writes them
/// before anybody outside learns of them. Without a journal (null) a table keeps all itself.
/// *Threads*: those of the table, one at a time.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/probe_result.hpp"
#include "probekit/task.hpp"
#include "store/stored_batch.hpp"
#include "store/stored_schedule.hpp"
#include "store/task_store.hpp"

namespace probekit::store {

/// How a task ended: all its line is made of but the task itself.
struct TaskEnd {
  TaskState state = TaskState::cancelled;
  Verdict verdict = Verdict::none;
  std::uint32_t attempt = 0;  ///< done: the one recorded; expired: how many there were
  std::string_view text;      ///< done: the fields of its line; expired: the diagnosis
  // done
  std::string_view agent;
  std::optional<FailureKind> failure;
  const std::vector<Phase>* phases = nullptr;
  std::chrono::microseconds duration{0};
  // expired
  ExpiryReason reason = ExpiryReason::deadline;
};

/// One target of an upload, as often as it has tasks that differ.
struct NewTarget {
  std::string_view target;
  std::uint32_t binding = 0;  ///< of those that are accepted with it, from 0
  std::uint32_t copies = 1;   ///< tasks it becomes
};

/// Any of these may throw: the table is not to be used any more then.
class TaskJournal {
 public:
  virtual ~TaskJournal() = default;

  // -- changes ----------------------------------------------------------------------------------
  /// The next tasks of a batch: one that is being uploaded, or a segment.
  virtual void on_targets(const StoredBatch& batch, const std::vector<NewTarget>& targets) = 0;
  /// What was uploaded counts: as `batch` itself, or, `staged`, at its end, from these numbers on.
  virtual void on_accepted(const StoredBatch& batch, const StoredBatch* staged, std::uint32_t first,
                           std::uint32_t tasks, std::size_t first_binding) = 0;
  virtual void on_abandoned(const StoredBatch& staged) = 0;
  /// It is queued, or held by this session (0: none); how often it was lost, or its flags, changed.
  virtual void on_moved(TaskId id, const StoredTask& task, SessionId holder) = 0;
  /// It is the last of the batch's lines now.
  virtual void on_ended(const StoredBatch& batch, std::uint32_t index, const TaskEnd& end) = 0;
  /// Anything of a batch but its tasks and lines; before it ends for the last time, too.
  virtual void on_batch(const StoredBatch& batch) = 0;
  virtual void on_forgotten(BatchId id) = 0;
  virtual void on_key(const KeyAnswer& answer, BatchId batch) = 0;
  virtual void on_session(SessionId id, const NewSession& session, std::uint64_t epoch) = 0;
  virtual void on_session_forgotten(SessionId id) = 0;
  virtual void on_agent_forgotten(const std::string& name) = 0;
  virtual void on_name_drained(const std::string& name, bool drained) = 0;
  /// It was made or changed: all of it.
  virtual void on_schedule(const StoredSchedule& schedule) = 0;
  virtual void on_schedule_run(const StoredSchedule& schedule, std::uint32_t target) = 0;
  /// Its counts, among them how many lines were forgotten.
  virtual void on_schedule_counts(const StoredSchedule& schedule) = 0;
  /// The last of its lines is new.
  virtual void on_schedule_line(const StoredSchedule& schedule) = 0;
  virtual void on_schedule_removed(BatchId watch) = 0;

  // -- what the table does not keep -------------------------------------------------------------
  /// Valid until the next call.
  virtual std::string_view target(const StoredBatch& batch, std::uint32_t index) = 0;
  /// A finished batch without its tasks and lines; null when there is none.
  virtual std::unique_ptr<StoredBatch> load(BatchId id) = 0;
  /// Of a finished one.
  virtual BatchSummary summary(BatchId id) = 0;
};

}  // namespace probekit::store
