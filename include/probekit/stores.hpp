// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Where tasks and results live. A store is opaque: made here, given to a Master.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "probekit/clock.hpp"
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

}  // namespace probekit
