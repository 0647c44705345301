// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The SQLite store as the library uses it inside: with its thread, or without one for simulations.

#include <memory>

#include "store/sqlite_core.hpp"
#include "store/task_store.hpp"

namespace probekit::store {

/// How a store's calls are run.
enum class StoreThread : std::uint8_t {
  own,    ///< one after the other on a thread of the store's, committed in groups
  caller  ///< within each call, which has committed when it returns: nothing happens by itself
};

/// *Errors*: as SqliteCore::open(). Throws std::invalid_argument for bad options.
Expected<std::shared_ptr<TaskStore>> open_sqlite_store(const SqliteFile& file, StoreOptions options,
                                                       StoreThread thread);

}  // namespace probekit::store
