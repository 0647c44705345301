// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What this process has used of the processor.

#include <chrono>

#include "probekit/export.hpp"

namespace probekit {

/// User and system time of all threads since the start. *Threads*: any.
PROBEKIT_EXPORT std::chrono::microseconds process_cpu_time() noexcept;
/// The same of the calling thread alone.
PROBEKIT_EXPORT std::chrono::microseconds thread_cpu_time() noexcept;

}  // namespace probekit
