// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A timer of the API's loop that ends with its owner. On the API's thread.

#include <chrono>
#include <functional>
#include <utility>

#include "base/epoll_loop.hpp"

namespace probekit::api {

/// A timer that ends with its owner.
class ScopedTimer {
 public:
  explicit ScopedTimer(EpollLoop& loop) : loop_(loop) {}
  ~ScopedTimer() { cancel(); }
  ScopedTimer(const ScopedTimer&) = delete;
  ScopedTimer& operator=(const ScopedTimer&) = delete;

  void start(std::chrono::milliseconds delay, std::function<void()> function) {
    cancel();
    timer_ = loop_.call_at(loop_.now() + delay, [this, function = std::move(function)] {
      timer_ = 0;
      function();
    });
  }
  void cancel() {
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  }

 private:
  EpollLoop& loop_;
  TimerId timer_ = 0;
};

}  // namespace probekit::api
