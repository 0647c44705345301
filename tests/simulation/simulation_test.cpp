// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "simulation/world/life.hpp"
#include "support/catch.hpp"
#ifdef PROBEKIT_SIMULATION_SQLITE
#include "simulation/world/sqlite_stores.hpp"
#endif

namespace probekit::simulation {
namespace {

// Planted mistakes are looked for in so many lives; docs/simulation.md says how many it takes.
constexpr std::uint64_t kLivesMax = 4000;

std::string told(std::uint64_t seed,
                 std::function<std::unique_ptr<Stores>(World&)> stores = nullptr) {
  std::string text;
  LifeOptions options;
  options.stores = std::move(stores);
  options.seed = seed;
  options.trace = [&](const std::string& line) { text += line + '\n'; };
  const LifeReport report = live(options);
  return text + std::to_string(report.steps) + ' ' + report.broken.value_or("");
}

TEST_CASE("a seed is a life, the same each time", "[simulation]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    const std::string first = told(seed);
    CHECK(first.size() > 1000);
    // Not with CHECK, which would print them.
    const bool same = told(seed) == first;
    CHECK(same);
  }
}

TEST_CASE("whether anybody listens to a life changes nothing in it", "[simulation]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    LifeOptions options;
    options.seed = seed;
    const LifeReport alone = live(options);
    options.trace = [](const std::string&) {};
    const LifeReport heard = live(options);
    CHECK(alone.steps == heard.steps);
    CHECK(alone.lasted == heard.lasted);
    CHECK(alone.tasks == heard.tasks);
  }
}

TEST_CASE("two seeds are two lives", "[simulation]") { CHECK(told(1) != told(2)); }

// Which check has to find it, by the beginning of what it says; empty: any.
std::string_view check_for(Planted planted) {
  switch (planted) {
    case Planted::recorded_twice:
      return "a second line of one task: ";
    case Planted::late_result_recorded:  // mostly when all of its batch has ended
      return "a second line of one task, read again: ";
    case Planted::reasons_mixed_up:
      return "a wrong reason, as ";
    default:
      return {};
  }
}

void check_that_it_is_found(LifeOptions options) {
  const Planted planted = options.planted;
  INFO(to_string(planted));
  const auto found = first_broken(options, kLivesMax);
  CHECK(found);
  if (!found) return;
  const std::string said = found->report.broken->substr(0, 400);
  INFO("life " << found->seed << ": " << said);
  CHECK(said.rfind(check_for(planted), 0) == 0);
  // It is the mistake that broke that life, and nothing else.
  options.seed = found->seed;
  options.planted = Planted::none;
  CHECK_FALSE(live(options).broken);
}

TEST_CASE("every planted mistake is found", "[simulation]") {
  for (const Planted planted : all_planted()) {
    if (needs_disk(planted)) continue;
    LifeOptions options;
    options.planted = planted;
    check_that_it_is_found(options);
  }
}

#ifdef PROBEKIT_SIMULATION_SQLITE
TEST_CASE("a disk that has not what it says is found out", "[simulation]") {
  LifeOptions options;
  options.stores = make_sqlite_stores;
  options.planted = Planted::sync_forgotten;
  check_that_it_is_found(options);
}

TEST_CASE("a life over SQLite is the same each time, too", "[simulation]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const bool same = told(seed, make_sqlite_stores) == told(seed, make_sqlite_stores);
    CHECK(same);
  }
}
#endif

}  // namespace
}  // namespace probekit::simulation
