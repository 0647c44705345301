// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/link_meter.hpp"

#include <algorithm>

namespace probekit {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::uint64_t waiting_in(const SocketFacts& socket) {
  return socket.send_queue_bytes + socket.unsent_bytes;
}

// Counters of one connection only grow; a transport may not have them.
std::uint64_t grown(std::uint64_t now, std::uint64_t before) { return now - std::min(now, before); }

}  // namespace

SocketFacts socket_facts(const ConnectionFacts& facts, std::uint64_t waiting) {
  SocketFacts socket;
  socket.known = facts.measured;
  socket.local = facts.local;
  socket.recv_queue_bytes = facts.recv_queue_bytes;
  socket.send_queue_bytes = facts.send_queue_bytes;
  socket.unsent_bytes = facts.unsent_bytes + waiting;
  socket.not_sent_bytes = facts.not_sent_bytes;
  socket.rtt = facts.rtt;
  socket.retransmits = facts.retransmits;
  socket.peer_window_bytes = facts.peer_window_bytes;
  socket.rwnd_limited = facts.rwnd_limited;
  return socket;
}

void LinkMeter::start(SteadyTime now) {
  *this = LinkMeter{};
  looked_at_ = progress_at_ = empty_at_ = now;
}

void LinkMeter::look(const ConnectionFacts& facts, std::uint64_t waiting, SteadyTime now) {
  if (here_.known && !facts.measured) return;  // the socket is gone: what it was is worth more
  here_ = socket_facts(facts, waiting);
  peer_ = facts.peer;
  const std::uint64_t outstanding = waiting_in(here_);
  if (!looked_ || outstanding == 0 || facts.bytes_acked != acked_) progress_at_ = now;
  if (!looked_ || outstanding == 0) empty_at_ = now;
  // The kernel knows better than looks do when the window closed.
  if (facts.window_closed > milliseconds{0})
    progress_at_ = std::max(empty_at_, std::min(progress_at_, now - facts.window_closed));
  looked_at_ = now;
  acked_ = facts.bytes_acked;
  received_ = facts.bytes_received;

  const Mark mark{now,
                  acked_,
                  received_,
                  here_.retransmits,
                  here_.rwnd_limited,
                  outstanding,
                  here_.recv_queue_bytes};
  if (!looked_) older_ = newer_ = mark;
  looked_ = true;
  for (Mark* one : {&older_, &newer_}) {
    one->waiting_least = std::min(one->waiting_least, outstanding);
    one->recv_queue_least = std::min(one->recv_queue_least, here_.recv_queue_bytes);
  }
  if (now - newer_.at < kSpan) return;
  older_ = newer_;
  newer_ = mark;
}

void LinkMeter::told(const SocketFacts& there) {
  there_recv_queue_before_ = there_ ? there_->recv_queue_bytes : 0;
  there_waiting_before_ = there_ ? waiting_in(*there_) : 0;
  there_retransmitted_ =
      there_ && there_->known ? grown(there.retransmits, there_->retransmits) : 0;
  there_ = there;
}

milliseconds LinkMeter::stalled() const {
  if (waiting_in(here_) == 0) return milliseconds{0};
  return duration_cast<milliseconds>(looked_at_ - progress_at_);
}

LinkFacts LinkMeter::facts(SteadyTime now, SteadyTime last_byte) const {
  LinkFacts facts;
  facts.here = here_;
  facts.there = there_;
  facts.interval = interval_;
  facts.silent = std::max(duration_cast<milliseconds>(now - last_byte), milliseconds{0});
  facts.stalled = stalled();
  if (there_) {
    facts.direct = !there_->local.empty() && there_->local == peer_;
    facts.there_recv_queue_least = std::min(there_recv_queue_before_, there_->recv_queue_bytes);
    facts.there_waiting_least = std::min(there_waiting_before_, waiting_in(*there_));
    facts.there_retransmits = there_retransmitted_;
  }
  if (!looked_) return facts;
  facts.span = duration_cast<milliseconds>(looked_at_ - older_.at);
  facts.acked_bytes = grown(acked_, older_.acked);
  facts.received_bytes = grown(received_, older_.received);
  facts.retransmits = grown(here_.retransmits, older_.retransmits);
  facts.rwnd_limited =
      std::max(here_.rwnd_limited - older_.rwnd_limited, decltype(facts.rwnd_limited){0});
  facts.waiting_least = older_.waiting_least;
  facts.recv_queue_least = older_.recv_queue_least;
  return facts;
}

}  // namespace probekit
