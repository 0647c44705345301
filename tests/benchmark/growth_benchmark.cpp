// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Cost must grow with the work and not faster: per unit at ten, a hundred and a thousand thousand.
// What a unit costs is a ratio to its yardstick, as everywhere: a machine's speed changes within
// the minutes that a million takes.

#include <algorithm>

#include "benchmark.hpp"
#include "probekit/clock.hpp"

namespace probekit::benchmark {
namespace {

constexpr char kTarget[] = "http://www.example.test/a/page/of/usual/length/";
constexpr std::uint64_t kWarm = 1'000;  // tasks that fill pools and touch code

struct Size {
  std::uint64_t count;
  int pairs;
};
constexpr Size kSizes[] = {{10'000, 7}, {100'000, 3}, {1'000'000, 1}};

Scale pairs_of(const Scale& scale, const Size& size) {
  Scale changed = scale;
  changed.pairs = size.pairs;
  return changed;
}

std::string list_of(std::uint64_t count) {
  std::string body;
  for (std::uint64_t n = 0; n < count; ++n) body += kTarget + std::to_string(n) + '\n';
  return body;
}

struct QueuedCost {
  double bytes = 0;    // resident, a task
  double seconds = 0;  // to the answer
  double whole = 0;    // resident bytes of the master
};

// A master without agents takes `count` tasks.
QueuedCost queue_up(std::uint64_t count, const std::string& store) {
  test::MasterProcess master{{"--store", store}};
  const auto import = [&](std::uint64_t tasks) {
    const auto answer = master.api().request("POST", "/v1/batches", "text/plain", list_of(tasks));
    if (answer.status != 201) throw std::runtime_error("import: " + answer.body);
  };
  import(kWarm);
  const auto before = test::resident_bytes(master.process().pid());
  const auto begin = system_clock()->steady_now();
  import(count);
  const std::chrono::duration<double> took = system_clock()->steady_now() - begin;
  const auto after = test::resident_bytes(master.process().pid());
  return {static_cast<double>(after - before) / static_cast<double>(count), took.count(),
          static_cast<double>(after)};
}

// S5 with batches of this size.
double whole_way(const Scale& scale, const Size& size) {
  test::MasterProcess master;
  const auto agent = noop_agent(master.agents_url());
  const auto count = scale.of(size.count);
  const auto ours = [&](std::uint64_t tasks) {
    return cost_of_import(master, master.process().pid(), kTarget, tasks, true);
  };
  ours(kWarm);
  return alternate(
             pairs_of(scale, size), [&] { return ours(count); },
             [&] { return run_pipe(count, false).sender_us; })
      .ratio;
}

// S1 with batches of this size.
double http_probe(const Scale& scale, const Size& size) {
  test::MasterProcess master;
  const Site site{master.agents_port()};
  test::AgentProcess agent{
      "bench", site.websocket(), {"--concurrency", "64", "--per-host", "0", "--threads", "1"}};
  agent.wait_until_connected();
  const auto count = scale.of(size.count);
  const auto ours = [&](std::uint64_t probes) {
    return cost_of_import(master, agent.process().pid(), site.http(), probes, false);
  };
  ours(kWarm);
  return alternate(
             pairs_of(scale, size), [&] { return ours(count); },
             [&] {
               return run_yardstick({yardstick("bare_http"), site.http(), std::to_string(count),
                                     "64", site.ca_file()});
             })
      .ratio;
}

void add_growth(Report& report, const std::string& quantity, const std::string& unit,
                const std::vector<double>& costs) {
  const auto [least, most] = std::minmax_element(costs.begin(), costs.end());
  std::string sizes;
  for (const double cost : costs) {
    char text[32];
    std::snprintf(text, sizeof text, "%s%.3g", sizes.empty() ? "" : ", ", cost);
    sizes += text;
  }
  report.add("S11", quantity + " at 10k, 100k, 1M (" + sizes + "): dearest over cheapest", *most,
             *least, unit, *most / *least, Sense::at_most, 1.3);
}

}  // namespace

void measure_growth(const Scale& scale, Report& report) {
  std::vector<double> bytes;
  std::vector<double> whole;
  std::vector<double> probes;
  QueuedCost million;
  for (const Size& size : kSizes) {
    million = queue_up(scale.of(size.count), "memory");
    bytes.push_back(million.bytes);
    whole.push_back(whole_way(scale, size));
    probes.push_back(http_probe(scale, size));
  }
  report.add("S8", "master's resident bytes a queued task, 1M in one request", million.bytes, 1,
             "B", million.bytes, Sense::at_most, 600);
  report.add("S8", "time to the 201 of 1M", million.seconds, 1, "s", million.seconds,
             Sense::at_most, 4);
  const test::TemporaryFolder folder;
  const QueuedCost durable =
      queue_up(scale.of(kSizes[2].count), "sqlite:" + folder.path() + "/store");
  report.add("S8", "master's resident MB, 1M tasks queued in one request, SQLite",
             durable.whole / 1e6, 1, "MB", durable.whole / 1e6, Sense::at_most, 150);
  report.add("S8", "time to the 201 of 1M, SQLite", durable.seconds, 1, "s", durable.seconds);
  add_growth(report, "S1's ratio", "1", probes);
  add_growth(report, "S5's ratio", "1", whole);
  add_growth(report, "S8, bytes a queued task", "B", bytes);
}

}  // namespace probekit::benchmark
