// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/metrics_views.hpp"

#include <set>
#include <sstream>
#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::api;
using Catch::Contains;

namespace {

std::string text_of(MasterFigures figures) {
  std::string out;
  write_metrics(out, std::move(figures), ApiFacts{}, HttpCounters{}, ProcessFigures{});
  return out;
}

std::string name_of(std::size_t number) {
  const std::string digits = std::to_string(number);
  return "agent-" + std::string(5 - digits.size(), '0') + digits;
}

}  // namespace

TEST_CASE("the ledger and its reasons are counters that sum up", "[metrics]") {
  MasterFigures figures;
  figures.status.ledger = {20, 2, 3, 9, 5, 1, 6, 3};
  figures.store.ended.add_expiry(ExpiryReason::deadline);
  figures.store.ended.add_result("http", std::nullopt, std::chrono::microseconds(300));
  figures.store.ended.add_result("http", FailureKind::timeout, std::chrono::seconds(5));
  figures.store.ended.add_result("dns", FailureKind::dns, std::chrono::milliseconds(2));
  const std::string text = text_of(std::move(figures));
  CHECK_THAT(text, Contains("probekit_tasks_accepted_total 20\n"));
  CHECK_THAT(text, Contains("probekit_tasks_ended_total{state=\"done\"} 9\n"));
  CHECK_THAT(text, Contains("probekit_tasks_ended_total{state=\"cancelled\"} 1\n"));
  CHECK_THAT(text,
             Contains("probekit_tasks_ended_total{state=\"expired\",reason=\"deadline\"} 1\n"));
  CHECK_THAT(text,
             Contains("probekit_tasks_ended_total{state=\"expired\",reason=\"no_agent\"} 0\n"));
  CHECK_THAT(text, Contains("probekit_tasks_queued 2\n"));
  CHECK_THAT(text, Contains("probekit_tasks_in_flight 3\n"));
  CHECK_THAT(text, Contains("probekit_probes_total{kind=\"http\",verdict=\"passed\"} 1\n"));
  CHECK_THAT(text, Contains("probekit_probes_total{kind=\"http\",verdict=\"failed\",failure="
                            "\"timeout\"} 1\n"));
  CHECK_THAT(text, Contains("probekit_probe_duration_seconds_bucket{kind=\"http\",le=\"0.0005\"} "
                            "1\n"));
  CHECK_THAT(text, Contains("probekit_probe_duration_seconds_count{kind=\"http\"} 2\n"));
  CHECK_THAT(text, Contains("probekit_probe_duration_seconds_sum{kind=\"http\"} 5.0003\n"));
  CHECK_THAT(text,
             Contains("probekit_probes_total{kind=\"dns\",verdict=\"failed\",failure=\"dns\"} "
                      "1\n"));
}

TEST_CASE("every family is described once, its samples stand together", "[metrics]") {
  MasterFigures figures;
  figures.agents.resize(2);
  figures.agents[0].name = "a";
  figures.agents[0].connected = true;
  figures.agents[1].name = "b";
  figures.store.ended.add_result("http", std::nullopt, std::chrono::microseconds(1));
  std::istringstream lines(text_of(std::move(figures)));
  std::set<std::string> families;
  std::string current;
  std::size_t samples = 0;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    if (line.rfind("# HELP ", 0) == 0) {
      current = line.substr(7, line.find(' ', 7) - 7);
      CHECK(families.insert(current).second);
      CHECK(line.back() == '.');
    } else if (line.rfind("# TYPE ", 0) == 0) {
      CHECK(line.compare(7, current.size() + 1, current + ' ') == 0);
    } else {
      CHECK(line.compare(0, current.size(), current) == 0);
      ++samples;
    }
  }
  CHECK(families.size() > 35);
  CHECK(samples > families.size());
}

