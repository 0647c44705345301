// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/heartbeats.hpp"

#include <algorithm>

namespace probekit::protocol {
namespace {

using std::chrono::microseconds;

// Times beyond (year 2096) or before the epoch, and delays over an hour, are no basis for an
// offset; that they are small also keeps the sums below from overflowing.
constexpr std::int64_t kWallMax = 4'000'000'000'000'000;
constexpr microseconds kDelayMax = std::chrono::hours{1};

// One round of a loop reads every socket; this is plenty.
constexpr std::chrono::milliseconds kRound{100};

}  // namespace

void set_socket(Heartbeat& beat, const ConnectionFacts& facts, std::uint64_t waiting) {
  beat.recv_queue_bytes = facts.recv_queue_bytes;
  beat.send_queue_bytes = facts.send_queue_bytes;
  beat.unsent_bytes = facts.unsent_bytes + waiting;
  beat.socket.reset();
  if (!facts.measured) return;
  TcpFigures& socket = beat.socket.emplace();
  socket.local = facts.local;
  socket.not_sent_bytes = facts.not_sent_bytes;
  socket.rtt_us = facts.rtt.count();
  socket.retransmits = facts.retransmits;
  socket.peer_window_bytes = facts.peer_window_bytes;
  socket.rwnd_limited_us = facts.rwnd_limited.count();
}

SocketFacts socket_of(const Heartbeat& beat) {
  SocketFacts facts;
  facts.recv_queue_bytes = beat.recv_queue_bytes;
  facts.send_queue_bytes = beat.send_queue_bytes;
  facts.unsent_bytes = beat.unsent_bytes;
  if (!beat.socket) return facts;
  facts.known = true;
  facts.local = beat.socket->local;
  facts.not_sent_bytes = beat.socket->not_sent_bytes;
  facts.rtt = microseconds{beat.socket->rtt_us};
  facts.retransmits = beat.socket->retransmits;
  facts.peer_window_bytes = beat.socket->peer_window_bytes;
  facts.rwnd_limited = microseconds{beat.socket->rwnd_limited_us};
  return facts;
}

void Heartbeats::start(SteadyTime now, std::chrono::milliseconds interval, bool at_once) {
  *this = Heartbeats{*random_};
  interval_ = std::max(interval, std::chrono::milliseconds{1});
  due_ = at_once ? now : now + interval_;
}

void Heartbeats::compose(Heartbeat& beat, SteadyTime now, SystemTime wall) {
  beat.seq = ++sent_;
  beat.sent_us = wall.time_since_epoch().count();
  beat.echo = received_;
  if (received_ != 0)
    beat.echo_delay_us = std::chrono::duration_cast<microseconds>(now - received_at_).count();
  remembered_[sent_ % kRemembered] = Sent{sent_, now, wall};
  const auto tenth =
      static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(interval_).count() / 10);
  const auto jitter =
      static_cast<std::int64_t>(random_->below(2 * tenth + 1)) - static_cast<std::int64_t>(tenth);
  due_ = now + interval_ + microseconds{jitter};
}

Expected<void> Heartbeats::receive(const Heartbeat& beat, SteadyTime now, SystemTime wall,
                                   std::uint64_t items_received) {
  if (beat.seq != received_ + 1)
    return Error{make_error_code(errc::protocol_violation),
                 "heartbeat " + std::to_string(beat.seq) + " after " + std::to_string(received_)};
  if (beat.echo > sent_)
    return Error{make_error_code(errc::protocol_violation),
                 "heartbeat echoes " + std::to_string(beat.echo) + " of " + std::to_string(sent_)};
  if (beat.items_sent != items_received)
    return Error{make_error_code(errc::accounting),
                 "the peer sent " + std::to_string(beat.items_sent) + " items, " +
                     std::to_string(items_received) + " arrived"};
  received_ = beat.seq;
  received_at_ = now;
  if (received_ == 1) hurry(now);

  const Sent& echoed = remembered_[beat.echo % kRemembered];
  const microseconds delay{beat.echo_delay_us};
  if (beat.echo == 0 || echoed.seq != beat.echo || delay.count() < 0 || delay > kDelayMax ||
      beat.sent_us < 0 || beat.sent_us > kWallMax)
    return {};
  const microseconds rtt =
      std::max(microseconds{0}, std::chrono::duration_cast<microseconds>(now - echoed.at) - delay);
  rtt_ = rtt;
  const std::int64_t there = beat.sent_us - echoed.wall.time_since_epoch().count() - delay.count();
  const std::int64_t back = beat.sent_us - wall.time_since_epoch().count();
  samples_[sample_count_++ % kSamples] = Sample{rtt, microseconds{(there + back) / 2}};
  return {};
}

std::optional<microseconds> Heartbeats::clock_offset() const noexcept {
  if (sample_count_ == 0) return std::nullopt;
  const auto* const end = samples_.begin() + std::min(sample_count_, kSamples);
  return std::min_element(samples_.begin(), end,
                          [](const Sample& a, const Sample& b) { return a.rtt < b.rtt; })
      ->offset;
}

void Liveness::start(SteadyTime now, std::uint64_t bytes_received,
                     std::chrono::milliseconds dead_after) {
  last_ = now;
  looked_ = now;
  not_before_ = now;
  bytes_ = bytes_received;
  dead_after_ = dead_after;
}

bool Liveness::tick(SteadyTime now, std::uint64_t bytes_received, std::chrono::nanoseconds late) {
  looked_ = now;
  if (bytes_received != bytes_) {
    bytes_ = bytes_received;
    last_ = now;
  }
  if (late > kLate) not_before_ = now + kRound;
  return now >= not_before_ && now - last_ >= dead_after_;
}

SteadyTime Liveness::next_wakeup() const noexcept {
  const SteadyTime look = looked_ + std::max(dead_after_ / kLooks, kRound);
  return std::max(std::min(last_ + dead_after_, look), not_before_);
}

}  // namespace probekit::protocol
