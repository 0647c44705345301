// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// bench_agent URL noop: an agent whose probes pass at once, so that what is left is the way there
// and back. bench_agent URL https CA_FILE: an agent that trusts the benchmark's own certificate.

#include <signal.h>

#include <iostream>
#include <probekit/agent.hpp>
#include <probekit/http_prober.hpp>
#include <probekit/testing/scripted_prober.hpp>
#include <probekit/websocket.hpp>
#include <string>

namespace {

std::unique_ptr<probekit::Prober> make_prober(const std::string& kind, const char* ca_file) {
  if (kind == "noop")
    return probekit::testing::make_scripted_prober(
        "http", "http", [](std::string_view, const probekit::ProbeOptions&) {
          return probekit::testing::passed_at_once();
        });
  probekit::HttpProberOptions options;
  options.ca_file = ca_file;
  return probekit::make_http_prober(options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc > 2 ? argv[2] : "";
  if (!(kind == "noop" && argc == 3) && !(kind == "https" && argc == 4)) return 2;
  probekit::WebSocketConnectorOptions connector;
  connector.urls = {argv[1]};
  probekit::AgentOptions options;
  options.name = "bench";
  options.per_host = 0;
  options.threads = 1;
  if (kind == "https") options.concurrency = 64;
  options.address_policy.allow("127.0.0.0/8");
  options.address_policy.allow("::1/128");
  probekit::Agent agent{probekit::make_websocket_connector(connector), options};
  agent.add(make_prober(kind, argv[argc - 1]));
  agent.on_connected(
      [](const std::string& url) { std::cout << "connected: " << url << std::endl; });
  agent.start();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  int number = 0;
  sigwait(&set, &number);
}
