// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A wall clock that nobody sets: read once, then counted on by steady time. Moments told by it
/// keep their distance from each other, so that one offset turns all of them into another's time.

#include <memory>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Steady time is that of `clock`, and so is the wall time of this moment.
PROBEKIT_EXPORT std::shared_ptr<const Clock> make_unstepped_clock(
    std::shared_ptr<const Clock> clock);

}  // namespace probekit
