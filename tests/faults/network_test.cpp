// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Bad networks between an agent and nginx: each in a network namespace of its own, a cable between
// them.

#include <functional>
#include <map>
#include <optional>

#include "faults/network.hpp"
#include "faults/scenario.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/tcp_relay.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

NginxOptions on_the_cable(std::uint16_t upstream) {
  NginxOptions options;
  options.upstream_port = upstream;
  options.address = Network::master_address();
  return options;
}

// Master and nginx on one side, where this thread is too; the agent and its targets on the other.
struct Divided {
  explicit Divided(std::vector<std::string> flags) : inside(network.master_side()), master(flags) {
    nginx.emplace(on_the_cable(master.agents_port()));
    const NetworkNamespace::Inside far{network.agent_side()};
    site.emplace();
    agent.emplace("far", nginx->url(), agent_flags());
  }

  Network network;
  NetworkNamespace::Inside inside;
  MasterProcess master;
  std::optional<Nginx> nginx;
  std::optional<TargetSite> site;
  std::optional<AgentProcess> agent;
};

void survives_a_cut(const std::string& name, const std::function<void(const Network&)>& cut) {
  Divided world{master_flags()};
  auto& agent = *world.agent;
  agent.wait_until_connected();
  const auto batch = world.master.api().import(slow_targets(*world.site, 50ms));
  wait_for_progress(world.master.api(), batch, 500);

  cut(world.network);
  // Both sides notice, and the longest of all times, the agent's for connecting, passes.
  const auto at_agent = expect_log(agent.process(), "disconnected");
  const auto at_master = expect_log(world.master.process(), "agent disconnected");
  const auto refused = expect_log(agent.process(), "cannot connect");
  CHECK(world.network.dropped() > 0);
  // Neither blames a process or a store. Cut one way it is silent both ways: what nobody
  // acknowledges holds up what comes after it.
  CHECK(text_at(at_agent, "diagnosis") == "network_stalled");
  CHECK(text_at(at_master, "diagnosis") == "network_stalled");
  world.network.heal();
  const Stopwatch since;
  agent.wait_until_connected(40s);
  const double recovered = since.seconds();
  conclude(world.master.api(), batch, kTasks, *world.site, {&agent},
           {name,
            disconnect_said("master", at_master) + "; " + disconnect_said("agent", at_agent) +
                "; " + said("agent", refused),
            recovered});
}

// Slow but alive: nobody is to be taken for dead.
std::vector<std::string> patient_flags() {
  return {"--heartbeat-interval", "2s", "--dead-after", "20s",
          "--resume-grace",       "5s", "--log-format", "json"};
}

// What the master said of its agent during a batch.
struct Heard {
  std::map<std::string, std::string> verdicts;  // and the first sentence of each
  std::string last;  // that was not "healthy", if there was any; empty: nothing was said
};

Heard watch(const MasterProcess& master, const std::string& name, const std::string& batch,
            std::chrono::milliseconds timeout) {
  Heard heard;
  run_until(
      [&] {
        const auto counts = master.api().batch(batch);
        const auto agent = master.agent(name);
        const auto& diagnosis = *agent.find("diagnosis");
        if (counts.done > 0 && counts.state == "running") {
          const auto verdict = text_at(diagnosis, "verdict");
          const auto text = text_at(diagnosis, "text");
          heard.verdicts.emplace(verdict, text);
          if (verdict != "healthy" || heard.last.empty())
            heard.last = "master, of the agent: " + verdict + ": " + text;
        }
        return counts.state == "done";
      },
      timeout);
  return heard;
}

// Whatever it makes of a bad network, nobody's store or CPU is to blame.
void check_blames_only_the_network(const Heard& heard) {
  for (const auto& [verdict, text] : heard.verdicts) {
    INFO(verdict << ": " << text);
    CHECK_FALSE(text.empty());
  }
  for (const char* wrong : {"store_slow", "agent_saturated", "master_saturated"}) {
    const auto found = heard.verdicts.find(wrong);
    INFO(wrong << ": " << (found == heard.verdicts.end() ? "never said" : found->second));
    CHECK(found == heard.verdicts.end());
  }
}

void works_over(const std::string& name, std::size_t tasks, bool loses, bool stays_connected,
                const std::function<void(const Network&)>& spoil) {
  Divided world{patient_flags()};
  auto& agent = *world.agent;
  agent.wait_until_connected();
  spoil(world.network);
  const auto batch = world.master.api().import(slow_targets(*world.site, 20ms, tasks));
  const Heard heard = watch(world.master, "far", batch, slow_network_time());
  std::string words = heard.last;
  CAPTURE(world.network.dropped());
  CHECK((world.network.dropped() > 0) == loses);
  world.network.heal();
  check_blames_only_the_network(heard);
  if (!loses) CHECK(heard.verdicts.count("network_slow") == 1);
  const auto cuts = log_lines(agent.process(), "disconnected");
  if (stays_connected) {
    CHECK(cuts.empty());
    CHECK(log_lines(world.master.process(), "agent disconnected").empty());
  }
  for (const auto& line : cuts) words += "; " + disconnect_said("agent", line);
  if (!cuts.empty()) agent.wait_until_connected(40s);
  conclude(world.master.api(), batch, tasks, *world.site, {&agent}, {name, words});
}

}  // namespace

TEST_CASE("an import survives a network cut both ways", "[faults][timing][idle]") {
  survives_a_cut("network cut both ways, for longer than every timeout", [](const Network& net) {
    net.cut_to_master();
    net.cut_to_agent();
  });
}

TEST_CASE("an import survives a network cut towards the master", "[faults][timing][idle]") {
  survives_a_cut("network cut towards the master only",
                 [](const Network& net) { net.cut_to_master(); });
}

TEST_CASE("an import survives a network cut towards the agent", "[faults][timing][idle]") {
  survives_a_cut("network cut towards the agent only",
                 [](const Network& net) { net.cut_to_agent(); });
}

TEST_CASE("an import works where one packet of twenty is lost", "[faults][timing][idle]") {
  works_over("5 % of packets lost, each way", kTasks, true, true,
             [](const Network& net) { net.lose(5); });
}

TEST_CASE("an import works where three packets of ten are lost", "[faults][timing][idle]") {
  works_over("30 % of packets lost, each way", slow_network_tasks(), true, false,
             [](const Network& net) { net.lose(30); });
}

TEST_CASE("an import works over 64 kbit/s", "[faults][timing][idle]") {
  works_over("64 kbit/s, each way", slow_network_tasks(), false, true,
             [](const Network& net) { net.narrow("64kbit"); });
}

TEST_CASE("an import works over a delay of 300 ms each way", "[faults][timing][idle]") {
  MasterProcess master{patient_flags()};
  Nginx nginx{{master.agents_port()}};
  TcpRelay relay{nginx.port(), 300ms};
  const TargetSite site;
  AgentProcess agent{"far", "ws://127.0.0.1:" + std::to_string(relay.port()) + "/ws",
                     agent_flags()};
  agent.wait_until_connected();
  const auto batch = master.api().import(slow_targets(site, 20ms));
  const Heard heard = watch(master, "far", batch, 60s);
  check_blames_only_the_network(heard);
  CHECK(log_lines(agent.process(), "disconnected").empty());
  CHECK(log_lines(master.process(), "agent disconnected").empty());
  conclude(master.api(), batch, kTasks, site, {&agent}, {"300 ms of delay, each way", heard.last});
}

}  // namespace probekit::test
