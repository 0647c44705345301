// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/target_cache.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit::store;

namespace {

std::uint64_t key_of(std::uint32_t piece, std::uint32_t task) {
  return std::uint64_t{piece} << 32 | task;
}

TargetChunk chunk_of(std::size_t tasks, const std::string& text) {
  TargetChunk chunk;
  chunk.tasks.resize(tasks);
  chunk.text = text;
  return chunk;
}

/// Bytes that one chunk of two tasks counts.
std::size_t bytes_of_one() {
  TargetCache cache(1'000'000);
  cache.add(0, chunk_of(2, "http://x"));
  return cache.bytes();
}

bool has(TargetCache& cache, std::uint32_t piece, std::uint32_t task) {
  std::uint32_t place = 0;
  return cache.find(key_of(piece, task), place) != nullptr;
}

}  // namespace

TEST_CASE("of the targets in memory those not used for longest go first", "[store][sqlite]") {
  TargetCache cache(3 * bytes_of_one());
  for (std::uint32_t piece = 1; piece <= 3; ++piece) {
    cache.add(key_of(piece, 0), chunk_of(2, "http://x"));
  }
  CHECK(has(cache, 1, 1));
  // Used last to first now: 1, 3, 2. Looking for what is gone changes nothing.
  cache.add(key_of(4, 0), chunk_of(2, "http://x"));
  CHECK_FALSE(has(cache, 2, 0));
  cache.add(key_of(5, 0), chunk_of(2, "http://x"));
  CHECK_FALSE(has(cache, 3, 0));
  CHECK(has(cache, 1, 0));
  cache.add(key_of(6, 0), chunk_of(2, "http://x"));
  CHECK_FALSE(has(cache, 4, 0));
  CHECK(has(cache, 1, 0));
  CHECK(has(cache, 5, 0));
  CHECK(has(cache, 6, 0));
  CHECK(cache.bytes() == 3 * bytes_of_one());
}

TEST_CASE("a task's target is found in the chunk around it, and in no other", "[store][sqlite]") {
  TargetCache cache(1'000'000);
  cache.add(key_of(7, 10), chunk_of(3, "a"));
  cache.add(key_of(7, 20), chunk_of(3, "b"));
  cache.add(key_of(7, ~0U), chunk_of(3, "damaged"));  // would go on in the next piece
  std::uint32_t place = 0;
  const TargetChunk* const chunk = cache.find(key_of(7, 12), place);
  REQUIRE(chunk != nullptr);
  CHECK(chunk->text == "a");
  CHECK(place == 2);
  CHECK_FALSE(has(cache, 7, 9));
  CHECK_FALSE(has(cache, 7, 13));
  CHECK(has(cache, 7, 20));
  CHECK_FALSE(has(cache, 7, 23));
  CHECK_FALSE(has(cache, 8, 0));
  CHECK_FALSE(has(cache, 6, 10));
}

TEST_CASE("targets in memory count with what keeps them, and go with their piece",
          "[store][sqlite]") {
  TargetCache cache(1'000'000);
  cache.add(key_of(1, 0), chunk_of(1, "x"));
  // Three blocks beside the tasks': that much an allocator takes for one short target.
  CHECK(cache.bytes() >= 200);
  CHECK(cache.bytes() < 300);
  cache.add(key_of(2, 0), chunk_of(1, "x"));
  cache.add(key_of(2, 1), chunk_of(1, std::string(100'000, 'x')));
  cache.add(key_of(3, 0), chunk_of(1, "x"));
  CHECK(cache.bytes() > 100'000);
  // Another of the same key takes its place.
  cache.add(key_of(2, 1), chunk_of(1, "x"));
  CHECK(cache.size() == 4);
  CHECK(cache.bytes() < 4 * 300);
  cache.drop(2);
  CHECK(cache.size() == 2);
  CHECK(has(cache, 1, 0));
  CHECK(has(cache, 3, 0));
  cache.drop(1);
  cache.drop(3);
  cache.drop(3);
  CHECK(cache.bytes() == 0);
}

TEST_CASE("the target that is needed stays, however large", "[store][sqlite]") {
  TargetCache cache(1000);
  cache.add(key_of(1, 0), chunk_of(2, "http://x"));
  const TargetChunk& large = cache.add(key_of(2, 0), chunk_of(1, std::string(5000, 'x')));
  CHECK(large.text.size() == 5000);
  CHECK(has(cache, 2, 0));
  CHECK_FALSE(has(cache, 1, 0));
}
