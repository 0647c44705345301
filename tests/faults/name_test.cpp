// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Two agents of one name, by mistake or because the first hangs.

#include <signal.h>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("a second agent of a name in use is told so and disturbs nothing", "[faults]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess first{"twin", nginx.url(), agent_flags()};
  first.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  AgentProcess second{"twin", nginx.url(), agent_flags()};
  const auto line = expect_log(second.process(), "rejected: name_in_use");
  CHECK(text_at(line, "message").find("--name") != std::string::npos);
  conclude(master.api(), batch, kTasks, site, {&first},
           {"second agent of the same name", said("second agent", line)});
  // But for the end of its drain.
  CHECK(log_lines(first.process(), "disconnected").size() == 1);
}

TEST_CASE("a name is taken over from an agent that stands still", "[faults][timing][idle]") {
  // Only the challenge ends the first: it is not dead for long.
  MasterProcess master{{"--heartbeat-interval", "1s", "--dead-after", "60s", "--resume-grace", "2s",
                        "--log-format", "json"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess first{"twin", nginx.url(), agent_flags()};
  first.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  first.process().freeze();
  AgentProcess second{"twin", nginx.url(), agent_flags()};
  const Stopwatch since;
  second.wait_until_connected();
  const double recovered = since.seconds();
  const auto line = expect_log(master.process(), "agent disconnected");
  CHECK(text_at(line, "agent") == "twin");
  wait_for_progress(master.api(), batch, 200);
  // Now the first is the one too many. What it still holds comes late, when the name is free.
  first.process().signal(SIGCONT);
  expect_log(first.process(), "rejected: name_in_use");
  master.api().wait_for(batch, 60s);
  drain(second);
  first.wait_until_connected(40s);
  conclude(
      master.api(), batch, kTasks, site, {&first},
      {"agent frozen, another started under its name", disconnect_said("master", line), recovered});
}

}  // namespace probekit::test
