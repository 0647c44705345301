// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: what others see of it.

#include <algorithm>

#include "master/fleet.hpp"
#include "protocol/heartbeats.hpp"

namespace probekit {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kFactsAge{1};
constexpr std::size_t kFactsFreshMax = 256;
constexpr std::size_t kStoreCallsMin = 10;  // fewer say nothing of a store
constexpr seconds kLoopCpuSpan{1};
// A verdict on each agent costs a few microseconds: a hundredth of the time at most.
constexpr seconds kExplainEvery{1};
constexpr milliseconds kExplainPerAgent{1};

}  // namespace

std::string said(const Diagnosis& diagnosis) {
  if (diagnosis.verdict == DiagnosisVerdict::healthy) return {};
  return std::string{to_string(diagnosis.verdict)} + ": " + diagnosis.text;
}

// -- views ----------------------------------------------------------------------------------------

void Fleet::publish(const std::string& name, const AgentRecord& record) {
  const bool serves = record.link != nullptr && record.link->welcomed_ && !record.drained &&
                      !record.link->session_.draining();
  if (serves) {
    core_->directory.put(name, {record.hello.kinds, record.hello.tags});
  } else {
    core_->directory.remove(name);
  }
  if (record.link != nullptr && record.link->welcomed_) {
    core_->store->set_drained(record.link->store_session_, !serves);
  }
}

AgentFacts Fleet::facts_of(const AgentRecord& record, SteadyTime last_byte) const {
  AgentFacts facts;
  facts.slots = record.hello.slots;
  facts.slots_busy = static_cast<std::size_t>(record.beat.running);
  facts.queued = static_cast<std::size_t>(record.beat.queued);
  facts.queue_age = milliseconds{record.beat.queue_age_ms};
  facts.loop_lag = microseconds{record.beat.loop_lag_us};
  facts.cpu_cores = record.cpu_cores;
  facts.threads = record.hello.threads;
  if (dispatcher_.has_work_for(record.session)) facts.store_queued = store_facts_.ledger.queued;
  if (record.beat.waits) {
    facts.waiting_for_host = static_cast<std::size_t>(record.beat.waits->host);
    facts.waits = record.beat.waits->probes;
  }
  facts.failures = record.failures;
  facts.unacked = record.beat.unacked;
  facts.unacked_age = milliseconds{record.beat.unacked_age_ms};
  facts.all_committed = record.all_committed;
  facts.link = record.meter.facts(now(), last_byte);
  return facts;
}

// A lost agent's is that of its end.
Diagnosis Fleet::diagnose(const AgentRecord& record) const {
  if (record.link == nullptr || !record.link->welcomed_) {
    if (record.last_disconnect) return record.last_disconnect->diagnosis;
    return {DiagnosisVerdict::healthy, "it is about to connect"};
  }
  return diagnose_agent(facts_of(record, record.link->session_.last_life()));
}

// Of a connection that ends, by a last look at it: what the close itself brought is no sign of
// life.
Diagnosis Fleet::diagnose_end(Link& link) {
  const SteadyTime last_byte = link.session_.last_life();
  sample(link);
  return diagnose_disconnect(facts_of(*link.record_, last_byte));
}

std::array<std::size_t, kDiagnosisVerdicts> Fleet::diagnose_all() {
  std::array<std::size_t, kDiagnosisVerdicts> verdicts{};
  std::size_t left = kFactsFreshMax;
  for (const auto& one : by_session_) {
    freshen(*one.second->record_, left);
    ++verdicts[static_cast<std::size_t>(diagnose(*one.second->record_).verdict)];
  }
  return verdicts;
}

FleetFacts Fleet::fleet_facts(const StoreFacts& store) {
  FleetFacts facts;
  facts.agents_connected = by_session_.size();
  facts.agents = diagnose_all();
  facts.queued = store.ledger.queued;
  facts.in_flight = store.ledger.in_flight;
  facts.unserved = store.unserved;
  facts.unserved_for = store.unserved_for;
  facts.queued_max = store.queued_max;
  facts.store_full = store.trouble;
  Histogram latency = latency_last_;
  latency.merge(latency_);
  if (latency.count() >= kStoreCallsMin) {
    facts.store_p50 = microseconds{static_cast<std::int64_t>(latency.percentile(50))};
    facts.store_p99 = microseconds{static_cast<std::int64_t>(latency.percentile(99))};
  }
  facts.store_waits = store_waits();
  facts.uncommitted_bytes = uncommitted_bytes_;
  facts.loop_lag = loop_.lag().last;
  facts.loop_cpu = loop_cpu_;
  return facts;
}

Diagnosis Fleet::diagnose(const StoreFacts& store) { return diagnose_fleet(fleet_facts(store)); }

milliseconds Fleet::store_waits() const {
  SteadyTime oldest = now();
  if (!open_calls_.empty()) oldest = *open_calls_.begin();
  if (tick_open_) oldest = std::min(oldest, tick_asked_);
  return duration_cast<milliseconds>(now() - oldest);
}

// The IO thread's own time on the processor, over a second at least.
void Fleet::measure_loop() {
  const SteadyTime at = now();
  if (at - loop_cpu_at_ < kLoopCpuSpan) return;
  const microseconds used = core_->loop_cpu_time();
  if (loop_cpu_at_ != SteadyTime{}) {
    const std::chrono::duration<double, std::micro> passed = at - loop_cpu_at_;
    loop_cpu_ = static_cast<double>((used - loop_cpu_us_).count()) / passed.count();
  }
  loop_cpu_us_ = used;
  loop_cpu_at_ = at;
}

