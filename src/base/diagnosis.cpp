// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/diagnosis.hpp"

#include <algorithm>
#include <cstdio>

#include "base/link_diagnosis.hpp"

namespace probekit {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A share of the probing threads' CPU from which on more slots would not help.
constexpr double kCpuFull = 0.85;
// Late loops are a sign of too little CPU too, where the process does not get its cores.
constexpr double kCpuHalf = 0.5;
constexpr milliseconds kLagHigh{100};

// A few names whose own servers are dead say nothing of the resolver; half of all probes do.
constexpr std::uint64_t kDnsWaitersMin = 8;
// A recursive resolver that has to ask around needs up to a second; then our next try is near.
constexpr milliseconds kDnsLong{1000};

// Results are committed in milliseconds; an agent's window of 1 MiB lasts it a few seconds.
constexpr milliseconds kUnackedLong{5000};
// More than heartbeats on their way.
constexpr std::uint64_t kUndelivered = 4 * 1024;

// So long a way there and back that tasks come too slowly for the slots that wait for them.
constexpr milliseconds kRttHigh{1000};

// One or two lost packets are the way of any network.
constexpr std::uint64_t kRetransmitsMany = 3;

// A call of a store takes far less than a millisecond in memory and some on a disk. From here on
// an agent's window, not its slots, decides how much it does.
constexpr milliseconds kStoreSlow{100};
// No disk takes so long unless it stands still, and no heartbeat interval is shorter by default.
constexpr milliseconds kStoreStands{2000};

// The IO thread is one: with this share of a core it has nothing left to give.
constexpr double kLoopFull = 0.9;
// Ten ticks a second measure it. So late, heartbeats and leases wait for each other.
constexpr milliseconds kLoopLagHigh{250};

// Nine of ten: the slots kept for high priority stay free under bulk.
bool slots_full(const AgentFacts& facts) noexcept {
  return facts.slots > 0 && facts.slots_busy * 10 >= facts.slots * 9;
}

bool work_waits(const AgentFacts& facts) noexcept {
  return facts.queued > 0 || facts.store_queued > 0;
}

bool cpu_full(const AgentFacts& facts) noexcept {
  const double threads = static_cast<double>(std::max<std::size_t>(facts.threads, 1));
  return facts.cpu_cores >= kCpuFull * threads ||
         (facts.loop_lag >= kLagHigh && facts.cpu_cores >= kCpuHalf * threads);
}

std::string one_decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string slots_of(const AgentFacts& facts) {
  return std::to_string(facts.slots_busy) + " of " + std::to_string(facts.slots) +
         " slots are busy";
}

std::string cpu_of(const AgentFacts& facts) {
  return one_decimal(facts.cpu_cores) + " cores with " + std::to_string(facts.threads) +
         (facts.threads == 1 ? " probing thread" : " probing threads");
}

std::string tasks_wait(std::uint64_t number) {
  return count_text(number, "task waits", "tasks wait");
}

// "40 for the first byte, 3 to connect"; empty when nobody told.
std::string waits_of(const std::optional<ProbeWaits>& waits) {
  if (!waits) return {};
  struct Part {
    std::uint64_t count;
    const char* what;
  };
  Part parts[] = {{waits->first_byte, "for the first byte"},
                  {waits->connect, "to connect"},
                  {waits->dns, "for DNS"},
                  {waits->tls, "for TLS"},
                  {waits->receive, "for the rest"}};
  std::stable_sort(std::begin(parts), std::end(parts),
                   [](const Part& a, const Part& b) { return a.count > b.count; });
  std::string text;
  for (const Part& part : parts) {
    if (part.count == 0) break;
    text += (text.empty() ? "" : ", ") + std::to_string(part.count) + ' ' + part.what;
  }
  return text;
}

// Of the probes that run, half wait for names: for long, or while others wait for their slots.
bool resolver_slow(const AgentFacts& facts) noexcept {
  if (!facts.waits || facts.waits->dns < kDnsWaitersMin) return false;
  if (facts.waits->dns * 2 < facts.slots_busy) return false;
  return facts.waits->dns_longest >= kDnsLong || (work_waits(facts) && slots_full(facts));
}

// What slots wait for is --per-host, not the other way round.
bool host_limited(const AgentFacts& facts) noexcept {
  return facts.waiting_for_host > 0 && facts.waiting_for_host * 2 >= facts.queued &&
         !slots_full(facts);
}

// From the master's end: what is wrong with the connection, said as a verdict.
Diagnosis say_of_link(const AgentFacts& facts, LinkFinding finding) {
  if (!facts.by_agent) {
    switch (finding.fault) {
      case LinkFault::peer_not_reading:
        return {DiagnosisVerdict::agent_not_reading,
                finding.text + "; see whether the agent's process is stopped or starved"};
      case LinkFault::not_reading_here:
        return {DiagnosisVerdict::master_saturated,
                finding.text + ": the master does not read them; give it more CPU"};
      case LinkFault::stalled:
        return {DiagnosisVerdict::network_stalled,
                finding.text + "; look at the network between, and at the agent's own log"};
      case LinkFault::slow:
        return {DiagnosisVerdict::network_slow,
                finding.text + "; move the agent nearer, or give the link more bandwidth"};
      case LinkFault::none:
        break;
    }
    return {};
  }
  switch (finding.fault) {
    case LinkFault::peer_not_reading:
      return {DiagnosisVerdict::master_saturated,
              finding.text + "; see whether the master's process is stopped or starved"};
    case LinkFault::not_reading_here:
      return {DiagnosisVerdict::agent_not_reading,
              finding.text + ": this agent does not read them; give it more CPU"};
    case LinkFault::stalled:
      return {DiagnosisVerdict::network_stalled,
              finding.text + "; look at the network between, and at the master's log"};
    case LinkFault::slow:
      return {DiagnosisVerdict::network_slow,
              finding.text + "; move this agent nearer, or give the link more bandwidth"};
    case LinkFault::none:
      break;
  }
  return {};
}

std::optional<Diagnosis> judge_connection(const AgentFacts& facts) {
  LinkFinding finding = judge_link(facts.link, facts.by_agent ? "the master" : "the agent");
  if (finding.fault == LinkFault::none) return std::nullopt;
  return say_of_link(facts, std::move(finding));
}

std::string resources_text(const LocalFailures& failures) {
  std::string text = count_text(failures.total(), "probe", "probes") + " failed for want of ";
  const char* separator = "";
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count == 0) return;
    text += separator;
    text += what;
    separator = " and ";
  };
  add(failures.ports, "a local port (EADDRNOTAVAIL)");
  add(failures.descriptors, "a descriptor (EMFILE)");
  add(failures.memory, "memory (ENOBUFS, ENOMEM)");
  return text + " since the last heartbeat; lower --concurrency, or raise " +
         (failures.descriptors > 0 ? "the limit of open files (ulimit -n, LimitNOFILE=)"
          : failures.ports > 0     ? "net.ipv4.ip_local_port_range"
                                   : "the memory it may use");
}

