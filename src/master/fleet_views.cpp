// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: what others see of it.

#include <algorithm>

#include "master/fleet.hpp"

namespace probekit {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kFactsAge{1};
constexpr std::size_t kFactsFreshMax = 256;

}  // namespace

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

Diagnosis Fleet::diagnose(const AgentRecord& record) const {
  AgentFacts facts;
  facts.slots = record.hello.slots;
  facts.slots_busy = static_cast<std::size_t>(record.beat.running);
  facts.queued = static_cast<std::size_t>(record.beat.queued);
  facts.queue_age = milliseconds{record.beat.queue_age_ms};
  facts.loop_lag = microseconds{record.beat.loop_lag_us};
  facts.cpu_cores = record.cpu_cores;
  facts.threads = record.hello.threads;
  facts.store_queued = store_facts_.ledger.queued;
  return diagnose_agent(facts);
}

Diagnosis Fleet::diagnose(const Ledger& ledger) {
  FleetFacts facts;
  facts.agents_connected = by_session_.size();
  facts.queued = ledger.queued;
  facts.in_flight = ledger.in_flight;
  for (const auto& one : by_session_) {
    const DiagnosisVerdict verdict = diagnose(*one.second->record_).verdict;
    if (verdict == DiagnosisVerdict::agent_saturated) ++facts.agents_saturated;
    if (verdict == DiagnosisVerdict::targets_slow) ++facts.agents_waiting_for_targets;
  }
  return diagnose_fleet(facts);
}

AgentSnapshot Fleet::info_of(const std::string& name, AgentRecord& record, bool fresh) {
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
  info.diagnosis = diagnose(record);
  info.last_disconnect = record.last_disconnect;
  if (info.connected) {
    Link& link = *record.link;
    if (fresh) sample(link);
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
    info.stalled = duration_cast<milliseconds>(now() - record.progress_at);
    if (info.connection.unsent_bytes == 0 && info.connection.send_queue_bytes == 0) {
      info.stalled = milliseconds{0};
    }
  } else {
    info.connection = record.facts;
  }
  info.last_received = duration_cast<milliseconds>(now() - record.last_received);
  return info;
}

std::vector<AgentSnapshot> Fleet::agents() {
  std::vector<AgentSnapshot> all;
  all.reserve(records_.size());
  // Asking the kernel costs; of many agents some are told as they were a moment ago.
  std::size_t left = kFactsFreshMax;
  for (const auto& [name, record] : records_) {
    const bool stale = record->link != nullptr && now() - record->facts_at > kFactsAge;
    all.push_back(info_of(name, *record, stale && left > 0));
    if (stale && left > 0) --left;
  }
  return all;
}

std::optional<AgentSnapshot> Fleet::agent(const std::string& name) {
  const auto found = records_.find(name);
  if (found == records_.end()) return std::nullopt;
  return info_of(name, *found->second, true);
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
  return info_of(name, record, true);
}

MasterStatus Fleet::status() {
  MasterStatus status;
  status.agents_connected = by_session_.size();
  status.loop_lag = loop_.lag();
  Histogram latency = latency_last_;
  latency.merge(latency_);
  status.store_latency_p50 = microseconds{static_cast<std::int64_t>(latency.percentile(50))};
  status.store_latency_p99 = microseconds{static_cast<std::int64_t>(latency.percentile(99))};
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
