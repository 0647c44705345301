// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Reading results that may not be there yet, of whatever has some.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit {

struct MasterCore;

/// Where lines come from, and under which number the store tells that there are more.
struct ResultSource {
  BatchId watch;
  std::function<void(const std::string& after, std::size_t limit, Completion<ResultPage> done)>
      read;
};

/// Reads a page, and again whenever there is more, until there is something, it is the last, or
/// `wait` is over. `done` as of Batch::read_results().
void read_when_there(const std::shared_ptr<MasterCore>& core, ResultSource source,
                     std::string after, std::size_t limit, std::chrono::milliseconds wait,
                     std::function<void(Expected<ResultPage>)> done);

}  // namespace probekit
