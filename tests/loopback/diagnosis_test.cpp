// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Each verdict as it comes about: by what is really in the way where loopback can bring that about,
// else by an agent that says so. The tables of diagnosis_test.cpp in unit/ have all cases.

#include "probekit/diagnosis.hpp"

#include <dirent.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "probekit/agent.hpp"
#include "probekit/http_prober.hpp"
#include "probekit/log.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/websocket.hpp"
#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/dns_test_server.hpp"
#include "support/raw_agent.hpp"
#include "support/run_until.hpp"
#include "support/stalling_store.hpp"
#include "support/target_site.hpp"
#include "support/tcp_relay.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Verdict = DiagnosisVerdict;

/// Keeps lines, as their message and fields.
class Lines final : public LogSink {
 public:
  void write(const LogLine& line) override {
    const std::lock_guard<std::mutex> lock{mutex_};
    lines_.push_back(line);
  }
  /// The fields of the first line that starts so.
  std::optional<std::map<std::string, std::string>> find(const std::string& start) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    for (const LogLine& line : lines_) {
      if (line.message.rfind(start, 0) != 0) continue;
      std::map<std::string, std::string> fields;
      for (const LogField& field : line.fields) fields[field.key] = field.value;
      return fields;
    }
    return std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<LogLine> lines_;
};

std::uint16_t port_of(const std::string& url) {
  const auto colon = url.find(':', url.find("//"));
  return static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1)));
}

std::string websocket_url(std::uint16_t port) {
  return "ws://127.0.0.1:" + std::to_string(port) + "/ws";
}

/// A master in this process on a real port, with short intervals and its lines.
struct Site {
  explicit Site(std::uint32_t attempts_max = 5) {
    auto sink = std::make_unique<Lines>();
    lines = sink.get();
    StoreOptions store;
    store.attempts_max = attempts_max;
    MasterOptions options;
    options.name = "m";
    options.heartbeat_interval = 250ms;
    options.dead_after = 1500ms;
    options.resume_grace = 100ms;
    options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
    master = std::make_unique<Master>(make_memory_store(store), options);
    WebSocketListenerOptions websocket;
    websocket.port = 0;
    const auto listening = master->listen(make_websocket_listener(websocket));
    REQUIRE(listening);
    port = port_of(*listening);
  }

  AgentSnapshot only() const {
    const auto agents = master->agents();
    return agents.empty() ? AgentSnapshot{} : agents.front();
  }
  bool finds(Verdict verdict) const { return only().diagnosis.verdict == verdict; }

  const Lines* lines = nullptr;
  std::unique_ptr<Master> master;
  std::uint16_t port = 0;
};

AgentOptions agent_options(std::size_t concurrency) {
  AgentOptions options;
  options.name = "here";
  options.concurrency = concurrency;
  options.threads = 2;
  options.address_policy.allow("127.0.0.0/8");
  return options;
}

std::unique_ptr<Connector> connector_to(std::uint16_t port) {
  WebSocketConnectorOptions options;
  options.urls = {websocket_url(port)};
  return make_websocket_connector(options);
}

std::unique_ptr<testing::ScriptedProber> never() {
  return testing::make_scripted_prober("http", "http", [](std::string_view, const ProbeOptions&) {
    return testing::passed_after(1h);
  });
}

BatchRequest request(const std::vector<std::string>& targets) {
  BatchRequest request;
  request.targets = targets;
  return request;
}

std::vector<std::string> numbered(const std::string& start, int count,
                                  const std::string& end = {}) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(start + std::to_string(i) + end);
  return all;
}

}  // namespace

