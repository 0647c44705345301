// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/batch_views.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json_views.hpp"

namespace probekit::api {
namespace {

void write_progress(json::Writer& writer, const BatchSnapshot& batch) {
  writer.member("state", to_string(batch.state));
  writer.member("accepted", batch.ledger.accepted);
  writer.member("rejected", batch.rejected);
  write_ledger_members(writer, batch.ledger);
  write_time(writer, "created_at", batch.created_at);
  write_time(writer, "finished_at", batch.finished_at);
}

void write_batch_members(json::Writer& writer, const BatchSnapshot& batch) {
  writer.member("id", batch.id);
  writer.member("name", batch.name);
  write_progress(writer, batch);
  writer.member("tasks_per_second", batch.tasks_per_second);
  write_or_null(writer, "eta_ms", batch.eta,
                [&](std::chrono::milliseconds eta) { writer.int64(eta.count()); });
}

void write_counts(json::Writer& writer, std::string_view name,
                  const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
  writer.key(name).begin_object();
  for (const auto& [key, count] : counts) writer.member(key, count);
  writer.end_object();
}

}  // namespace

void write_batch(json::Writer& writer, const BatchSnapshot& batch) {
  writer.begin_object();
  write_batch_members(writer, batch);
  writer.end_object();
}

void write_summary(json::Writer& writer, const BatchSnapshot& batch, const BatchSummary& summary) {
  const Ledger& ledger = summary.ledger;
  writer.begin_object();
  writer.member("id", batch.id);
  writer.member("name", batch.name);
  writer.member("state", to_string(batch.state));
  writer.member("accepted", ledger.accepted);
  writer.key("states").begin_object();
  writer.member("queued", ledger.queued);
  writer.member("in_flight", ledger.in_flight);
  writer.member("done", ledger.done);
  writer.member("expired", ledger.expired);
  writer.member("cancelled", ledger.cancelled);
  writer.end_object();
  write_counts(writer, "reasons", summary.reasons);
  writer.key("verdicts").begin_object();
  writer.member("passed", ledger.passed);
  writer.member("failed", ledger.failed);
  writer.end_object();
  write_counts(writer, "failures", summary.failures);
  write_counts(writer, "agents", summary.agents);
  writer.key("phases").begin_object();
  for (const PhaseSummary& phase : summary.phases) {
    writer.key(phase.name).begin_object();
    writer.member("count", phase.count);
    writer.member("p50", phase.p50_us);
    writer.member("p90", phase.p90_us);
    writer.member("p99", phase.p99_us);
    writer.member("max", phase.max_us);
    writer.end_object();
  }
  writer.end_object();
  writer.end_object();
}

void write_probe_head(std::string& out, const BatchSnapshot& batch) {
  json::Writer writer(out);
  writer.begin_object();
  writer.member("id", batch.id);
  write_progress(writer, batch);
  writer.key("results").begin_array();
}

std::string import_members(const ImportParser& import) {
  std::string out;
  json::Writer writer(out);
  writer.member("accepted", import.accepted());
  writer.member("rejected", import.rejected());
  writer.key("errors").begin_array();
  for (const ImportError& error : import.errors()) {
    writer.begin_object();
    writer.member("line", error.line);
    writer.member("target", error.target);
    writer.member("detail", error.detail);
    writer.end_object();
  }
  writer.end_array();
  return out;
}

}  // namespace probekit::api
