// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From measured facts to one verdict and one sentence a person can act on. Pure functions over
/// plain values; docs/diagnosis.md tells which facts lead to which verdict, and what to do then.
/// *Threads*: any.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/export.hpp"

namespace probekit {

enum class DiagnosisVerdict : std::uint8_t {
  healthy,
  agent_saturated,    ///< its CPU is at its limit
  targets_slow,       ///< its slots are full of probes that wait for targets
  host_limited,       ///< its tasks wait for --per-host
  agent_not_reading,  ///< it does not take what the master sends
  network_stalled,    ///< what is sent is not acknowledged, or nothing comes any more
  network_slow,       ///< it moves, but far slower than it should
  resolver_slow,      ///< its probes wait for the name server
  agent_resources,    ///< it has no port, descriptor or memory left for probes
  master_saturated,   ///< the master's IO thread is at its limit
  store_slow,
  store_full,
  no_agents,
};

constexpr std::size_t kDiagnosisVerdicts = 13;

PROBEKIT_EXPORT std::string_view to_string(DiagnosisVerdict verdict) noexcept;

struct Diagnosis {
  DiagnosisVerdict verdict = DiagnosisVerdict::healthy;
  std::string text;
};

// -- facts ----------------------------------------------------------------------------------------

/// One end of a connection as `ss -tinp` shows it, and what waits before it in the process.
struct SocketFacts {
  bool known = false;  ///< false: no TCP socket, or not told; all below it but the queues is 0 then
  std::string local;   ///< its own address, "10.0.0.7:40112"
  std::uint64_t recv_queue_bytes = 0;
  std::uint64_t send_queue_bytes = 0;  ///< not acknowledged, those not yet sent included
  std::uint64_t unsent_bytes = 0;      ///< in the process, for this connection
  std::uint64_t not_sent_bytes = 0;    ///< of send_queue_bytes
  std::chrono::microseconds rtt{0};
  std::uint64_t retransmits = 0;              ///< since it was opened
  std::uint64_t peer_window_bytes = 0;        ///< what the peer's kernel would take now
  std::chrono::microseconds rwnd_limited{0};  ///< time since it was opened that this held it up
};

/// A connection as one of its ends sees it: the pair of queues that an engineer compares.
struct LinkFacts {
  SocketFacts here;
  std::optional<SocketFacts> there;  ///< as the other end's last heartbeat told
  /// Its socket is the one that this one is connected to: no proxy between, and no translation.
  bool direct = false;
  std::chrono::milliseconds silent{0};       ///< since the last byte from there
  std::chrono::milliseconds interval{0};     ///< of its heartbeats
  std::chrono::milliseconds stalled{0};      ///< bytes wait here, and none was acknowledged since
  std::uint64_t there_recv_queue_least = 0;  ///< of its last two heartbeats
  std::uint64_t there_waiting_least = 0;     ///< likewise: in its Send-Q and not yet there
  std::uint64_t there_retransmits = 0;       ///< between them
  // Of the last seconds:
  std::chrono::milliseconds span{0};          ///< how many; 0: too few to tell
  std::uint64_t acked_bytes = 0;              ///< by the other kernel
  std::uint64_t received_bytes = 0;           ///< by this one
  std::uint64_t retransmits = 0;              ///< in them
  std::chrono::microseconds rwnd_limited{0};  ///< of them
  std::uint64_t waiting_least = 0;     ///< in Send-Q and before it, whenever it was looked at
  std::uint64_t recv_queue_least = 0;  ///< likewise
};

/// What running probes waited for when they were last looked at.
struct ProbeWaits {
  std::uint64_t dns = 0;
  std::uint64_t connect = 0;
  std::uint64_t tls = 0;
  std::uint64_t first_byte = 0;  ///< or the one answer, for those that have one
  std::uint64_t receive = 0;
  std::chrono::milliseconds dns_longest{0};  ///< how long one of those has waited for DNS
};

/// Probes that failed for want of something of the agent's own, since it started.
struct LocalFailures {
  std::uint64_t ports = 0;        ///< EADDRNOTAVAIL
  std::uint64_t descriptors = 0;  ///< EMFILE, ENFILE
  std::uint64_t memory = 0;       ///< ENOBUFS, ENOMEM

  std::uint64_t total() const noexcept { return ports + descriptors + memory; }
};

/// What is known of an agent: by itself, or by its master from heartbeats and its own socket.
struct AgentFacts {
  std::size_t slots = 0;  ///< its concurrency
  std::size_t slots_busy = 0;
  std::size_t queued = 0;            ///< held by it and not started
  std::size_t waiting_for_host = 0;  ///< of those
  std::chrono::milliseconds queue_age{0};
  std::chrono::microseconds loop_lag{0};  ///< of its latest thread
  double cpu_cores = 0;                   ///< used in the last interval
  std::size_t threads = 1;                ///< probing threads
  std::uint64_t store_queued = 0;         ///< tasks waiting at the master; 0 when it may take none
  std::optional<ProbeWaits> waits;
  LocalFailures failures;                    ///< in the last interval
  std::uint64_t unacked = 0;                 ///< its results that are not acknowledged to it
  std::chrono::milliseconds unacked_age{0};  ///< of the oldest
  /// When the master read of those, its store had committed all that had come.
  bool all_committed = false;
  LinkFacts link;
  /// Which end judges: the texts say "this agent" and "the master" there, "the agent" here.
  bool by_agent = false;
};

/// What a master knows of itself, its store and all its agents.
struct FleetFacts {
  std::size_t agents_connected = 0;
  std::array<std::size_t, kDiagnosisVerdicts> agents{};  ///< of those, by their verdict
  std::uint64_t queued = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t unserved = 0;              ///< of the queued: no connected agent may take them
  std::string unserved_for;                ///< whom they are for: "an agent that runs dns"
  std::uint64_t queued_max = 0;            ///< tasks not ended at most; 0: not told
  std::string store_full;                  ///< why the store takes nothing; empty: it does
  std::chrono::microseconds store_p50{0};  ///< of its latency, over the last minute or two
  std::chrono::microseconds store_p99{0};
  std::chrono::milliseconds store_waits{0};  ///< how long the oldest call has no answer
  std::uint64_t uncommitted_bytes = 0;       ///< of results that wait for it
  std::chrono::microseconds loop_lag{0};     ///< of the IO thread, by its last timers
  double loop_cpu = 0;                       ///< share of a core it used in the last second or so
};

// -- verdicts -------------------------------------------------------------------------------------

PROBEKIT_EXPORT Diagnosis diagnose_agent(const AgentFacts& facts);
PROBEKIT_EXPORT Diagnosis diagnose_fleet(const FleetFacts& facts);

/// Of a connection that ended: what was wrong with it, or what its agent had too little of, CPU,
/// descriptors; when nothing, `healthy` and its last figures, so that the line can be compared with
/// what the other end and a proxy logged.
PROBEKIT_EXPORT Diagnosis diagnose_disconnect(const AgentFacts& facts);

}  // namespace probekit
