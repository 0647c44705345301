// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Cost must grow with the work and not faster: per unit at ten, a hundred and a thousand thousand.

#include <algorithm>

#include "benchmark.hpp"
#include "probekit/clock.hpp"

namespace probekit::benchmark {
namespace {

using namespace std::chrono_literals;

constexpr char kTarget[] = "http://www.example.test/a/page/of/usual/length/";

struct QueuedCost {
  double bytes = 0;
  double seconds = 0;
};

// A master without agents takes `count` tasks.
QueuedCost queue_up(std::uint64_t count) {
  std::string body;
  for (std::uint64_t n = 0; n < count; ++n) body += kTarget + std::to_string(n) + '\n';
  test::MasterProcess master;
  const auto before = test::resident_bytes(master.process().pid());
  const auto begin = system_clock()->steady_now();
  const auto answer = master.api().request("POST", "/v1/batches", "text/plain", body);
  const std::chrono::duration<double> took = system_clock()->steady_now() - begin;
  if (answer.status != 201) throw std::runtime_error("import: " + answer.body);
  const auto grown = test::resident_bytes(master.process().pid()) - before;
  return {static_cast<double>(grown) / static_cast<double>(count), took.count()};
}

// The master's CPU microseconds a task with a no-op agent.
double whole_way(std::uint64_t count) {
  test::MasterProcess master;
  test::Process agent{{yardstick("bench_agent"), master.agents_url(), "noop"}, ""};
  agent.expect_line("connected: ");
  const auto before = test::cpu_time(master.process().pid());
  import_and_wait(master, kTarget, count, true);
  return static_cast<double>((test::cpu_time(master.process().pid()) - before).count()) /
         static_cast<double>(count);
}

// The agent's CPU microseconds an HTTP probe.
double http_probe(std::uint64_t count) {
  test::MasterProcess master;
  Site site{master.agents_port()};
  test::AgentProcess agent{
      "bench", site.websocket(), {"--concurrency", "64", "--per-host", "0", "--threads", "1"}};
  agent.wait_until_connected();
  import_and_wait(master, site.http(), 2'000, false);
  const auto before = test::cpu_time(agent.process().pid());
  import_and_wait(master, site.http(), count, false);
  return static_cast<double>((test::cpu_time(agent.process().pid()) - before).count()) /
         static_cast<double>(count);
}

void add_growth(Report& report, const std::string& quantity, const std::string& unit,
                const std::vector<double>& costs) {
  const auto [least, most] = std::minmax_element(costs.begin(), costs.end());
  report.add("S11", quantity + ": dearest over cheapest of 10k, 100k and 1M", *most, *least, unit,
             *most / *least, Sense::at_most, 1.3);
}

}  // namespace

void measure_growth(const Scale& scale, Report& report) {
  std::vector<double> bytes;
  std::vector<double> whole;
  std::vector<double> probes;
  QueuedCost million;
  for (const std::uint64_t count : {10'000, 100'000, 1'000'000}) {
    million = queue_up(scale.of(count));
    bytes.push_back(million.bytes);
    whole.push_back(whole_way(scale.of(count)));
    probes.push_back(http_probe(scale.of(count)));
  }
  report.add("S8", "master's resident bytes a queued task, 1M in one request", million.bytes, 1,
             "B", million.bytes, Sense::at_most, 600);
  report.add("S8", "time to the 201 of 1M", million.seconds, 1, "s", million.seconds,
             Sense::at_most, 4);
  add_growth(report, "S1, agent's CPU per HTTP probe", "us", probes);
  add_growth(report, "S5, master's CPU per task", "us", whole);
  add_growth(report, "S8, bytes a queued task", "B", bytes);
}

}  // namespace probekit::benchmark
