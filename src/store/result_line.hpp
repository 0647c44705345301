// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One line of a batch's results, put together from what the store keeps when it is read: what a
/// prober encoded is copied, never parsed. Plain function.

#include <cstdint>
#include <string>
#include <string_view>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit::store {

/// Everything a line is made of; what does not belong to `state` is ignored.
struct ResultLine {
  TaskState state = TaskState::done;  ///< done, expired or cancelled
  std::string_view task;
  std::string_view target;
  std::string_view schedule;  ///< of a run; empty: of a batch
  SystemTime scheduled_at{};  ///< when it was accepted, or the run due
  // done
  std::string_view batch;  ///< unless of a run
  std::uint32_t attempt = 1;
  std::string_view agent;
  const ProbeOptions* options = nullptr;  ///< for kind and labels; not null when done
  std::string_view fields;  ///< as in TaskReport; expired: members with a comma before
  // expired
  ExpiryReason reason = ExpiryReason::deadline;
  std::uint32_t attempts = 0;
  std::string_view diagnosis;
};

/// Of a line for runs nobody looked at.
constexpr std::string_view kCatchUpDiagnosis =
    "nothing ran while these were due: the store stood still or was full";

/// Appends the line with its line end, its members in the documented order: `scheduled_at` goes
/// before `started_at` and `labels` before `suspect` of the fields.
PROBEKIT_EXPORT void append_result_line(std::string& out, const ResultLine& line);

}  // namespace probekit::store
