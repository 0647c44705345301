// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Two hundred agents that lose their connection in the same moment and come back together.

#include <signal.h>
#include <sys/resource.h>

#include <memory>
#include <vector>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAgents = 200;

using Fleet = std::vector<std::unique_ptr<AgentProcess>>;

// For the pipes and sockets of all of them; what this process starts inherits it.
void take_all_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (limit.rlim_max < 1024 || setrlimit(RLIMIT_NOFILE, &limit) != 0)
    FAIL("two hundred agents need 1024 descriptors (ulimit -n)");
}

// All begin at once, then each is waited for.
Fleet start_fleet(const std::string& url) {
  Fleet fleet;
  for (std::size_t n = 0; n < kAgents; ++n) {
    fleet.push_back(std::make_unique<AgentProcess>(
        "fleet-" + std::to_string(n), url,
        std::vector<std::string>{"--concurrency", "1", "--per-host", "0", "--threads", "1",
                                 "--log-format", "json"}));
  }
  for (auto& agent : fleet) agent->wait_until_connected(60s);
  return fleet;
}

void wait_for_all(const MasterProcess& master) {
  run_until(
      [&] {
        return number_at(master.api().get("/v1/status").json(), "agents_connected") == kAgents;
      },
      60s);
}

// Together: one after the other takes two hundred times as long.
void drain(Fleet& fleet) {
  for (auto& agent : fleet) agent->process().signal(SIGTERM);
  std::size_t whole = 0;
  for (auto& agent : fleet)
    if (agent->process().wait(40s) == 0) ++whole;
  CHECK(whole == fleet.size());
}

}  // namespace

TEST_CASE("two hundred agents come back at once and their import goes on", "[faults][timing]") {
  take_all_descriptors();
  // Only nginx is in trouble: nothing may run twice.
  MasterProcess master{master_flags(kLongGrace)};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  Fleet fleet = start_fleet(nginx.url());
  wait_for_all(master);
  const auto batch = master.api().import(slow_targets(site, 400ms));
  wait_for_progress(master.api(), batch, 500);

  nginx.kill();
  run_until([&] { return log_lines(master.process(), "agent disconnected").size() >= kAgents; },
            30s);
  const auto line = expect_log(master.process(), "agent disconnected");
  nginx.start();
  REQUIRE(master.api().batch(batch).done < kTasks);
  const Stopwatch since;
  for (auto& agent : fleet) agent->wait_until_connected(60s);
  const double recovered = since.seconds();
  wait_for_all(master);
  master.api().wait_for(batch, 60s);
  drain(fleet);
  CHECK(site.requests() == kTasks);
  conclude_ended(master.api(), batch, kTasks,
                 {"200 agents lose nginx at once and come back together",
                  disconnect_said("master, 200 times", line), recovered, site.asked_again()});
}

}  // namespace probekit::test
