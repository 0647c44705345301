// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/testing/seeded_random.hpp"

#include <algorithm>
#include <array>

#include "support/catch.hpp"

namespace probekit {
namespace {

using Bytes = std::array<unsigned char, 4096>;

Bytes bytes_of(testing::SeededRandom random) {
  Bytes bytes{};
  random.fill(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace

TEST_CASE("equal seeds give equal bytes, other seeds others", "[testing]") {
  CHECK(bytes_of(testing::SeededRandom{7}) == bytes_of(testing::SeededRandom{7}));
  CHECK(bytes_of(testing::SeededRandom{}) == bytes_of(testing::SeededRandom{1}));
  CHECK(bytes_of(testing::SeededRandom{7}) != bytes_of(testing::SeededRandom{8}));
}

TEST_CASE("a seed's bytes do not depend on how they are asked for", "[testing]") {
  testing::SeededRandom random{7};
  Bytes bytes{};
  random.fill(bytes.data(), 1);
  random.fill(bytes.data() + 1, 100);
  random.fill(bytes.data() + 101, bytes.size() - 101);
  CHECK(bytes == bytes_of(testing::SeededRandom{7}));
}

TEST_CASE("a seed's bytes are spread over all values", "[testing]") {
  const Bytes bytes = bytes_of(testing::SeededRandom{7});
  std::array<std::size_t, 256> counts{};
  for (const unsigned char byte : bytes) ++counts[byte];
  CHECK(*std::max_element(counts.begin(), counts.end()) < 48);  // 16 are due
  CHECK(std::count(counts.begin(), counts.end(), std::size_t{0}) == 0);
}

}  // namespace probekit
