// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the API shows of batches, agents and the master, as JSON. Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "api/import_parser.hpp"
#include "json/json_writer.hpp"
#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit::api {

void write_batch(json::Writer& writer, const BatchSnapshot& batch);
void write_summary(json::Writer& writer, const BatchSnapshot& batch, const BatchSummary& summary);
/// The members of a probe's object up to the brackets of `results`, which are left open.
void write_probe_head(std::string& out, const BatchSnapshot& batch);
void write_agent(json::Writer& writer, const AgentSnapshot& agent);

void write_schedule(json::Writer& writer, const ScheduleView& schedule);
/// Without its targets and their options, for lists.
void write_schedule_head(json::Writer& writer, const ScheduleView& schedule);
void write_master(json::Writer& writer, const MasterStatus& status);

/// What the status says of the API itself.
struct ApiFacts {
  std::size_t connections = 0;
  std::size_t connections_max = 0;
  std::uint64_t connections_dropped = 0;  ///< no request in time
  std::size_t uploads = 0;
  std::size_t uploads_max = 0;
  std::size_t line_bytes_max = 0;
  LoopLag loop_lag;
};
void write_status(json::Writer& writer, const MasterStatus& status, const ApiFacts& api);

/// `{"items":[..],"next":..`, left open. `next` empty: there is no more.
template <class Items, class Write>
void write_list(json::Writer& writer, const Items& items, const std::string& next, Write write) {
  writer.begin_object().key("items").begin_array();
  for (const auto& item : items) write(writer, item);
  writer.end_array().key("next");
  if (next.empty()) {
    writer.null();
  } else {
    writer.string(next);
  }
}

/// The members `"accepted":..,"rejected":..,"errors":[..]`, without braces.
std::string import_members(const ImportParser& import);

template <class T, class Write>
std::string to_object(const T& value, Write write) {
  std::string out;
  json::Writer writer(out);
  write(writer, value);
  return out;
}

}  // namespace probekit::api
