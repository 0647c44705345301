// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-master: takes orders over HTTP and gives them to agents over WebSocket.

#include <sys/resource.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <probekit/http_api.hpp>
#include <probekit/master.hpp>
#include <probekit/probe_module.hpp>
#include <probekit/stores.hpp>
#include <probekit/token_set.hpp>
#include <probekit/websocket.hpp>
#include <tuple>

#include "support/command_line.hpp"
#include "support/service_notifier.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr char kProgram[] = "probekit-master";
constexpr std::uint64_t kResultsKeptSqlite = 5'000'000;
constexpr char kFooter[] =
    "examples:\n"
    "  probekit-master                                  both ports on loopback\n"
    "  probekit-master --agents 127.0.0.1:0 --api 127.0.0.1:0\n"
    "  probekit-master --heartbeat-interval 5s --dead-after 20s --config master.json\n"
    "SIGHUP reads the token files again.\n"
    "SIGINT or SIGTERM drains; a second one ends it at once, with 130 or 143.";

struct Options {
  examples::HostPort agents{"127.0.0.1", 8765};
  examples::HostPort api{"127.0.0.1", 8766};
  std::string store = "memory";
  std::uint64_t results_kept = 0;  // 0: as suits the store
  std::chrono::milliseconds drain_time{30s};
  bool insecure = false;
  std::string modules;  // of the configuration, as JSON
  std::string agent_token_file;
  std::string api_token_file;
  std::shared_ptr<probekit::TokenSet> agent_tokens;
  std::shared_ptr<probekit::TokenSet> api_tokens;
  probekit::MasterOptions master;
  probekit::StoreOptions memory;
  probekit::WebSocketListenerOptions websocket;
  probekit::HttpApiOptions http;
};

void declare(examples::CommandLine& line, Options& options) {
  auto& memory = options.memory;
  auto& master = options.master;
  line.host_port("--agents", options.agents, "for agents; port 0: a free one");
  line.host_port("--api", options.api, "the HTTP API");
  line.text("--store", options.store, "STORE [memory]",
            "where tasks and results live: memory or sqlite:PATH");
  line.text("--name", master.name, "NAME [host name and API port]", "stable identity");
  line.number<std::uint64_t>("--max-queued", memory.queued_max, 1, 1'000'000'000,
                             "tasks held at most; past it 429");
  line.number<std::uint64_t>("--results-kept", options.results_kept, 1, 1'000'000'000,
                             "beyond it old batches are forgotten", "N [1000000; sqlite: 5000000]");
  line.number<std::uint32_t>("--attempts-max", memory.attempts_max, 1, 100,
                             "agents a task may lose until it expires");
  line.duration("--time-to-first-message", master.time_to_first_message, 1ms,
                "a silent newcomer is dropped");
  line.number<std::size_t>("--connections-max", options.websocket.connections_max, 1, 1'000'000,
                           "of agents; further ones are closed at once");
  line.bytes("--send-buffer-limit", master.send_buffer_limit, 1,
             "unsent bytes to one agent at most");
  line.duration("--send-time-limit", options.websocket.send_time_limit, 1ms,
                "closed when nothing moves for so long");
  line.duration("--heartbeat-interval", master.heartbeat_interval, 1ms,
                "both directions, jittered");
  line.duration("--dead-after", master.dead_after, 1ms, "no byte for so long: agent lost");
  line.duration("--resume-grace", master.resume_grace, 0ms,
                "a lost agent's tasks wait for it so long");
  line.duration("--drain-time", options.drain_time, 0ms, "for a graceful end");
  line.flag("--insecure", options.insecure, "listen beyond loopback without tokens");
  line.config_section("modules", options.modules);
  line.text("--agent-token-file", options.agent_token_file, "F",
            "agents' tokens, a line each: TOKEN [name pattern]");
  line.text("--api-token-file", options.api_token_file, "F", "tokens of the API's clients");
}