// What stands in the way now is what tasks that expire now expire of.
void Fleet::explain_to_store() {
  const SteadyTime at = now();
  const auto every =
      std::max<SteadyTime::duration>(kExplainEvery, by_session_.size() * kExplainPerAgent);
  if (explained_at_ != SteadyTime{} && at - explained_at_ < every) return;
  explained_at_ = at;
  // That nobody is there for a task the store says itself, of each.
  FleetFacts facts = fleet_facts(store_facts_);
  facts.unserved = 0;
  const Diagnosis diagnosis = diagnose_fleet(facts);
  std::string text =
      diagnosis.verdict == DiagnosisVerdict::no_agents ? std::string{} : said(diagnosis);
  if (text == explained_) return;
  explained_ = text;
  core_->store->explain(std::move(text));
}

// Asking the kernel costs: of many agents some are told as they were a moment ago.
void Fleet::freshen(AgentRecord& record, std::size_t& left) {
  if (record.link == nullptr || left == 0 || now() - record.facts_at <= kFactsAge) return;
  sample(*record.link);
  --left;
}

AgentSnapshot Fleet::info_of(const std::string& name, AgentRecord& record) {
  AgentSnapshot info;
  info.name = name;
  info.instance = record.hello.instance;
  info.tags = record.hello.tags;
  info.kinds = record.hello.kinds;
  info.version = record.hello.agent_version;
  info.master = core_->options.name;
  info.connected = record.link != nullptr && record.link->welcomed_;
  info.draining = record.drained;
  info.session = std::to_string(record.session);
  info.results = record.results;
  info.tasks_per_second = record.rate.per_second(now(), SteadyTime{});
  info.clock_offset_ms = duration_cast<milliseconds>(record.clock_offset).count();
  info.heartbeat_rtt = record.rtt;
  info.loop_lag = microseconds{record.beat.loop_lag_us};
  info.slots = record.hello.slots;
  info.cpu_cores = record.cpu_cores;
  if (record.beat.seq != 0) info.agent_socket = protocol::socket_of(record.beat);
  info.failures = record.beat.failures;
  info.last_disconnect = record.last_disconnect;
  if (info.connected) {
    Link& link = *record.link;
    info.draining = info.draining || link.session_.draining();
    info.credit_high = link.session_.room(true);
    info.credit_other = link.session_.room(false);
    if (record.beat.seq != 0)
      info.heartbeat_age = duration_cast<milliseconds>(now() - record.beat_at);
    info.heartbeat_gap_max = duration_cast<milliseconds>(record.beat_gap_max);
    info.queued = static_cast<std::size_t>(record.beat.queued);
    info.in_flight = static_cast<std::size_t>(record.in_flight);
    info.connection = record.facts;
    info.connection.unsent_bytes += link.session_.unsent_bytes();
    record.last_received = link.session_.last_life();
    info.stalled = record.meter.stalled();
    info.direct = record.meter.facts(now(), record.last_received).direct;
    info.slots_busy = static_cast<std::size_t>(record.beat.running);
    info.queue_age = milliseconds{record.beat.queue_age_ms};
    if (record.beat.waits) {
      info.waiting_for_host = static_cast<std::size_t>(record.beat.waits->host);
      info.waits = record.beat.waits->probes;
    }
    info.unacked = record.beat.unacked;
    info.unacked_age = milliseconds{record.beat.unacked_age_ms};
  } else {
    info.connection = record.facts;
  }
  info.last_received = duration_cast<milliseconds>(now() - record.last_received);
  info.diagnosis = diagnose(record);
  return info;
}

std::vector<AgentSnapshot> Fleet::agents() {
  std::vector<AgentSnapshot> all;
  all.reserve(records_.size());
  std::size_t left = kFactsFreshMax;
  for (const auto& [name, record] : records_) {
    freshen(*record, left);
    all.push_back(info_of(name, *record));
  }
  return all;
}

std::optional<AgentSnapshot> Fleet::agent(const std::string& name) {
  const auto found = records_.find(name);
  if (found == records_.end()) return std::nullopt;
  if (Link* const link = found->second->link) sample(*link);
  return info_of(name, *found->second);
}

std::optional<AgentSnapshot> Fleet::set_drained(const std::string& name, bool drained) {
  const auto found = records_.find(name);
  if (found == records_.end()) return std::nullopt;
  AgentRecord& record = *found->second;
  record.drained = drained;
  if (record.link != nullptr && record.link->welcomed_) {
    dispatcher_.set_drained(record.link->store_session_,
                            drained || record.link->session_.draining());
    dispatch_later();
  }
  publish(name, record);
  if (record.link != nullptr) sample(*record.link);
  return info_of(name, record);
}

MasterStatus Fleet::status() {
  MasterStatus status;
  status.agents_connected = by_session_.size();
  status.loop_lag = loop_.lag();
  Histogram latency = latency_last_;
  latency.merge(latency_);
  status.store_latency_p50 = microseconds{static_cast<std::int64_t>(latency.percentile(50))};
  status.store_latency_p99 = microseconds{static_cast<std::int64_t>(latency.percentile(99))};
  status.store_waits = store_waits();
  status.uncommitted_bytes = uncommitted_bytes_;
  status.loop_cpu = loop_cpu_;
  status.agents_diagnosed = diagnose_all();
  status.results_duplicate = results_duplicate_;
  status.results_unknown = results_unknown_;
  status.returns_not_held = returns_not_held_;
  status.results_malformed = intake_.malformed();
  status.newcomers_unauthorized = newcomers_unauthorized_;
  status.newcomers_deferred = newcomers_deferred_;
  status.newcomers_dropped = newcomers_dropped_;
  return status;
}

}  // namespace probekit
