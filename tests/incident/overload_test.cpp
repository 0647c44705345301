// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// More work than can be done: it takes longer, and costs nothing else.

#include <poll.h>

#include "incident/everything_arrives.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {
using namespace std::chrono_literals;
}

TEST_CASE("two thousand hanging targets all end as timeouts", "[incident][idle]") {
  constexpr std::size_t kTasks = 2'000;
  MasterProcess master{{"--heartbeat-interval", "1s", "--dead-after", "10s"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"patient", nginx.url(), {"--concurrency", "64", "--per-host", "0"}};
  agent.wait_until_connected();

  const auto batch = master.api().import(many(site.url("/hang"), kTasks), "?timeout_ms=500");
  const auto lines = check_everything_arrived(master.api(), batch, kTasks, 90s);
  for (const auto& line : lines) {
    const auto& failure = *line.find("failure");
    REQUIRE(text_at(failure, "kind") == "timeout");
    REQUIRE(text_at(failure, "message").find("first byte") != std::string::npos);
  }
  const auto info = master.agent("patient");
  CHECK(number_at(info, "heartbeat_gap_max_ms") <= 1500);
  CHECK((info.find("last_disconnect") == nullptr || info.find("last_disconnect")->is_null()));
}

TEST_CASE("a probe is answered within a second while hanging bulk holds every slot", "[incident]") {
  MasterProcess master;
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{
      "busy", nginx.url(), {"--concurrency", "16", "--queue", "64", "--per-host", "0"}};
  agent.wait_until_connected();
  const auto batch = master.api().import(many(site.url("/hang"), 400), "?timeout_ms=5000");
  // 16 slots, one of them for urgent work: 15 hang.
  run_until([&] { return site.requests() >= 15; });
  for (int n = 0; n < 5; ++n) {
    const auto before = system_clock()->steady_now();
    const auto answer =
        master.api().request("POST", "/v1/probes", "application/json",
                             R"({"target":")" + site.url("/ok") + R"(","wait_ms":5000})");
    const auto took = system_clock()->steady_now() - before;
    REQUIRE(answer.status == 200);
    CHECK(took < 1s);
    CHECK(number_at(answer.json(), "passed") == 1);
  }
  CHECK(master.api().request("DELETE", "/v1/batches/" + batch).status == 200);
  CHECK(master.api().wait_for(batch, 30s).state == "cancelled");
}

}  // namespace probekit::test