std::optional<Diagnosis> judge_resources(const AgentFacts& facts) {
  if (facts.failures.total() == 0) return std::nullopt;
  return Diagnosis{DiagnosisVerdict::agent_resources, resources_text(facts.failures)};
}

std::optional<Diagnosis> judge_acks(const AgentFacts& facts) {
  if (facts.unacked_age < kUnackedLong) return std::nullopt;
  const std::string late = count_text(facts.unacked, "result has", "results have") +
                           " not been acknowledged for up to " + time_text(facts.unacked_age);
  // What has not arrived yet no store can commit.
  const std::uint64_t waiting =
      facts.by_agent ? facts.link.waiting_least : facts.link.there_waiting_least;
  if (waiting >= kUndelivered) {
    return Diagnosis{DiagnosisVerdict::network_slow,
                     late + " while at least " + bytes_text(waiting) +
                         " wait in the agent's Send-Q and before it: the network is slow to take "
                         "them; move the agent nearer, or give the link more bandwidth"};
  }
  if (facts.all_committed) {
    return Diagnosis{DiagnosisVerdict::network_slow,
                     late +
                         ", though the store has committed all that came: they or their "
                         "acknowledgements are slow on their way; move the agent nearer, or "
                         "give the link more bandwidth"};
  }
  return Diagnosis{
      DiagnosisVerdict::store_slow,
      late + (facts.by_agent ? ": the master's store is slow to commit, or acknowledgements "
                               "are slow on their way; the master's diagnosis tells which"
                             : ": the master's store is slow to commit; look at its disk or "
                               "database")};
}

