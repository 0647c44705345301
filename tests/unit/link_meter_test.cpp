// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/link_meter.hpp"

#include "support/catch.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{1h};

ConnectionFacts socket(std::uint64_t acked, std::size_t send_queue) {
  ConnectionFacts facts;
  facts.peer = "198.51.100.7:40112";
  facts.local = "192.0.2.1:8765";
  facts.measured = true;
  facts.send_queue_bytes = send_queue;
  facts.bytes_acked = acked;
  return facts;
}

LinkFacts facts_at(const LinkMeter& meter, SteadyTime now) { return meter.facts(now, now); }

}  // namespace

TEST_CASE("bytes stall from the last moment one was acknowledged, or none was there",
          "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  CHECK(meter.stalled() == 0ms);
  meter.look(socket(0, 0), 0, kStart + 10s);
  meter.look(socket(0, 500), 0, kStart + 12s);
  CHECK(meter.stalled() == 2000ms);
  meter.look(socket(100, 400), 0, kStart + 13s);
  CHECK(meter.stalled() == 0ms);
  // Whether they still wait nobody knows before the next look.
  CHECK(facts_at(meter, kStart + 23s).stalled == 0ms);
  meter.look(socket(100, 400), 0, kStart + 20s);
  CHECK(meter.stalled() == 7000ms);
  meter.look(socket(500, 0), 0, kStart + 21s);
  CHECK(meter.stalled() == 0ms);
  // What waits in the process counts, too.
  meter.look(socket(500, 0), 0, kStart + 30s);
  meter.look(socket(500, 0), 70, kStart + 32s);
  CHECK(meter.stalled() == 2000ms);
  CHECK(facts_at(meter, kStart + 32s).here.unsent_bytes == 70);
}

TEST_CASE("a closed window tells by itself since when bytes stall", "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  meter.look(socket(0, 0), 0, kStart);
  ConnectionFacts closed = socket(9'000, 200'000);
  closed.window_closed = 5s;
  meter.look(closed, 0, kStart + 8s);  // it moved since the last look, and then stood
  CHECK(meter.stalled() == 5000ms);
  closed.window_closed = 60s;  // of an idle connection, whose bytes are new
  meter.look(closed, 0, kStart + 10s);
  CHECK(meter.stalled() == 10000ms);
}

TEST_CASE("what moved is that of the last seconds", "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  CHECK(facts_at(meter, kStart).span == 0ms);
  for (int second = 0; second <= 60; ++second) {
    ConnectionFacts facts = socket(static_cast<std::uint64_t>(second) * 1000, 5000);
    facts.bytes_received = static_cast<std::uint64_t>(second) * 10;
    facts.retransmits = static_cast<std::uint32_t>(second);
    facts.rwnd_limited = second * 500ms;
    if (second == 30) facts.send_queue_bytes = 7;  // long ago when it is asked for
    if (second == 58) facts.send_queue_bytes = 9;
    meter.look(facts, 0, kStart + std::chrono::seconds{second});
    if (second == 57) CHECK(facts_at(meter, kStart + 57s).waiting_least == 5000);
  }
  const LinkFacts facts = facts_at(meter, kStart + 60s);
  REQUIRE(facts.span >= LinkMeter::kSpan);
  REQUIRE(facts.span <= 2 * LinkMeter::kSpan);
  CHECK(facts_at(meter, kStart + 90s).span == facts.span);  // what was not looked at is not counted
  const auto seconds = static_cast<std::uint64_t>(facts.span / 1s);
  CHECK(facts.acked_bytes == seconds * 1000);
  CHECK(facts.received_bytes == seconds * 10);
  CHECK(facts.retransmits == seconds);
  CHECK(facts.rwnd_limited == facts.span / 2);
  CHECK(facts.waiting_least == 9);
}

TEST_CASE("the least that waited counts every look", "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  meter.look(socket(0, 90'000), 0, kStart);
  meter.look(socket(0, 0), 0, kStart + 1s);
  ConnectionFacts full = socket(1, 90'000);
  full.recv_queue_bytes = 80'000;
  meter.look(full, 0, kStart + 2s);
  CHECK(facts_at(meter, kStart + 2s).waiting_least == 0);
  CHECK(facts_at(meter, kStart + 2s).recv_queue_least == 0);
  meter.look(full, 0, kStart + 8s);
  meter.look(full, 0, kStart + 14s);
  CHECK(facts_at(meter, kStart + 14s).waiting_least == 90'000);
  CHECK(facts_at(meter, kStart + 14s).recv_queue_least == 80'000);
}

TEST_CASE("of the other end two heartbeats in a row count, and its address tells of proxies",
          "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  meter.look(socket(0, 0), 0, kStart);
  CHECK_FALSE(facts_at(meter, kStart).there);
  SocketFacts there;
  there.recv_queue_bytes = 70'000;
  there.send_queue_bytes = 40'000;
  there.unsent_bytes = 1'000;
  there.retransmits = 5;
  meter.told(there);
  CHECK(facts_at(meter, kStart).there_recv_queue_least == 0);
  CHECK_FALSE(facts_at(meter, kStart).direct);  // it did not tell
  there.known = true;
  there.local = "10.0.0.7:40112";
  meter.told(there);
  CHECK(facts_at(meter, kStart).there_recv_queue_least == 70'000);
  CHECK(facts_at(meter, kStart).there_waiting_least == 41'000);
  CHECK(facts_at(meter, kStart).there_retransmits == 0);  // it may have been long
  CHECK_FALSE(facts_at(meter, kStart).direct);
  there.local = "198.51.100.7:40112";
  there.recv_queue_bytes = 0;
  there.retransmits += 9;
  meter.told(there);
  CHECK(facts_at(meter, kStart).there_retransmits == 9);
  CHECK(facts_at(meter, kStart).there_recv_queue_least == 0);
  CHECK(facts_at(meter, kStart).direct);
}

TEST_CASE("a socket that is gone leaves what it was", "[diagnosis][link]") {
  LinkMeter meter;
  meter.start(kStart);
  meter.set_interval(15s);
  meter.look(socket(10, 700), 0, kStart);
  meter.look(socket(10, 700), 0, kStart + 3s);
  meter.look(ConnectionFacts{}, 0, kStart + 4s);
  const LinkFacts facts = meter.facts(kStart + 4s, kStart + 1s);
  CHECK(facts.here.send_queue_bytes == 700);
  CHECK(facts.stalled == 3000ms);
  CHECK(facts.silent == 3000ms);
  CHECK(facts.interval == 15s);
  meter.start(kStart + 5s);
  CHECK(facts_at(meter, kStart + 5s).here.send_queue_bytes == 0);
}

}  // namespace probekit
