// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/json_views.hpp"

#include "base/text.hpp"

namespace probekit::api {

void write_text_or_null(json::Writer& writer, std::string_view name, const std::string& text) {
  writer.key(name);
  if (text.empty()) {
    writer.null();
  } else {
    writer.string(text);
  }
}

void write_time(json::Writer& writer, std::string_view name, std::optional<SystemTime> time) {
  write_or_null(writer, name, time, [&](SystemTime at) { writer.string(format_rfc3339(at)); });
}

void write_ledger_members(json::Writer& writer, const Ledger& ledger) {
  writer.member("queued", ledger.queued);
  writer.member("in_flight", ledger.in_flight);
  writer.member("done", ledger.done);
  writer.member("expired", ledger.expired);
  writer.member("cancelled", ledger.cancelled);
  writer.member("passed", ledger.passed);
  writer.member("failed", ledger.failed);
}

void write_diagnosis(json::Writer& writer, std::string_view name, const Diagnosis& diagnosis) {
  writer.key(name).begin_object();
  writer.member("verdict", to_string(diagnosis.verdict));
  writer.member("text", diagnosis.text);
  writer.end_object();
}

}  // namespace probekit::api
