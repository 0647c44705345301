// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The other direction: the master's store stands still, longer than nginx waits for a reader.
// Agents stay connected, results wait where they are bounded, and everything is recorded
// afterwards.

#include <set>

#include "probekit/clock.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/stalling_store.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kStandstill = 15s;

}  // namespace

TEST_CASE("a store that stands still for 15 s costs neither a connection nor a result",
          "[incident][idle]") {
  constexpr std::size_t kTasks = 10'000;
  const auto what = GENERATE(StallingStore::Stall::calls, StallingStore::Stall::completions);
  const auto store = std::make_shared<StallingStore>(make_memory_store());
  MasterOptions options;
  options.name = "standing";
  options.heartbeat_interval = 1s;
  options.dead_after = 10s;
  options.uncommitted_bytes_max = 1024 * 1024;
  Master master{store, options};
  WebSocketListenerOptions websocket;
  websocket.port = 0;
  const auto url = master.listen(make_websocket_listener(websocket));
  REQUIRE(url);
  Nginx nginx{{port_of(*url)}};
  const TargetSite site;
  AgentProcess agent{"steady", nginx.url(), {"--concurrency", "64", "--per-host", "0"}};
  agent.wait_until_connected();

  // A result tells its URL twice: what an agent may hold would be 32 MiB if nothing stopped it.
  const std::string padding(4'000, 'x');
  BatchRequest request;
  for (std::size_t n = 0; n < kTasks; ++n)
    request.targets.push_back(site.url("/ok?n=" + std::to_string(n) + padding));
  const auto batch = master.submit(request);
  REQUIRE(batch);
  run_until([&] { return batch->ledger().done > kTasks / 20; }, 30s);

  const auto memory_before = resident_bytes(0);
  store->stall(what);
  const auto end = system_clock()->steady_now() + kStandstill;
  run_until([&] { return system_clock()->steady_now() >= end; }, kStandstill + 5s);
  const auto memory_after = resident_bytes(0);
  store->go_on();

  std::set<std::string> tasks;
  for (const auto& result : batch->results()) tasks.insert(result.task);
  CHECK(tasks.size() == kTasks);
  const auto ledger = batch->ledger();
  CHECK(ledger.balanced());
  CHECK(ledger.done == kTasks);
  const auto agents = master.agents();
  REQUIRE(agents.size() == 1);
  CHECK(agents[0].connected);
  CHECK_FALSE(agents[0].last_disconnect);
  CHECK(agents[0].heartbeat_gap_max <= 1500ms);
  // What waits for the store: uncommitted_bytes_max, and one agent's window of 1 MiB.
  CHECK(memory_after < memory_before + 8 * 1024 * 1024);
}

}  // namespace probekit::test
