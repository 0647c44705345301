// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Programs that run out of descriptors in the middle of an import.

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <future>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

// The limit that was.
rlim_t limit_descriptors(const Process& process, rlim_t limit) {
  rlimit now{};
  if (prlimit(process.pid(), RLIMIT_NOFILE, nullptr, &now) != 0)
    FAIL("prlimit: " << std::strerror(errno));
  const rlim_t before = now.rlim_cur;
  now.rlim_cur = limit;
  if (prlimit(process.pid(), RLIMIT_NOFILE, &now, nullptr) != 0)
    FAIL("prlimit: " << std::strerror(errno));
  return before;
}

}  // namespace

TEST_CASE("an agent without descriptors blames itself, and goes on with some", "[faults][timing]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"short", nginx.url(), agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  const auto before = limit_descriptors(agent.process(), 3);
  run_until([&] { return master.api().batch(batch).failed > 0; });
  // Nor can it connect again.
  nginx.stop();
  nginx.start();
  const auto refused = expect_log(agent.process(), "cannot connect");
  CHECK(text_at(refused, "message").find("Too many open files") != std::string::npos);
  limit_descriptors(agent.process(), before);
  const Stopwatch since;
  const auto passed = master.api().batch(batch).passed;
  run_until([&] { return master.api().batch(batch).passed > passed; });
  const double recovered = since.seconds();
  master.api().wait_for(batch, 60s);
  std::string words;
  std::size_t failed = 0;
  for (const auto& line : master.api().results(batch)) {
    if (text_at(line, "verdict") == "passed") continue;
    ++failed;
    // Never the target's fault.
    const auto& failure = *line.find("failure");
    CHECK(text_at(failure, "kind") == "internal");
    words = text_at(failure, "message");
  }
  CHECK(words.find("Too many open files") != std::string::npos);
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"agent out of descriptors",
            std::to_string(failed) + " results: failure `internal`: " + words + "; " +
                said("agent", refused),
            recovered});
}

TEST_CASE("a master without descriptors serves whom it has, and says why no more",
          "[faults][timing]") {
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess first{"first", nginx.url(), agent_flags()};
  first.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  wait_for_progress(master.api(), batch, 500);

  const auto before = limit_descriptors(master.process(), 3);
  AgentProcess second{"second", nginx.url(), agent_flags()};
  const auto line = expect_log(master.process(), "accepting waits");
  auto waiting = std::async(std::launch::async, [url = master.api_url()] {
    return ApiClient{url}.get("/v1/status").status;
  });
  const auto at_api = expect_log(master.process(), "cannot accept a connection");
  // The first works on.
  const auto requests = site.requests();
  run_until([&] { return site.requests() > requests + 500; });
  limit_descriptors(master.process(), before);
  const Stopwatch since;
  second.wait_until_connected(35s);
  const double recovered = since.seconds();
  CHECK(waiting.get() == 200);
  conclude(master.api(), batch, kTasks, site, {&first, &second},
           {"master out of descriptors", said("master", line) + "; " + said("master", at_api),
            recovered});
  CHECK(log_lines(first.process(), "disconnected").size() == 1);
}

}  // namespace probekit::test
