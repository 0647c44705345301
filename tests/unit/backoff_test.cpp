// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "protocol/backoff.hpp"

#include <algorithm>

#include "probekit/testing/seeded_random.hpp"
#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// The longest of many waits at the same bound: `steps` waits after a reset.
milliseconds longest(Backoff& backoff, int steps, milliseconds cap) {
  milliseconds most{0};
  for (int i = 0; i < 500; ++i) {
    backoff.reset();
    milliseconds wait{0};
    for (int step = 0; step < steps; ++step) wait = backoff.next(cap);
    most = std::max(most, wait);
  }
  return most;
}

}  // namespace

TEST_CASE("waits are spread between nothing and a bound that doubles up to its end",
          "[protocol][backoff]") {
  testing::SeededRandom chance;
  Backoff backoff{100ms, 1s, chance};
  milliseconds bound = 100ms;
  for (int steps = 1; steps <= 8; ++steps) {
    CAPTURE(steps);
    const milliseconds most = longest(backoff, steps, milliseconds::max());
    CHECK(most <= bound);
    CHECK(most > bound * 9 / 10);
    bound = std::min<milliseconds>(2 * bound, 1s);
  }
  milliseconds least = 1s;
  for (int i = 0; i < 500; ++i) least = std::min(least, backoff.next(milliseconds::max()));
  CHECK(least < 20ms);
}

TEST_CASE("a cap bounds a wait, and not those after it", "[protocol][backoff]") {
  testing::SeededRandom chance;
  Backoff backoff{100ms, 10s, chance};
  for (int i = 0; i < 20; ++i) CHECK(backoff.next(50ms) <= 50ms);
  milliseconds most{0};
  for (int i = 0; i < 100; ++i) most = std::max(most, backoff.next(milliseconds::max()));
  CHECK(most > 8s);
  CHECK(backoff.next(0ms) <= 1ms);
  CHECK(backoff.next(-5ms) <= 1ms);
}

TEST_CASE("what holds makes the next wait short again", "[protocol][backoff]") {
  testing::SeededRandom chance;
  Backoff backoff{100ms, 10s, chance};
  for (int i = 0; i < 20; ++i) backoff.next(milliseconds::max());
  backoff.reset();
  CHECK(backoff.next(milliseconds::max()) <= 100ms);
  CHECK(backoff.next(milliseconds::max()) <= 200ms);
}

TEST_CASE("a bound without end does not overflow", "[protocol][backoff]") {
  testing::SeededRandom chance;
  Backoff backoff{milliseconds::max() / 3, milliseconds::max(), chance};
  for (int i = 0; i < 5; ++i) backoff.next(24h);
  int short_ones = 0;
  for (int i = 0; i < 100; ++i) {
    const milliseconds wait = backoff.next(24h);
    CHECK(wait <= 24h);
    if (wait < 1h) ++short_ones;
  }
  CHECK(short_ones < 20);  // one of 24
}

}  // namespace probekit::protocol
