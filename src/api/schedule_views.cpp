// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/schedule_views.hpp"

#include "api/json_views.hpp"
#include "api/schedule_body.hpp"
#include "probe/probe_spec_json.hpp"

namespace probekit::api {
namespace {

void write_schedule_members(json::Writer& writer, const ScheduleView& schedule) {
  writer.member("name", schedule.name);
  write_time(writer, "created_at", schedule.created_at);
  write_time(writer, "updated_at", schedule.updated_at);
  write_time(writer, "next_at", schedule.next_at);
  writer.member("target_count", schedule.spec->targets.size());
  writer.member("accepted", schedule.ledger.accepted);
  write_ledger_members(writer, schedule.ledger);
  writer.member("missed", schedule.missed);
}

}  // namespace

void write_schedule(json::Writer& writer, const ScheduleView& schedule) {
  writer.begin_object();
  write_schedule_members(writer, schedule);
  write_schedule_spec(writer, *schedule.spec);
  writer.end_object();
}

void write_schedule_head(json::Writer& writer, const ScheduleView& schedule) {
  writer.begin_object();
  write_schedule_members(writer, schedule);
  writer.member("interval_ms", schedule.spec->interval.count());
  writer.member("enabled", schedule.spec->enabled);
  writer.key("agents");
  write_selector(writer, schedule.spec->agents);
  writer.end_object();
}

}  // namespace probekit::api
