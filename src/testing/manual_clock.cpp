// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/testing/manual_clock.hpp"

#include <stdexcept>

namespace probekit::testing {
namespace {

constexpr std::chrono::nanoseconds kSteadyStart = std::chrono::hours(1);
constexpr std::chrono::microseconds kSystemStart = std::chrono::seconds(1'767'225'600);

}  // namespace

ManualClock::ManualClock()
    : steady_(kSteadyStart.count()),
      offset_((kSystemStart - std::chrono::duration_cast<std::chrono::microseconds>(kSteadyStart))
                  .count()) {}

SteadyTime ManualClock::steady_now() const noexcept {
  return SteadyTime(std::chrono::nanoseconds(steady_.load()));
}

SystemTime ManualClock::system_now() const noexcept {
  const auto steady = std::chrono::nanoseconds(steady_.load());
  return SystemTime(std::chrono::floor<std::chrono::microseconds>(steady) +
                    std::chrono::microseconds(offset_.load()));
}

void ManualClock::advance(std::chrono::nanoseconds by) {
  if (by.count() < 0) throw std::invalid_argument("ManualClock::advance: a negative duration");
  steady_.fetch_add(by.count());
}

void ManualClock::step_system(std::chrono::microseconds by) { offset_.fetch_add(by.count()); }

}  // namespace probekit::testing
