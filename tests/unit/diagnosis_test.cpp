// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/diagnosis.hpp"

#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Verdict = DiagnosisVerdict;

constexpr std::uint64_t kKiB = 1024;

// -- what an agent does ---------------------------------------------------------------------------

/// 64 slots on 4 threads, idle.
AgentFacts idle() {
  AgentFacts facts;
  facts.slots = 64;
  facts.threads = 4;
  facts.waits = ProbeWaits{};
  facts.link.interval = 15s;
  return facts;
}

/// Full of probes while others wait.
AgentFacts full() {
  AgentFacts facts = idle();
  facts.slots_busy = 64;
  facts.queued = 9;
  facts.cpu_cores = 0.3;
  return facts;
}

struct AgentCase {
  const char* what;
  Verdict verdict;
  AgentFacts facts;
};

template <class Change>
AgentFacts with(AgentFacts facts, Change change) {
  change(facts);
  return facts;
}

TEST_CASE("what an agent says of milliseconds may be more than microseconds can hold",
          "[diagnosis]") {
  AgentFacts facts = idle();
  facts.unacked = 1;
  facts.unacked_age = milliseconds{253'402'300'799'999'999};
  const Diagnosis diagnosis = diagnose_agent(facts);
  CHECK(diagnosis.verdict == Verdict::store_slow);
  CHECK(diagnosis.text.find("for up to 253402300800000") != std::string::npos);
}

TEST_CASE("an agent's figures lead to one verdict", "[diagnosis]") {
  const AgentCase cases[] = {
      {"idle", Verdict::healthy, idle()},
      {"nothing known yet", Verdict::healthy,
       with(AgentFacts{}, [](auto& f) { f.store_queued = 5; })},
      {"half busy", Verdict::healthy, with(full(), [](auto& f) { f.slots_busy = 32; })},
      {"full, but nobody waits", Verdict::healthy, with(full(), [](auto& f) { f.queued = 0; })},
      {"full and waiting", Verdict::targets_slow, full()},
      {"the slots kept for high are free", Verdict::targets_slow,
       with(full(), [](auto& f) { f.slots_busy = 60; })},
      {"just under full", Verdict::healthy,
       with(full(), [](auto& f) { f.slots = 100, f.slots_busy = 89; })},
      {"the master holds what waits", Verdict::targets_slow,
       with(full(), [](auto& f) { f.queued = 0, f.store_queued = 7; })},
      {"full and out of CPU", Verdict::agent_saturated,
       with(full(), [](auto& f) { f.cpu_cores = 3.9; })},
      {"out of CPU before slots", Verdict::agent_saturated,
       with(full(), [](auto& f) { f.slots_busy = 4, f.threads = 1, f.cpu_cores = 1.0; })},
      {"late although half the CPU is left", Verdict::agent_saturated,
       with(full(), [](auto& f) { f.cpu_cores = 2.1, f.loop_lag = 250ms; })},
      {"late and idle", Verdict::targets_slow,
       with(full(), [](auto& f) { f.cpu_cores = 0.1, f.loop_lag = 250ms; })},
      {"out of CPU, but nothing waits", Verdict::healthy,
       with(idle(), [](auto& f) { f.cpu_cores = 3.9; })},

      {"all in it wait for one host", Verdict::host_limited,
       with(idle(), [](auto& f) { f.slots_busy = 16, f.queued = f.waiting_for_host = 900; })},
      {"half in it wait for a host", Verdict::host_limited,
       with(idle(), [](auto& f) { f.slots_busy = 16, f.queued = 20, f.waiting_for_host = 10; })},
      {"a few wait for a host, the rest is on its way", Verdict::healthy,
       with(idle(), [](auto& f) { f.slots_busy = 16, f.queued = 20, f.waiting_for_host = 9; })},
      {"hosts are at their limit and so are the slots", Verdict::targets_slow,
       with(full(), [](auto& f) { f.waiting_for_host = f.queued; })},

      {"the full slots wait for names", Verdict::resolver_slow,
       with(full(), [](auto& f) { f.waits->dns = 40, f.waits->dns_longest = 90ms; })},
      {"long waits for names with free slots", Verdict::resolver_slow,
       with(idle(),
            [](auto& f) { f.slots_busy = 10, f.waits->dns = 8, f.waits->dns_longest = 1500ms; })},
      {"short waits for names with free slots", Verdict::healthy,
       with(idle(),
            [](auto& f) { f.slots_busy = 10, f.waits->dns = 8, f.waits->dns_longest = 300ms; })},
      {"a few names that nobody answers for", Verdict::healthy,
       with(idle(),
            [](auto& f) { f.slots_busy = 7, f.waits->dns = 7, f.waits->dns_longest = 4s; })},
      {"some of the full slots wait for names", Verdict::targets_slow,
       with(full(), [](auto& f) { f.waits->dns = 20, f.waits->first_byte = 44; })},
      {"an older agent, that does not tell its waits", Verdict::targets_slow,
       with(full(), [](auto& f) { f.waits.reset(); })},

      {"no ports", Verdict::agent_resources, with(full(), [](auto& f) { f.failures.ports = 3; })},
      {"no descriptors", Verdict::agent_resources,
       with(idle(), [](auto& f) { f.failures.descriptors = 1; })},
      {"no memory", Verdict::agent_resources, with(idle(), [](auto& f) { f.failures.memory = 1; })},

      {"its results wait for the master's store", Verdict::store_slow,
       with(full(), [](auto& f) { f.unacked = 300, f.unacked_age = 7s; })},
      {"its results have not left it", Verdict::network_slow,
       with(full(),
            [](auto& f) {
              f.unacked = 300, f.unacked_age = 7s;
              f.link.there_waiting_least = 5000;
            })},
      {"its results have not left it, as it says itself", Verdict::network_slow,
       with(full(),
            [](auto& f) {
              f.unacked = 300, f.unacked_age = 7s, f.by_agent = true;
              f.link.waiting_least = 5000;
            })},
      {"the store has committed what came of them", Verdict::network_slow,
       with(full(), [](auto& f) { f.unacked = 300, f.unacked_age = 7s, f.all_committed = true; })},
      {"its results wait as they always do", Verdict::targets_slow,
       with(full(), [](auto& f) { f.unacked = 300, f.unacked_age = 40ms; })},

      {"free slots, tasks at the master, and a long way", Verdict::network_slow,
       with(idle(),
            [](auto& f) {
              f.store_queued = 100, f.link.here.known = true, f.link.here.rtt = 1300ms;
            })},
      {"behind a proxy the agent's own round trip counts", Verdict::network_slow,
       with(idle(),
            [](auto& f) {
              f.store_queued = 100, f.link.here.known = true, f.link.here.rtt = 20us;
              f.link.there.emplace().known = true, f.link.there->rtt = 1300ms;
            })},
      {"a long way, and nothing to bring", Verdict::healthy,
       with(idle(), [](auto& f) { f.link.here.known = true, f.link.here.rtt = 1300ms; })},
  };
  for (const AgentCase& one : cases) {
    INFO(one.what);
    const Diagnosis diagnosis = diagnose_agent(one.facts);
    INFO(diagnosis.text);
    CHECK(to_string(diagnosis.verdict) == to_string(one.verdict));
    CHECK_FALSE(diagnosis.text.empty());
  }
}

// -- the pair of queues ---------------------------------------------------------------------------

/// A quiet connection of 40 ms, looked at for 6 s; both ends told each other of theirs.
LinkFacts quiet() {
  LinkFacts link;
  link.here.known = true;
  link.here.local = "192.0.2.1:8765";
  link.here.rtt = 40ms;
  link.here.peer_window_bytes = 64 * kKiB;
  link.there = link.here;
  link.there->local = "198.51.100.7:40112";
  link.direct = true;
  link.interval = 15s;
  link.silent = 3s;
  link.span = 6s;
  return link;
}

LinkFacts proxied() {
  LinkFacts link = quiet();
  link.direct = false;
  link.here.rtt = 20us;
  return link;
}

/// 200 KiB in the kernel and more before it, of which nothing was acknowledged for 12 s.
LinkFacts standing(LinkFacts link) {
  link.here.send_queue_bytes = 200 * kKiB;
  link.here.unsent_bytes = 70 * kKiB;
  link.stalled = 12s;
  link.waiting_least = 270 * kKiB;
  return link;
}

LinkFacts closed(LinkFacts link) {
  link.here.peer_window_bytes = 0;
  link.rwnd_limited = 6s;
  return link;
}

LinkFacts silent(LinkFacts link) {
  link.silent = 40s;
  return link;
}

/// `waiting` at 10 KiB/s.
LinkFacts crawling(LinkFacts link, std::uint64_t waiting) {
  link.here.send_queue_bytes = waiting;
  link.waiting_least = waiting;
  link.acked_bytes = 60 * kKiB;
  link.stalled = 200ms;
  return link;
}

struct LinkCase {
  const char* what;
  LinkFacts link;
  Verdict by_master;
  Verdict by_agent;
};

template <class Change>
LinkFacts but(LinkFacts link, Change change) {
  change(link);
  return link;
}

TEST_CASE("who is at fault is read off the queues at both ends", "[diagnosis][link]") {
  const LinkCase cases[] = {
      {"quiet", quiet(), Verdict::healthy, Verdict::healthy},
      {"quiet behind a proxy", proxied(), Verdict::healthy, Verdict::healthy},
      {"nothing was ever measured", LinkFacts{}, Verdict::healthy, Verdict::healthy},
      {"data under way on a long link",
       but(quiet(),
           [](auto& l) {
             l.here.send_queue_bytes = l.waiting_least = 400 * kKiB;
             l.acked_bytes = 6000 * kKiB, l.stalled = 40ms;
           }),
       Verdict::healthy, Verdict::healthy},

      // Recv-Q of the other end.
      {"its Recv-Q was full in two heartbeats",
       but(quiet(),
           [](auto& l) {
             l.there->recv_queue_bytes = 362 * kKiB, l.there_recv_queue_least = 300 * kKiB;
           }),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"and our Send-Q stands, through a proxy",
       but(closed(standing(proxied())),
           [](auto& l) {
             l.there->recv_queue_bytes = 362 * kKiB, l.there_recv_queue_least = 300 * kKiB;
           }),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"its Recv-Q was full in its last heartbeat, and no other came",
       silent(but(proxied(), [](auto& l) { l.there->recv_queue_bytes = 362 * kKiB; })),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"its Recv-Q was full once, as data came in",
       but(quiet(), [](auto& l) { l.there->recv_queue_bytes = 362 * kKiB; }), Verdict::healthy,
       Verdict::healthy},

      // Recv-Q here.
      {"our Recv-Q never ran empty",
       but(quiet(),
           [](auto& l) { l.here.recv_queue_bytes = 362 * kKiB, l.recv_queue_least = 100 * kKiB; }),
       Verdict::master_saturated, Verdict::agent_not_reading},
      {"our Recv-Q has a message now and then",
       but(quiet(), [](auto& l) { l.here.recv_queue_bytes = 30 * kKiB; }), Verdict::healthy,
       Verdict::healthy},

      // Send-Q stands.
      {"nothing acknowledged, window closed, no proxy", closed(standing(quiet())),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"the same, and silent", silent(closed(standing(quiet()))), Verdict::agent_not_reading,
       Verdict::master_saturated},
      {"window closed at the proxy, heartbeats still come and tell of an empty Recv-Q",
       closed(standing(proxied())), Verdict::network_slow, Verdict::network_slow},
      {"window closed at the proxy, bytes still come, and nothing tells of Recv-Q",
       closed(standing(but(proxied(), [](auto& l) { l.there.reset(); }))),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"window closed at the proxy, and silent", silent(closed(standing(proxied()))),
       Verdict::network_stalled, Verdict::network_stalled},
      {"nothing acknowledged, window open, sent again",
       but(standing(quiet()), [](auto& l) { l.here.retransmits = l.retransmits = 9; }),
       Verdict::network_stalled, Verdict::network_stalled},
      {"the same, and silent", silent(standing(quiet())), Verdict::network_stalled,
       Verdict::network_stalled},
      {"for a moment", but(standing(quiet()), [](auto& l) { l.stalled = 900ms; }), Verdict::healthy,
       Verdict::healthy},
      {"a transport without a socket", standing(LinkFacts{}), Verdict::network_stalled,
       Verdict::network_stalled},

      // Silence.
      {"silent, all is acknowledged, no proxy", silent(quiet()), Verdict::agent_not_reading,
       Verdict::master_saturated},
      {"silent, and what was sent last is not acknowledged, no proxy",
       silent(but(quiet(), [](auto& l) { l.here.send_queue_bytes = 900, l.stalled = 1500ms; })),
       Verdict::network_stalled, Verdict::network_stalled},
      {"silent, and what was sent last is on its way, no proxy",
       silent(but(quiet(), [](auto& l) { l.here.send_queue_bytes = 900; })),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"not acknowledged, its window closed",
       silent(but(closed(quiet()),
                  [](auto& l) { l.here.send_queue_bytes = 900, l.stalled = 1500ms; })),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"silent, all is acknowledged by a proxy", silent(proxied()), Verdict::network_stalled,
       Verdict::network_stalled},
      {"silent, of an older peer that told nothing of its socket",
       silent(but(proxied(), [](auto& l) { l.there.reset(); })), Verdict::network_stalled,
       Verdict::network_stalled},
      {"silent for as long as heartbeats may be late",
       but(quiet(), [](auto& l) { l.silent = 17s; }), Verdict::healthy, Verdict::healthy},

      // It moves.
      {"300 KiB at 10 KiB/s", crawling(quiet(), 300 * kKiB), Verdict::network_slow,
       Verdict::network_slow},
      {"less than a message at 10 KiB/s", crawling(quiet(), 30 * kKiB), Verdict::healthy,
       Verdict::healthy},
      {"as its window is mostly closed",
       but(crawling(quiet(), 300 * kKiB), [](auto& l) { l.rwnd_limited = 5s; }),
       Verdict::agent_not_reading, Verdict::master_saturated},
      {"as a proxy's window is mostly closed",
       but(crawling(proxied(), 300 * kKiB), [](auto& l) { l.rwnd_limited = 5s; }),
       Verdict::network_slow, Verdict::network_slow},
      {"300 KiB come at 10 KiB/s",
       but(quiet(),
           [](auto& l) {
             l.there->send_queue_bytes = l.there_waiting_least = 300 * kKiB;
             l.received_bytes = 60 * kKiB;
           }),
       Verdict::network_slow, Verdict::network_slow},
  };
  for (const LinkCase& one : cases) {
    INFO(one.what);
    AgentFacts facts = idle();
    facts.link = one.link;
    const Diagnosis by_master = diagnose_agent(facts);
    INFO(by_master.text);
    CHECK(to_string(by_master.verdict) == to_string(one.by_master));
    facts.by_agent = true;
    const Diagnosis by_agent = diagnose_agent(facts);
    INFO(by_agent.text);
    CHECK(to_string(by_agent.verdict) == to_string(one.by_agent));
  }
}

TEST_CASE("how long an impossible backlog takes is cut to a year", "[diagnosis][link]") {
  AgentFacts facts = idle();
  facts.link = quiet();
  facts.link.there->send_queue_bytes = facts.link.there_waiting_least = UINT64_MAX;
  facts.link.received_bytes = 1;
  const Diagnosis diagnosis = diagnose_agent(facts);
  CHECK(diagnosis.verdict == Verdict::network_slow);
  CHECK(diagnosis.text.find("which takes 31622400 s at") != std::string::npos);
}

TEST_CASE("a connection in trouble makes an agent's other figures old", "[diagnosis][link]") {
  AgentFacts facts = full();
  facts.failures.ports = 1;
  facts.link = silent(quiet());
  CHECK(diagnose_agent(facts).verdict == Verdict::agent_not_reading);
}

TEST_CASE("the sentence says the figures and what to do", "[diagnosis]") {
  AgentFacts facts = full();
  facts.waits.reset();
  facts.threads = 2;
  facts.cpu_cores = 0.25;
  CHECK(diagnose_agent(facts).text ==
        "64 of 64 slots are busy, waiting for targets: it uses 0.2 cores with 2 probing threads; "
        "raise its --concurrency or add agents");
  facts.waits = ProbeWaits{1, 3, 0, 60, 0, 5ms};
  CHECK(diagnose_agent(facts).text ==
        "64 of 64 slots are busy, waiting for targets (60 for the first byte, 3 to connect, 1 for "
        "DNS): it uses 0.2 cores with 2 probing threads; raise its --concurrency or add agents");
  facts.cpu_cores = 1.9;
  facts.loop_lag = milliseconds{150};
  CHECK(diagnose_agent(facts).text ==
        "64 of 64 slots are busy and it uses 1.9 cores with 2 probing threads, its loops running "
        "150 ms late: its CPU is at its limit; add agents");
  facts.link = closed(standing(quiet()));
  CHECK(diagnose_agent(facts).text ==
        "200 KiB stand in Send-Q and 70 KiB before it, none acknowledged for 12 s: the window of "
        "the agent is closed, as it does not read; see whether the agent's process is stopped or "
        "starved");
  facts.link = {};
  facts.failures = {2, 1, 0};
  CHECK(diagnose_agent(facts).text ==
        "3 probes failed for want of a local port (EADDRNOTAVAIL) and a descriptor (EMFILE) since "
        "the last heartbeat; lower --concurrency, or raise the limit of open files (ulimit -n, "
        "LimitNOFILE=)");
}

TEST_CASE("the diagnosis of a disconnect has the last figures, whatever it is",
          "[diagnosis][link]") {
  AgentFacts facts = idle();
  facts.link = quiet();
  const Diagnosis well = diagnose_disconnect(facts);
  CHECK(well.verdict == Verdict::healthy);
  CHECK(well.text ==
        "nothing stood in its way until the end; 0 of 64 slots are busy; here Recv-Q 0 bytes, "
        "Send-Q 0 bytes, unsent 0 "
        "bytes, round trip 40 ms, 0 retransmits; there Recv-Q 0 bytes, Send-Q 0 bytes, unsent 0 "
        "bytes, round trip 40 ms, 0 retransmits; last byte from there 3.0 s ago");
  facts.link = silent(quiet());
  const Diagnosis ill = diagnose_disconnect(facts);
  CHECK(ill.verdict == Verdict::agent_not_reading);
  CHECK(ill.text.find("(here Recv-Q 0 bytes") != std::string::npos);
}

TEST_CASE("who is well tells of packets that its network loses", "[diagnosis][link]") {
  AgentFacts facts = idle();
  facts.link.retransmits = 1;
  facts.link.there_retransmits = 1;
  CHECK(diagnose_agent(facts).text == "0 of 64 slots are busy, 0 tasks wait in it");
  facts.link.there_retransmits = 6;
  const Diagnosis lossy = diagnose_agent(facts);
  CHECK(lossy.verdict == Verdict::healthy);
  CHECK(lossy.text ==
        "0 of 64 slots are busy, 0 tasks wait in it; 7 segments were sent again of late: the "
        "network may lose packets");
}

TEST_CASE("what probes or results wait for ended no connection", "[diagnosis][link]") {
  AgentFacts facts = full();
  facts.link = quiet();
  CHECK(diagnose_agent(facts).verdict == Verdict::targets_slow);
  CHECK(diagnose_disconnect(facts).verdict == Verdict::healthy);
  facts.unacked = 9;
  facts.unacked_age = 7s;
  CHECK(diagnose_agent(facts).verdict == Verdict::store_slow);
  CHECK(diagnose_disconnect(facts).verdict == Verdict::healthy);
  // Nor do they hide what may have.
  facts.cpu_cores = 3.9;
  CHECK(diagnose_agent(facts).verdict == Verdict::store_slow);
  CHECK(diagnose_disconnect(facts).verdict == Verdict::agent_saturated);
}

// -- the whole ------------------------------------------------------------------------------------

FleetFacts fleet(std::size_t connected, std::uint64_t queued) {
  FleetFacts facts;
  facts.agents_connected = connected;
  facts.agents[0] = connected;
  facts.queued = queued;
  facts.in_flight = connected == 0 ? 0 : 8;
  facts.queued_max = 2'000'000;
  return facts;
}

FleetFacts of_these(FleetFacts facts, Verdict verdict, std::size_t count) {
  facts.agents[0] -= count;
  facts.agents[static_cast<std::size_t>(verdict)] += count;
  return facts;
}

FleetFacts unserved(FleetFacts facts, std::uint64_t count) {
  facts.unserved = count;
  facts.unserved_for = "an agent named fra-1 that runs http";
  return facts;
}

struct FleetCase {
  const char* what;
  Verdict verdict;
  FleetFacts facts;
};

TEST_CASE("a fleet's facts lead to one verdict", "[diagnosis]") {
  std::vector<FleetCase> cases = {
      {"nobody there", Verdict::no_agents, fleet(0, 0)},
      {"nobody there, tasks wait", Verdict::no_agents, fleet(0, 12)},
      {"half of what waits is for who is not there", Verdict::no_agents,
       of_these(unserved(fleet(3, 12), 6), Verdict::targets_slow, 3)},
      {"less of it, and the rest waits for others", Verdict::targets_slow,
       of_these(unserved(fleet(3, 12), 5), Verdict::targets_slow, 3)},
      {"less of it, and nothing else is in the way", Verdict::no_agents, unserved(fleet(3, 12), 1)},
      {"idle", Verdict::healthy, fleet(3, 0)},
      {"busy", Verdict::healthy, fleet(3, 1000)},
      {"one of three saturated", Verdict::healthy,
       of_these(fleet(3, 1000), Verdict::agent_saturated, 1)},
      {"two of three saturated", Verdict::agent_saturated,
       of_these(of_these(fleet(3, 1000), Verdict::agent_saturated, 2), Verdict::targets_slow, 1)},
      {"one of two slow", Verdict::targets_slow,
       of_these(fleet(2, 1000), Verdict::targets_slow, 1)},
      {"all slow, nothing waits", Verdict::healthy,
       of_these(fleet(2, 0), Verdict::targets_slow, 2)},
      {"of two halves the graver", Verdict::network_stalled,
       of_these(of_these(fleet(2, 9), Verdict::targets_slow, 1), Verdict::network_stalled, 1)},
      {"the tasks in hand are with who does not read", Verdict::agent_not_reading,
       of_these(fleet(2, 0), Verdict::agent_not_reading, 1)},
  };
  for (const Verdict each :
       {Verdict::agent_saturated, Verdict::targets_slow, Verdict::host_limited,
        Verdict::agent_not_reading, Verdict::network_stalled, Verdict::network_slow,
        Verdict::resolver_slow, Verdict::agent_resources, Verdict::master_saturated,
        Verdict::store_slow}) {
    cases.push_back({"each that half of the agents share", each, of_these(fleet(4, 9), each, 2)});
    cases.push_back(
        {"each that a quarter share", Verdict::healthy, of_these(fleet(4, 9), each, 1)});
  }
  const auto add = [&](const char* what, Verdict verdict, const auto& change) {
    FleetFacts facts = fleet(2, 100);
    change(facts);
    cases.push_back({what, verdict, facts});
  };
  add("the disk is full", Verdict::store_full, [](auto& f) { f.store_full = "no space"; });
  add("as many tasks as may be", Verdict::store_full, [](auto& f) { f.queued_max = 108; });
  add("one fewer", Verdict::healthy, [](auto& f) { f.queued_max = 109; });
  add("a limit nobody told", Verdict::healthy, [](auto& f) { f.queued_max = 0; });
  add("the store stands still", Verdict::store_slow, [](auto& f) { f.store_waits = 3s; });
  add("the store takes a while", Verdict::healthy, [](auto& f) { f.store_waits = 900ms; });
  add("the store is slow each time", Verdict::store_slow, [](auto& f) { f.store_p50 = 150ms; });
  add("the store is slow at times", Verdict::healthy,
      [](auto& f) { f.store_p50 = 5ms, f.store_p99 = 400ms; });
  add("the IO thread has no time left", Verdict::master_saturated,
      [](auto& f) { f.loop_cpu = 0.95; });
  add("the IO thread gets no time", Verdict::master_saturated, [](auto& f) { f.loop_lag = 400ms; });
  add("the IO thread is busy", Verdict::healthy,
      [](auto& f) { f.loop_cpu = 0.7, f.loop_lag = 20ms; });
  add("a late loop makes the store look slow", Verdict::master_saturated,
      [](auto& f) { f.loop_lag = 400ms, f.store_p50 = 200ms; });
  for (const FleetCase& one : cases) {
    INFO(one.what);
    const Diagnosis diagnosis = diagnose_fleet(one.facts);
    INFO(diagnosis.text);
    CHECK(to_string(diagnosis.verdict) == to_string(one.verdict));
    CHECK_FALSE(diagnosis.text.empty());
  }
}

TEST_CASE("a full store says what keeps its tasks from ending", "[diagnosis]") {
  FleetFacts facts = of_these(fleet(2, 92), Verdict::targets_slow, 2);
  facts.queued_max = 100;
  CHECK(diagnose_fleet(facts).text ==
        "the store holds 100 tasks that have not ended, as many as --max-queued allows: imports "
        "are refused until some have (targets_slow: 2 of 2 agents with all slots waiting for "
        "targets while 92 tasks wait; raise --concurrency or add agents)");
}

TEST_CASE("tasks nobody connected may take are counted, and for whom they are", "[diagnosis]") {
  CHECK(diagnose_fleet(unserved(fleet(2, 12), 5)).text ==
        "no connected agent may take 5 of 12 waiting tasks, which are for an agent named fra-1 "
        "that runs http; start one, or see whether those there are drained or run other kinds");
}

TEST_CASE("verdicts have the names that scripts know", "[diagnosis]") {
  const std::pair<Verdict, const char*> names[] = {
      {Verdict::healthy, "healthy"},
      {Verdict::agent_saturated, "agent_saturated"},
      {Verdict::targets_slow, "targets_slow"},
      {Verdict::host_limited, "host_limited"},
      {Verdict::agent_not_reading, "agent_not_reading"},
      {Verdict::network_stalled, "network_stalled"},
      {Verdict::network_slow, "network_slow"},
      {Verdict::resolver_slow, "resolver_slow"},
      {Verdict::agent_resources, "agent_resources"},
      {Verdict::master_saturated, "master_saturated"},
      {Verdict::store_slow, "store_slow"},
      {Verdict::store_full, "store_full"},
      {Verdict::no_agents, "no_agents"}};
  CHECK(std::size(names) == kDiagnosisVerdicts);
  std::set<Verdict> seen;
  for (const auto& [verdict, name] : names) {
    CHECK(to_string(verdict) == name);
    seen.insert(verdict);
  }
  CHECK(seen.size() == kDiagnosisVerdicts);
  CHECK(to_string(static_cast<Verdict>(kDiagnosisVerdicts)) == "unknown");
}

}  // namespace
}  // namespace probekit
