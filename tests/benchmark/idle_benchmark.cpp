// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What agents that have nothing to do cost their master: memory each, and the processor all
// together, while heartbeats go both ways.

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "benchmark.hpp"
#include "probekit/clock.hpp"

namespace probekit::benchmark {
namespace {

using namespace std::chrono_literals;

// Descriptors of a process beside those of its connections.
constexpr std::uint64_t kOtherDescriptors = 50;

struct Size {
  std::uint64_t count;
  double kilobytes;  // target: each
  double percent;    // target: all
};
constexpr Size kSizes[] = {{5'000, 60, 10}, {20'000, 35, 20}};

std::uint64_t descriptors_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("getrlimit");
  return limit.rlim_max;
}

struct IdleCost {
  double bytes = 0;    // resident, an agent
  double percent = 0;  // of a core, all
  double joined = 0;   // seconds until all were
};

IdleCost keep_idle(const Scale& scale, std::uint64_t count) {
  test::MasterProcess master{{"--connections-max", std::to_string(count + kOtherDescriptors),
                              "--heartbeat-interval", scale.quick ? "1s" : "15s"}};
  // Two heartbeats of each and more: an interval may be a tenth over the usual.
  const auto window = scale.quick ? 3s : 35s;
  const pid_t pid = master.process().pid();
  if (test::number_at(master.api().get("/v1/status").json(), "agents_connected") != 0)
    throw std::runtime_error("the master is not new");
  const auto memory_before = test::resident_bytes(pid);
  test::Process agents{{yardstick("idle_agents"), master.agents_url(), std::to_string(count)}, ""};
  IdleCost cost;
  const auto joined = agents.read_line(600s);
  if (!joined || joined->rfind("joined: ", 0) != 0)
    throw std::runtime_error("idle_agents: not all joined");
  cost.joined = std::stod(joined->substr(8));

  const auto cpu_before = test::cpu_time(pid);
  const auto begin = system_clock()->steady_now();
  if (agents.wait(window)) throw std::runtime_error("idle_agents: an agent failed");
  const std::chrono::duration<double, std::micro> passed = system_clock()->steady_now() - begin;
  const std::chrono::duration<double, std::micro> cpu = test::cpu_time(pid) - cpu_before;
  cost.percent = 100 * cpu.count() / passed.count();
  cost.bytes =
      (static_cast<double>(test::resident_bytes(pid)) - static_cast<double>(memory_before)) /
      static_cast<double>(count);

  const auto connected = test::number_at(master.api().get("/v1/status").json(), "agents_connected");
  agents.signal(SIGTERM);
  const auto line = agents.read_line(60s);
  const auto end = json::Value::parse(line.value_or(""));
  if (connected != count || !end || test::number_at(*end, "sent") < 2 * count ||
      test::number_at(*end, "received") < 2 * count)
    throw std::runtime_error("agents were not idle and well: " + line.value_or("silence") + ", " +
                             std::to_string(connected) + " connected");
  return cost;
}

}  // namespace

void measure_idle(const Scale& scale, Report& report) {
  for (const Size& size : kSizes) {
    const auto fit = descriptors_max() - std::min(descriptors_max(), kOtherDescriptors);
    const auto count = std::min(scale.of(size.count), fit);
    const auto all = std::to_string(count) + " idle agents";
    if (count < scale.of(size.count))
      report.missing("S10", std::to_string(size.count) + " agents at once: a process may have " +
                                std::to_string(descriptors_max()) + " descriptors here; " + all +
                                " instead");
    const IdleCost cost = keep_idle(scale, count);
    report.add("S10", all + ": master's resident KB each", cost.bytes / 1000, 1, "KB",
               cost.bytes / 1000, Sense::at_most, size.kilobytes);
    report.add("S10", all + ": master's CPU, of a core, in %", cost.percent, 1, "%", cost.percent,
               Sense::at_most, size.percent);
    report.add("S10", all + ": until all had joined", cost.joined, 1, "s", cost.joined);
  }
}

}  // namespace probekit::benchmark
