// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-agent: connects to a master, probes, gives results back.

#include <iostream>
#include <probekit/agent.hpp>
#include <probekit/dns_prober.hpp>
#include <probekit/http_prober.hpp>
#include <probekit/websocket.hpp>
#include <stdexcept>

#include "support/command_line.hpp"
#include "support/service_notifier.hpp"
#include "support/stop_signal.hpp"
#include "support/token_file.hpp"

namespace {

using namespace std::chrono_literals;

constexpr char kProgram[] = "probekit-agent";
// Of a hello message.
constexpr std::size_t kTagsMax = 64;
constexpr char kFooter[] =
    "examples:\n"
    "  probekit-agent                                   master on this host\n"
    "  probekit-agent --master ws://probes.example/ws --name paris-1 --tag city=paris\n"
    "  probekit-agent --concurrency 64 --allow 10.0.0.0/8 --dns-server 10.0.0.53\n"
    "SIGINT or SIGTERM drains; a second one ends it at once, with 130 or 143.";

struct Options {
  std::vector<std::string> tags;
  std::vector<std::string> dns_servers;
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::chrono::milliseconds drain_time{30s};
  std::string token_file;
  probekit::WebSocketConnectorOptions connector;
  probekit::AgentOptions agent;
};

void declare(examples::CommandLine& line, Options& options) {
  auto& agent = options.agent;
  line.texts("--master", options.connector.urls, "URL [ws://127.0.0.1:8765/ws]",
             "a master; repeatable");
  line.text("--name", agent.name, "NAME [host name]", "stable identity");
  line.texts("--tag", options.tags, "K=V", "for choosing agents; repeatable");
  line.number<std::size_t>("--concurrency", agent.concurrency, 1, 65536,
                           "probes in flight at most");
  line.number<std::size_t>("--queue", agent.queue, 1, 1048576,
                           "tasks held and not started at most");
  line.number<std::size_t>("--threads", agent.threads, 1, 64, "probing threads",
                           "N [cores, at most 4]");
  line.number<std::size_t>("--per-host", agent.per_host, 0, 65536,
                           "in flight against one host and port; 0: no limit");
  line.texts("--dns-server", options.dns_servers, "IP[:PORT] [the system's]",
             "resolver; repeatable");
  line.texts("--allow", options.allow, "CIDR [public]", "addresses that may be probed; repeatable");
  line.texts("--deny", options.deny, "CIDR", "addresses that may not; repeatable");
  line.duration("--drain-time", options.drain_time, 0ms,
                "for a graceful end after SIGINT or SIGTERM");
  line.text("--ca-file", options.connector.ca_file, "FILE [the system's]",
            "certification authorities, for wss://");
  line.text("--token-file", options.token_file, "FILE", "the token the master asks for");
}

// Empty: fine.
std::string fault_of_url(const std::string& url) {
  // What may hold a password is not shown.
  const std::string flag = "--master: " + (url.find('@') == url.npos ? "'" + url + "'" : "the url");
  try {
    probekit::WebSocketConnectorOptions alone;
    alone.urls = {url};
    probekit::make_websocket_connector(std::move(alone));
    return {};
  } catch (const std::invalid_argument& error) {
    std::string text = error.what();
    const std::string subject = "a url ";
    if (const auto at = text.find(subject); at != text.npos) text.erase(0, at + subject.size());
    return flag + ' ' + text;
  }
}

// Turns the texts of flags into options. Empty: fine.
std::string fault_of(Options& options) {
  if (options.connector.urls.empty()) options.connector.urls = {"ws://127.0.0.1:8765/ws"};
  for (const auto& url : options.connector.urls)
    if (auto fault = fault_of_url(url); !fault.empty()) return fault;
  try {
    probekit::make_websocket_connector(options.connector);
  } catch (const std::invalid_argument& error) {
    // Each url was found to be fine.
    return "--ca-file: " + std::string{error.what()};
  }
  if (!options.token_file.empty())
    options.connector.token = examples::read_token(options.token_file);
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
  if (options.agent.tags.size() > kTagsMax)
    return "--tag: at most " + std::to_string(kTagsMax) + " of them";
  for (const auto& text : options.dns_servers) {
    const auto server = probekit::parse_address(text, 53);
    if (!server) return "--dns-server: '" + text + "': " + server.error().message();
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
  examples::ServiceNotifier service;
  probekit::Agent agent{probekit::make_websocket_connector(options.connector), options.agent};
  agent.add(probekit::make_http_prober());
  agent.add(probekit::make_dns_prober());
  agent.on_connected([&service](const std::string& url) {
    std::cout << "connected: " << url << std::endl;
    service.status("connected: " + url);
  });
  service.status("looking for a master");
  agent.start();
  service.ready({[&agent] { return agent.loop_turns(); }});

  stop_signal.wait();
  service.stopping();
  const int code = examples::drain_and_wait(
      kProgram, [&](auto done) { agent.drain(options.drain_time, std::move(done)); });
  service.end();
  agent.stop();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return examples::guarded(kProgram, [argc, argv] {
    examples::StopSignal stop_signal;
    examples::CommandLine line{
        kProgram, "Probes for a master: connects, takes tasks, gives results back.", kFooter};
    Options options;
    declare(line, options);
    if (!line.parse(argc, argv)) return line.exit_code();
    if (const auto fault = fault_of(options); !fault.empty())
      return examples::usage_error(kProgram, fault);
    return run(options, line.make_log(), stop_signal);
  });
}
