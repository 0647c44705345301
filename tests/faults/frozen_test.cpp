// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Processes that stand still (SIGSTOP) for longer than --dead-after, and go on.

#include <signal.h>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("an agent that stood still comes back and records nothing twice",
          "[faults][timing][idle]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess frozen{"frozen", nginx.url(), agent_flags()};
  AgentProcess other{"other", nginx.url(), agent_flags()};
  frozen.wait_until_connected();
  other.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 100ms));
  wait_for_progress(master.api(), batch, 500);

  frozen.process().freeze();
  const auto line = expect_log(master.process(), "agent disconnected");
  CHECK(text_at(line, "agent") == "frozen");
  // The other has all of its tasks before it thaws.
  run_until(
      [&] { return number_at(*master.agent("frozen").find("last_disconnect"), "requeued") > 0; });
  frozen.process().signal(SIGCONT);
  const Stopwatch since;
  frozen.wait_until_connected(35s);
  const double recovered = since.seconds();
  conclude(master.api(), batch, kTasks, site, {&frozen, &other},
           {"agent frozen for longer than `--dead-after` and the grace",
            disconnect_said("master", line), recovered});
}

TEST_CASE("a master that stood still goes on with its import", "[faults][timing][idle]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  master.process().freeze();
  const auto line = expect_log(agent.process(), "disconnected");
  master.process().signal(SIGCONT);
  const Stopwatch since;
  agent.wait_until_connected(35s);
  const double recovered = since.seconds();
  expect_log(master.process(), "agent disconnected");
  conclude(
      master.api(), batch, kTasks, site, {&agent},
      {"master frozen for longer than `--dead-after`", disconnect_said("agent", line), recovered});
}

}  // namespace probekit::test
