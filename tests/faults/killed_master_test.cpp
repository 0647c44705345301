// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A master with a durable store is killed again and again: nothing it answered for is lost, and
// nothing is recorded twice.

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "faults/scenario.hpp"
#include "incident/everything_arrives.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

std::string body_of(const std::vector<std::string>& targets) {
  std::string body;
  for (const std::string& target : targets) body += target + '\n';
  return body;
}

}  // namespace

TEST_CASE("an import over SQLite goes on after its master is killed at 20 random moments",
          "[faults][sqlite][idle]") {
  constexpr std::size_t kMany = 60'000;
  constexpr int kKills = 20;
  const TemporaryFolder folder;
  MasterProcess master{{"--store", "sqlite:" + folder.path() + "/store", "--heartbeat-interval",
                        "1s", "--dead-after", "10s", "--resume-grace", "3s"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  std::vector<std::unique_ptr<AgentProcess>> agents;
  for (const char* name : {"one", "two"}) {
    agents.push_back(
        std::make_unique<AgentProcess>(name, nginx.url(),
                                       std::vector<std::string>{"--concurrency", "32", "--per-host",
                                                                "0", "--log-format", "json"}));
    agents.back()->wait_until_connected();
  }
  const auto store = text_at(master.api().get("/v1/status").json(), "store_id");
  const auto batch = master.api().import(many(site.url("/delay/30"), kMany));
  // What its successor begins with.
  const auto kill_master = [&] {
    const auto told = master.api().batch(batch);
    CHECK(told.balanced());
    CHECK(told.accepted == kMany);
    // It falls within the import.
    REQUIRE(told.queued > 0);
    master.kill_and_restart();
    const auto kept = master.api().batch(batch);
    CHECK(kept.balanced());
    CHECK(kept.accepted == kMany);
    // What was told is on the disk.
    CHECK(kept.done >= told.done);
    return kept;
  };

  std::mt19937 random(20);
  double recovered = 0;
  for (int kills = 0; kills < kKills;) {
    wait_for(std::chrono::milliseconds(random() % 1500));
    const Stopwatch since;
    auto kept = kill_master();
    ++kills;
    // Some die again while they begin and agents come back.
    for (; kills < kKills && random() % 3 == 0; ++kills) {
      wait_for(std::chrono::milliseconds(random() % 400));
      kept = kill_master();
    }
    INFO("kill " << kills << ": done " << kept.done << ", queued " << kept.queued);
    // It goes on before the next: what was queued is given out, and more is done.
    run_until(
        [&] {
          const auto now = master.api().batch(batch);
          return now.done > kept.done && now.queued < kept.queued;
        },
        60s);
    recovered = std::max(recovered, since.seconds());
  }
  CHECK(text_at(master.api().get("/v1/status").json(), "store_id") == store);
  check_everything_arrived(master.api(), batch, kMany, 200s);
  master.wait_for_agents(2);
  const auto ends = log_lines(agents[0]->process(), "disconnected");
  REQUIRE_FALSE(ends.empty());
  conclude(master.api(), batch, kMany, site, {agents[0].get(), agents[1].get()},
           {"`kill -9` of the master at 20 random moments, SQLite store",
            disconnect_said("agent, " + std::to_string(ends.size()) + " times", ends.back()),
            recovered});
}

TEST_CASE("an upload whose master is killed is there whole or not at all", "[faults][sqlite]") {
  constexpr std::size_t kMany = 200'000;
  const TemporaryFolder folder;
  MasterProcess master{{"--store", "sqlite:" + folder.path() + "/store"}};
  const std::string body = body_of(many("http://127.0.0.1:9/", kMany));
  const std::string list = folder.path() + "/list";
  std::ofstream(list) << body;
  std::mt19937 random(7);
  std::string status;
  for (int lives = 0; lives < 12 && status != "201" && status != "200"; ++lives) {
    INFO("life " << lives);
    Process client{{"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\n", "-H",
                    "Content-Type: text/plain", "-H", "Idempotency-Key: once", "--data-binary",
                    "@" + list, master.api_url() + "/v1/batches"}};
    if (lives < 10) {
      wait_for(std::chrono::milliseconds(random() % 700));
      master.kill_and_restart();
    }
    status = client.read_line(60s).value_or("");
    const auto items = master.api().get("/v1/batches").json();
    const auto& batches = *items.find("items")->as_array();
    REQUIRE(batches.size() <= 1);
    if (batches.empty()) continue;
    CHECK(number_at(batches[0], "accepted") == kMany);
    CHECK(number_at(batches[0], "queued") == kMany);
  }
  REQUIRE((status == "201" || status == "200"));
  // Said again, it is the same batch.
  const auto again =
      master.api().request("POST", "/v1/batches", "text/plain", body, {"Idempotency-Key: once"});
  CHECK(again.status == 200);
  CHECK(number_at(again.json(), "accepted") == kMany);
  const auto now = master.api().get("/v1/status").json();
  CHECK(number_at(*now.find("ledger"), "accepted") == kMany);
}

TEST_CASE("schedules, drained agents and keys are there after their master was killed",
          "[faults][sqlite]") {
  const TemporaryFolder folder;
  MasterProcess master{{"--store", "sqlite:" + folder.path() + "/store"}};
  const TargetSite site;
  AgentProcess agent{"kept", master.agents_url()};
  agent.wait_until_connected();
  const auto put =
      master.api().request("PUT", "/v1/schedules/often", "application/json",
                           R"({"interval_ms":1000,"target":")" + site.url("/ok") + R"("})");
  REQUIRE(put.status == 201);
  const auto done = [&] {
    return number_at(master.api().get("/v1/schedules/often").json(), "done");
  };
  run_until([&] { return done() >= 2; }, 20s);
  REQUIRE(master.api().request("POST", "/v1/agents/kept/drain").status == 200);
  run_until([&] {
    return master.api().get("/v1/agents/kept").json().find("draining")->as_bool().value_or(false);
  });
  const auto before = done();
  wait_for(100ms);
  master.kill_and_restart();
  CHECK(done() >= before);
  agent.wait_until_connected(35s);
  CHECK(master.agent("kept").find("draining")->as_bool().value_or(false));
  REQUIRE(master.api().request("DELETE", "/v1/agents/kept/drain").status == 200);
  const auto drained = done();
  run_until([&] { return done() >= drained + 2; }, 20s);
  const auto schedule = master.api().get("/v1/schedules/often").json();
  // Every run has its line.
  const auto ended = number_at(schedule, "done") + number_at(schedule, "expired");
  const auto lines = master.api().get("/v1/schedules/often/results?limit=10000").body;
  CHECK(static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')) >= ended);
}

}  // namespace probekit::test
