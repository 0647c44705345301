// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From measured facts to one verdict and one sentence a person can act on. Pure functions.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "probekit/export.hpp"

namespace probekit {

enum class DiagnosisVerdict : std::uint8_t { healthy, agent_saturated, targets_slow, no_agents };

constexpr std::size_t kDiagnosisVerdicts = 4;

PROBEKIT_EXPORT std::string_view to_string(DiagnosisVerdict verdict) noexcept;

struct Diagnosis {
  DiagnosisVerdict verdict = DiagnosisVerdict::healthy;
  std::string text;
};

/// What an agent's heartbeat says of it, and what the master knows besides.
struct AgentFacts {
  std::size_t slots = 0;  ///< its concurrency
  std::size_t slots_busy = 0;
  std::size_t queued = 0;  ///< held by it and not started
  std::chrono::milliseconds queue_age{0};
  std::chrono::microseconds loop_lag{0};  ///< of its latest thread
  double cpu_cores = 0;                   ///< used in the last interval
  std::size_t threads = 1;                ///< probing threads
  std::uint64_t store_queued = 0;         ///< tasks waiting at the master that it could take
};

PROBEKIT_EXPORT Diagnosis diagnose_agent(const AgentFacts& facts);

struct FleetFacts {
  std::size_t agents_connected = 0;
  std::size_t agents_saturated = 0;
  std::size_t agents_waiting_for_targets = 0;
  std::uint64_t queued = 0;
  std::uint64_t in_flight = 0;
};

PROBEKIT_EXPORT Diagnosis diagnose_fleet(const FleetFacts& facts);

}  // namespace probekit
