// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/json_views.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include "api/schedule_body.hpp"
#include "base/text.hpp"
#include "probe/probe_spec_json.hpp"

namespace probekit::api {
namespace {

void write_time(json::Writer& writer, std::string_view name, std::optional<SystemTime> time) {
  writer.key(name);
  if (time) {
    writer.string(format_rfc3339(*time));
  } else {
    writer.null();
  }
}

void write_ledger_members(json::Writer& writer, const Ledger& ledger) {
  writer.member("queued", ledger.queued);
  writer.member("in_flight", ledger.in_flight);
  writer.member("done", ledger.done);
  writer.member("expired", ledger.expired);
  writer.member("cancelled", ledger.cancelled);
  writer.member("passed", ledger.passed);
  writer.member("failed", ledger.failed);
}

void write_batch_members(json::Writer& writer, const BatchSnapshot& batch) {
  writer.member("id", batch.id);
  writer.member("name", batch.name);
  writer.member("state", to_string(batch.state));
  writer.member("accepted", batch.ledger.accepted);
  writer.member("rejected", batch.rejected);
  write_ledger_members(writer, batch.ledger);
  write_time(writer, "created_at", batch.created_at);
  write_time(writer, "finished_at", batch.finished_at);
  writer.member("tasks_per_second", batch.tasks_per_second);
  writer.key("eta_ms");
  if (batch.eta) {
    writer.int64(batch.eta->count());
  } else {
    writer.null();
  }
}

void write_counts(json::Writer& writer, std::string_view name,
                  const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
  writer.key(name).begin_object();
  for (const auto& [key, count] : counts) writer.member(key, count);
  writer.end_object();
}

void write_diagnosis(json::Writer& writer, std::string_view name, const Diagnosis& diagnosis) {
  writer.key(name).begin_object();
  writer.member("verdict", to_string(diagnosis.verdict));
  writer.member("text", diagnosis.text);
  writer.end_object();
}

void write_lag(json::Writer& writer, std::string_view name, const LoopLag& lag) {
  writer.key(name).begin_object();
  writer.member("last_us", lag.last.count());
  writer.member("max_us", lag.max.count());
  writer.end_object();
}

/// The agent's end, as its last heartbeat told.
void write_socket(json::Writer& writer, const SocketFacts& facts) {
  writer.begin_object();
  writer.member("recv_queue_bytes", facts.recv_queue_bytes);
  writer.member("send_queue_bytes", facts.send_queue_bytes);
  writer.member("unsent_bytes", facts.unsent_bytes);
  if (facts.known) {
    writer.member("local", facts.local);
    writer.member("rtt_us", facts.rtt.count());
    writer.member("retransmits", facts.retransmits);
    writer.member("peer_window_bytes", facts.peer_window_bytes);
    writer.member("rwnd_limited_us", facts.rwnd_limited.count());
    writer.member("not_sent_bytes", facts.not_sent_bytes);
  }
  writer.end_object();
}

void write_connection(json::Writer& writer, const AgentSnapshot& agent) {
  const ConnectionFacts& facts = agent.connection;
  writer.key("connection").begin_object();
  writer.member("peer", facts.peer);
  writer.member("rtt_us", facts.rtt.count());
  writer.member("recv_queue_bytes", facts.recv_queue_bytes);
  writer.member("send_queue_bytes", facts.send_queue_bytes);
  writer.member("unsent_bytes", facts.unsent_bytes);
  writer.member("retransmits", facts.retransmits);
  writer.member("last_received_ms", agent.last_received.count());
  writer.member("stalled_ms", agent.stalled.count());
  writer.member("peer_window_bytes", facts.peer_window_bytes);
  writer.member("rwnd_limited_us", facts.rwnd_limited.count());
  writer.member("not_sent_bytes", facts.not_sent_bytes);
  writer.member("direct", agent.direct);
  writer.key("agent");
  if (agent.agent_socket) {
    write_socket(writer, *agent.agent_socket);
  } else {
    writer.null();
  }
  writer.end_object();
}

void write_waits(json::Writer& writer, const AgentSnapshot& agent) {
  writer.key("waits");
  if (!agent.waits) {
    writer.null();
    return;
  }
  writer.begin_object();
  writer.member("host", agent.waiting_for_host);
  writer.member("dns", agent.waits->dns);
  writer.member("connect", agent.waits->connect);
  writer.member("tls", agent.waits->tls);
  writer.member("first_byte", agent.waits->first_byte);
  writer.member("receive", agent.waits->receive);
  writer.member("dns_longest_ms", agent.waits->dns_longest.count());
  writer.end_object();
}

void write_failures(json::Writer& writer, const AgentSnapshot& agent) {
  writer.key("local_failures");
  if (!agent.failures) {
    writer.null();
    return;
  }
  writer.begin_object();
  writer.member("ports", agent.failures->ports);
  writer.member("descriptors", agent.failures->descriptors);
  writer.member("memory", agent.failures->memory);
  writer.end_object();
}

void write_schedule_members(json::Writer& writer, const ScheduleView& schedule) {
  writer.member("name", schedule.name);
  write_time(writer, "created_at", schedule.created_at);
  write_time(writer, "updated_at", schedule.updated_at);
  write_time(writer, "next_at", schedule.next_at);
  writer.member("target_count", schedule.spec->targets.size());
  writer.member("accepted", schedule.ledger.accepted);
  write_ledger_members(writer, schedule.ledger);
  writer.member("missed", schedule.missed);
}

}  // namespace

void write_schedule(json::Writer& writer, const ScheduleView& schedule) {
  writer.begin_object();
  write_schedule_members(writer, schedule);
  write_schedule_spec(writer, *schedule.spec);
  writer.end_object();
}

void write_schedule_head(json::Writer& writer, const ScheduleView& schedule) {
  writer.begin_object();
  write_schedule_members(writer, schedule);
  writer.member("interval_ms", schedule.spec->interval.count());
  writer.member("enabled", schedule.spec->enabled);
  writer.key("agents");
  write_selector(writer, schedule.spec->agents);
  writer.end_object();
}

void write_master(json::Writer& writer, const MasterStatus& status) {
  writer.begin_object();
  writer.member("name", status.name);
  writer.member("version", status.version);
  writer.member("this", true);
  writer.member("draining", status.draining);
  writer.member("agents_connected", status.agents_connected);
  write_lag(writer, "loop_lag", status.loop_lag);
  writer.end_object();
}

void write_batch(json::Writer& writer, const BatchSnapshot& batch) {
  writer.begin_object();
  write_batch_members(writer, batch);
  writer.end_object();
}

void write_summary(json::Writer& writer, const BatchSnapshot& batch, const BatchSummary& summary) {
  const Ledger& ledger = summary.ledger;
  writer.begin_object();
  writer.member("id", batch.id);
  writer.member("name", batch.name);
  writer.member("state", to_string(batch.state));
  writer.member("accepted", ledger.accepted);
  writer.key("states").begin_object();
  writer.member("queued", ledger.queued);
  writer.member("in_flight", ledger.in_flight);
  writer.member("done", ledger.done);
  writer.member("expired", ledger.expired);
  writer.member("cancelled", ledger.cancelled);
  writer.end_object();
  write_counts(writer, "reasons", summary.reasons);
  writer.key("verdicts").begin_object();
  writer.member("passed", ledger.passed);
  writer.member("failed", ledger.failed);
  writer.end_object();
  write_counts(writer, "failures", summary.failures);
  write_counts(writer, "agents", summary.agents);
  writer.key("phases").begin_object();
  for (const PhaseSummary& phase : summary.phases) {
    writer.key(phase.name).begin_object();
    writer.member("count", phase.count);
    writer.member("p50", phase.p50_us);
    writer.member("p90", phase.p90_us);
    writer.member("p99", phase.p99_us);
    writer.member("max", phase.max_us);
    writer.end_object();
  }
  writer.end_object();
  writer.end_object();
}

void write_probe_head(std::string& out, const BatchSnapshot& batch) {
  json::Writer writer(out);
  writer.begin_object();
  writer.member("id", batch.id);
  writer.member("state", to_string(batch.state));
  writer.member("accepted", batch.ledger.accepted);
  writer.member("rejected", batch.rejected);
  write_ledger_members(writer, batch.ledger);
  write_time(writer, "created_at", batch.created_at);
  write_time(writer, "finished_at", batch.finished_at);
  writer.key("results").begin_array();
}

void write_agent(json::Writer& writer, const AgentSnapshot& agent) {
  writer.begin_object();
  writer.member("name", agent.name);
  writer.member("instance", agent.instance);
  writer.key("tags").begin_object();
  for (const Label& tag : agent.tags) writer.member(tag.key, tag.value);
  writer.end_object();
  writer.key("kinds").begin_array();
  for (const std::string& kind : agent.kinds) writer.string(kind);
  writer.end_array();
  writer.member("version", agent.version);
  writer.member("master", agent.master);
  writer.member("connected", agent.connected);
  writer.member("draining", agent.draining);
  writer.key("session");
  if (agent.session.empty()) {
    writer.null();
  } else {
    writer.string(agent.session);
  }
  writer.member("credit", agent.credit_high + agent.credit_other);
  writer.member("credit_high", agent.credit_high);
  writer.member("credit_other", agent.credit_other);
  writer.member("queued", agent.queued);
  writer.member("in_flight", agent.in_flight);
  writer.key("rates").begin_object();
  writer.member("tasks_per_second", agent.tasks_per_second);
  writer.end_object();
  writer.member("agent_clock_offset_ms", agent.clock_offset_ms);
  writer.member("heartbeat_rtt_us", agent.heartbeat_rtt.count());
  writer.member("heartbeat_age_ms", agent.heartbeat_age.count());
  writer.member("heartbeat_gap_max_ms", agent.heartbeat_gap_max.count());
  writer.member("loop_lag_us", agent.loop_lag.count());
  writer.member("slots", agent.slots);
  writer.member("slots_busy", agent.slots_busy);
  writer.member("cpu_cores", agent.cpu_cores);
  writer.member("queue_age_ms", agent.queue_age.count());
  writer.member("unacked", agent.unacked);
  writer.member("unacked_age_ms", agent.unacked_age.count());
  write_waits(writer, agent);
  write_failures(writer, agent);
  write_connection(writer, agent);
  write_diagnosis(writer, "diagnosis", agent.diagnosis);
  writer.key("last_disconnect");
  if (agent.last_disconnect) {
    writer.begin_object();
    write_time(writer, "at", agent.last_disconnect->at);
    writer.member("reason", agent.last_disconnect->reason);
    write_diagnosis(writer, "diagnosis", agent.last_disconnect->diagnosis);
    writer.member("requeued", agent.last_disconnect->requeued);
    writer.end_object();
  } else {
    writer.null();
  }
  writer.end_object();
}

void write_status(json::Writer& writer, const MasterStatus& status, const ApiFacts& api) {
  writer.begin_object();
  writer.member("version", status.version);
  writer.member("name", status.name);
  writer.member("store", status.store);
  writer.member("store_id", status.store_id);
  writer.key("store_trouble");
  if (status.store_trouble.empty()) {
    writer.null();
  } else {
    writer.string(status.store_trouble);
  }
  writer.member("draining", status.draining);
  writer.key("ledger").begin_object();
  writer.member("accepted", status.ledger.accepted);
  write_ledger_members(writer, status.ledger);
  writer.end_object();
  writer.member("agents_connected", status.agents_connected);
  writer.key("limits").begin_object();
  writer.member("queued_max", status.queued_max);
  writer.member("results_kept_max", status.results_kept_max);
  writer.member("connections_max", api.connections_max);
  writer.member("uploads_max", api.uploads_max);
  writer.member("line_bytes_max", api.line_bytes_max);
  writer.end_object();
  writer.key("api").begin_object();
  writer.member("connections", api.connections);
  writer.member("dropped", api.connections_dropped);
  writer.member("uploads", api.uploads);
  writer.end_object();
  writer.key("newcomers").begin_object();
  writer.member("unauthorized", status.newcomers_unauthorized);
  writer.member("deferred", status.newcomers_deferred);
  writer.member("dropped", status.newcomers_dropped);
  writer.end_object();
  writer.key("loop_lags").begin_object();
  write_lag(writer, "master", status.loop_lag);
  write_lag(writer, "api", api.loop_lag);
  writer.end_object();
  writer.key("store_latency").begin_object();
  writer.member("p50_us", status.store_latency_p50.count());
  writer.member("p99_us", status.store_latency_p99.count());
  writer.member("waits_ms", status.store_waits.count());
  writer.member("uncommitted_bytes", status.uncommitted_bytes);
  writer.end_object();
  writer.member("loop_cpu", status.loop_cpu);
  writer.key("agents_diagnosed").begin_object();
  for (std::size_t i = 0; i < kDiagnosisVerdicts; ++i) {
    writer.member(to_string(static_cast<DiagnosisVerdict>(i)), status.agents_diagnosed[i]);
  }
  writer.end_object();
  writer.key("results").begin_object();
  writer.member("duplicate", status.results_duplicate);
  writer.member("unknown", status.results_unknown);
  writer.member("malformed", status.results_malformed);
  writer.member("returned_not_held", status.returns_not_held);
  writer.end_object();
  write_diagnosis(writer, "diagnosis", status.diagnosis);
  writer.end_object();
}

std::string import_members(const ImportParser& import) {
  std::string out;
  json::Writer writer(out);
  writer.member("accepted", import.accepted());
  writer.member("rejected", import.rejected());
  writer.key("errors").begin_array();
  for (const ImportError& error : import.errors()) {
    writer.begin_object();
    writer.member("line", error.line);
    writer.member("target", error.target);
    writer.member("detail", error.detail);
    writer.end_object();
  }
  writer.end_array();
  return out;
}

}  // namespace probekit::api
