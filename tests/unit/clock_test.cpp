// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/clock.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/unstepped_clock.hpp"
#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

// Counts up, so that what is built on the bits can be computed by hand.
class ScriptedSource final : public RandomSource {
 public:
  explicit ScriptedSource(std::vector<std::uint64_t> script) : script_(std::move(script)) {}
  void fill(void* bytes, std::size_t count) override {
    REQUIRE(count == 8);
    REQUIRE(next_ < script_.size());
    std::memcpy(bytes, &script_[next_++], 8);
  }
  std::size_t used() const { return next_; }

 private:
  std::vector<std::uint64_t> script_;
  std::size_t next_ = 0;
};

TEST_CASE("the system's clock is one object and its steady time does not go back", "[clock]") {
  const auto clock = system_clock();
  CHECK(clock == system_clock());
  const SteadyTime first = clock->steady_now();
  CHECK(clock->steady_now() >= first);
  CHECK(clock->system_now().time_since_epoch() > std::chrono::hours(24 * 365 * 50));
}

TEST_CASE("random bits differ from call to call, for every size and across blocks", "[random]") {
  const auto source = system_random();
  CHECK(source == system_random());
  for (const std::size_t size :
       {std::size_t{16}, std::size_t{4095}, std::size_t{4096}, std::size_t{10000}}) {
    CAPTURE(size);
    std::vector<unsigned char> a(size);
    std::vector<unsigned char> b(size);
    source->fill(a.data(), size);
    source->fill(b.data(), size);
    CHECK(a != b);
    CHECK(std::set<unsigned char>(a.begin() + static_cast<std::ptrdiff_t>(size) - 16, a.end())
              .size() > 4);
  }
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 3000; ++i) seen.insert(source->next());
  CHECK(seen.size() == 3000);
}

TEST_CASE("threads that share the random source never get the same bits", "[random]") {
  std::array<std::vector<std::uint64_t>, 4> drawn;
  std::vector<std::thread> threads;
  for (auto& mine : drawn) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(system_random()->next());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 20000);
}

TEST_CASE("below draws again where the lowest bits would be likelier", "[random]") {
  // 2^64 mod 3 is 1: of all 64-bit values 0 alone is one too many.
  ScriptedSource source({0, 5});
  CHECK(source.below(3) == 2);
  CHECK(source.used() == 2);
  ScriptedSource power({7});
  CHECK(power.below(4) == 3);
  ScriptedSource one({~std::uint64_t{0}});
  CHECK(one.below(1) == 0);
}

TEST_CASE("below reaches every value and no other", "[random]") {
  std::array<int, 7> counts{};
  for (int i = 0; i < 7000; ++i) ++counts.at(system_random()->below(7));
  for (const int count : counts) CHECK(count > 700);
}

TEST_CASE("unit is at least 0 and below 1", "[random]") {
  ScriptedSource source({0, ~std::uint64_t{0}, std::uint64_t{1} << 63});
  CHECK(source.unit() == 0.0);
  const double last = source.unit();
  CHECK(last < 1.0);
  CHECK(last > 0.999999);
  CHECK(source.unit() == 0.5);
}

TEST_CASE("a manual clock moves only when told", "[clock][testing]") {
  testing::ManualClock clock;
  const SteadyTime steady = clock.steady_now();
  const SystemTime system = clock.system_now();
  CHECK(system.time_since_epoch() == std::chrono::seconds(1767225600));
  CHECK(clock.steady_now() == steady);
  clock.advance(std::chrono::milliseconds(1500));
  CHECK(clock.steady_now() - steady == std::chrono::milliseconds(1500));
  CHECK(clock.system_now() - system == std::chrono::milliseconds(1500));
  clock.step_system(std::chrono::seconds(-60));
  CHECK(clock.steady_now() - steady == std::chrono::milliseconds(1500));
  CHECK(clock.system_now() - system == std::chrono::milliseconds(-58500));
  CHECK_THROWS_AS(clock.advance(std::chrono::nanoseconds(-1)), std::invalid_argument);
}

TEST_CASE("an unstepped clock goes on from where it was when the wall clock is set", "[clock]") {
  const auto set = std::make_shared<testing::ManualClock>();
  const auto clock = make_unstepped_clock(set);
  const SystemTime system = set->system_now();
  CHECK(clock->system_now() == system);
  for (const auto step : {std::chrono::hours(-2), std::chrono::hours(3)}) {
    set->step_system(step);
    CHECK(clock->system_now() == system);
  }
  set->advance(std::chrono::milliseconds(1500));
  CHECK(clock->system_now() - system == std::chrono::milliseconds(1500));
  CHECK(clock->steady_now() == set->steady_now());
}

}  // namespace
}  // namespace probekit