TEST_CASE("a stopped agent does not read, and the line of its disconnect says so",
          "[diagnosis][loopback]") {
  Site site{1};
  AgentProcess agent{"sleeper", websocket_url(site.port), {"--concurrency", "4"}};
  agent.wait_until_connected();
  run_until([&] { return site.only().direct; });
  const AgentSnapshot before = site.only();
  REQUIRE(before.agent_socket);
  CHECK(before.agent_socket->local == before.connection.peer);
  CHECK(before.connection.rtt > 0us);
  CHECK(before.agent_socket->rtt > 0us);
  run_until([&] { return site.finds(Verdict::healthy); });
  const TargetSite target;
  BatchRequest hanging = request({target.url("/hang")});
  hanging.options.timeout = 60s;
  auto batch = site.master->submit(hanging);
  REQUIRE(batch);
  run_until([&] { return batch->ledger().in_flight == 1; });

  agent.process().freeze();
  run_until([&] { return site.only().last_disconnect.has_value(); });
  const AgentSnapshot after = site.only();
  CHECK(after.last_disconnect->diagnosis.verdict == Verdict::agent_not_reading);
  CHECK(after.diagnosis.verdict == Verdict::agent_not_reading);
  // The log writes on a thread of its own.
  run_until([&] { return site.lines->find("agent disconnected").has_value(); });
  const auto line = site.lines->find("agent disconnected");
  CHECK(line->at("diagnosis") == "agent_not_reading");
  CHECK(line->at("session") == before.session);
  CHECK(line->at("peer") == before.connection.peer);
  CHECK(line->at("agent_local") == before.connection.peer);
  CHECK(line->at("text").find("its process stands still") != std::string::npos);
  // And what ended with it tells why.
  std::string why;
  for (const TaskResult& one : batch->results()) why = one.diagnosis;
  CHECK(why.find("lost with it in hand") != std::string::npos);
  CHECK(why.find("agent_not_reading: ") != std::string::npos);
}

TEST_CASE("a stopped master is seen by its agent, with session and port", "[diagnosis][loopback]") {
  MasterProcess master{{"--heartbeat-interval", "250ms", "--dead-after", "1500ms"}};
  auto sink = std::make_unique<Lines>();
  const Lines* const lines = sink.get();
  AgentOptions options = agent_options(4);
  options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
  Agent agent{connector_to(master.agents_port()), options};
  agent.add(never());
  agent.start();
  master.wait_for_agents(1);
  run_until([&] {
    const json::Value seen = master.agent("here");
    const json::Value& ours = *seen.find("connection")->find("agent");
    return !ours.is_null() && ours.find("local");
  });
  const json::Value shown = master.agent("here");
  const json::Value connection = *shown.find("connection");
  CHECK(text(connection, "direct") == "true");
  CHECK(text(connection, "peer") == text(*connection.find("agent"), "local"));
  for (const char* const member : {"rtt_us", "recv_queue_bytes", "send_queue_bytes", "unsent_bytes",
                                   "retransmits", "last_received_ms", "stalled_ms"}) {
    CHECK(connection.find(member));
  }
  const std::string peer = text(connection, "peer");
  run_until([&] { return agent.status().diagnosis.text.find("0 of 4") == 0; });

  master.process().freeze();
  run_until([&] { return agent.status().disconnects == 1; });
  master.process().signal(SIGCONT);
  CHECK(agent.status().last_diagnosis.verdict == Verdict::master_saturated);
  run_until([&] { return lines->find("disconnected").has_value(); });
  const auto line = lines->find("disconnected");
  REQUIRE(line);
  CHECK(line->at("diagnosis") == "master_saturated");
  CHECK(line->at("local") == peer);
  CHECK(line->at("session") == text(shown, "session"));
}

TEST_CASE("behind what holds bytes up, silence is a stalled network", "[diagnosis][loopback]") {
  Site site;
  TcpRelay relay{site.port};
  Agent agent{connector_to(relay.port()), agent_options(4)};
  agent.add(never());
  agent.start();
  run_until([&] { return site.only().agent_socket.has_value(); });
  CHECK_FALSE(site.only().direct);
  relay.hold(true);
  run_until([&] { return site.only().last_disconnect.has_value(); });
  const Diagnosis diagnosis = site.only().last_disconnect->diagnosis;
  CHECK(diagnosis.verdict == Verdict::network_stalled);
  CHECK(diagnosis.text.find("look the same") != std::string::npos);
  run_until([&] { return agent.status().disconnects >= 1; });
  CHECK(agent.status().last_diagnosis.verdict == Verdict::network_stalled);
}

