// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Which errors of the system are the agent's own want of something, not the target's fault.

#include "probekit/diagnosis.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Counts `os_error` when it is of that kind; false when it is not.
PROBEKIT_EXPORT bool count_local_failure(LocalFailures& failures, int os_error) noexcept;

/// What happened between two counts; a count that went back began anew.
PROBEKIT_EXPORT LocalFailures failures_since(const LocalFailures& now,
                                             const LocalFailures& before) noexcept;

}  // namespace probekit
