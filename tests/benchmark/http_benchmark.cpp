// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What an HTTP or HTTPS probe costs an agent, message in to acknowledgement, against libcurl alone.

#include "benchmark.hpp"

namespace probekit::benchmark {
namespace {

constexpr std::uint64_t kInFlight = 64;

struct Bars {
  const char* cost;
  double cost_target;
  double blackbox_target;
  const char* name;
};

void measure(const Scale& scale, Report& report, const Bars& bars, std::uint64_t count, bool tls) {
  test::MasterProcess master;
  Site site{master.agents_port()};
  test::Process agent{
      tls ? std::vector<std::string>{yardstick("bench_agent"), site.websocket(), "https",
                                     site.ca_file()}
          : std::vector<std::string>{test::program("probekit-agent"), "--name", "bench", "--master",
                                     site.websocket(), "--concurrency", std::to_string(kInFlight),
                                     "--per-host", "0", "--threads", "1", "--allow", "127.0.0.0/8",
                                     "--log-level", "error"},
      ""};
  agent.expect_line("connected: ");
  const auto target = tls ? site.https() : site.http();
  const auto ours = [&] { return cost_of_import(master, agent.pid(), target, count, false); };
  ours();  // warm: pools filled, the bundle parsed
  const auto bare = [&] {
    return run_yardstick({yardstick("bare_http"), target, std::to_string(count),
                          std::to_string(kInFlight), site.ca_file()});
  };
  const auto cost = alternate(scale, ours, bare);
  report.add(bars.cost, std::string{"agent's CPU per "} + bars.name + " probe over bare libcurl",
             cost.first, cost.second, "us", cost.ratio, Sense::at_most, bars.cost_target);

  if (tls) {
    const auto least = alternate(scale, ours, [&] {
      return run_yardstick({yardstick("bare_https"), std::to_string(site.https_port()),
                            std::to_string(count), site.ca_file()});
    });
    report.add(bars.cost, "the same over bare OpenSSL, one SSL_CTX for all", least.first,
               least.second, "us", least.ratio);
  }

  if (!installed("prometheus-blackbox-exporter") || !installed("wrk")) {
    report.missing("S4", "prometheus-blackbox-exporter and wrk are not both installed");
    return;
  }
  const std::string module =
      tls ? "    prober: http\n    http:\n      preferred_ip_protocol: ip4\n"
            "      tls_config:\n        ca_file: " +
                site.ca_file() + "\n"
          : "    prober: http\n    http:\n      preferred_ip_protocol: ip4\n";
  const auto peer = alternate(
      scale, [&] { return run_blackbox(module, target, scale.quick ? 1 : 5); }, ours);
  report.add("S4",
             std::string{"blackbox_exporter's CPU per "} + bars.name + " probe over the agent's",
             peer.second, peer.first, "us", peer.ratio, Sense::at_least, bars.blackbox_target);
}

}  // namespace

void measure_http(const Scale& scale, Report& report) {
  measure(scale, report, {"S1", 1.4, 6, "HTTP"}, scale.of(40'000), false);
}

void measure_https(const Scale& scale, Report& report) {
  measure(scale, report, {"S2", 1.15, 1.2, "HTTPS"}, scale.of(5'000), true);
}

}  // namespace probekit::benchmark
