// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: what passes over a connection, and the timers of its session.

#include <algorithm>
#include <utility>
#include <variant>

#include "base/local_failures.hpp"
#include "master/fleet.hpp"
#include "protocol/heartbeats.hpp"

namespace probekit {

namespace {

using protocol::MasterSession;
using std::chrono::milliseconds;

constexpr milliseconds kCpuSpanMin{1000};

}  // namespace

AgentLink::AgentLink(Fleet& fleet, std::uint64_t id, std::unique_ptr<Connection> connection,
                     protocol::MasterSessionOptions options, SteadyTime now)
    : fleet_(fleet),
      id_(id),
      connection_(std::move(connection)),
      session_(std::move(options), *fleet.core_->options.random, now) {}

void AgentLink::on_message(std::string message) {
  if (ended_) return;
  // An answer to the question whether it lives.
  if (record_ != nullptr && record_->link == this && record_->newcomer != nullptr) {
    AgentLink& newcomer = *record_->newcomer;
    fleet_.end_challenge(*record_);
    fleet_.refuse_name(newcomer);
  }
  session_.on_message(message, fleet_.now(), fleet_.system_now());
  if (!fleet_.unnamed_.empty()) fleet_.unnamed_.erase(id_);
  fleet_.process(*this);
}

void AgentLink::on_writable() {
  if (ended_) return;
  fleet_.pump(*this);
  fleet_.arm(*this);
}

void AgentLink::on_closed(const CloseReason& reason) { fleet_.on_closed(*this, reason); }

void Fleet::process(Link& link) {
  if (link.ended_) return;
  for (MasterSession::Event& event : link.session_.take_events()) {
    if (auto* results = std::get_if<MasterSession::ResultsArrived>(&event)) {
      record_results(link, std::move(*results));
    } else if (auto* beat = std::get_if<MasterSession::HeartbeatArrived>(&event)) {
      on_heartbeat(link, beat->beat);
    } else if (std::holds_alternative<MasterSession::CreditArrived>(event)) {
      update_room(link);
      dispatch_later();
    } else if (auto* hello = std::get_if<MasterSession::HelloArrived>(&event)) {
      link.held_ = std::move(hello->held);
      admit(link);
    } else if (std::holds_alternative<MasterSession::DrainArrived>(event)) {
      dispatcher_.set_drained(link.store_session_, true);
      publish(link.record_->hello.name, *link.record_);
      log(LogLevel::info, "agent drains", {{"agent", link.record_->hello.name}});
    }
    if (link.ended_) return;
  }
  pump(link);
  if (const auto& closing = link.session_.closing()) {
    const MasterSession::Closing why = *closing;
    if (link.welcomed_) end_session(link, core_->options.resume_grace);
    leave(link, why.code, why.text, true);
    if (why.abort) {
      link.connection_->abort(why.code, why.text);
    } else {
      link.connection_->close(why.code, why.text);
    }
    return;
  }
  arm(link);
}

void Fleet::on_heartbeat(Link& link, const protocol::Heartbeat& beat) {
  AgentRecord& record = *link.record_;
  judge_cpu(record, beat);
  record.failures = record.beat.failures && beat.failures
                        ? failures_since(*beat.failures, *record.beat.failures)
                        : LocalFailures{};
  record.meter.told(protocol::socket_of(beat));
  record.beat_gap_max = beat.seq == 1 ? SteadyTime::duration{0}
                                      : std::max(record.beat_gap_max, now() - record.beat_at);
  record.beat_at = now();
  record.all_committed = link.uncommitted_ == 0;
  record.beat = beat;
  if (link.session_.knows_clock_offset()) record.clock_offset = link.session_.clock_offset();
  record.rtt = link.session_.rtt();
  sample(link);
}

// By the time between arrivals: an agent's own clock may step, or lie. Heartbeats that a network
// held up come in a bunch, whose arrivals tell nothing.
void Fleet::judge_cpu(AgentRecord& record, const protocol::Heartbeat& beat) {
  const std::chrono::duration<double, std::micro> passed = now() - record.cpu_at;
  if (record.beat.seq != 0) {
    if (passed < std::min<milliseconds>(kCpuSpanMin, core_->options.heartbeat_interval / 2)) return;
    record.cpu_cores = 0;
    if (record.cpu_us >= 0 && beat.cpu_us >= record.cpu_us) {
      record.cpu_cores = static_cast<double>(beat.cpu_us - record.cpu_us) / passed.count();
    }
  }
  record.cpu_us = beat.cpu_us;
  record.cpu_at = now();
}

void Fleet::update_room(Link& link) {
  dispatcher_.set_room(link.store_session_, CreditClass::high, link.session_.room(true));
  dispatcher_.set_room(link.store_session_, CreditClass::other, link.session_.room(false));
}

void Fleet::pump(Link& link) {
  const SteadyTime at = now();
  for (;;) {
    const std::size_t room = link.connection_->send_room();
    if (room == 0) break;
    if (link.session_.wants_facts(at)) {
      const ConnectionFacts facts = link.connection_->facts();
      link.session_.set_facts(loop_.lag().max.count(), core_->cpu_time().count(), facts);
    }
    std::string message = link.session_.next_message(room, at, system_now());
    if (message.empty()) break;
    link.connection_->send(std::move(message));
  }
  if (!link.welcomed_) return;
  const std::size_t room = link.connection_->send_room();
  const std::size_t unsent =
      link.session_.unsent_bytes() + Connection::kSendRoom - std::min(room, Connection::kSendRoom);
  const std::size_t limit = core_->options.send_buffer_limit;
  const std::size_t left = limit - std::min(unsent, limit);
  if (left == link.send_room_) return;
  const bool was_full = std::exchange(link.send_room_, left) == 0;
  dispatcher_.set_send_room(link.store_session_, left);
  if (was_full) dispatch_later();
}

// Once for all that happens in a burst, so that one ack speaks for many commits.
void Fleet::flush_later(Link& link) {
  if (std::exchange(link.flush_listed_, true)) return;
  to_flush_.push_back(link.id_);
  if (std::exchange(flush_posted_, true)) return;
  core_->post([this] { flush(); });
}

void Fleet::flush() {
  flush_posted_ = false;
  const std::vector<std::uint64_t> ids = std::exchange(to_flush_, {});
  for (const std::uint64_t id : ids) {
    Link* const link = find_link(id);
    if (link == nullptr) continue;
    link->flush_listed_ = false;
    if (link->ended_) continue;
    pump(*link);
    arm(*link);
  }
}

void Fleet::arm(Link& link) {
  const auto wanted = link.session_.next_wakeup();
  if (!wanted || link.ended_) return;
  // A timer that comes too early is armed again when it fires: cheaper than moving it with every
  // message.
  if (link.timer_ != 0) {
    if (link.timer_at_ <= *wanted) return;
    loop_.cancel(link.timer_);
  }
  link.timer_at_ = *wanted;
  link.timer_ = loop_.call_at(*wanted, [this, id = link.id_] { on_timer(id); });
}

void Fleet::on_timer(std::uint64_t link_id) {
  Link* const link = find_link(link_id);
  if (link == nullptr || link->ended_) return;
  link->timer_ = 0;
  const SteadyTime at = now();
  if (at - link->timer_at_ > kLagMax) {
    link->timer_at_ = at + kReadFirst;
    link->timer_ = loop_.call_at(link->timer_at_, [this, link_id] { on_timer(link_id); });
    return;
  }
  const auto due = link->session_.next_wakeup();
  if (due && at >= *due) {
    sample(*link);
    link->session_.on_wakeup(at);
    if (link->session_.closing() && unnamed_.count(link_id) != 0) ++newcomers_dropped_;
  }
  process(*link);
}

void Fleet::sample(Link& link) {
  ConnectionFacts facts = link.connection_->facts();
  const SteadyTime at = now();
  link.session_.on_bytes_received(facts.bytes_received, at);
  if (link.record_ == nullptr || link.record_->link != &link) return;
  AgentRecord& record = *link.record_;
  record.last_received = link.session_.last_life();
  if (record.facts.measured && !facts.measured) return;  // its socket is gone: what it was is kept
  record.meter.look(facts, link.session_.unsent_bytes(), at);
  record.facts = std::move(facts);
  record.facts_at = at;
}

}  // namespace probekit
