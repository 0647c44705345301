// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A schedule as its JSON says it, both ways. Pure.

#include <chrono>
#include <cstddef>
#include <string_view>

#include "json/json_writer.hpp"
#include "probekit/error.hpp"
#include "probekit/probe_spec.hpp"
#include "store/task_store.hpp"

namespace probekit::api {

constexpr std::size_t kScheduleBytesMax = 16 * 1024 * 1024;

/// Reads `{"interval_ms","target" or "targets","agents","enabled", and fields of a spec}`; the
/// latter hold for every target that does not say otherwise. Targets are strings or specs; of one
/// that stands twice with the same options both are refused. What the options do not say of a
/// deadline is left to the store. *Errors*: invalid_argument with the path,
/// `targets[3].timeout_ms`.
Expected<ScheduleSpec> parse_schedule(std::string_view json, const ProbeKinds& kinds);

/// The members of a schedule's object that parse_schedule() reads; what all targets have in common
/// stands once.
void write_schedule_spec(json::Writer& writer, const ScheduleSpec& spec);

}  // namespace probekit::api
