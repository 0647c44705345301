// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-agent: connects to a master, probes, gives results back.

#include <iostream>
#include <probekit/probekit.hpp>

#include "support/command_line.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr char kUsage[] =
    "examples:\n"
    "  probekit-agent                                   master on this host\n"
    "  probekit-agent --master ws://probes.example/ws --name paris-1 --tag city=paris\n"
    "  probekit-agent --concurrency 64 --allow 10.0.0.0/8 --dns-server 10.0.0.53";

struct Options {
  std::vector<std::string> tags;
  std::vector<std::string> dns_servers;
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::chrono::milliseconds drain_time{30s};
  std::string ca_file;
  probekit::WebSocketConnectorOptions connector;
  probekit::AgentOptions agent;
};

void declare(examples::CommandLine& line, Options& options) {
  auto& app = line.app();
  auto& agent = options.agent;
  app.add_option("--master", options.connector.urls, "where the master is; repeatable")
      ->option_text("URL [ws://127.0.0.1:8765/ws]")
      ->expected(1)
      ->take_all();
  app.add_option("--name", agent.name, "stable identity")->option_text("NAME [host name]");
  app.add_option("--tag", options.tags, "for choosing agents; repeatable")
      ->option_text("K=V")
      ->expected(1)
      ->take_all();
  line.number<std::size_t>("--concurrency", agent.concurrency, 1, 65536, "probes in flight at most")
      ->option_text("N [512]");
  line.number<std::size_t>("--queue", agent.queue, 1, 1048576, "tasks held and not started at most")
      ->option_text("N [4096]");
  line.number<std::size_t>("--threads", agent.threads, 1, 64, "probing threads")
      ->option_text("N [cores, at most 4]");
  line.number<std::size_t>("--per-host", agent.per_host, 0, 65536,
                           "probes in flight against one host and port; 0: no limit")
      ->option_text("N [16]");
  app.add_option("--dns-server", options.dns_servers, "resolver; repeatable")
      ->option_text("IP[:PORT] [the system's]")
      ->expected(1)
      ->take_all();
  app.add_option("--allow", options.allow, "addresses that may be probed; repeatable")
      ->option_text("CIDR [public]")
      ->expected(1)
      ->take_all();
  app.add_option("--deny", options.deny, "addresses that may not; repeatable")
      ->option_text("CIDR")
      ->expected(1)
      ->take_all();
  line.duration("--drain-time", options.drain_time, "for a graceful end after SIGINT or SIGTERM");
  line.unsupported("--ca-file");
  line.unsupported("--token-file");
}

// Turns the texts of flags into options. Empty: fine.
std::string fault_of(Options& options) {
  if (options.connector.urls.empty()) options.connector.urls = {"ws://127.0.0.1:8765/ws"};
  if (options.agent.name.empty()) options.agent.name = examples::host_name();
  if (!probekit::is_valid_name(options.agent.name))
    return "--name: '" + options.agent.name + "' must be 1 to 64 of A-Z a-z 0-9 . _ -";
  for (const auto& tag : options.tags) {
    const auto equals = tag.find('=');
    if (equals == std::string::npos || !probekit::is_valid_name(tag.substr(0, equals)) ||
        !probekit::is_valid_name(tag.substr(equals + 1)))
      return "--tag: '" + tag + "' is not KEY=VALUE";
    options.agent.tags.push_back({tag.substr(0, equals), tag.substr(equals + 1)});
  }
  for (const auto& text : options.dns_servers) {
    const auto server = probekit::parse_address(text, 53);
    if (!server) return "--dns-server: " + server.error().message();
    options.agent.dns_servers.push_back(*server);
  }
  for (const auto& cidr : options.allow)
    if (auto done = options.agent.address_policy.try_allow(cidr); !done)
      return "--allow: " + done.error().message();
  for (const auto& cidr : options.deny)
    if (auto done = options.agent.address_policy.try_deny(cidr); !done)
      return "--deny: " + done.error().message();
  return {};
}

int run(Options& options, const std::shared_ptr<probekit::Log>& log,
        examples::StopSignal& stop_signal) {
  options.agent.log = options.connector.log = log;
  probekit::Agent agent{probekit::make_websocket_connector(options.connector), options.agent};
  agent.add(probekit::make_http_prober());
  agent.add(probekit::make_dns_prober());
  agent.on_connected(
      [](const std::string& url) { std::cout << "connected: " << url << std::endl; });
  agent.start();

  stop_signal.wait();
  const int code = examples::drain_and_wait(
      "probekit-agent", [&](auto done) { agent.drain(options.drain_time, std::move(done)); });
  agent.stop();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  examples::StopSignal stop_signal;
  examples::CommandLine line{
      "probekit-agent", "Probes for a master: connects, takes tasks, gives results back.", kUsage};
  Options options;
  declare(line, options);
  if (!line.parse(argc, argv)) return line.exit_code();
  if (const auto fault = fault_of(options); !fault.empty())
    return examples::usage_error("probekit-agent", fault);
  try {
    return run(options, line.make_log(), stop_signal);
  } catch (const std::invalid_argument& error) {
    return examples::usage_error("probekit-agent", error.what());
  }
}
