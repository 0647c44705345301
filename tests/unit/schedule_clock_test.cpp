// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/schedule_clock.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::store;
using namespace std::chrono_literals;

namespace {

const SteadyTime kBase{1000s};

}  // namespace

TEST_CASE("offsets spread evenly over the interval, however many targets there are",
          "[store][schedule]") {
  for (const double phase : {0.0, 0.3, 0.999}) {
    const ScheduleClock clock{kBase, 60s, phase};
    for (const std::size_t count : {10U, 100U, 1000U, 12'000U}) {
      CAPTURE(phase, count);
      std::vector<std::size_t> cells(10);
      for (std::size_t i = 0; i < count; ++i) {
        const auto offset = clock.offset(i);
        REQUIRE(offset >= 0s);
        REQUIRE(offset < 60s);
        ++cells[static_cast<std::size_t>(offset / 6s)];
      }
      // As a random spread would, chi-square would be about 9; here it is far below.
      double chi_square = 0;
      const double expected = static_cast<double>(count) / 10;
      for (const std::size_t cell : cells) {
        chi_square += std::pow(static_cast<double>(cell) - expected, 2) / expected;
      }
      CHECK(chi_square <= 2);
    }
  }
}

TEST_CASE("a target is due at its offset in every interval", "[store][schedule]") {
  ScheduleClock clock{kBase, 10s, 0.25};
  CHECK_FALSE(clock.next());
  clock.add(clock.first_after(kBase, 0));
  CHECK(clock.next() == kBase + 2500ms);
  CHECK_FALSE(clock.due(kBase + 2499ms));
  for (int k = 0; k < 3; ++k) {
    const SteadyTime at = kBase + 2500ms + k * 10s;
    const auto due = clock.due(at + 1ms);
    REQUIRE(due);
    CHECK(due->at == at);
    CHECK(due->passed == 0);
    clock.pass(*due);
    CHECK_FALSE(clock.due(at + 1ms));
    CHECK(clock.next() == at + 10s);
  }
  CHECK(clock.first_after(kBase + 2500ms, 0) == kBase + 12'500ms);
  CHECK(clock.first_after(kBase + 100s, 0) == kBase + 102'500ms);
}

TEST_CASE("dues nobody looked at are counted, but the latest", "[store][schedule]") {
  ScheduleClock clock{kBase, 10s, 0};
  clock.add(kBase + 1s);
  clock.add(kBase + 9s);
  const auto first = clock.due(kBase + 35s);
  REQUIRE(first);
  CHECK(first->target == 0);
  CHECK(first->at == kBase + 31s);
  CHECK(first->passed == 3);
  CHECK(first->first == kBase + 1s);
  CHECK(first->last == kBase + 21s);
  clock.pass(*first);
  const auto second = clock.due(kBase + 35s);
  REQUIRE(second);
  CHECK(second->target == 1);
  CHECK(second->at == kBase + 29s);
  CHECK(second->passed == 2);
  clock.pass(*second);
  CHECK_FALSE(clock.due(kBase + 35s));
  CHECK(clock.next() == kBase + 39s);
}
