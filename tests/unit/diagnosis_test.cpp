// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/diagnosis.hpp"

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

struct AgentCase {
  const char* what;
  std::size_t slots, busy, queued;
  milliseconds lag;
  double cores;
  std::size_t threads;
  std::uint64_t store_queued;
  DiagnosisVerdict verdict;
};

TEST_CASE("an agent's facts lead to one verdict", "[diagnosis]") {
  const AgentCase cases[] = {
      {"idle", 512, 0, 0, milliseconds{0}, 0.0, 4, 0, DiagnosisVerdict::healthy},
      {"nothing known yet", 0, 0, 0, milliseconds{0}, 0.0, 0, 5, DiagnosisVerdict::healthy},
      {"half busy", 512, 256, 10, milliseconds{0}, 1.0, 4, 100, DiagnosisVerdict::healthy},
      {"full, but nobody waits", 64, 64, 0, milliseconds{0}, 0.1, 4, 0, DiagnosisVerdict::healthy},
      {"full and waiting", 64, 64, 9, milliseconds{0}, 0.3, 4, 0, DiagnosisVerdict::targets_slow},
      {"the slots kept for high are free", 512, 480, 9, milliseconds{0}, 0.3, 4, 7,
       DiagnosisVerdict::targets_slow},
      {"just under full", 100, 89, 9, milliseconds{0}, 0.3, 4, 7, DiagnosisVerdict::healthy},
      {"the master holds what waits", 64, 64, 0, milliseconds{0}, 0.3, 4, 7,
       DiagnosisVerdict::targets_slow},
      {"full and out of CPU", 64, 64, 9, milliseconds{0}, 3.9, 4, 0,
       DiagnosisVerdict::agent_saturated},
      {"out of CPU before slots", 512, 40, 900, milliseconds{0}, 1.0, 1, 0,
       DiagnosisVerdict::agent_saturated},
      {"late although half the CPU is left", 64, 64, 9, milliseconds{250}, 2.1, 4, 0,
       DiagnosisVerdict::agent_saturated},
      {"late and idle", 64, 64, 9, milliseconds{250}, 0.1, 4, 0, DiagnosisVerdict::targets_slow},
      {"out of CPU, but nothing waits", 64, 10, 0, milliseconds{0}, 3.9, 4, 0,
       DiagnosisVerdict::healthy},
  };
  for (const AgentCase& one : cases) {
    INFO(one.what);
    AgentFacts facts;
    facts.slots = one.slots;
    facts.slots_busy = one.busy;
    facts.queued = one.queued;
    facts.loop_lag = one.lag;
    facts.cpu_cores = one.cores;
    facts.threads = one.threads;
    facts.store_queued = one.store_queued;
    const Diagnosis diagnosis = diagnose_agent(facts);
    CHECK(to_string(diagnosis.verdict) == to_string(one.verdict));
    CHECK_FALSE(diagnosis.text.empty());
  }
}

TEST_CASE("the sentence says the figures and what to do", "[diagnosis]") {
  AgentFacts facts;
  facts.slots = 64;
  facts.slots_busy = 64;
  facts.queued = 128;
  facts.threads = 2;
  facts.cpu_cores = 0.25;
  CHECK(diagnose_agent(facts).text ==
        "64 of 64 slots are busy, waiting for targets: it uses 0.2 cores with 2 probing threads; "
        "raise its --concurrency or add agents");
  facts.cpu_cores = 1.9;
  facts.loop_lag = milliseconds{150};
  CHECK(diagnose_agent(facts).text ==
        "64 of 64 slots are busy and it uses 1.9 cores with 2 probing threads, its loops running "
        "150 ms late: its CPU is at its limit; add agents");
}

struct FleetCase {
  const char* what;
  std::size_t connected, saturated, slow;
  std::uint64_t queued;
  DiagnosisVerdict verdict;
};

TEST_CASE("a fleet's facts lead to one verdict", "[diagnosis]") {
  const FleetCase cases[] = {
      {"nobody there", 0, 0, 0, 0, DiagnosisVerdict::no_agents},
      {"nobody there, tasks wait", 0, 0, 0, 12, DiagnosisVerdict::no_agents},
      {"idle", 3, 0, 0, 0, DiagnosisVerdict::healthy},
      {"busy", 3, 0, 0, 1000, DiagnosisVerdict::healthy},
      {"one of three saturated", 3, 1, 0, 1000, DiagnosisVerdict::healthy},
      {"two of three saturated", 3, 2, 1, 1000, DiagnosisVerdict::agent_saturated},
      {"one of two slow", 2, 0, 1, 1000, DiagnosisVerdict::targets_slow},
      {"all slow, nothing waits", 2, 0, 2, 0, DiagnosisVerdict::healthy},
  };
  for (const FleetCase& one : cases) {
    INFO(one.what);
    FleetFacts facts;
    facts.agents_connected = one.connected;
    facts.agents_saturated = one.saturated;
    facts.agents_waiting_for_targets = one.slow;
    facts.queued = one.queued;
    const Diagnosis diagnosis = diagnose_fleet(facts);
    CHECK(to_string(diagnosis.verdict) == to_string(one.verdict));
    CHECK_FALSE(diagnosis.text.empty());
  }
}

}  // namespace
}  // namespace probekit
