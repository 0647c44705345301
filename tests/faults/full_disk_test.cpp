// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The disk of the store fills up while an import runs, and has room again later.

#include "faults/scenario.hpp"
#include "faults/small_disk.hpp"
#include "incident/everything_arrives.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {

using namespace std::chrono_literals;

TEST_CASE("while the disk is full a master keeps its agents, and goes on when there is room",
          "[faults][sqlite][idle]") {
  const SmallDisk disk{"32m"};
  MasterProcess master{{"--store", "sqlite:" + disk.path() + "/store", "--heartbeat-interval", "1s",
                        "--dead-after", "10s"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"steady", nginx.url(), {"--concurrency", "32", "--per-host", "0"}};
  agent.wait_until_connected();
  const auto& api = master.api();
  const auto batch = api.import(many(site.url("/delay/40"), kTasks));
  run_until([&] { return api.batch(batch).done > kTasks / 20; }, 30s);
  CHECK(api.get("/readyz").status == 200);

  disk.fill();
  run_until([&] { return api.get("/readyz").status == 503; }, 30s);
  const auto ready = api.get("/readyz");
  CHECK(text_at(ready.json(), "detail").find("the disk is full") != std::string::npos);
  const auto refused = api.request("POST", "/v1/batches", "text/plain", site.url("/ok") + "\n");
  CHECK(refused.status == 503);
  CHECK(text_at(refused.json(), "title") == "store_failed");
  CHECK(text_at(refused.json(), "detail").find("the disk is full") != std::string::npos);
  const auto status = api.get("/v1/status").json();
  CHECK(text_at(status, "store_trouble").find("the disk is full") != std::string::npos);
  CHECK(text_at(*status.find("diagnosis"), "verdict") == "store_full");
  // No work is granted, and no result is told that is not kept.
  run_until(
      [&] {
        const auto requests = site.requests();
        const auto until = system_clock()->steady_now() + 1s;
        run_until([&] { return system_clock()->steady_now() >= until; });
        return site.requests() == requests;
      },
      30s);
  const auto standing = api.batch(batch);
  CHECK(standing.balanced());
  CHECK(api.get("/healthz").status == 200);
  const auto until = system_clock()->steady_now() + 5s;
  run_until([&] { return system_clock()->steady_now() >= until; }, 10s);
  CHECK(api.batch(batch).done == standing.done);
  CHECK(master.agent("steady").find("connected")->as_bool().value_or(false));

  disk.make_room();
  const Stopwatch since;
  run_until([&] { return api.get("/readyz").status == 200; }, 30s);
  const double recovered = since.seconds();
  check_everything_arrived(api, batch, kTasks, 120s);
  CHECK(api.get("/readyz").status == 200);
  CHECK(api.get("/v1/status").json().find("store_trouble")->is_null());
  const auto steady = master.agent("steady");
  CHECK(steady.find("connected")->as_bool().value_or(false));
  const auto* const lost = steady.find("last_disconnect");
  CHECK((lost == nullptr || lost->is_null()));
  CHECK(api.request("POST", "/v1/batches", "text/plain", site.url("/ok") + "\n").status == 201);
  conclude(api, batch, kTasks, site, {&agent},
           {"disk of the SQLite store full, then with room again",
            "`POST /v1/batches`: " + std::to_string(refused.status) + ' ' +
                text_at(refused.json(), "title") + ": " + text_at(refused.json(), "detail") +
                "; `/v1/status`: store_full",
            recovered});
}

}  // namespace probekit::test
