// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What a task costs a master from import to recorded result, and how many no-op probes a second go
// round, against a program that only sends and reads the same messages.

#include "benchmark.hpp"
#include "probekit/clock.hpp"
#include "support/run_until.hpp"

namespace probekit::benchmark {
namespace {

using namespace std::chrono_literals;

constexpr char kTarget[] = "http://www.example.test/some/page/";

// Tasks a second from the answer of the import to the end of the batch.
double our_rate(const test::MasterProcess& master, std::uint64_t count) {
  std::string body;
  for (std::uint64_t n = 0; n < count; ++n) body += kTarget + std::to_string(n) + '\n';
  const auto id =
      test::text_at(master.api().request("POST", "/v1/batches", "text/plain", body).json(), "id");
  const auto begin = system_clock()->steady_now();
  master.api().wait_for(id, 600s);
  const std::chrono::duration<double> took = system_clock()->steady_now() - begin;
  return static_cast<double>(count) / took.count();
}

}  // namespace

void measure_import(const Scale& scale, Report& report) {
  const auto count = scale.of(400'000);
  for (const bool durable : {false, true}) {
    const test::TemporaryFolder folder;
    test::MasterProcess master{
        {"--store", durable ? "sqlite:" + folder.path() + "/store" : std::string{"memory"}}};
    auto agent = noop_agent(master.agents_url());
    const auto ours = [&] {
      return cost_of_import(master, master.process().pid(), kTarget, count, true);
    };
    ours();
    const auto cost = alternate(scale, ours, [&] { return run_pipe(count, false).sender_us; });
    report.add(durable ? "S6" : "S5",
               "master's CPU per task, import to result, over the bare pipe's sender" +
                   std::string{durable ? ", SQLite" : ""},
               cost.first, cost.second, "us", cost.ratio, Sense::at_most, durable ? 20 : 6);
  }
  test::MasterProcess master;
  Site site{master.agents_port()};
  auto agent = noop_agent(site.websocket());
  our_rate(master, count / 4);
  const auto rate = alternate(
      scale, [&] { return our_rate(master, count); }, [&] { return run_pipe(count, true).rate; });
  report.add("S7", "no-op probes a second through nginx over the bare pipe's", rate.first,
             rate.second, "1/s", rate.ratio, Sense::at_least, 0.25);
}

}  // namespace probekit::benchmark