std::optional<Diagnosis> judge_cpu(const AgentFacts& facts) {
  if (!work_waits(facts) || !cpu_full(facts)) return std::nullopt;
  std::string text = slots_of(facts) + " and it uses " + cpu_of(facts);
  if (facts.loop_lag >= kLagHigh) {
    text += ", its loops running " +
            std::to_string(std::chrono::duration_cast<milliseconds>(facts.loop_lag).count()) +
            " ms late";
  }
  return Diagnosis{DiagnosisVerdict::agent_saturated,
                   text + ": its CPU is at its limit; add agents"};
}

// What probes wait for.
std::optional<Diagnosis> judge_waits(const AgentFacts& facts) {
  if (resolver_slow(facts)) {
    return Diagnosis{DiagnosisVerdict::resolver_slow,
                     std::to_string(facts.waits->dns) + " of " + std::to_string(facts.slots_busy) +
                         " running probes wait for DNS, one of them for " +
                         time_text(facts.waits->dns_longest) +
                         "; look at its name server, or name others with --dns-server"};
  }
  if (work_waits(facts) && slots_full(facts)) {
    const std::string waits = waits_of(facts.waits);
    return Diagnosis{DiagnosisVerdict::targets_slow, slots_of(facts) + ", waiting for targets" +
                                                         (waits.empty() ? "" : " (" + waits + ")") +
                                                         ": it uses " + cpu_of(facts) +
                                                         "; raise its --concurrency or add agents"};
  }
  if (host_limited(facts)) {
    return Diagnosis{
        DiagnosisVerdict::host_limited,
        slots_of(facts) + " while " + std::to_string(facts.waiting_for_host) +
            " of the tasks in it (" + std::to_string(facts.queued) +
            ") wait for --per-host, the limit of probes against one host: raise it, or "
            "spread the targets over more hosts"};
  }
  return std::nullopt;
}

// Slots are free and tasks are there, which the way between keeps apart.
std::optional<Diagnosis> judge_distance(const AgentFacts& facts) {
  microseconds rtt = facts.link.here.known ? facts.link.here.rtt : microseconds{0};
  if (facts.link.there && facts.link.there->known) rtt = std::max(rtt, facts.link.there->rtt);
  if (rtt < kRttHigh || facts.store_queued == 0 || slots_full(facts)) return std::nullopt;
  return Diagnosis{DiagnosisVerdict::network_slow, slots_of(facts) + " while " +
                                                       tasks_wait(facts.store_queued) +
                                                       ": a round trip takes " + time_text(rtt) +
                                                       "; move the agent nearer, or add agents"};
}

Diagnosis healthy(const AgentFacts& facts) {
  std::string text = slots_of(facts) + ", " + tasks_wait(facts.queued) + " in it";
  const std::uint64_t again = facts.link.retransmits + facts.link.there_retransmits;
  if (again >= kRetransmitsMany) {
    text += "; " + std::to_string(again) +
            " segments were sent again of late: the network may lose packets";
  }
  return {DiagnosisVerdict::healthy, std::move(text)};
}

// A fleet's verdict is that of half its agents; of two, the graver comes first here.
constexpr DiagnosisVerdict kByGravity[] = {
    DiagnosisVerdict::agent_not_reading, DiagnosisVerdict::network_stalled,
    DiagnosisVerdict::master_saturated,  DiagnosisVerdict::agent_resources,
    DiagnosisVerdict::store_slow,        DiagnosisVerdict::network_slow,
    DiagnosisVerdict::agent_saturated,   DiagnosisVerdict::resolver_slow,
    DiagnosisVerdict::targets_slow,      DiagnosisVerdict::host_limited};

// That tasks take their time is no trouble while none waits for the next.
bool matters(DiagnosisVerdict verdict, const FleetFacts& facts) noexcept {
  switch (verdict) {
    case DiagnosisVerdict::agent_saturated:
    case DiagnosisVerdict::targets_slow:
    case DiagnosisVerdict::host_limited:
      return facts.queued > 0;
    default:
      return facts.queued > 0 || facts.in_flight > 0;
  }
}

