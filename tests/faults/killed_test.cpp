// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// kill -9 of whoever takes part in an import.

#include <signal.h>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("the tasks of an agent killed in an import are done by another", "[faults][idle]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess doomed{"doomed", nginx.url(), agent_flags()};
  AgentProcess other{"other", nginx.url(), agent_flags()};
  master.wait_for_agents(2);
  const auto batch = master.api().import(slow_targets(site, 100ms));
  wait_for_progress(master.api(), batch, 500);

  doomed.process().signal(SIGKILL);
  const Stopwatch since;
  // Its tasks are given to the other once the grace is over.
  run_until([&] {
    const auto agent = master.agent("doomed");
    const auto* const left = agent.find("last_disconnect");
    return left != nullptr && left->is_object() && number_at(*left, "requeued") > 0;
  });
  const double recovered = since.seconds();
  const auto line = expect_log(master.process(), "agent disconnected");
  CHECK(text_at(line, "agent") == "doomed");
  conclude(master.api(), batch, kTasks, site, {&other},
           {"`kill -9` of one agent of two", disconnect_said("master", line), recovered});
}

TEST_CASE("an import goes on once a killed nginx is there again", "[faults][idle]") {
  MasterProcess master{master_flags(kLongGrace)};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  nginx.kill();
  const auto line = expect_log(agent.process(), "disconnected");
  expect_log(master.process(), "agent disconnected");
  expect_log(agent.process(), "cannot connect");
  nginx.start();
  const Stopwatch since;
  agent.wait_until_connected(35s);
  const double recovered = since.seconds();
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"`kill -9` of nginx and its workers, then a new one", disconnect_said("agent", line),
            recovered});
  CHECK(site.asked_again() == 0);
}

TEST_CASE("an import goes on after its master was killed, where the store is durable",
          "[faults][idle]") {
  const TemporaryFolder folder;
  auto flags = master_flags();
  flags.insert(flags.end(), {"--store", "sqlite:" + folder.path() + "/store"});
  MasterProcess master{flags};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"agent", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  const auto before = master.api().batch(batch).done;
  const Stopwatch since;
  master.kill_and_restart();
  // What it had told is still so.
  CHECK(master.api().batch(batch).done >= before);
  agent.wait_until_connected(35s);
  const double recovered = since.seconds();
  const auto line = expect_log(agent.process(), "disconnected");
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"`kill -9` of the master, SQLite store, then a new one", disconnect_said("agent", line),
            recovered});
}

}  // namespace probekit::test
