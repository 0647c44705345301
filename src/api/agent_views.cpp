// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/agent_views.hpp"

#include <string>

#include "api/json_views.hpp"

namespace probekit::api {
namespace {

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
  write_or_null(writer, "agent", agent.agent_socket,
                [&](const SocketFacts& socket) { write_socket(writer, socket); });
  writer.end_object();
}

void write_waits(json::Writer& writer, const AgentSnapshot& agent) {
  write_or_null(writer, "waits", agent.waits, [&](const ProbeWaits& waits) {
    writer.begin_object();
    writer.member("host", agent.waiting_for_host);
    writer.member("dns", waits.dns);
    writer.member("connect", waits.connect);
    writer.member("tls", waits.tls);
    writer.member("first_byte", waits.first_byte);
    writer.member("receive", waits.receive);
    writer.member("dns_longest_ms", waits.dns_longest.count());
    writer.end_object();
  });
}

void write_failures(json::Writer& writer, const AgentSnapshot& agent) {
  write_or_null(writer, "local_failures", agent.failures, [&](const LocalFailures& failures) {
    writer.begin_object();
    writer.member("ports", failures.ports);
    writer.member("descriptors", failures.descriptors);
    writer.member("memory", failures.memory);
    writer.end_object();
  });
}

}  // namespace

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
  write_text_or_null(writer, "session", agent.session);
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
  write_or_null(writer, "last_disconnect", agent.last_disconnect, [&](const LastDisconnect& last) {
    writer.begin_object();
    write_time(writer, "at", last.at);
    writer.member("reason", last.reason);
    write_diagnosis(writer, "diagnosis", last.diagnosis);
    writer.member("requeued", last.requeued);
    writer.end_object();
  });
  writer.end_object();
}

}  // namespace probekit::api