// "2 of 3 agents ...".
const char* what_half_do(DiagnosisVerdict verdict) noexcept {
  switch (verdict) {
    case DiagnosisVerdict::agent_saturated:
      return "at the limit of CPU";
    case DiagnosisVerdict::targets_slow:
      return "with all slots waiting for targets";
    case DiagnosisVerdict::host_limited:
      return "with tasks that wait for --per-host";
    case DiagnosisVerdict::agent_not_reading:
      return "that do not read what is sent to them";
    case DiagnosisVerdict::network_stalled:
      return "behind a network that does not deliver";
    case DiagnosisVerdict::network_slow:
      return "behind a slow network";
    case DiagnosisVerdict::resolver_slow:
      return "waiting for their name server";
    case DiagnosisVerdict::agent_resources:
      return "without ports, descriptors or memory";
    case DiagnosisVerdict::master_saturated:
      return "whose results this master is late to read";
    case DiagnosisVerdict::store_slow:
      return "whose results the store is late to commit";
    case DiagnosisVerdict::healthy:
    case DiagnosisVerdict::store_full:
    case DiagnosisVerdict::no_agents:
      break;
  }
  return "in order";
}

const char* what_to_do(DiagnosisVerdict verdict) noexcept {
  switch (verdict) {
    case DiagnosisVerdict::agent_saturated:
      return "add agents";
    case DiagnosisVerdict::targets_slow:
      return "raise --concurrency or add agents";
    case DiagnosisVerdict::host_limited:
      return "raise --per-host, or spread the targets over more hosts";
    case DiagnosisVerdict::resolver_slow:
      return "look at their name server, or name others with --dns-server";
    case DiagnosisVerdict::agent_resources:
      return "lower --concurrency or raise their limits";
    case DiagnosisVerdict::master_saturated:
      return "give the master more CPU";
    case DiagnosisVerdict::store_slow:
      return "look at the disk or database of the store";
    case DiagnosisVerdict::agent_not_reading:
    case DiagnosisVerdict::network_stalled:
    case DiagnosisVerdict::network_slow:
      return "each says more at /v1/agents";
    case DiagnosisVerdict::healthy:
    case DiagnosisVerdict::store_full:
    case DiagnosisVerdict::no_agents:
      break;
  }
  return "";
}

// The master's own parts, without which nothing moves.
std::optional<Diagnosis> judge_master(const FleetFacts& facts) {
  if (!facts.store_full.empty()) {
    return Diagnosis{DiagnosisVerdict::store_full,
                     "the store takes nothing: " + facts.store_full + "; make room where it lives"};
  }
  if (facts.store_waits >= kStoreStands) {
    return Diagnosis{
        DiagnosisVerdict::store_slow,
        "the store has not answered for " + time_text(facts.store_waits) +
            (facts.uncommitted_bytes > 0
                 ? ", and " + bytes_text(facts.uncommitted_bytes) + " of results wait for it"
                 : std::string{}) +
            "; look at its disk or database"};
  }
  if (facts.loop_cpu >= kLoopFull || facts.loop_lag >= kLoopLagHigh) {
    const bool starved = facts.loop_cpu < kCpuHalf;
    return Diagnosis{DiagnosisVerdict::master_saturated,
                     "the master's IO thread runs " + time_text(facts.loop_lag) +
                         " late and uses " + one_decimal(facts.loop_cpu) + " of a core: " +
                         (starved ? "its machine has too little CPU for it"
                                  : "it is at its limit; share the agents between more masters")};
  }
  if (facts.store_p50 >= kStoreSlow) {
    return Diagnosis{DiagnosisVerdict::store_slow,
                     "half of the calls of the store take " + time_text(facts.store_p50) +
                         " or more, one in a hundred " + time_text(facts.store_p99) +
                         "; look at its disk or database"};
  }
  return std::nullopt;
}

Diagnosis no_agent_for_some(const FleetFacts& facts) {
  return {DiagnosisVerdict::no_agents,
          "no connected agent may take " + std::to_string(facts.unserved) + " of " +
              count_text(facts.queued, "waiting task", "waiting tasks") + ", which are for " +
              facts.unserved_for +
              "; start one, or see whether those there are drained or run other kinds"};
}

