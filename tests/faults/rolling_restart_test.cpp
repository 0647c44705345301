// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// An upgrade in the middle of an import: everybody is ended gracefully and started again, one after
// another.

#include <algorithm>
#include <memory>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("a rolling restart of agents and master probes nothing twice", "[faults][sqlite][idle]") {
  const TemporaryFolder folder;
  auto flags = master_flags();
  flags.insert(flags.end(), {"--store", "sqlite:" + folder.path() + "/store"});
  MasterProcess master{flags};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  // An agent holds two seconds of work, which a master that drains waits for: slow enough that all
  // rounds fit into the import.
  const auto start = [&nginx](const char* name) {
    auto agent = std::make_unique<AgentProcess>(
        name, nginx.url(),
        std::vector<std::string>{"--concurrency", "16", "--per-host", "0", "--threads", "1",
                                 "--log-format", "json"});
    agent->wait_until_connected();
    return agent;
  };
  auto one = start("one");
  auto two = start("two");
  const auto batch = master.api().import(slow_targets(site, 100ms));

  std::uint64_t held = 0;
  double recovered = 0;
  std::string program_said;
  for (int round = 0; round < 2; ++round) {
    INFO("round " << round);
    for (auto* const agent : {&one, &two}) {
      wait_for_progress(master.api(), batch, 200);
      drain(**agent);
      held += std::stoull(text_at(expect_log((*agent)->process(), "draining"), "held"));
      *agent = start(agent == &one ? "one" : "two");
    }
    wait_for_progress(master.api(), batch, 200);
    const auto before = master.api().batch(batch).done;
    CHECK(master.end_and_restart() == 0);
    const Stopwatch since;
    const auto after = master.api().batch(batch);
    CHECK(after.done >= before);
    // Its end waited for all that was given out, and gave out nothing more.
    CHECK(after.in_flight == 0);
    REQUIRE(after.queued > 0);
    for (auto* const agent : {&one, &two}) (*agent)->wait_until_connected(35s);
    recovered = std::max(recovered, since.seconds());
    const auto line = expect_log(one->process(), "disconnected");
    CHECK(text_at(line, "message").find("the master drains") != std::string::npos);
    program_said = disconnect_said("agent", line);
  }
  // There was something to give back or to finish each time: slots are full.
  CHECK(held >= 4 * 16);
  conclude(master.api(), batch, kTasks, site, {one.get(), two.get()},
           {"rolling restart by `SIGTERM`: agents and master, twice each, SQLite store",
            program_said, recovered});
  CHECK(site.asked_again() == 0);
  CHECK(site.requests() == kTasks);
}

}  // namespace probekit::test