// The rules that need more than one flag. Empty: fine.
std::string fault_of(const Options& options) {
  if (!options.master.name.empty() && !probekit::is_valid_name(options.master.name))
    return "--name: '" + options.master.name + "' must be 1 to 64 of A-Z a-z 0-9 . _ -";
  // Behind the colon there may be a password.
  if (options.store.rfind("postgres:", 0) == 0)
    return "--store: 'postgres:' is not in this version";
  if (options.store == "sqlite:") return "--store: 'sqlite:' needs the path of a file";
  if (options.store != "memory" && options.store.rfind("sqlite:", 0) != 0)
    return "--store: '" + options.store + "' is not a store: memory or sqlite:PATH";
  const auto& master = options.master;
  for (const auto& [flag, value, most, text] :
       {std::tuple{"--heartbeat-interval", master.heartbeat_interval, 600'000ms, "10m"},
        std::tuple{"--time-to-first-message", master.time_to_first_message, 3'600'000ms, "1h"},
        std::tuple{"--dead-after", master.dead_after, 3'600'000ms, "1h"},
        std::tuple{"--resume-grace", master.resume_grace, 86'400'000ms, "24h"}})
    if (value > most) return std::string{flag} + ": must be at most " + text;
  if (master.heartbeat_interval * 2 > master.dead_after)
    return "--dead-after: must be at least twice --heartbeat-interval";
  return {};
}

// The modules of GET /probe. Returns the exit code when they are wrong.
std::optional<int> read_modules(Options& options) {
  if (options.modules.empty()) return std::nullopt;
  auto modules = probekit::parse_probe_modules(options.modules, options.master.kinds);
  if (!modules) return examples::usage_error(kProgram, "--config: " + modules.error().message());
  options.http.modules = std::move(*modules);
  return std::nullopt;
}

// Empty: fine.
std::string read_tokens(Options& options) {
  for (auto [flag, path, tokens] :
       {std::tuple{"--agent-token-file", &options.agent_token_file, &options.agent_tokens},
        std::tuple{"--api-token-file", &options.api_token_file, &options.api_tokens}}) {
    if (path->empty()) continue;
    *tokens = std::make_shared<probekit::TokenSet>();
    if (const auto loaded = (*tokens)->load(*path); !loaded)
      return std::string{flag} + ": " + loaded.error().message();
  }
  options.master.agent_tokens = options.agent_tokens;
  options.http.tokens = options.api_tokens;
  return {};
}

// On SIGHUP. A bad file leaves the tokens as they were.
void read_tokens_again(const Options& options, probekit::Log& log) {
  for (const auto& [path, tokens] : {std::pair{options.agent_token_file, options.agent_tokens},
                                     std::pair{options.api_token_file, options.api_tokens}}) {
    if (!tokens) continue;
    if (const auto loaded = tokens->load(path); loaded)
      log.write(probekit::LogLevel::info, "master", "token file read again",
                {{"file", path}, {"tokens", std::to_string(tokens->size())}});
    else
      log.write(probekit::LogLevel::error, "master",
                "token file refused, the old tokens stay: " + loaded.error().message());
  }
}

// Where to listen: the names of --agents and --api are looked up here, once. Returns the exit code
// when there is nowhere.
std::optional<int> find_hosts(Options& options) {
  for (auto [flag, given, ip, token_flag, tokens] :
       {std::tuple{"--agents", &options.agents, &options.websocket.host, "--agent-token-file",
                   &options.agent_tokens},
        std::tuple{"--api", &options.api, &options.http.host, "--api-token-file",
                   &options.api_tokens}}) {
    const auto found = examples::find_host(given->host);
    if (!found)
      return examples::failure(kProgram, std::string{flag} + ": " + found.error().message());
    if (!found->loopback && !options.insecure && *tokens == nullptr)
      return examples::usage_error(
          kProgram, std::string{flag} + ": " + given->host +
                        " is not loopback; without tokens that needs --insecure (or give " +
                        token_flag + ")");
    *ip = found->ip;
  }
  options.websocket.port = options.agents.port;
  options.http.port = options.api.port;
  options.http.insecure = options.insecure;
  return std::nullopt;
}

// Each agent, each client and each stranger takes a descriptor; the usual first limit of 1024 is
// for programs that use select(2).
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // else what there is must do
}

probekit::Expected<std::shared_ptr<probekit::TaskStore>> open_store(const Options& options) {
  probekit::StoreOptions store = options.memory;
  const bool sqlite = options.store != "memory";
  store.results_kept_max = options.results_kept != 0 ? options.results_kept
                           : sqlite                  ? kResultsKeptSqlite
                                                     : probekit::StoreOptions{}.results_kept_max;
  if (!sqlite) return probekit::make_memory_store(store);
#ifdef PROBEKIT_HAS_SQLITE
  return probekit::make_sqlite_store(options.store.substr(sizeof "sqlite:" - 1), store);
#else
  return probekit::Error{probekit::make_error_code(probekit::errc::unsupported),
                         "this program was built without SQLite"};
#endif
}

int run(Options& options, const std::shared_ptr<probekit::Log>& log,
        examples::StopSignal& stop_signal) {
  raise_descriptor_limit();
  if (const auto code = read_modules(options)) return *code;
  if (const auto code = find_hosts(options)) return *code;
  options.master.log = options.websocket.log = options.http.log = log;
  options.websocket.handshake_timeout = options.master.time_to_first_message;
  // Port 0 is not known yet; masters of one host must differ all the same.
  if (options.master.name.empty())
    options.master.name =
        examples::host_name().substr(0, 50) + "." +
        (options.api.port != 0 ? std::to_string(options.api.port) : "p" + std::to_string(getpid()));

  auto store = open_store(options);
  if (!store) return examples::failure(kProgram, "--store: " + store.error().message());
  probekit::Master master{std::move(*store), options.master};
  const auto agents = master.listen(probekit::make_websocket_listener(options.websocket));
  if (!agents) return examples::failure(kProgram, "--agents: " + agents.error().message());
  probekit::HttpApi api{master, options.http};
  const auto http = api.start();
  if (!http) return examples::failure(kProgram, "--api: " + http.error().message());
  stop_signal.on_hangup([&options, log] { read_tokens_again(options, *log); });
  std::cout << "agents: " << *agents << "\napi: " << *http << std::endl;
  examples::ServiceNotifier service;
  service.status("agents: " + *agents + ", api: " + *http);
  service.ready({[&master] { return master.loop_turns(); }, [&api] { return api.loop_turns(); }});

  stop_signal.wait();
  service.stopping();
  stop_signal.on_hangup({});
  const int code = examples::drain_and_wait(
      kProgram, [&](auto done) { master.drain(options.drain_time, std::move(done)); });
  service.end();
  api.stop();
  master.stop();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  return examples::guarded(kProgram, [argc, argv] {
    examples::StopSignal stop_signal{examples::StopSignal::kTakesHangup};
    examples::CommandLine line{
        kProgram, "Takes probes over HTTP and gives them to agents over WebSocket.", kFooter};
    Options options;
    declare(line, options);
    if (!line.parse(argc, argv)) return line.exit_code();
    if (const auto fault = fault_of(options); !fault.empty())
      return examples::usage_error(kProgram, fault);
    if (const auto fault = read_tokens(options); !fault.empty())
      return examples::usage_error(kProgram, fault);
    return run(options, line.make_log(), stop_signal);
  });
}
