// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "agent/agent_watch.hpp"

#include <algorithm>

#include "base/local_failures.hpp"
#include "protocol/heartbeats.hpp"

namespace probekit {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

milliseconds unacked_age(const protocol::AgentSession& session, SteadyTime now) {
  if (session.sent_unacknowledged() == 0) return milliseconds{0};
  return std::max(duration_cast<milliseconds>(now - session.oldest_unacknowledged()),
                  milliseconds{0});
}

}  // namespace

void AgentWatch::look(const ConnectionFacts& facts, const protocol::AgentSession& session,
                      SteadyTime now) {
  connection_ = facts;
  link_.look(facts, session.unsent_bytes(), now);
}

void AgentWatch::heard(const protocol::AgentSession& session) {
  const protocol::Heartbeat& beat = session.heard();
  if (beat.seq == heard_seq_) return;
  heard_seq_ = beat.seq;
  if (beat.seq == 0) return;
  link_.set_interval(session.heartbeats().interval());
  link_.told(protocol::socket_of(beat));
}

void AgentWatch::measure(protocol::Heartbeat& beat, const ProbeExecutorFacts& probing,
                         const protocol::AgentSession& session, std::chrono::microseconds loop_lag,
                         SteadyTime now) {
  beat.loop_lag_us = loop_lag.count();
  beat.queued = probing.queue.queued_high + probing.queue.queued_other;
  beat.running = probing.queue.running;
  beat.queue_age_ms = duration_cast<milliseconds>(probing.queue.oldest_age).count();
  beat.waits = protocol::Waits{probing.queue.waiting_for_host, probing.waits};
  beat.failures = probing.failures;
  beat.unacked = session.sent_unacknowledged();
  beat.unacked_age_ms = unacked_age(session, now).count();
  before_ = told_;
  told_ = probing.failures;
  protocol::set_socket(beat, connection_, session.unsent_bytes());
}

AgentFacts AgentWatch::facts(const ProbeExecutorFacts& probing,
                             const protocol::AgentSession& session,
                             std::chrono::microseconds loop_lag, SteadyTime now) const {
  AgentFacts facts;
  facts.by_agent = true;
  facts.slots_busy = probing.queue.running;
  facts.queued = probing.queue.queued_high + probing.queue.queued_other;
  facts.waiting_for_host = probing.queue.waiting_for_host;
  facts.queue_age = duration_cast<milliseconds>(probing.queue.oldest_age);
  facts.loop_lag = loop_lag;
  facts.waits = probing.waits;
  facts.failures = failures_since(probing.failures, before_);
  facts.unacked = session.sent_unacknowledged();
  facts.unacked_age = unacked_age(session, now);
  facts.link = link_.facts(now, session.last_life());
  return facts;
}

}  // namespace probekit
