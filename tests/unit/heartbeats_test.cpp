// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/heartbeats.hpp"

#include <cstring>
#include <limits>

#include "probekit/testing/seeded_random.hpp"
#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

const SteadyTime kStart{1h};
const SystemTime kWall{microseconds{1'700'000'000'000'000}};

Heartbeat beat_of(std::uint64_t seq, std::uint64_t echo = 0) {
  Heartbeat beat;
  beat.seq = seq;
  beat.echo = echo;
  beat.sent_us = kWall.time_since_epoch().count();
  return beat;
}

}  // namespace

TEST_CASE("heartbeats leave an interval apart, give or take a tenth", "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats beats{chance};
  CHECK_FALSE(beats.due(kStart));
  beats.start(kStart, 1000ms, true);
  SteadyTime now = kStart;
  microseconds least = microseconds::max();
  microseconds most{0};
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    REQUIRE(beats.due(now));
    Heartbeat beat;
    beats.compose(beat, now, kWall);
    CHECK(beat.seq == i);
    const auto gap = std::chrono::duration_cast<microseconds>(beats.next_due() - now);
    least = std::min(least, gap);
    most = std::max(most, gap);
    CHECK_FALSE(beats.due(now));
    now = beats.next_due();
  }
  CHECK(least >= 900ms);
  CHECK(least < 920ms);
  CHECK(most <= 1100ms);
  CHECK(most > 1080ms);
}

TEST_CASE("a heartbeat says of its sender's socket what the kernel told", "[protocol][heartbeat]") {
  ConnectionFacts facts;
  facts.recv_queue_bytes = 1;
  facts.send_queue_bytes = 2;
  facts.unsent_bytes = 3;
  Heartbeat beat;
  set_socket(beat, facts, 4);
  CHECK_FALSE(beat.socket);
  SocketFacts told = socket_of(beat);
  CHECK_FALSE(told.known);
  CHECK(told.recv_queue_bytes == 1);
  CHECK(told.send_queue_bytes == 2);
  CHECK(told.unsent_bytes == 7);

  facts.measured = true;
  facts.local = "10.0.0.7:40112";
  facts.rtt = 40ms;
  facts.retransmits = 5;
  facts.peer_window_bytes = 6;
  facts.rwnd_limited = 8ms;
  facts.not_sent_bytes = 9;
  set_socket(beat, facts, 4);
  told = socket_of(beat);
  CHECK(told.known);
  CHECK(told.local == "10.0.0.7:40112");
  CHECK(told.rtt == 40ms);
  CHECK(told.retransmits == 5);
  CHECK(told.peer_window_bytes == 6);
  CHECK(told.rwnd_limited == 8ms);
  CHECK(told.not_sent_bytes == 9);
}

