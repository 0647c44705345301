// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a master remembers of one agent's name, connected or lost. *Threads*: the IO thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/master.hpp"
#include "protocol/messages.hpp"
#include "store/stored_batch.hpp"
#include "store/task_store.hpp"
#include "transport/link_meter.hpp"

namespace probekit {

class AgentLink;

/// "VERDICT: sentence"; nothing when it is healthy.
std::string said(const Diagnosis& diagnosis);

struct AgentRecord {
  protocol::Hello hello;          ///< the latest
  AgentLink* link = nullptr;      ///< welcomed or being welcomed; null: lost
  AgentLink* newcomer = nullptr;  ///< of another instance, waits for the link to prove its life
  std::uint64_t link_bytes = 0;   ///< received by the link when it was asked for life
  TimerId newcomer_timer = 0;
  SessionId session = 0;         ///< the latest in the store; 0: none
  std::string session_instance;  ///< whose that session was
  bool drained = false;          ///< by an operator
  std::int64_t in_flight = 0;
  store::RecentRate rate;     ///< of its results
  std::uint64_t results = 0;  ///< of all its sessions

  // From heartbeats.
  protocol::Heartbeat beat;
  SteadyTime beat_at{};
  bool all_committed = false;            ///< then: the store owed no answer for its results
  SteadyTime::duration beat_gap_max{0};  ///< between two of this session
  double cpu_cores = 0;
  std::int64_t cpu_us = 0;  ///< as told at `cpu_at`
  SteadyTime cpu_at{};
  LocalFailures failures;  ///< between its last two heartbeats
  std::chrono::microseconds clock_offset{0};
  std::chrono::microseconds rtt{0};

  ConnectionFacts facts;
  SteadyTime facts_at{};
  SteadyTime last_received{};
  LinkMeter meter;  ///< of this session's connection
  std::optional<LastDisconnect> last_disconnect;
  std::uint64_t lost_serial = 0;  ///< which of its losses is the latest
};

}  // namespace probekit
