// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A minute of a schedule whose agent is killed and comes back: every run that was due is a line.

#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "incident/everything_arrives.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTargets = 200;
constexpr std::int64_t kInterval = 1'000'000;  // microseconds
constexpr std::int64_t kDay = 86'400 * kInterval;
constexpr std::int64_t kSlew = 1'000;  // runs keep to the steady clock, lines tell the system's

// Microseconds since midnight of an RFC 3339 time in UTC.
std::int64_t time_of(const std::string& text) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int micros = 0;
  if (std::sscanf(text.c_str(), "%*d-%*d-%*dT%d:%d:%d.%6dZ", &hour, &minute, &second, &micros) != 4)
    FAIL("not a time: " << text);
  return ((hour * 60LL + minute) * 60 + second) * kInterval + micros;
}

// The due times of each target, and how many of them were missed.
struct Runs {
  std::map<std::string, std::vector<std::int64_t>> due;
  std::uint64_t lines = 0;
  std::uint64_t missed = 0;
};

void add(Runs& runs, const json::Value& line) {
  auto& due = runs.due[text_at(line, "target")];
  ++runs.lines;
  if (text_at(line, "state") == "done")
    return due.push_back(time_of(text_at(line, "scheduled_at")));
  ++runs.missed;
  INFO(text_at(line, "reason"));
  if (line.find("count") == nullptr) return due.push_back(time_of(text_at(line, "scheduled_at")));
  const auto first = time_of(text_at(line, "first"));
  const auto last = time_of(text_at(line, "last"));
  const auto count = static_cast<std::int64_t>(number_at(line, "count"));
  CHECK(std::abs((last - first + kDay) % kDay - (count - 1) * kInterval) < kSlew);
  for (std::int64_t n = 0; n < count; ++n) due.push_back(first + n * kInterval);
}

// Reads all lines of the schedule from `cursor` on, a page at a time.
void read_lines(const ApiClient& api, std::string& cursor, Runs& runs) {
  for (;;) {
    const auto page = api.get("/v1/schedules/minute/results?limit=10000" +
                              (cursor.empty() ? std::string{} : "&after=" + cursor));
    REQUIRE(page.status == 200);
    cursor = page.headers.at("probekit-next-cursor");
    if (page.body.empty()) return;
    for (std::size_t at = 0; at < page.body.size();) {
      const auto end = page.body.find('\n', at);
      const auto line = json::Value::parse(page.body.substr(at, end - at));
      REQUIRE(line);
      add(runs, *line);
      at = end + 1;
    }
  }
}

}  // namespace

TEST_CASE("a schedule's runs are each a line while its agent dies and comes back",
          "[incident][idle]") {
  MasterProcess master{
      {"--heartbeat-interval", "1s", "--dead-after", "5s", "--resume-grace", "2s"}};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  const std::vector<std::string> flags{"--concurrency", "64", "--per-host", "0"};
  auto agent = std::make_unique<AgentProcess>("runner", nginx.url(), flags);
  agent->wait_until_connected();

  std::string targets;
  for (const auto& target : many(site.url("/ok"), kTargets))
    targets += (targets.empty() ? "\"" : ",\"") + target + '"';
  const auto body = "{\"interval_ms\":1000,\"timeout_ms\":500,\"targets\":[" + targets + "]}";
  REQUIRE(master.api().request("PUT", "/v1/schedules/minute", "application/json", body).status ==
          201);

  Runs runs;
  std::string cursor;
  const auto until = [&](std::uint64_t lines) {
    run_until(
        [&] {
          read_lines(master.api(), cursor, runs);
          return runs.lines >= lines;
        },
        90s);
  };
  until(20 * kTargets);
  agent->process().signal(SIGKILL);
  agent->process().wait(5s);
  const auto missed_before = runs.missed;
  until(25 * kTargets);
  CHECK(runs.missed > missed_before);
  agent = std::make_unique<AgentProcess>("runner", nginx.url(), flags);
  agent->wait_until_connected();
  until(60 * kTargets);
  REQUIRE(master.api()
              .request("PUT", "/v1/schedules/minute", "application/json",
                       body.substr(0, body.size() - 1) + ",\"enabled\":false}")
              .status == 200);
  // What was in hand ends too: the ledger closes, with a line for each task.
  std::uint64_t accepted = 0;
  run_until(
      [&] {
        const auto status = master.api().get("/v1/status").json();
        const auto& ledger = *status.find("ledger");
        accepted = number_at(ledger, "accepted");
        return number_at(ledger, "queued") == 0 && number_at(ledger, "in_flight") == 0;
      },
      20s);
  read_lines(master.api(), cursor, runs);
  CHECK(runs.lines == accepted);

  REQUIRE(runs.due.size() == kTargets);
  std::array<int, 10> tenths{};
  for (auto& [target, due] : runs.due) {
    INFO(target);
    // Lines stand in the order they were recorded: put them by the time they were due.
    std::sort(due.begin(), due.end(), [&, origin = due.front()](auto a, auto b) {
      const auto after = [&](auto time) { return (time - origin + kDay + kDay / 2) % kDay; };
      return after(a) < after(b);
    });
    for (std::size_t n = 1; n < due.size(); ++n) {
      if (std::abs((due[n] - due[n - 1] + kDay) % kDay - kInterval) < kSlew) continue;
      FAIL_CHECK("due at " << due[n - 1] << ", then at " << due[n]);
    }
    CHECK(due.size() >= 59);
    ++tenths[static_cast<std::size_t>(due.front() % kInterval * 10 / kInterval)];
  }
  // Twenty are due in each tenth of the interval.
  CHECK(*std::min_element(tenths.begin(), tenths.end()) >= 15);
  CHECK(*std::max_element(tenths.begin(), tenths.end()) <= 25);
}

}  // namespace probekit::test
