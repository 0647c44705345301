// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/status_views.hpp"

#include <cstddef>
#include <string_view>

#include "api/json_views.hpp"

namespace probekit::api {
namespace {

void write_lag(json::Writer& writer, std::string_view name, const LoopLag& lag) {
  writer.key(name).begin_object();
  writer.member("last_us", lag.last.count());
  writer.member("max_us", lag.max.count());
  writer.end_object();
}

}  // namespace

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

void write_status(json::Writer& writer, const MasterStatus& status, const ApiFacts& api) {
  writer.begin_object();
  writer.member("version", status.version);
  writer.member("name", status.name);
  writer.member("store", status.store);
  writer.member("store_id", status.store_id);
  write_text_or_null(writer, "store_trouble", status.store_trouble);
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

}  // namespace probekit::api
