// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One side's heartbeats on one connection: when the next is due, what it says of the one received
/// last, and what a received one tells: round trip, the peer's clock, and whether both sides
/// counted the same items. And who is still alive. No I/O, no clock; used on one thread.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/transport.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

/// What a heartbeat says of the connection at its sender's end. `waiting`: bytes that wait for the
/// transport, besides its own.
void set_socket(Heartbeat& beat, const ConnectionFacts& facts, std::uint64_t waiting);
PROBEKIT_EXPORT SocketFacts socket_of(const Heartbeat& beat);

class Heartbeats {
 public:
  /// `random` outlives this.
  explicit Heartbeats(RandomSource& random) : random_(&random) {}

  /// Forgets what was and begins anew. `at_once`: the first is due now; otherwise it is due after
  /// an interval, or at once when the peer's first arrives.
  void start(SteadyTime now, std::chrono::milliseconds interval, bool at_once);
  void stop() { due_ = SteadyTime::max(); }

  bool due(SteadyTime now) const noexcept { return now >= due_; }
  /// max() when stopped.
  SteadyTime next_due() const noexcept { return due_; }
  /// Makes the next one due now: to ask the peer for a sign of life.
  void hurry(SteadyTime now) { due_ = now < due_ ? now : due_; }

  /// Fills in seq, echo, sent_us and echo_delay_us of the one that leaves now, and sets when the
  /// next is due: after an interval, give or take a tenth.
  void compose(Heartbeat& beat, SteadyTime now, SystemTime wall);

  /// `items_received`: what this side has received before it. *Errors*: protocol_violation (its
  /// numbers make no sense), accounting (the counts differ).
  Expected<void> receive(const Heartbeat& beat, SteadyTime now, SystemTime wall,
                         std::uint64_t items_received);

  std::chrono::milliseconds interval() const noexcept { return interval_; }
  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t received() const noexcept { return received_; }
  /// Of the last echo; empty before one came.
  std::optional<std::chrono::microseconds> rtt() const noexcept { return rtt_; }
  /// What the peer's system clock shows more than ours, by the exchange with the shortest round
  /// trip of the last eight (as in RFC 5905, 10).
  std::optional<std::chrono::microseconds> clock_offset() const noexcept;

 private:
  static constexpr std::size_t kRemembered = 16;
  static constexpr std::size_t kSamples = 8;
  struct Sent {
    std::uint64_t seq = 0;
    SteadyTime at{};
    SystemTime wall{};
  };
  struct Sample {
    std::chrono::microseconds rtt{0};
    std::chrono::microseconds offset{0};
  };

  RandomSource* random_;
  std::chrono::milliseconds interval_{0};
  SteadyTime due_ = SteadyTime::max();
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  SteadyTime received_at_{};
  std::array<Sent, kRemembered> remembered_{};
  std::array<Sample, kSamples> samples_{};
  std::size_t sample_count_ = 0;
  std::optional<std::chrono::microseconds> rtt_;
};

/// Life is bytes: any that arrive, whether or not they end a message.
class Liveness {
 public:
  /// A loop this late may have left bytes unread that prove life: it must read before it judges.
  static constexpr std::chrono::seconds kLate{1};

  void start(SteadyTime now, std::uint64_t bytes_received, std::chrono::milliseconds dead_after);
  /// The limit alone changes; what was seen stays.
  void set_dead_after(std::chrono::milliseconds dead_after) { dead_after_ = dead_after; }
  void on_message(SteadyTime now) { last_ = now; }
  /// `bytes_received`: the connection's count at this moment. `late`: how late this call is.
  /// True when the peer is dead.
  bool tick(SteadyTime now, std::uint64_t bytes_received, std::chrono::nanoseconds late);

  SteadyTime last() const noexcept { return last_; }
  /// When to call tick() again: often enough that death is seen soon after dead_after.
  SteadyTime next_wakeup() const noexcept;

 private:
  static constexpr int kLooks = 16;  // within dead_after

  SteadyTime last_{};
  SteadyTime looked_{};
  SteadyTime not_before_{};  // judgement waits until sockets were read
  std::uint64_t bytes_ = 0;
  std::chrono::milliseconds dead_after_{0};
};

}  // namespace probekit::protocol
