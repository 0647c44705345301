// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How the times of a task hang together: docs/protocol.md, "Time".

#include <chrono>

namespace probekit {

/// A way back takes at most this; an attempt starts only while its timeout and this still fit.
inline constexpr std::chrono::seconds kWayBack{1};
/// A deadline is at least its timeout and this: a way there, and one back.
inline constexpr std::chrono::milliseconds kDeadlineOverTimeout{2000};
/// No time anybody gives counts as longer, so that no sum of times overflows.
inline constexpr std::chrono::milliseconds kLongestTime = std::chrono::hours{24 * 366};
inline constexpr std::chrono::milliseconds kDeadlineMax = kLongestTime;

}  // namespace probekit
