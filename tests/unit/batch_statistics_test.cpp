// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/batch_statistics.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::store;
using std::chrono::microseconds;

namespace {

std::shared_ptr<const std::string> name(const std::string& text) {
  return std::make_shared<const std::string>(text);
}

BatchSummary summary_of(const BatchStatistics& statistics) {
  BatchSummary summary;
  statistics.summarize(summary);
  return summary;
}

}  // namespace

TEST_CASE("a summary counts reasons, failure kinds and agents", "[store][statistics]") {
  BatchStatistics statistics;
  const auto b = statistics.agent_number(7, name("b"));
  const auto a = statistics.agent_number(9, name("a"));
  CHECK(statistics.agent_number(7, name("b")) == b);
  statistics.add_result(b, std::nullopt, {}, microseconds(5));
  statistics.add_result(a, FailureKind::tls, {}, microseconds(6));
  statistics.add_result(b, FailureKind::tls, {}, microseconds(7));
  statistics.add_expiry(ExpiryReason::no_agent);
  statistics.add_expiry(ExpiryReason::agent_lost);
  statistics.add_expiry(ExpiryReason::agent_lost);

  const BatchSummary summary = summary_of(statistics);
  using Counts = std::vector<std::pair<std::string, std::uint64_t>>;
  CHECK(summary.reasons == Counts{{"no_agent", 1}, {"agent_lost", 2}});
  CHECK(summary.failures == Counts{{"tls", 2}});
  CHECK(summary.agents == Counts{{"a", 1}, {"b", 2}});
  REQUIRE(summary.phases.size() == 1);
  CHECK(summary.phases[0].name == "duration_us");
  CHECK(summary.phases[0].count == 3);
  CHECK(summary.phases[0].max_us == 7);
}

TEST_CASE("phases have percentiles in small batches and in large ones", "[store][statistics]") {
  const int count = GENERATE(3, 50, 100, 20'000);
  BatchStatistics statistics;
  const auto agent = statistics.agent_number(1, name("a"));
  for (int i = 1; i <= count; ++i) {
    std::vector<Phase> phases{{"query_us", microseconds(i)}};
    if (i % 2 == 0) phases.push_back({"tls_us", microseconds(1000)});
    phases.push_back({"duration_us", microseconds(2 * i)});
    statistics.add_result(agent, std::nullopt, phases, microseconds(2 * i));
  }
  const BatchSummary summary = summary_of(statistics);
  REQUIRE(summary.phases.size() == 3);
  for (const PhaseSummary& phase : summary.phases) {
    const auto n = static_cast<std::uint64_t>(count);
    if (phase.name == "tls_us") {
      CHECK(phase.count == n / 2);
      CHECK(phase.p50_us == 1000);
      continue;
    }
    const std::uint64_t scale = phase.name == "query_us" ? 1 : 2;
    CHECK(phase.count == n);
    CHECK(phase.max_us == scale * n);
    CHECK(static_cast<double>(phase.p50_us) ==
          Approx(static_cast<double>(scale * ((n + 1) / 2))).epsilon(0.02).margin(1));
    CHECK(phase.p50_us <= phase.p90_us);
    CHECK(phase.p90_us <= phase.p99_us);
    CHECK(phase.p99_us <= phase.max_us);
  }
}

TEST_CASE("many agents keep their numbers and counts", "[store][statistics]") {
  BatchStatistics statistics;
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 1000; ++i) {
      const auto number = statistics.agent_number(i + 1, name("agent-" + std::to_string(i)));
      REQUIRE(number == i);
      statistics.add_result(number, std::nullopt, {}, microseconds(1));
    }
  }
  CHECK(statistics.agent_name(999) == "agent-999");
  const BatchSummary summary = summary_of(statistics);
  CHECK(summary.agents.size() == 1000);
  for (const auto& [agent, count] : summary.agents) REQUIRE(count == 3);
}

TEST_CASE("phase names without end count as other", "[store][statistics]") {
  PhaseNames names;
  const std::size_t max = PhaseNames::kOthersMax;
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::string phase = "p" + std::to_string(i) + "_us";
    CHECK(names.name(names.number(phase)) == (i < max ? phase : "other"));
  }
  CHECK(names.name(names.number("p0_us")) == "p0_us");
  CHECK(names.name(names.number("first_byte_us")) == "first_byte_us");
}

TEST_CASE("names one batch invents leave those of another alone", "[store][statistics]") {
  BatchStatistics liar;
  BatchStatistics honest;
  const auto agent = liar.agent_number(1, name("a"));
  honest.agent_number(1, name("a"));
  for (int i = 0; i < 1000; ++i) {
    liar.add_result(agent, std::nullopt, {{"p" + std::to_string(i) + "_us", microseconds(1)}},
                    microseconds(1));
  }
  honest.add_result(agent, std::nullopt, {{"login_us", microseconds(7)}}, microseconds(7));
  const auto phases = summary_of(honest).phases;
  REQUIRE(phases.size() == 2);
  CHECK(phases[0].name == "login_us");
  CHECK(phases[0].max_us == 7);
  const auto invented = summary_of(liar).phases;
  CHECK(invented.size() == PhaseNames::kOthersMax + 2);
  std::uint64_t count = 0;
  for (const PhaseSummary& phase : invented) count += phase.count;
  CHECK(count == 2000);
}

TEST_CASE("negative durations count as none", "[store][statistics]") {
  BatchStatistics statistics;
  const auto agent = statistics.agent_number(1, name("a"));
  statistics.add_result(agent, std::nullopt, {{"dns_us", microseconds(-5)}}, microseconds(-1));
  for (const PhaseSummary& phase : summary_of(statistics).phases) CHECK(phase.max_us == 0);
}
