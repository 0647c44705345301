// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What an agent measures of itself and its connection: for its heartbeats, and for its own
/// diagnosis. *Threads*: the agent's loop.

#include <chrono>
#include <cstdint>

#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/probe_executor.hpp"
#include "probekit/transport.hpp"
#include "protocol/agent_session.hpp"
#include "transport/link_meter.hpp"

namespace probekit {

class AgentWatch {
 public:
  /// A new connection.
  void connected(SteadyTime now) { link_.start(now); }
  void look(const ConnectionFacts& facts, const protocol::AgentSession& session, SteadyTime now);
  /// After each message: the master's heartbeats tell of its end.
  void heard(const protocol::AgentSession& session);

  /// All that a heartbeat says of the agent, but its CPU time, which is the caller's to know.
  void measure(protocol::Heartbeat& beat, const ProbeExecutorFacts& probing,
               const protocol::AgentSession& session, std::chrono::microseconds loop_lag,
               SteadyTime now);
  /// What the agent knows of itself; of CPU, slots and threads its caller says.
  AgentFacts facts(const ProbeExecutorFacts& probing, const protocol::AgentSession& session,
                   std::chrono::microseconds loop_lag, SteadyTime now) const;

 private:
  LinkMeter link_;
  ConnectionFacts connection_;  // at the last look
  std::uint64_t heard_seq_ = 0;
  LocalFailures told_;    // in the last heartbeat
  LocalFailures before_;  // in the one before
};

}  // namespace probekit
