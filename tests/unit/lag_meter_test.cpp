// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/lag_meter.hpp"

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("the worst lag is kept for about a minute, the last one until the next", "[loop]") {
  LagMeter meter;
  SteadyTime now{std::chrono::hours(1)};
  CHECK(meter.read().max == microseconds(0));
  meter.record(now, milliseconds(700));
  CHECK(meter.read().last == milliseconds(700));
  CHECK(meter.read().max == milliseconds(700));
  for (int i = 0; i < 54; ++i) {
    now += seconds(1);
    meter.record(now, microseconds(30 + i));
    REQUIRE(meter.read().last == microseconds(30 + i));
    REQUIRE(meter.read().max == milliseconds(700));
  }
  now += seconds(6);
  meter.record(now, microseconds(5));
  CHECK(meter.read().max == microseconds(83));
  CHECK(meter.measured() == 56);
  CHECK(meter.read().last == microseconds(5));
}

TEST_CASE("a gap longer than a minute forgets everything before it", "[loop]") {
  LagMeter meter;
  const SteadyTime now{std::chrono::hours(1)};
  meter.record(now, seconds(9));
  meter.record(now + std::chrono::hours(2), milliseconds(1));
  CHECK(meter.read().max == milliseconds(1));
}

TEST_CASE("a negative lag is none", "[loop]") {
  LagMeter meter;
  meter.record(SteadyTime(seconds(1)), microseconds(-5));
  CHECK(meter.read().last == microseconds(0));
}

}  // namespace
}  // namespace probekit
