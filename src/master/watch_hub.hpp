// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Who waits for which batch to move. The store's progress comes in on any thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "probekit/task.hpp"

namespace probekit {

/// *Threads*: safe to share. Watchers are called under its lock: they must only post, and must
/// not call back.
class WatchHub {
 public:
  std::uint64_t watch(BatchId batch, std::function<void()> moved);
  /// The watcher does not run after this returned.
  void unwatch(std::uint64_t token);
  void notify(const std::vector<BatchId>& batches);
  /// Wakes every watcher: the master stops.
  void notify_all();

 private:
  struct Watch {
    BatchId batch;
    std::function<void()> moved;
  };

  std::atomic<std::size_t> count_{0};  // so that progress nobody watches takes no lock
  std::mutex mutex_;
  std::uint64_t last_token_ = 0;
  std::unordered_map<std::uint64_t, Watch> watches_;
  std::unordered_map<std::uint32_t, std::vector<std::uint64_t>> by_batch_;
};

}  // namespace probekit
