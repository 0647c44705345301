// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The way from other threads' completions to the API's loop, which may be gone by then.

#include <functional>
#include <mutex>
#include <utility>

#include "base/epoll_loop.hpp"

namespace probekit::api {

/// *Threads*: safe to share.
class LoopGate {
 public:
  explicit LoopGate(EpollLoop& loop) : loop_(&loop) {}

  /// Runs `function` on the loop's thread; once closed, destroys it.
  void post(std::function<void()> function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loop_) loop_->post(std::move(function));
  }
  void close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  EpollLoop* loop_;  // under mutex_
};

}  // namespace probekit::api
