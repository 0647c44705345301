// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

TEST_CASE("an empty histogram is all zeros", "[histogram]") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.sum() == 0);
  CHECK(histogram.percentile(50) == 0);
}

TEST_CASE("every value comes back within three percent", "[histogram]") {
  for (std::uint64_t value = 1; value < Histogram::kValueMax; value += 1 + value / 7) {
    Histogram histogram;
    histogram.record(0);
    histogram.record(value);
    histogram.record(Histogram::kValueMax);
    const auto read = static_cast<double>(histogram.percentile(50));
    CAPTURE(value, read);
    CHECK(std::abs(read - static_cast<double>(value)) <= 0.03 * static_cast<double>(value));
  }
}

TEST_CASE("percentiles agree with a sorted list", "[histogram]") {
  Histogram histogram;
  std::vector<std::uint64_t> values;
  std::uint64_t seed = 1;
  for (int i = 0; i < 20000; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    values.push_back((seed >> 33) >> (seed >> 60));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * 20000));
    const auto exact = static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
    CAPTURE(percent, exact);
    CHECK(std::abs(static_cast<double>(histogram.percentile(percent)) - exact) <=
          0.03 * exact + 0.5);
  }
  CHECK(histogram.min() == values.front());
  CHECK(histogram.max() == values.back());
  CHECK(histogram.percentile(100) == values.back());
}

TEST_CASE("values beyond the range count as the largest", "[histogram]") {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  CHECK(histogram.max() == Histogram::kValueMax);
  CHECK(histogram.percentile(100) == Histogram::kValueMax);
}

TEST_CASE("merging is recording both, whatever their ranges and order", "[histogram]") {
  const std::vector<std::uint64_t> low = {1, 5, 40, 41};
  const std::vector<std::uint64_t> high = {1000000, 2000000, 70};
  Histogram together;
  Histogram a;
  Histogram b;
  for (const auto value : low) {
    together.record(value);
    a.record(value);
  }
  for (const auto value : high) {
    together.record(value);
    b.record(value);
  }
  Histogram ab = a;
  ab.merge(b);
  Histogram ba = b;
  ba.merge(a);
  ba.merge(Histogram());
  for (const Histogram* merged : {&ab, &ba}) {
    CHECK(merged->count() == together.count());
    CHECK(merged->sum() == together.sum());
    CHECK(merged->min() == 1);
    CHECK(merged->max() == 2000000);
    for (int percent = 0; percent <= 100; ++percent) {
      CHECK(merged->percentile(percent) == together.percentile(percent));
    }
  }
  ab.clear();
  CHECK(ab.count() == 0);
}

}  // namespace
}  // namespace probekit
