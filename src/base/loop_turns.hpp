// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Whether an EventLoop turns, for those who watch over it.

#include <cstdint>

#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Grows ten times a second at least while the loop turns. *Threads*: any.
PROBEKIT_EXPORT std::uint64_t loop_turns(EventLoop& loop) noexcept;

}  // namespace probekit
