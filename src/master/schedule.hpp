// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// From a request to what the store is given.

#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit {

/// *Errors*: invalid_argument, naming the field, or the target or spec by its place.
Expected<ScheduleSpec> schedule_spec(const ScheduleRequest& request, const ProbeKinds& kinds);

}  // namespace probekit
