// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/result_line.hpp"

#include "base/text.hpp"
#include "json/json_writer.hpp"

namespace probekit::store {
namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  json::append_string(out, value);
}

void append_labels(std::string& out, const std::vector<Label>& labels) {
  out += ",\"labels\":{";
  bool first = true;
  for (const Label& label : labels) {
    if (!first) out += ',';
    first = false;
    json::append_string(out, label.key);
    out += ':';
    json::append_string(out, label.value);
  }
  out += '}';
}

void append_scheduled_at(std::string& out, SystemTime at) {
  out += ",\"scheduled_at\":\"";
  append_rfc3339(out, at);
  out += '"';
}

/// Inside a string every quote follows a backslash, so that these are found only as members; the
/// first `started_at` and the last `suspect` are those of the result itself.
void append_done(std::string& out, const ResultLine& line) {
  if (line.schedule.empty()) append_member(out, "batch", line.batch);
  out += ",\"attempt\":";
  append_uint(out, line.attempt);
  append_member(out, "agent", line.agent);
  append_member(out, "kind", line.options->kind);
  append_member(out, "target", line.target);
  std::string_view fields = line.fields;
  if (!fields.empty() && fields.front() == ',') fields.remove_prefix(1);
  const auto started = fields.find("\"started_at\":");
  const auto suspect = fields.rfind("\"suspect\":");
  if (started == std::string_view::npos || suspect == std::string_view::npos || suspect < started) {
    append_scheduled_at(out, line.scheduled_at);
    if (!fields.empty()) out += ',';
    out += fields;
    append_labels(out, line.options->labels);
    return;
  }
  out += ',';
  out += fields.substr(0, started);
  out.pop_back();  // the comma, which stands before the member again
  append_scheduled_at(out, line.scheduled_at);
  out += ',';
  out += fields.substr(started, suspect - started);
  out.pop_back();
  append_labels(out, line.options->labels);
  out += ',';
  out += fields.substr(suspect);
}

}  // namespace

void append_result_line(std::string& out, const ResultLine& line) {
  out += "{\"state\":\"";
  out += to_string(line.state);
  out += '"';
  append_member(out, "task", line.task);
  if (!line.schedule.empty()) append_member(out, "schedule", line.schedule);
  switch (line.state) {
    case TaskState::done:
      append_done(out, line);
      break;
    case TaskState::expired:
      append_member(out, "target", line.target);
      append_member(out, "reason", to_string(line.reason));
      out += ",\"attempts\":";
      append_uint(out, line.attempts);
      out += line.fields;
      if (!line.schedule.empty()) append_scheduled_at(out, line.scheduled_at);
      append_member(out, "diagnosis", line.diagnosis);
      break;
    default:
      append_member(out, "target", line.target);
      break;
  }
  out += "}\n";
}

}  // namespace probekit::store
