// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/batch_set.hpp"

#include <random>
#include <set>

#include "support/catch.hpp"

using namespace probekit;
using store::BatchSet;

TEST_CASE("a set of batches has those put in and not taken out", "[store][batches]") {
  BatchSet batches;
  std::set<std::uint32_t> expected;
  std::mt19937 random(1);
  const std::uint32_t from = 1'000'000'000;
  const auto any = [&] { return from + static_cast<std::uint32_t>(random() % 400); };
  for (int i = 0; i < 3000; ++i) {
    // More go than come, so that it is empty at times.
    const std::uint32_t id = any();
    if (random() % 3 == 0) {
      batches.insert(BatchId{id});
      expected.insert(id);
    } else {
      for (std::uint32_t next = id; next < id + 8; ++next) {
        batches.erase(BatchId{next});
        expected.erase(next);
      }
    }
    const std::uint32_t asked = any();
    CHECK(batches.contains(BatchId{asked}) == (expected.count(asked) > 0));
  }
  for (std::uint32_t id = from; id < from + 400; ++id) {
    CHECK(batches.contains(BatchId{id}) == (expected.count(id) > 0));
  }
  CHECK_FALSE(batches.contains(BatchId{1}));
  CHECK_FALSE(batches.contains(BatchId{~0U}));
}
