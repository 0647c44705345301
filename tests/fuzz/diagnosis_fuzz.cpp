// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What a master makes of the figures in an agent's heartbeats, and an agent of its master's; then
// of all its agents.
// Input: two heartbeats, a line each, of the other end and of this one; then bytes for what only
// this end measures.

#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "base/link_diagnosis.hpp"
#include "base/local_failures.hpp"
#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "protocol/codec.hpp"
#include "protocol/heartbeats.hpp"

namespace {

using namespace probekit;
using fuzz::require;
using protocol::Heartbeat;
using std::chrono::milliseconds;

std::optional<Heartbeat> heartbeat_of(std::string_view text) {
  auto message = protocol::decode(text);
  if (!message || !std::holds_alternative<Heartbeat>(*message)) return std::nullopt;
  return std::get<Heartbeat>(*message);
}

/// 0, or a power of two and a little: 0 to 2^59.
std::uint64_t take_number(std::string_view& bytes) {
  const unsigned byte = fuzz::take_byte(bytes);
  if (byte == 0) return 0;
  return (std::uint64_t{1} << byte % 60) + byte / 60;
}

/// Of a span that this end measured: up to two years.
milliseconds take_time(std::string_view& bytes) {
  return milliseconds{
      static_cast<milliseconds::rep>(take_number(bytes) % (std::uint64_t{1} << 36))};
}

void check(const Diagnosis& diagnosis) {
  require(to_string(diagnosis.verdict) != "unknown", "a verdict has a name");
  require(!diagnosis.text.empty() && diagnosis.text.size() < 2048, "a diagnosis is a sentence");
  require(std::all_of(diagnosis.text.begin(), diagnosis.text.end(),
                      [](char c) { return c >= ' ' && c <= '~'; }),
          "a diagnosis is printable");
  for (std::size_t at = 0; (at = diagnosis.text.find(" -", at)) != std::string::npos; at += 2) {
    const char next = diagnosis.text[std::min(at + 2, diagnosis.text.size() - 1)];
    require(next < '0' || next > '9', "no figure is negative");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes = fuzz::text_of(data, size);
  const auto there = heartbeat_of(fuzz::take_part(bytes, '\n'));
  const auto here = heartbeat_of(fuzz::take_part(bytes, '\n'));
  if (!there || !here) return 0;

  AgentFacts facts;
  const unsigned flags = fuzz::take_byte(bytes);
  facts.by_agent = (flags & 1) != 0;
  facts.link.direct = (flags & 2) != 0;
  facts.link.here = protocol::socket_of(*here);
  facts.link.there = protocol::socket_of(*there);
  facts.link.there_recv_queue_least =
      std::min(here->recv_queue_bytes, facts.link.there->recv_queue_bytes);
  facts.link.there_waiting_least = facts.link.there->send_queue_bytes;
  facts.link.silent = take_time(bytes);
  facts.link.interval = take_time(bytes);
  facts.link.stalled = take_time(bytes);
  facts.link.span = take_time(bytes);
  facts.link.acked_bytes = take_number(bytes);
  facts.link.received_bytes = take_number(bytes);
  facts.link.rwnd_limited = take_time(bytes);
  facts.link.waiting_least = take_number(bytes);
  facts.link.recv_queue_least = take_number(bytes);
  facts.slots = take_number(bytes);
  facts.threads = take_number(bytes);
  facts.store_queued = take_number(bytes);
  facts.cpu_cores = static_cast<double>(take_number(bytes));
  facts.slots_busy = there->running;
  facts.queued = there->queued;
  facts.queue_age = milliseconds{there->queue_age_ms};
  facts.loop_lag = std::chrono::microseconds{there->loop_lag_us};
  facts.unacked = there->unacked;
  facts.unacked_age = milliseconds{there->unacked_age_ms};
  if (there->waits) {
    facts.waiting_for_host = there->waits->host;
    facts.waits = there->waits->probes;
  }
  if (there->failures) {
    facts.failures =
        here->failures ? failures_since(*there->failures, *here->failures) : *there->failures;
  }
  check(diagnose_agent(facts));
  check(diagnose_disconnect(facts));
  require(!link_figures(facts.link).empty(), "a connection has figures");

  FleetFacts fleet;
  fleet.agents_connected = take_number(bytes);
  for (std::size_t& agents : fleet.agents) agents = take_number(bytes);
  fleet.queued = take_number(bytes);
  fleet.in_flight = take_number(bytes);
  fleet.unserved = take_number(bytes);
  fleet.unserved_for = "an agent that runs http";
  fleet.queued_max = take_number(bytes);
  if (fuzz::take_byte(bytes) == 1) fleet.store_full = "the disk is full";
  fleet.store_p50 = take_time(bytes);
  fleet.store_p99 = take_time(bytes);
  fleet.store_waits = take_time(bytes);
  fleet.uncommitted_bytes = take_number(bytes);
  fleet.loop_lag = take_time(bytes);
  fleet.loop_cpu = static_cast<double>(take_number(bytes));
  check(diagnose_fleet(fleet));

  facts.link.retransmits = take_number(bytes);
  facts.link.there_retransmits = take_number(bytes);
  check(diagnose_agent(facts));
  return 0;
}
