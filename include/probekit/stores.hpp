// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Where tasks and results live. A store is opaque: made here, given to a Master.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

class TaskStore;  // private interface: src/store/task_store.hpp

struct StoreOptions {
  std::uint64_t queued_max = 2'000'000;  ///< tasks not ended; past it uploads are refused
  /// Lines of finished batches; past it the oldest of these are forgotten, whole. Unfinished ones
  /// are never forgotten: uploads are refused while their lines and the tasks not ended are
  /// `queued_max + results_kept_max` or more.
  std::uint64_t results_kept_max = 1'000'000;
  std::uint32_t attempts_max = 5;        ///< agents lost with a task in hand
  std::shared_ptr<const Clock> clock;    ///< default: the system's
  std::shared_ptr<RandomSource> random;  ///< default: the system's
};

/// Keeps all in memory; what it holds ends with it. For one Master at a time; another may follow
/// once that has stopped. Throws std::invalid_argument.
PROBEKIT_EXPORT std::shared_ptr<TaskStore> make_memory_store(StoreOptions options);
PROBEKIT_EXPORT std::shared_ptr<TaskStore> make_memory_store();

/// Keeps all in a file of SQLite's (component `sqlite`), made where there is none, with `-wal`,
/// `-shm` and `-lock` beside it: what was answered is on the disk. A store opened again has all it
/// had; its sessions count as lost from then on. One at a time has the file. While nothing can be
/// written it grants no work and refuses new work with store_failed, and goes on by itself.
/// *Errors*: store_failed, with the path and what is wrong: it may not be written, is damaged, not
/// a store, of a newer version, or in use. Throws std::invalid_argument.
PROBEKIT_EXPORT Expected<std::shared_ptr<TaskStore>> make_sqlite_store(const std::string& path,
                                                                       StoreOptions options);

}  // namespace probekit
