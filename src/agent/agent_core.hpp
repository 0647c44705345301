// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// All of an agent that lives on its loop: the session joined to a connection, to what runs its
/// tasks, and to its timers. It owns no thread, so that a simulation can run it as Agent does.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/agent_watch.hpp"
#include "agent/mailbox.hpp"
#include "base/notifier.hpp"
#include "probekit/agent.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/probe_executor.hpp"
#include "protocol/agent_session.hpp"

namespace probekit {

/// What runs an agent's tasks, and tells a TaskObserver. A call as of ProbeExecutor, whose comments
/// hold.
class AgentProbing {
 public:
  virtual ~AgentProbing() = default;
  virtual const ProbeKinds& kinds() const = 0;
  virtual std::vector<Task> submit(std::vector<Task> tasks) = 0;
  virtual bool cancel(TaskId task, std::function<void(TaskId)> cancelled) = 0;
  virtual std::vector<Task> take_back() = 0;
  virtual void set_paused(bool paused) = 0;
  virtual bool is_queued(TaskId task) const = 0;
  virtual ProbeExecutorFacts facts() const = 0;
  /// Of the process.
  virtual std::chrono::microseconds cpu_time() const = 0;
};

/// *Threads*: the loop's, or before it runs; what says so, any.
class AgentCore final : private ConnectionObserver {
 public:
  using Drained = std::function<void(const Expected<void>&)>;

  /// Checks the options and fills in the injected. Throws std::invalid_argument.
  static AgentOptions completed(AgentOptions options);
  static std::size_t threads_of(const AgentOptions& options);

  /// `options` are completed; all of these outlive this, the loop only until it runs no more.
  /// Throws std::invalid_argument when the hello would be too long.
  AgentCore(const AgentOptions& options, Connector& connector, AgentProbing& probing,
            Notifier& notifier, EventLoop& loop);
  ~AgentCore() override;

  // -- before the loop runs ---------------------------------------------------------------------
  void set_kinds(std::vector<std::string> kinds);
  void on_connected(std::function<void(std::string url)> notify) {
    notify_connected_ = std::move(notify);
  }
  /// Told of tasks from any thread.
  Mailbox& mailbox() noexcept { return mailbox_; }

  // -- on the loop ------------------------------------------------------------------------------
  void connect();
  /// Closes without a word and does nothing any more; what waits for a drain hears of `why`.
  void end(const Error& why);
  /// `done` runs once, as AgentOptions say of drain().
  void drain(std::chrono::milliseconds within, Drained done);
  const protocol::AgentSession& session() const noexcept { return *session_; }

  /// All but what the probing knows. From any thread.
  void add_status(AgentStatus& status) const;

 private:
  // -- connecting
  void connect_later(std::chrono::seconds told);
  void on_message(std::string message) override;
  void on_writable() override { process(); }
  void on_closed(const CloseReason& reason) override;

  // -- the session
  void make_session();
  void process();
  bool act();
  void pause(bool paused);
  void deliver(std::vector<Task> tasks);
  void cancel(const std::vector<TaskId>& tasks);
  void welcomed(const protocol::AgentSession::Welcomed& event);
  void rejected(const protocol::Reject& reject);
  void notify_of_connection();
  void measure(protocol::Heartbeat& beat);
  std::int64_t cpu_us() const;
  double cores_used();
  AgentFacts measured();
  void diagnose();
  void look_at_connection();
  void empty_mailbox();
  void wake_at(std::optional<SteadyTime> when);
  void on_timer();
  void end_drains(const Expected<void>& how);

  SteadyTime now() const noexcept { return loop_.now(); }
  SystemTime system_now() const { return options_.clock->system_now(); }
  void log(LogLevel level, std::string message, std::initializer_list<LogField> fields) {
    if (options_.log) options_.log->write(level, "agent", std::move(message), fields);
  }

  // CPU time of the process, and when that was.
  struct CpuMark {
    std::int64_t us = 0;
    SteadyTime at{};
  };
  static constexpr std::chrono::seconds kDiagnosedEvery{1};  // at most, but with heartbeats
  static constexpr std::chrono::minutes kPauseTold{1};       // a full outbox is logged this often

  const AgentOptions& options_;
  Connector& connector_;
  AgentProbing& probing_;
  Notifier& notifier_;
  EventLoop& loop_;
  Mailbox mailbox_;
  std::string instance_;
  std::vector<std::string> kinds_;
  std::function<void(std::string)> notify_connected_;

  std::unique_ptr<protocol::AgentSession> session_;
  std::unique_ptr<Connection> connection_;
  AgentWatch watch_;
  ConnectionFacts last_facts_;
  std::set<std::string> unauthorized_urls_;  // masters that refused the token, and it was said
  SteadyTime last_facts_at_{};
  SteadyTime diagnosed_at_{};
  SteadyTime opened_at_{};
  TimerId timer_ = 0;
  SteadyTime timer_at_{};
  TimerId retry_timer_ = 0;
  SteadyTime pause_told_{-kPauseTold};
  std::array<CpuMark, 2> cpu_marks_;  // at the last two heartbeats
  bool acting_ = false;
  bool drained_ = false;
  std::vector<Drained> drains_;

  // Any thread.
  std::mutex connected_mutex_;
  std::optional<std::string> connected_to_;  // under connected_mutex_: not notified of yet
  std::atomic<bool> is_connected_{false};
  std::atomic<std::size_t> unacknowledged_{0};
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> results_{0};
  std::atomic<std::uint64_t> disconnects_{0};
  mutable std::mutex text_mutex_;
  std::string url_;              // under text_mutex_
  std::string last_disconnect_;  // under text_mutex_
  Diagnosis diagnosis_;          // under text_mutex_
  Diagnosis last_diagnosis_;     // under text_mutex_
};

}  // namespace probekit
