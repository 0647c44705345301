// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From the probing threads to the agent's loop: results, encoded where they were made, and what
/// came back. One post a burst.

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "probekit/probe_executor.hpp"
#include "protocol/agent_session.hpp"

namespace probekit {

/// *Threads*: safe to share. Bounded by what the executor may hold.
class Mailbox final : public TaskObserver {
 public:
  struct Letters {
    std::vector<protocol::AgentSession::Finished> finished;
    std::vector<std::pair<TaskId, protocol::Returned>> returned;
  };

  /// `post` is called on any thread, once for what take() then gives; it must only post.
  explicit Mailbox(std::function<void()> post) : post_(std::move(post)) {}

  void on_result(Task task, ProbeResult result) override;
  void on_returned(Task task, TaskObserver::Returned why) override;
  void on_burst_end() override;
  void on_cancelled(TaskId task);

  Letters take();

 private:
  const std::function<void()> post_;
  std::mutex mutex_;
  Letters letters_;      // under mutex_
  bool posted_ = false;  // under mutex_
};

}  // namespace probekit