TEST_CASE("agents have series up to a limit, the connected ones first", "[metrics]") {
  MasterFigures figures;
  for (std::size_t i = 0; i < kMetricsAgentsMax + 7; ++i) {
    AgentSnapshot agent;
    agent.name = name_of(i);
    agent.connected = i >= 20;  // the first of all by name are lost
    agent.results = i;
    agent.diagnosis.verdict = DiagnosisVerdict::targets_slow;
    figures.agents.push_back(agent);
  }
  figures.status.agents_connected = kMetricsAgentsMax + 7 - 20;
  const std::string text = text_of(std::move(figures));
  CHECK_THAT(text, Contains("probekit_agents_connected 987\n"));
  CHECK_THAT(text, Contains("probekit_agents_lost 20\n"));
  CHECK_THAT(text, Contains("probekit_agents_unlisted 7\n"));
  CHECK_THAT(text, Contains("probekit_agent_connected{agent=\"agent-01006\"} 1\n"));
  CHECK_THAT(text, Contains("probekit_agent_connected{agent=\"agent-00012\"} 0\n"));
  CHECK_THAT(text, !Contains("agent-00013"));
  CHECK_THAT(text, Contains("probekit_agent_results_total{agent=\"agent-00012\"} 12\n"));
  // Of a lost agent the rest is not known.
  CHECK_THAT(text, !Contains("probekit_agent_tasks_in_flight{agent=\"agent-00012\"}"));
  CHECK_THAT(text, Contains("probekit_agent_diagnosis{agent=\"agent-00020\",verdict=\"healthy\"} "
                            "0\n"));
  CHECK_THAT(text, Contains("probekit_agent_diagnosis{agent=\"agent-00020\",verdict="
                            "\"targets_slow\"} 1\n"));
}

TEST_CASE("an agent's waits, failures and both ends of its connection are series",
          "[metrics][diagnosis]") {
  MasterFigures figures;
  AgentSnapshot agent;
  agent.name = "a";
  agent.connected = true;
  agent.slots = 64;
  agent.slots_busy = 60;
  agent.waiting_for_host = 7;
  agent.waits = ProbeWaits{1, 2, 3, 4, 5, std::chrono::milliseconds(6)};
  agent.failures = LocalFailures{8, 9, 10};
  agent.connection.recv_queue_bytes = 11;
  agent.connection.send_queue_bytes = 12;
  agent.connection.unsent_bytes = 13;
  agent.agent_socket.emplace().recv_queue_bytes = 14;
  agent.agent_socket->send_queue_bytes = 15;
  agent.stalled = std::chrono::milliseconds(1500);
  figures.agents.push_back(agent);
  agent.name = "older";  // it tells nothing of these
  agent.waits.reset();
  agent.failures.reset();
  agent.agent_socket.reset();
  figures.agents.push_back(agent);
  figures.status.agents_diagnosed[0] = 2;
  figures.status.store_waits = std::chrono::milliseconds(2500);
  const std::string text = text_of(std::move(figures));
  for (const char* const sample :
       {R"(probekit_agent_slots{agent="a"} 64)", R"(probekit_agent_slots_busy{agent="a"} 60)",
        R"(probekit_agent_waiting{agent="a",for="host"} 7)",
        R"(probekit_agent_waiting{agent="a",for="dns"} 1)",
        R"(probekit_agent_waiting{agent="a",for="receive"} 5)",
        R"(probekit_agent_local_failures_total{agent="a",resource="descriptors"} 9)",
        R"(probekit_agent_recv_queue_bytes{agent="a",end="master"} 11)",
        R"(probekit_agent_recv_queue_bytes{agent="a",end="agent"} 14)",
        R"(probekit_agent_send_queue_bytes{agent="a",end="master"} 25)",
        R"(probekit_agent_send_queue_bytes{agent="a",end="agent"} 15)",
        R"(probekit_agent_stalled_seconds{agent="a"} 1.5)",
        R"(probekit_agents_diagnosed{verdict="healthy"} 2)",
        R"(probekit_store_waits_seconds 2.5)"}) {
    CHECK_THAT(text, Contains(std::string{sample} + '\n'));
  }
  CHECK_THAT(text, !Contains(R"(probekit_agent_waiting{agent="older")"));
  CHECK_THAT(text, !Contains(R"(probekit_agent_local_failures_total{agent="older")"));
  CHECK_THAT(text, !Contains(R"(probekit_agent_recv_queue_bytes{agent="older",end="agent"})"));
}

TEST_CASE("more kinds than are told apart count as other", "[metrics]") {
  ResultCounters counters;
  for (std::size_t i = 0; i < ResultCounters::kKindsMax + 5; ++i) {
    counters.add_result("kind" + std::to_string(i), std::nullopt, std::chrono::microseconds(1));
  }
  REQUIRE(counters.kinds.size() == ResultCounters::kKindsMax);
  CHECK(counters.kinds.front().kind == "kind0");
  CHECK(counters.kinds.back().kind == "other");
  CHECK(counters.kinds.back().passed == 6);
}