Diagnosis judge_agents(const FleetFacts& facts) {
  if (facts.agents_connected == 0) {
    return {DiagnosisVerdict::no_agents, facts.queued == 0 ? std::string{"no agent is connected"}
                                                           : "no agent is connected while " +
                                                                 tasks_wait(facts.queued) +
                                                                 "; start one, or look at its log"};
  }
  if (facts.unserved > 0 && facts.unserved * 2 >= facts.queued) return no_agent_for_some(facts);
  const std::string agents = count_text(facts.agents_connected, "agent", "agents");
  for (const DiagnosisVerdict verdict : kByGravity) {
    // Half of a fleet at its limit is the fleet's limit: tasks go where there is room.
    const std::size_t count = facts.agents[static_cast<std::size_t>(verdict)];
    if (count == 0 || count * 2 < facts.agents_connected || !matters(verdict, facts)) continue;
    return {verdict, std::to_string(count) + " of " + agents + ' ' + what_half_do(verdict) +
                         " while " + tasks_wait(facts.queued) + "; " + what_to_do(verdict)};
  }
  if (facts.unserved > 0) return no_agent_for_some(facts);
  return {DiagnosisVerdict::healthy, agents + " connected, " + std::to_string(facts.queued) +
                                         " queued, " + std::to_string(facts.in_flight) +
                                         " in flight"};
}

}  // namespace

std::string_view to_string(DiagnosisVerdict verdict) noexcept {
  switch (verdict) {
    case DiagnosisVerdict::healthy:
      return "healthy";
    case DiagnosisVerdict::agent_saturated:
      return "agent_saturated";
    case DiagnosisVerdict::targets_slow:
      return "targets_slow";
    case DiagnosisVerdict::host_limited:
      return "host_limited";
    case DiagnosisVerdict::agent_not_reading:
      return "agent_not_reading";
    case DiagnosisVerdict::network_stalled:
      return "network_stalled";
    case DiagnosisVerdict::network_slow:
      return "network_slow";
    case DiagnosisVerdict::resolver_slow:
      return "resolver_slow";
    case DiagnosisVerdict::agent_resources:
      return "agent_resources";
    case DiagnosisVerdict::master_saturated:
      return "master_saturated";
    case DiagnosisVerdict::store_slow:
      return "store_slow";
    case DiagnosisVerdict::store_full:
      return "store_full";
    case DiagnosisVerdict::no_agents:
      return "no_agents";
  }
  return "unknown";
}

Diagnosis diagnose_agent(const AgentFacts& facts) {
  // A connection that does not deliver makes all other figures old.
  if (auto link = judge_connection(facts)) return std::move(*link);
  if (auto resources = judge_resources(facts)) return std::move(*resources);
  if (auto acks = judge_acks(facts)) return std::move(*acks);
  if (auto cpu = judge_cpu(facts)) return std::move(*cpu);
  if (auto waits = judge_waits(facts)) return std::move(*waits);
  if (auto distance = judge_distance(facts)) return std::move(*distance);
  return healthy(facts);
}

Diagnosis diagnose_disconnect(const AgentFacts& facts) {
  // Neither slow targets and names nor a slow store have ended a connection.
  std::optional<Diagnosis> cause = judge_connection(facts);
  if (!cause) cause = judge_resources(facts);
  if (!cause) cause = judge_acks(facts);
  if (cause && cause->verdict == DiagnosisVerdict::store_slow) cause.reset();
  if (!cause) cause = judge_cpu(facts);
  if (!cause) cause = judge_distance(facts);
  const std::string figures = link_figures(facts.link);
  if (!cause) {
    return {DiagnosisVerdict::healthy,
            "nothing stood in its way until the end; " + slots_of(facts) + "; " + figures};
  }
  cause->text += " (" + figures + ')';
  return std::move(*cause);
}

Diagnosis diagnose_fleet(const FleetFacts& facts) {
  if (auto master = judge_master(facts)) return std::move(*master);
  Diagnosis diagnosis = judge_agents(facts);
  if (facts.queued_max == 0 || facts.queued + facts.in_flight < facts.queued_max) return diagnosis;
  return {DiagnosisVerdict::store_full,
          "the store holds " + std::to_string(facts.queued + facts.in_flight) +
              " tasks that have not ended, as many as --max-queued allows: imports are refused "
              "until some have (" +
              std::string{to_string(diagnosis.verdict)} + ": " + diagnosis.text + ')'};
}

}  // namespace probekit