TEST_CASE("what moves too slowly is a slow network", "[diagnosis][loopback]") {
  Site site;
  TcpRelay relay{site.port};
  AgentOptions options = agent_options(64);
  options.per_host = 0;
  Agent agent{connector_to(relay.port()), options};
  agent.add(never());
  agent.start();
  run_until([&] { return site.only().agent_socket.has_value(); });
  relay.limit(16 * 1024);
  REQUIRE(site.master->submit(
      request(numbered("http://www.example.test/" + std::string(2000, 'x'), 4000))));
  run_until([&] { return site.finds(Verdict::network_slow); }, 40s);
  const AgentSnapshot seen = site.only();
  CHECK(seen.connected);
  CHECK(seen.connection.unsent_bytes > 32 * 1024);
}

TEST_CASE("slots full of waiting are slow targets", "[diagnosis][loopback]") {
  Site site;
  AgentOptions options = agent_options(4);
  options.per_host = 0;
  Agent agent{connector_to(site.port), options};
  agent.add(never());
  agent.start();
  REQUIRE(site.master->submit(request(numbered("http://www.example.test/", 20))));
  // One slot is kept for high priority; a probe of that takes it.
  BatchRequest high = request(numbered("http://other.example.test/", 2));
  high.options.priority = Priority::high;
  REQUIRE(site.master->submit(high));
  run_until([&] { return site.finds(Verdict::targets_slow); });
  run_until([&] { return site.master->status().diagnosis.verdict == Verdict::targets_slow; });
  run_until([&] { return agent.status().diagnosis.verdict == Verdict::targets_slow; });
  const MasterStatus status = site.master->status();
  CHECK(status.agents_diagnosed[static_cast<std::size_t>(Verdict::targets_slow)] == 1);
}

TEST_CASE("tasks that wait for their host leave slots free", "[diagnosis][loopback]") {
  Site site;
  const TargetSite target;
  AgentOptions options = agent_options(16);
  options.per_host = 1;
  Agent agent{connector_to(site.port), options};
  agent.add(make_http_prober());
  agent.start();
  REQUIRE(site.master->submit(request(numbered(target.url("/hang?"), 40))));
  run_until([&] { return site.finds(Verdict::host_limited); });
  const AgentSnapshot seen = site.only();
  CHECK(seen.slots == 16);
  CHECK(seen.slots_busy == 1);
  CHECK(seen.waiting_for_host >= 4);
  CHECK(seen.diagnosis.text.find("--per-host") != std::string::npos);
}

TEST_CASE("a name server that does not answer is seen in what probes wait for",
          "[diagnosis][loopback]") {
  Site site;
  const DnsTestServer silent{[](const DnsTestQuery&) { return std::vector<DnsTestReply>{}; }};
  AgentOptions options = agent_options(32);
  options.dns_servers = {silent.address()};
  Agent agent{connector_to(site.port), options};
  agent.add(make_http_prober());
  agent.start();
  REQUIRE(site.master->submit(request(numbered("http://n", 16, ".example.test/"))));
  run_until([&] { return site.finds(Verdict::resolver_slow); });
  const AgentSnapshot seen = site.only();
  REQUIRE(seen.waits);
  CHECK(seen.waits->dns == 16);
  CHECK(seen.waits->dns_longest >= 1s);
}

