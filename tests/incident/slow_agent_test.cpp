// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Agents of unequal speed share a batch: the slow one does not hoard what the fast ones could do.

#include <memory>

#include "incident/everything_arrives.hpp"
#include "probekit/agent.hpp"
#include "probekit/clock.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<Agent> start_agent(const std::string& name, const std::string& url,
                                   std::chrono::milliseconds delay) {
  WebSocketConnectorOptions connector;
  connector.urls = {url};
  AgentOptions options;
  options.name = name;
  options.concurrency = 4;
  options.per_host = 0;
  auto agent = std::make_unique<Agent>(make_websocket_connector(connector), options);
  agent->add(testing::make_scripted_prober(
      "http", "http",
      [delay](std::string_view, const ProbeOptions&) { return testing::passed_after(delay); }));
  agent->start();
  return agent;
}

// Imports and returns how long the batch took.
std::chrono::duration<double> timed_import(const MasterProcess& master, std::size_t count) {
  const auto begin = system_clock()->steady_now();
  const auto batch = master.api().import(many("http://www.example.test/", count));
  check_everything_arrived(master.api(), batch, count, 120s);
  return system_clock()->steady_now() - begin;
}

}  // namespace

TEST_CASE("an agent fifty times slower than two others hardly delays their batch", "[incident]") {
  constexpr std::size_t kTasks = 4'000;
  MasterProcess master;
  Nginx nginx{{master.agents_port()}};
  const auto first = start_agent("fast-1", nginx.url(), 20ms);
  const auto second = start_agent("fast-2", nginx.url(), 20ms);
  master.wait_for_agents(2);
  const auto alone = timed_import(master, kTasks);

  const auto slow = start_agent("slow", nginx.url(), 1000ms);
  master.wait_for_agents(3);
  const auto together = timed_import(master, kTasks);
  CAPTURE(alone.count(), together.count());
  CHECK(together.count() <= 1.5 * alone.count());
  CHECK(slow->status().results > 0);
}

}  // namespace probekit::test
