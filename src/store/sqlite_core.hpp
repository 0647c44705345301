// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The SQLite store without its thread: a TaskTable and its journal in one file. Calls go to the
/// table; nothing they came to may be told before commit() answered. *Threads*: one at a time.

#include <memory>
#include <string>

#include "probekit/error.hpp"
#include "store/file_lock.hpp"
#include "store/sqlite_database_sqlite.hpp"
#include "store/sqlite_journal.hpp"
#include "store/task_table.hpp"

namespace probekit::store {

struct SqliteFile {
  std::string path;
  /// Of those registered with SQLite; empty: the usual one, and the file is locked against others.
  std::string vfs;
};

class SqliteCore {
 public:
  /// Options are valid, with a clock and a source of randomness. *Errors*: store_failed, with the
  /// path and what is wrong: read-only, not a store, of a newer version, damaged, in use.
  static Expected<std::unique_ptr<SqliteCore>> open(const SqliteFile& file,
                                                    const StoreOptions& options);

  TaskTable& table() noexcept { return *table_; }
  SqliteJournal& journal() noexcept { return *journal_; }
  const std::string& id() const noexcept { return id_; }
  /// Where it was found: its path is no link, which may come to lead elsewhere.
  const SqliteFile& file() const noexcept { return file_; }

  /// Something was changed since the last commit.
  bool changed() const noexcept { return journal_->changed(); }
  /// There is something to do even so: what was forgotten is deleted bit by bit.
  bool unclean() const noexcept { return journal_->dirty(); }
  /// All that was changed is on the disk, together. *Errors*: store_failed, with why; nothing is on
  /// the disk then, and it may be tried again, unless broken() is set.
  Expected<void> commit(Now now);
  /// What is in the file is not to be trusted, or what is in memory: nothing works any more.
  bool broken() const noexcept { return broken_; }
  /// The same when anything else threw.
  void give_up() noexcept { broken_ = true; }

  /// Frames of the write-ahead log that wait to be copied into the file.
  int log_frames() const noexcept { return database_->log_frames(); }
  /// Copies them. What fails is tried again another time.
  int checkpoint(bool whole) noexcept;

 private:
  SqliteCore() = default;
  Expected<void> open_file(const StoreOptions& options);

  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<TaskTable> table_;  // asks the journal as long as it lives
  std::string path_;                  // as it was given
  SqliteFile file_;
  std::string id_;
  bool broken_ = false;
};

}  // namespace probekit::store
