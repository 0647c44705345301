// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Two hundred agents that lose their connection in the same moment and come back together.

#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "faults/scenario.hpp"
#include "probekit/agent.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAgents = 200;

// What the targets would have seen.
class Asked {
 public:
  void add(std::string_view target) {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (++times_[std::string{target}] == 2) ++again_;
  }
  std::size_t again() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return again_;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, unsigned> times_;
  std::size_t again_ = 0;
};

std::unique_ptr<Agent> start_agent(std::size_t number, const std::string& url, Asked& asked) {
  WebSocketConnectorOptions connector;
  connector.urls = {url};
  AgentOptions options;
  options.name = "fleet-" + std::to_string(number);
  options.concurrency = 1;
  options.threads = 1;
  options.per_host = 0;
  auto agent = std::make_unique<Agent>(make_websocket_connector(connector), options);
  agent->add(testing::make_scripted_prober("http", "http",
                                           [&asked](std::string_view target, const ProbeOptions&) {
                                             asked.add(target);
                                             return testing::passed_after(400ms);
                                           }));
  agent->start();
  return agent;
}

void wait_for_all(const MasterProcess& master) {
  run_until(
      [&] {
        return number_at(master.api().get("/v1/status").json(), "agents_connected") == kAgents;
      },
      60s);
}

void take_all_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) FAIL("two hundred agents need their descriptors");
}

}  // namespace

TEST_CASE("two hundred agents come back at once and their import goes on", "[faults][timing]") {
  take_all_descriptors();
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  Asked asked;
  std::atomic<std::size_t> answers{0};
  std::atomic<std::size_t> drained{0};
  std::vector<std::unique_ptr<Agent>> agents;
  for (std::size_t n = 0; n < kAgents; ++n) agents.push_back(start_agent(n, nginx.url(), asked));
  wait_for_all(master);
  std::vector<std::string> targets;
  for (std::size_t n = 0; n < kTasks; ++n)
    targets.push_back("http://www.example.test/" + std::to_string(n));
  const auto batch = master.api().import(targets);
  wait_for_progress(master.api(), batch, 500);

  nginx.kill();
  run_until([&] { return log_lines(master.process(), "agent disconnected").size() >= kAgents; });
  const auto line = expect_log(master.process(), "agent disconnected");
  nginx.start();
  const Stopwatch since;
  wait_for_all(master);
  const double recovered = since.seconds();
  master.api().wait_for(batch, 60s);
  for (auto& agent : agents)
    agent->drain(30s, [&](const Expected<void>& whole) {
      if (whole) ++drained;
      ++answers;
    });
  run_until([&] { return answers == kAgents; }, 40s);
  CHECK(drained == kAgents);
  for (auto& agent : agents) agent->stop();
  conclude_ended(master.api(), batch, kTasks,
                 {"200 agents lose nginx at once and come back together",
                  disconnect_said("master, 200 times", line), recovered, asked.again()});
}

}  // namespace probekit::test
