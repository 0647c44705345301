// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What a DNS probe costs an agent, message in to acknowledgement, against c-ares alone.

#include "benchmark.hpp"

namespace probekit::benchmark {

void measure_dns(const Scale& scale, Report& report) {
  if (!installed("/usr/sbin/nsd")) {
    report.missing("S3", "nsd is not installed");
    return;
  }
  const auto count = scale.of(100'000);
  test::MasterProcess master;
  Site site{master.agents_port()};
  NameServer server;
  test::AgentProcess agent{"bench",
                           site.websocket(),
                           {"--concurrency", "100", "--per-host", "0", "--threads", "1",
                            "--dns-server", server.address()}};
  agent.wait_until_connected();
  const auto ours = [&] {
    const auto before = test::cpu_time(agent.process().pid());
    import_and_wait(master, "dns:www.bench.test", count, false);
    return static_cast<double>((test::cpu_time(agent.process().pid()) - before).count()) /
           static_cast<double>(count);
  };
  const auto bare = [&] {
    return run_yardstick(
        {yardstick("bare_dns"), "www.bench.test", server.address(), std::to_string(count), "100"});
  };
  ours();
  const auto cost = alternate(scale, ours, bare);
  report.add("S3", "agent's CPU per DNS probe over bare c-ares", cost.first, cost.second, "us",
             cost.ratio, Sense::at_most, 4);

  if (!installed("prometheus-blackbox-exporter") || !installed("wrk")) {
    report.missing("S4", "prometheus-blackbox-exporter and wrk are not both installed");
    return;
  }
  const auto peer = alternate(
      scale,
      [&] {
        return run_blackbox(
            "    prober: dns\n    dns:\n      query_name: www.bench.test\n      query_type: A\n",
            server.address(), scale.quick ? 1 : 5);
      },
      ours);
  report.add("S4", "blackbox_exporter's CPU per DNS probe over the agent's", peer.second,
             peer.first, "us", peer.ratio, Sense::at_least, 15);
}

}  // namespace probekit::benchmark
