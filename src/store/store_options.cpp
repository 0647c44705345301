// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/store_options.hpp"

#include <stdexcept>

#include "store/task_table.hpp"

namespace probekit::store {
namespace {

void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

}  // namespace

StoreOptions completed(StoreOptions options) {
  require(options.queued_max >= 1 && options.queued_max <= kQueuedMaxLimit,
          "StoreOptions.queued_max: 1 to 1073741824");
  require(options.results_kept_max >= 1, "StoreOptions.results_kept_max: at least 1");
  require(options.attempts_max >= 1 && options.attempts_max <= kAttemptsMaxLimit,
          "StoreOptions.attempts_max: 1 to 1000");
  if (options.clock == nullptr) options.clock = system_clock();
  if (options.random == nullptr) options.random = system_random();
  return options;
}

}  // namespace probekit::store
