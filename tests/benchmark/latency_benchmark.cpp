// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// How long one probe takes that somebody waits for, while a million others are being run.

#include <algorithm>

#include "benchmark.hpp"
#include "probekit/clock.hpp"

namespace probekit::benchmark {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;
constexpr int kProbes = 1'000;

// The 99th percentile of so many probes one after the other, in milliseconds.
double probe_p99(const test::MasterProcess& master, const std::string& target, int probes) {
  const std::string body = "{\"target\":\"" + target + "\"}";
  std::vector<double> took;
  for (int n = 0; n < probes; ++n) {
    const auto begin = system_clock()->steady_now();
    const auto answer = master.api().request("POST", "/v1/probes", "application/json", body);
    const std::chrono::duration<double, std::milli> spent = system_clock()->steady_now() - begin;
    if (answer.status != 200 || answer.body.find("\"passed\":1") == std::string::npos)
      throw std::runtime_error("a probe: " + answer.body);
    took.push_back(spent.count());
  }
  std::sort(took.begin(), took.end());
  return took.at(took.size() * 99 / 100);
}

}  // namespace

void measure_latency(const Scale& scale, Report& report) {
  test::MasterProcess master;
  const Site site{master.agents_port()};
  test::AgentProcess agent{"bench", site.websocket(), {"--concurrency", "64", "--per-host", "0"}};
  agent.wait_until_connected();
  const int probes = scale.quick ? kProbes / 50 : kProbes;
  probe_p99(master, site.http(), probes / 2);  // warm
  const double idle = probe_p99(master, site.http(), probes);

  std::string list;
  for (std::uint64_t n = 0; n < scale.of(kMillion); ++n) list += site.http() + '\n';
  const auto answer = master.api().request("POST", "/v1/batches", "text/plain", list);
  if (answer.status != 201) throw std::runtime_error("import: " + answer.body);
  const auto batch = "/v1/batches/" + test::text_at(answer.json(), "id");
  const double busy = probe_p99(master, site.http(), probes);
  if (test::text_at(master.api().get(batch).json(), "state") != "running")
    throw std::runtime_error("the batch ended before the probes did");
  master.api().request("DELETE", batch);
  report.add("S9", "POST /v1/probes while 1M are probed: p99 beyond the idle one, in ms", busy,
             idle, "ms", busy - idle, Sense::at_most, 25);
}

}  // namespace probekit::benchmark
