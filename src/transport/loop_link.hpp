// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Ties a transport's objects to an EventLoop that may end before they do. A connection is often
/// destroyed after the loop of its owner stopped, and another thread may be about to post to it.

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_set>

#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// *Threads*: post() from any; the rest on the loop's thread, before the loop runs, or after its
/// end.
class PROBEKIT_EXPORT LoopLink {
 public:
  class Member {
   public:
    /// The loop runs no more: let go of what lives on it. Called by whoever stopped it.
    virtual void loop_ended() noexcept = 0;

   protected:
    ~Member() = default;
  };

  /// On the loop's thread, or before it runs. The link lives as long as the loop, at least.
  static std::shared_ptr<LoopLink> make(EventLoop& loop);

  LoopLink() = default;
  LoopLink(const LoopLink&) = delete;
  LoopLink& operator=(const LoopLink&) = delete;

  /// Null once the loop has ended.
  EventLoop* loop() const noexcept { return loop_.load(); }

  /// False when the loop has ended; then `function` is destroyed unrun.
  bool post(std::function<void()> function);

  void add(Member& member) { members_.insert(&member); }
  void remove(Member& member) { members_.erase(&member); }

 private:
  struct Sentinel;
  void end() noexcept;

  std::atomic<EventLoop*> loop_{nullptr};
  std::atomic<int> posting_{0};
  std::unordered_set<Member*> members_;
};

}  // namespace probekit
