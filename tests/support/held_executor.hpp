// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An Executor that runs nothing until the test says so, on the test's thread.

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "probekit/executor.hpp"

namespace probekit::test {

class HeldExecutor final : public Executor {
 public:
  void post(std::function<void()> function) override {
    const std::lock_guard<std::mutex> lock{mutex_};
    posted_.push_back(std::move(function));
  }
  std::size_t waiting() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return posted_.size();
  }
  /// Runs what waits now, on this thread. Returns how many that were.
  std::size_t run() {
    std::deque<std::function<void()>> functions;
    {
      const std::lock_guard<std::mutex> lock{mutex_};
      functions.swap(posted_);
    }
    for (auto& function : functions) function();
    return functions.size();
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> posted_;
};

}  // namespace probekit::test
