// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the API shows of schedules, as JSON. Pure.

#include "json/json_writer.hpp"
#include "store/task_store.hpp"

namespace probekit::api {

void write_schedule(json::Writer& writer, const ScheduleView& schedule);
/// Without its targets and their options, for lists.
void write_schedule_head(json::Writer& writer, const ScheduleView& schedule);

}  // namespace probekit::api
