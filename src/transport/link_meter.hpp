// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Turns looks at a connection, and what the other end's heartbeats tell of theirs, into the facts
/// that diagnosis.hpp judges: how long nothing was acknowledged, what moved in the last seconds.
/// Looks come with heartbeats and timers, a few in a minute; more do no harm. No clock; used on one
/// thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/transport.hpp"

namespace probekit {

/// `waiting`: bytes that wait for the transport, besides its own.
SocketFacts socket_facts(const ConnectionFacts& facts, std::uint64_t waiting);

class LinkMeter {
 public:
  /// What moved is counted over this, and up to twice as long: short enough to be now, long enough
  /// for some heartbeats of tight settings and for every retransmission worth a verdict.
  static constexpr std::chrono::seconds kSpan{5};

  /// A new connection.
  void start(SteadyTime now);
  /// Of the other end's heartbeats; silence says nothing before it is known.
  void set_interval(std::chrono::milliseconds interval) { interval_ = interval; }
  void look(const ConnectionFacts& facts, std::uint64_t waiting, SteadyTime now);
  /// A heartbeat of the other end: its socket, as far as it told.
  void told(const SocketFacts& there);

  /// For how long bytes had waited and none was acknowledged, at the last look; 0 when none did.
  /// What happened since nobody knows.
  std::chrono::milliseconds stalled() const;
  LinkFacts facts(SteadyTime now, SteadyTime last_byte) const;

 private:
  struct Mark {
    SteadyTime at{};
    std::uint64_t acked = 0;
    std::uint64_t received = 0;
    std::uint64_t retransmits = 0;
    std::chrono::microseconds rwnd_limited{0};
    std::uint64_t waiting_least = 0;     // since then
    std::uint64_t recv_queue_least = 0;  // since then
  };

  bool looked_ = false;
  SteadyTime looked_at_{};
  std::chrono::milliseconds interval_{0};
  SocketFacts here_;
  std::string peer_;
  std::uint64_t acked_ = 0;
  std::uint64_t received_ = 0;
  SteadyTime progress_at_{};
  SteadyTime empty_at_{};  // the last moment when nothing waited
  Mark older_;
  Mark newer_;
  std::optional<SocketFacts> there_;
  std::uint64_t there_recv_queue_before_ = 0;  // in the heartbeat before the last
  std::uint64_t there_waiting_before_ = 0;
  std::uint64_t there_retransmitted_ = 0;  // between the last two
};

}  // namespace probekit
