// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Waiting in tests: for a condition, never for an amount of time.

#include <poll.h>

#include <chrono>
#include <utility>

#include "probekit/clock.hpp"
#include "support/catch.hpp"

namespace probekit::test {

/// Looks every millisecond whether `condition` holds and returns once it does; fails the test,
/// naming the caller's line, when it does not within `timeout`.
template <class Condition>
void run_until(Condition&& condition, std::chrono::milliseconds timeout = std::chrono::seconds(10),
               const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const SteadyTime end = system_clock()->steady_now() + timeout;
  while (!condition()) {
    if (system_clock()->steady_now() >= end) {
      FAIL(file << ':' << line << ": did not come true within " << timeout.count() << " ms");
    }
    poll(nullptr, 0, 1);
  }
}

}  // namespace probekit::test
