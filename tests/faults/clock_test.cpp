// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// An agent whose clock is wrong, and steps.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

// Written anew and moved into place: who reads it reads one or the other.
void set_clock(const std::string& path, const std::string& offset) {
  std::ofstream{path + ".new"} << offset << '\n';
  std::filesystem::rename(path + ".new", path);
}

std::string faketime_library() {
  for (const auto& entry : std::filesystem::directory_iterator{"/usr/lib"}) {
    const auto path = entry.path() / "faketime/libfaketimeMT.so.1";
    std::error_code none;
    if (std::filesystem::exists(path, none)) return path;
  }
  FAIL("not installed: faketime, which gives a process a clock of its own");
  return {};
}

// Of RFC 3339 in UTC, seconds since the epoch.
double seconds_of(const std::string& time) {
  std::tm parts{};
  double seconds = 0;
  if (std::sscanf(time.c_str(), "%d-%d-%dT%d:%d:%lfZ", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &seconds) != 6)
    FAIL("not a time: " << time);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<double>(timegm(&parts)) + seconds;
}

double wall_clock() {
  return std::chrono::duration<double>(system_clock()->system_now().time_since_epoch()).count();
}

}  // namespace

TEST_CASE("results are in the master's time though the agent's clock is off and steps",
          "[faults][timing]") {
  const TemporaryFolder folder;
  const auto clock = folder.path() + "/clock";
  set_clock(clock, "+3600");
  MasterProcess master{master_flags()};
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  AgentProcess agent{"wrong",
                     nginx.url(),
                     agent_flags(),
                     {"LD_PRELOAD=" + faketime_library(), "FAKETIME_TIMESTAMP_FILE=" + clock,
                      "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"}};
  agent.wait_until_connected();
  const double begin = wall_clock();
  const auto batch = master.api().import(slow_targets(site, 50ms));
  for (const char* offset : {"-3600", "+7200", "+0"}) {
    wait_for_progress(master.api(), batch, 800);
    set_clock(clock, offset);
  }
  REQUIRE(master.api().batch(batch).done < kTasks);
  master.api().wait_for(batch, 60s);
  const double end = wall_clock();
  double earliest = end;
  double latest = begin;
  std::size_t wrong = 0;
  for (const auto& line : master.api().results(batch)) {
    const double at = seconds_of(text_at(line, "started_at"));
    earliest = std::min(earliest, at);
    latest = std::max(latest, at);
    if (at < begin - 1 || at > end + 1) ++wrong;
  }
  CAPTURE(begin - earliest, latest - end);
  CHECK(wrong == 0);
  const auto offset = text_at(master.agent("wrong"), "agent_clock_offset_ms");
  conclude(master.api(), batch, kTasks, site, {&agent},
           {"agent's clock an hour off, then steps of two and three hours",
            "`/v1/agents`: `agent_clock_offset_ms` " + offset + "; each `started_at` within " +
                "the import"});
  CHECK(log_lines(agent.process(), "disconnected").size() == 1);
}

}  // namespace probekit::test
