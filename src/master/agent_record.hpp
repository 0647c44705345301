// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a master remembers of one agent's name, connected or lost. *Threads*: the IO thread.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/master.hpp"
#include "protocol/messages.hpp"
#include "store/task_store.hpp"

namespace probekit {

class AgentLink;

/// Events a second over the last ten, without keeping each.
class RecentRate {
 public:
  void add(std::uint64_t count, SteadyTime now) {
    advance(now);
    counts_[static_cast<std::size_t>(second_) % counts_.size()] += count;
  }
  double per_second(SteadyTime now) {
    advance(now);
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) sum += count;
    return static_cast<double>(sum) / static_cast<double>(counts_.size());
  }

 private:
  void advance(SteadyTime now) {
    const std::int64_t second =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto slots = static_cast<std::int64_t>(counts_.size());
    for (std::int64_t at = std::max(second_ + 1, second - slots + 1); at <= second; ++at) {
      counts_[static_cast<std::size_t>(at % slots)] = 0;
    }
    second_ = std::max(second_, second);
  }

  std::array<std::uint64_t, 10> counts_{};
  std::int64_t second_ = 0;
};

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
  RecentRate rate;

  // From heartbeats.
  protocol::Heartbeat beat;
  SteadyTime beat_at{};
  SteadyTime::duration beat_gap_max{0};  ///< between two of this session
  double cpu_cores = 0;
  std::chrono::microseconds clock_offset{0};
  std::chrono::microseconds rtt{0};

  ConnectionFacts facts;
  SteadyTime facts_at{};
  SteadyTime last_received{};
  std::uint64_t acked_bytes = 0;  ///< by its kernel when that last moved
  SteadyTime progress_at{};       ///< last moment when sending got on, or nothing was unsent
  std::optional<LastDisconnect> last_disconnect;
  std::uint64_t lost_serial = 0;  ///< which of its losses is the latest
};

}  // namespace probekit