TEST_CASE("an agent without descriptors says which limit it is", "[diagnosis][loopback]") {
  Site site;
  const TargetSite target;
  AgentProcess agent{"poor", websocket_url(site.port), {"--per-host", "0"}};
  agent.wait_until_connected();
  const pid_t pid = agent.process().pid();
  rlim_t open = 0;
  DIR* const folder = opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
  REQUIRE(folder != nullptr);
  while (readdir(folder) != nullptr) ++open;
  closedir(folder);
  const rlimit limit{open + 4, open + 4};
  REQUIRE(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
  std::string text;
  int rounds = 0;
  run_until([&] {
    // What failed is told once, so there is more to fail.
    if (rounds++ % 200 == 0) {
      REQUIRE(site.master->submit(request(numbered(target.url("/delay/300?"), 64))));
    }
    const AgentSnapshot seen = site.only();
    text = seen.diagnosis.text;
    return seen.diagnosis.verdict == Verdict::agent_resources;
  });
  CHECK(text.find("a descriptor (EMFILE)") != std::string::npos);
  CHECK(text.find("LimitNOFILE=") != std::string::npos);
  CHECK(site.only().failures->descriptors > 0);
}

TEST_CASE("a store that stands still is told of while it does", "[diagnosis][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  run_until([&] { return world.agents() == 1; });
  const auto verdict = [&] {
    return text(*world.get("/v1/status").json().find("diagnosis"), "verdict");
  };
  run_until([&] { return verdict() == "healthy"; });
  world.store->stall(StallingStore::Stall::calls);
  run_until([&] { return verdict() == "store_slow"; });
  const json::Value status = world.get("/v1/status").json();
  CHECK(status.find("store_latency")->find("waits_ms")->as_uint64().value_or(0) >= 2000);
  CHECK(world.get("/metrics").body.find("probekit_diagnosis{verdict=\"store_slow\"} 1") !=
        std::string::npos);
  world.store->go_on();
  run_until([&] { return verdict() != "store_slow"; });
}

TEST_CASE("a store without room says what keeps its tasks from ending", "[diagnosis][loopback]") {
  StoreOptions options;
  options.queued_max = 3;
  World world{{}, options};
  const auto diagnosis = [&] { return *world.get("/v1/status").json().find("diagnosis"); };
  run_until([&] { return text(diagnosis(), "verdict") == "no_agents"; });
  world.import(3);
  run_until([&] { return text(diagnosis(), "verdict") == "store_full"; });
  CHECK(text(diagnosis(), "text").find("no_agents: ") != std::string::npos);
}

TEST_CASE("tasks for an agent that is not there are told of", "[diagnosis][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  run_until([&] { return world.agents() == 1; });
  const auto diagnosis = [&] { return *world.get("/v1/status").json().find("diagnosis"); };
  run_until([&] { return text(diagnosis(), "verdict") == "healthy"; });
  world.import(3, "?agents=name:there");
  run_until([&] { return text(diagnosis(), "verdict") == "no_agents"; });
  CHECK(text(diagnosis(), "text") ==
        "no connected agent may take 3 of 3 waiting tasks, which are for an agent named there that "
        "runs http; start one, or see whether those there are drained or run other kinds");
  RawAgent other(world.network.connector());
  other.join("there");
  run_until([&] { return text(diagnosis(), "verdict") == "healthy"; });
}

TEST_CASE("results that are long not acknowledged blame a store only where it has them",
          "[diagnosis][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  world.import(3);
  const auto tasks = agent.wait_for_tasks(3);
  protocol::Heartbeat beat;
  beat.unacked = 3;
  beat.unacked_age_ms = 6000;
  const auto tell = [&] {
    ++beat.seq;
    agent.say(beat);
  };
  const auto verdict = [&] {
    return text(*world.get("/v1/agents/here").json().find("diagnosis"), "verdict");
  };
  // As long as nothing came the store owes nothing.
  tell();
  run_until([&] { return verdict() == "network_slow"; });
  world.store->stall(StallingStore::Stall::completions);
  agent.pass(tasks);
  beat.items_sent = tasks.size();
  tell();
  run_until([&] { return verdict() == "store_slow"; });
  world.store->go_on();
  agent.wait_for_ack(3);
  tell();
  run_until([&] { return verdict() == "network_slow"; });
}

TEST_CASE("an agent at the limit of its CPU is told by its heartbeats", "[diagnosis][loopback]") {
  MasterOptions options;
  options.heartbeat_interval = 100ms;
  options.dead_after = 60s;
  World world{{}, {}, options};
  RawAgent agent(world.network.connector());
  agent.join("here");
  protocol::Heartbeat beat;
  beat.running = 10;
  beat.queued = 5;
  const SteadyTime start = system_clock()->steady_now();
  run_until([&] {
    agent.wait_for<protocol::Heartbeat>();
    ++beat.seq;
    beat.cpu_us =
        std::chrono::duration_cast<std::chrono::microseconds>(system_clock()->steady_now() - start)
            .count();
    agent.say(beat);
    return text(*world.get("/v1/agents/here").json().find("diagnosis"), "verdict") ==
           "agent_saturated";
  });
}

}  // namespace probekit::test
