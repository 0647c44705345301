// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

#include "probekit/task_queue.hpp"

namespace probekit {

/// Somebody waits for it: it goes before all others, and has credit of its own.
inline bool is_high(Priority priority) noexcept { return priority == Priority::high; }
inline bool is_high(const Task& task) noexcept { return is_high(task.options->priority); }

}  // namespace probekit
