// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/diagnosis.hpp"

#include <algorithm>
#include <cstdio>

namespace probekit {

namespace {

// A share of the probing threads' CPU from which on more slots would not help.
constexpr double kCpuFull = 0.85;
// Late loops are a sign of too little CPU too, where the process does not get its cores.
constexpr double kCpuHalf = 0.5;
constexpr std::chrono::milliseconds kLagHigh{100};

// Nine of ten: the slots kept for high priority stay free under bulk.
bool slots_full(const AgentFacts& facts) noexcept {
  return facts.slots > 0 && facts.slots_busy * 10 >= facts.slots * 9;
}

bool cpu_full(const AgentFacts& facts) noexcept {
  const double threads = static_cast<double>(std::max<std::size_t>(facts.threads, 1));
  return facts.cpu_cores >= kCpuFull * threads ||
         (facts.loop_lag >= kLagHigh && facts.cpu_cores >= kCpuHalf * threads);
}

std::string one_decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string slots_of(const AgentFacts& facts) {
  return std::to_string(facts.slots_busy) + " of " + std::to_string(facts.slots) +
         " slots are busy";
}

std::string cpu_of(const AgentFacts& facts) {
  return one_decimal(facts.cpu_cores) + " cores with " + std::to_string(facts.threads) +
         (facts.threads == 1 ? " probing thread" : " probing threads");
}

std::string count(std::uint64_t number, const char* one, const char* many) {
  return std::to_string(number) + ' ' + (number == 1 ? one : many);
}

}  // namespace

std::string_view to_string(DiagnosisVerdict verdict) noexcept {
  switch (verdict) {
    case DiagnosisVerdict::healthy:
      return "healthy";
    case DiagnosisVerdict::agent_saturated:
      return "agent_saturated";
    case DiagnosisVerdict::targets_slow:
      return "targets_slow";
    case DiagnosisVerdict::no_agents:
      return "no_agents";
  }
  return "unknown";
}

Diagnosis diagnose_agent(const AgentFacts& facts) {
  const bool waiting = facts.queued > 0 || facts.store_queued > 0;
  if (waiting && cpu_full(facts)) {
    std::string text = slots_of(facts) + " and it uses " + cpu_of(facts);
    if (facts.loop_lag >= kLagHigh) {
      text += ", its loops running " +
              std::to_string(
                  std::chrono::duration_cast<std::chrono::milliseconds>(facts.loop_lag).count()) +
              " ms late";
    }
    return {DiagnosisVerdict::agent_saturated, text + ": its CPU is at its limit; add agents"};
  }
  if (waiting && slots_full(facts)) {
    return {DiagnosisVerdict::targets_slow, slots_of(facts) + ", waiting for targets: it uses " +
                                                cpu_of(facts) +
                                                "; raise its --concurrency or add agents"};
  }
  return {DiagnosisVerdict::healthy,
          slots_of(facts) + ", " + count(facts.queued, "task waits", "tasks wait") + " in it"};
}

Diagnosis diagnose_fleet(const FleetFacts& facts) {
  if (facts.agents_connected == 0) {
    return {DiagnosisVerdict::no_agents, facts.queued == 0
                                             ? std::string{"no agent is connected"}
                                             : "no agent is connected while " +
                                                   count(facts.queued, "task waits", "tasks wait") +
                                                   "; start one, or look at its log"};
  }
  const std::string agents = count(facts.agents_connected, "agent", "agents");
  // Half of a fleet at its limit is the fleet's limit: tasks go where there is room.
  const auto half = [&](std::size_t part) {
    return part > 0 && part * 2 >= facts.agents_connected;
  };
  if (facts.queued > 0 && half(facts.agents_saturated)) {
    return {DiagnosisVerdict::agent_saturated, std::to_string(facts.agents_saturated) + " of " +
                                                   agents + " at the limit of CPU while " +
                                                   count(facts.queued, "task waits", "tasks wait") +
                                                   "; add agents"};
  }
  if (facts.queued > 0 && half(facts.agents_waiting_for_targets)) {
    return {DiagnosisVerdict::targets_slow, std::to_string(facts.agents_waiting_for_targets) +
                                                " of " + agents +
                                                " with all slots waiting for targets while " +
                                                count(facts.queued, "task waits", "tasks wait") +
                                                "; raise --concurrency or add agents"};
  }
  return {DiagnosisVerdict::healthy, agents + " connected, " + std::to_string(facts.queued) +
                                         " queued, " + std::to_string(facts.in_flight) +
                                         " in flight"};
}

}  // namespace probekit
