// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a master's parts share: the store, the kinds, the injected, and who waits for what.
/// Batches keep it alive, so that a handle outliving its master answers `closed` when it would
/// have to wait.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/cpu_time.hpp"
#include "base/notifier.hpp"
#include "master/agent_directory.hpp"
#include "master/watch_hub.hpp"
#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit {

class PendingRead;

/// *Threads*: safe to share.
struct MasterCore {
  MasterCore(std::shared_ptr<TaskStore> given_store, MasterOptions given_options);

  /// Runs `function` on the IO thread; false when the master has stopped.
  bool post(std::function<void()> function);
  bool call_after(std::chrono::nanoseconds delay, std::function<void()> function);

  /// Ends waiting reads with `closed`; later ones are not taken.
  void close_reads();

  /// Of the process, and of the IO thread, asked on it; a simulation has its own.
  std::function<std::chrono::microseconds()> cpu_time = process_cpu_time;
  std::function<std::chrono::microseconds()> loop_cpu_time = thread_cpu_time;

  const std::shared_ptr<TaskStore> store;
  const MasterOptions options;  ///< with the injected filled in
  Notifier notifier;
  WatchHub watches;
  AgentDirectory directory;
  std::atomic<bool> draining{false};
  std::atomic<bool> stopped{false};

  std::mutex reads_mutex;
  std::unordered_set<std::shared_ptr<PendingRead>> reads;  // under reads_mutex
  bool reads_closed = false;                               // under reads_mutex

  std::mutex loop_mutex;
  EventLoop* loop = nullptr;  // under loop_mutex; null once the master has stopped
};

Error closed_error();

struct Batch::Impl {
  std::shared_ptr<MasterCore> core;
  BatchId batch;
  std::string id;
};

}  // namespace probekit
