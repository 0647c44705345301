// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What an operator does to nginx while an import runs.

#include "support/nginx.hpp"
#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("a reload of nginx costs nobody a connection", "[faults][idle]") {
  MasterProcess master{master_flags(kLongGrace)};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  for (int reloads = 0; reloads < 3; ++reloads) {
    wait_for_progress(master.api(), batch, 500);
    const auto before = children(nginx.pid());
    nginx.reload();
    // The old worker keeps the agent's connection, a new one listens.
    run_until([&] { return children(nginx.pid()).size() > before.size(); });
  }
  REQUIRE(master.api().batch(batch).done < kTasks);
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"`nginx -s reload`, three times", "nothing: no connection ended"});
  // But for the end of its drain.
  CHECK(log_lines(agent.process(), "disconnected").size() == 1);
  CHECK(log_lines(master.process(), "agent disconnected").size() == 1);
  CHECK(site.asked_again() == 0);
}

TEST_CASE("an import survives a reload that ends connections", "[faults][idle]") {
  MasterProcess master{master_flags(kLongGrace)};
  NginxOptions options;
  options.upstream_port = master.agents_port();
  options.main = "worker_shutdown_timeout 1s;\n";
  Nginx nginx{options};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  nginx.reload();
  const auto line = expect_log(agent.process(), "disconnected");
  const Stopwatch since;
  agent.wait_until_connected(35s);
  const double recovered = since.seconds();
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"`nginx -s reload` with `worker_shutdown_timeout 1s`", disconnect_said("agent", line),
            recovered});
  CHECK(site.asked_again() == 0);
}

TEST_CASE("an import survives a restart of nginx", "[faults][idle]") {
  MasterProcess master{master_flags(kLongGrace)};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  nginx.stop();
  nginx.start();
  const Stopwatch since;
  agent.wait_until_connected(35s);
  const double recovered = since.seconds();
  const auto line = expect_log(agent.process(), "disconnected");
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"nginx stopped and started", disconnect_said("agent", line), recovered});
  CHECK(site.asked_again() == 0);
}

}  // namespace probekit::test
