// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/testing/manual_clock.hpp>

int main() {
  probekit::testing::ManualClock clock;
  const auto before = clock.steady_now();
  clock.advance(std::chrono::seconds{1});
  return clock.steady_now() - before == std::chrono::seconds{1} ? 0 : 1;
}
