// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-master: takes orders over HTTP and gives them to agents over WebSocket.

#include <iostream>
#include <probekit/probekit.hpp>

#include "support/command_line.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr char kUsage[] =
    "examples:\n"
    "  probekit-master                                  both ports on loopback\n"
    "  probekit-master --agents 127.0.0.1:0 --api 127.0.0.1:0\n"
    "  probekit-master --heartbeat-interval 5s --dead-after 20s --config master.json\n"
    "then: probekit-agent, and probekit-import FILE";

struct Options {
  examples::HostPort agents{"127.0.0.1", 8765};
  examples::HostPort api{"127.0.0.1", 8766};
  std::string store = "memory";
  std::chrono::milliseconds drain_time{30s};
  bool insecure = false;
  probekit::MasterOptions master;
  probekit::StoreOptions memory;
  probekit::WebSocketListenerOptions websocket;
  probekit::HttpApiOptions http;
};

void declare(examples::CommandLine& line, Options& options) {
  auto& app = line.app();
  line.host_port("--agents", options.agents, "where agents connect; port 0 picks a free one");
  line.host_port("--api", options.api, "the HTTP API");
  app.add_option("--store", options.store, "where tasks and results live: memory")
      ->option_text("STORE [memory]");
  app.add_option("--name", options.master.name, "stable identity")
      ->option_text("NAME [host name and port]");
  line.number<std::uint64_t>("--max-queued", options.memory.queued_max, 1, 1'000'000'000,
                             "tasks held at most; past it 429")
      ->option_text("N [2000000]");
  line.number<std::uint64_t>("--results-kept", options.memory.results_kept_max, 1, 1'000'000'000,
                             "oldest finished batches are forgotten beyond")
      ->option_text("N [1000000]");
  line.number<std::uint32_t>("--attempts-max", options.memory.attempts_max, 1, 100,
                             "agents lost with a task in hand until it expires")
      ->option_text("N [5]");
  line.duration("--time-to-first-message", options.master.time_to_first_message,
                "an agent silent for so long is dropped");
  line.bytes("--send-buffer-limit", options.master.send_buffer_limit,
             "unsent bytes to one agent at most");
  line.duration("--send-time-limit", options.websocket.send_time_limit,
                "closed when nothing moves for so long");
  line.duration("--heartbeat-interval", options.master.heartbeat_interval,
                "both directions, jittered");
  line.duration("--dead-after", options.master.dead_after, "no byte for so long: agent lost");
  line.duration("--resume-grace", options.master.resume_grace,
                "a lost agent's tasks wait for it so long at most");
  line.duration("--drain-time", options.drain_time, "for a graceful end after SIGINT or SIGTERM");
  app.add_flag("--insecure", options.insecure, "listen beyond loopback without tokens");
  line.unsupported("--agent-token-file");
  line.unsupported("--api-token-file");
}

// The rules that need more than one flag. Empty: fine.
std::string fault_of(const Options& options) {
  if (!options.master.name.empty() && !probekit::is_valid_name(options.master.name))
    return "--name: '" + options.master.name + "' must be 1 to 64 of A-Z a-z 0-9 . _ -";
  if (options.store.rfind("sqlite:", 0) == 0 || options.store.rfind("postgres:", 0) == 0)
    return "--store: this version has only 'memory'";
  if (options.store != "memory") return "--store: '" + options.store + "' is not a store: memory";
  if (!options.insecure) {
    const std::string hint = " is not a loopback address; without tokens that needs --insecure";
    if (!examples::is_loopback(options.agents.host))
      return "--agents: " + options.agents.host + hint;
    if (!examples::is_loopback(options.api.host)) return "--api: " + options.api.host + hint;
  }
  if (options.master.heartbeat_interval * 2 > options.master.dead_after)
    return "--dead-after: must be at least twice --heartbeat-interval";
  return {};
}

int run(Options& options, const std::shared_ptr<probekit::Log>& log,
        examples::StopSignal& stop_signal) {
  options.master.log = options.websocket.log = options.http.log = log;
  options.websocket.host = options.agents.host;
  options.websocket.port = options.agents.port;
  options.http.host = options.api.host;
  options.http.port = options.api.port;
  options.http.insecure = options.insecure;
  if (options.master.name.empty())
    options.master.name =
        examples::host_name().substr(0, 58) + "." + std::to_string(options.api.port);

  probekit::Master master{probekit::make_memory_store(options.memory), options.master};
  const auto agents = master.listen(probekit::make_websocket_listener(options.websocket));
  if (!agents) {
    std::cerr << "probekit-master: --agents: " << agents.error().message() << '\n';
    return examples::kExitFailed;
  }
  probekit::HttpApi api{master, options.http};
  const auto http = api.start();
  if (!http) {
    std::cerr << "probekit-master: --api: " << http.error().message() << '\n';
    return examples::kExitFailed;
  }
  std::cout << "agents: " << *agents << "\napi: " << *http << std::endl;

  stop_signal.wait();
  const int code = examples::drain_and_wait(
      "probekit-master", [&](auto done) { master.drain(options.drain_time, std::move(done)); });
  api.stop();
  master.stop();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  examples::StopSignal stop_signal;
  examples::CommandLine line{
      "probekit-master", "Takes probes over HTTP and gives them to agents over WebSocket.", kUsage};
  Options options;
  declare(line, options);
  if (!line.parse(argc, argv)) return line.exit_code();
  if (const auto fault = fault_of(options); !fault.empty())
    return examples::usage_error("probekit-master", fault);
  try {
    return run(options, line.make_log(), stop_signal);
  } catch (const std::invalid_argument& error) {
    return examples::usage_error("probekit-master", error.what());
  }
}
