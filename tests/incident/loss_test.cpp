// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Connections cut and agents killed in the middle of an import: work moves, nothing is lost.

#include <poll.h>
#include <signal.h>

#include "incident/everything_arrives.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"
#include "support/tcp_relay.hpp"

namespace probekit::test {
namespace {
using namespace std::chrono_literals;
}

TEST_CASE("an import survives its connection being cut twenty times", "[incident][idle]") {
  constexpr std::size_t kTasks = 20'000;
  // The grace also bounds how long an agent that holds tasks waits before it comes back.
  MasterProcess master{
      {"--heartbeat-interval", "1s", "--dead-after", "10s", "--resume-grace", "3s"}};
  Nginx nginx{{master.agents_port()}};
  TcpRelay relay{nginx.port()};
  const TargetSite site;
  AgentProcess agent{"cut",
                     "ws://127.0.0.1:" + std::to_string(relay.port()) + "/ws",
                     {"--concurrency", "64", "--per-host", "0"}};
  agent.wait_until_connected();
  const auto batch = master.api().import(many(site.url("/delay/20"), kTasks));
  for (int cuts = 0; cuts < 20; ++cuts) {
    INFO("cut " << cuts);
    // Each cut falls into moving traffic, not into a reconnect.
    const auto before = master.api().batch(batch).done;
    run_until([&] { return master.api().batch(batch).done > before + 50; }, 30s);
    REQUIRE(master.api().batch(batch).done < kTasks);
    relay.cut();
    agent.wait_until_connected(35s);
  }
  check_everything_arrived(master.api(), batch, kTasks, 120s);
}

TEST_CASE("the tasks of a killed agent go to the others", "[incident]") {
  constexpr std::size_t kTasks = 2'000;
  MasterProcess master{{"--resume-grace", "1s"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  const std::vector<std::string> flags{"--concurrency", "16", "--per-host", "0"};
  AgentProcess first{"first", nginx.url(), flags};
  AgentProcess doomed{"doomed", nginx.url(), flags};
  AgentProcess third{"third", nginx.url(), flags};
  master.wait_for_agents(3);
  const auto batch = master.api().import(many(site.url("/delay/50"), kTasks));
  run_until([&] { return master.api().batch(batch).done > 200; });
  doomed.process().signal(SIGKILL);
  const auto lines = check_everything_arrived(master.api(), batch, kTasks, 60s);
  std::size_t second_attempts = 0;
  for (const auto& line : lines)
    if (number_at(line, "attempt") > 1) ++second_attempts;
  CHECK(second_attempts > 0);
  const auto info = master.agent("doomed");
  CHECK_FALSE(*info.find("connected")->as_bool());
  CHECK(number_at(*info.find("last_disconnect"), "requeued") > 0);
}

}  // namespace probekit::test