TEST_CASE("the first heartbeat received is answered at once, later ones are not",
          "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats beats{chance};
  beats.start(kStart, 15s, false);
  CHECK_FALSE(beats.due(kStart));
  REQUIRE(beats.receive(beat_of(1), kStart + 1s, kWall, 0));
  CHECK(beats.due(kStart + 1s));
  Heartbeat answer;
  beats.compose(answer, kStart + 1500ms, kWall);
  CHECK(answer.echo == 1);
  CHECK(answer.echo_delay_us == 500'000);
  REQUIRE(beats.receive(beat_of(2), kStart + 2s, kWall, 0));
  CHECK_FALSE(beats.due(kStart + 2s));
}

TEST_CASE("an echo tells the round trip and what the peer's clock shows more",
          "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats ours{chance};
  Heartbeats theirs{chance};
  ours.start(kStart, 1s, true);
  theirs.start(kStart, 1s, false);
  const microseconds ahead = 5s;  // their clock
  Heartbeat beat;
  ours.compose(beat, kStart, kWall);
  // 30 ms there, 200 ms of thought, 30 ms back.
  REQUIRE(theirs.receive(beat, kStart + 30ms, kWall + 30ms + ahead, 0));
  Heartbeat answer;
  theirs.compose(answer, kStart + 230ms, kWall + 230ms + ahead);
  CHECK_FALSE(ours.rtt());
  REQUIRE(ours.receive(answer, kStart + 260ms, kWall + 260ms, 0));
  CHECK(ours.rtt() == microseconds{60ms});
  CHECK(ours.clock_offset() == ahead);
  CHECK_FALSE(theirs.clock_offset());
}

TEST_CASE("the exchange with the shortest round trip decides the clock's offset",
          "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats beats{chance};
  beats.start(kStart, 1s, true);
  SteadyTime now = kStart;
  const auto exchange = [&](microseconds there, microseconds back, microseconds ahead) {
    const SystemTime wall = kWall + std::chrono::duration_cast<microseconds>(now - kStart);
    Heartbeat beat;
    beats.compose(beat, now, wall);
    Heartbeat answer = beat_of(beats.received() + 1, beat.seq);
    answer.sent_us = (wall + there + ahead).time_since_epoch().count();
    REQUIRE(beats.receive(answer, now + there + back, wall + there + back, 0));
    now += 1s;
  };
  exchange(1ms, 1ms, 100ms);
  exchange(300ms, 1ms, 100ms);  // asymmetric: it would say 249.5 ms
  CHECK(beats.rtt() == microseconds{301ms});
  CHECK(beats.clock_offset() == microseconds{100ms});
  // After a step of the clock the old exchanges fade out.
  for (int i = 0; i < 8; ++i) exchange(2ms, 2ms, 700ms);
  CHECK(beats.clock_offset() == microseconds{700ms});
}

TEST_CASE("numbers that make no sense are refused", "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats beats{chance};
  beats.start(kStart, 1s, true);
  const auto code = [&](const Heartbeat& beat, std::uint64_t items) {
    const Expected<void> got = beats.receive(beat, kStart, kWall, items);
    return got ? std::error_code{} : got.error().code();
  };
  CHECK(code(beat_of(2), 0) == errc::protocol_violation);
  CHECK(code(beat_of(0), 0) == errc::protocol_violation);
  CHECK(code(beat_of(1, 1), 0) == errc::protocol_violation);
  Heartbeat counted = beat_of(1);
  counted.items_sent = 7;
  CHECK(code(counted, 6) == errc::accounting);
  CHECK(code(counted, 8) == errc::accounting);
  CHECK_FALSE(code(counted, 7));
  CHECK(code(beat_of(1), 0) == errc::protocol_violation);
}

TEST_CASE("times beyond reason give no offset and break nothing", "[protocol][heartbeat]") {
  testing::SeededRandom chance;
  Heartbeats beats{chance};
  beats.start(kStart, 1s, true);
  std::uint64_t seq = 0;
  for (const std::int64_t sent : {std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max(), std::int64_t{-1}})
    for (const std::int64_t delay : {std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max(), std::int64_t{0}}) {
      Heartbeat ours;
      beats.compose(ours, kStart, kWall);
      Heartbeat beat = beat_of(++seq, ours.seq);
      beat.sent_us = sent;
      beat.echo_delay_us = delay;
      CHECK(beats.receive(beat, kStart, kWall, 0));
    }
  CHECK_FALSE(beats.clock_offset());
}

TEST_CASE("any byte is life, and silence of dead_after is death", "[protocol][liveness]") {
  Liveness life;
  life.start(kStart, 100, 60s);
  CHECK(life.next_wakeup() == kStart + 3750ms);
  CHECK_FALSE(life.tick(kStart + 59s, 100, 0s));
  CHECK(life.tick(kStart + 60s, 100, 0s));
  CHECK_FALSE(life.tick(kStart + 60s, 101, 0s));
  CHECK(life.next_wakeup() == kStart + 63'750ms);
  life.on_message(kStart + 90s);
  CHECK_FALSE(life.tick(kStart + 149s, 101, 0s));
  CHECK(life.tick(kStart + 150s, 101, 0s));
}

TEST_CASE("a loop that ran late reads before it judges", "[protocol][liveness]") {
  Liveness life;
  life.start(kStart, 0, 60s);
  // Thawed after two minutes: nothing was read yet.
  CHECK_FALSE(life.tick(kStart + 120s, 0, 60s));
  CHECK(life.next_wakeup() > kStart + 120s);
  CHECK(life.next_wakeup() < kStart + 121s);
  SECTION("the sockets had something") {
    CHECK_FALSE(life.tick(life.next_wakeup(), 10, 0s));
    CHECK_FALSE(life.tick(kStart + 170s, 10, 0s));
  }
  SECTION("they had nothing") { CHECK(life.tick(life.next_wakeup(), 0, 0s)); }
}

}  // namespace probekit::protocol
