// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What a soak calls well.

#include <functional>

#include "faults/soak/record.hpp"
#include "support/catch.hpp"

namespace probekit::test {
namespace {

constexpr double kMinutes = 30;

// Two looks a minute: a warming up, then what `at` says; an import at each.
SoakRecord record_of(const std::function<Usage(double)>& at, const std::string& problem = {}) {
  SideRecord side;
  side.name = "memory";
  for (double minute = 0.4; minute < kMinutes; minute += 0.5) {
    Usage usage = at(minute);
    usage.minute = minute;
    if (minute < 8) usage.bytes = usage.bytes / 10 * 7;
    side.notes.usage["master"].push_back(usage);
    side.notes.imports.push_back({minute, 5'000, 5'000});
  }
  if (!problem.empty()) side.notes.problems.push_back(problem);
  return soak_record({side}, kMinutes, 1);
}

bool says(const SoakRecord& record, const std::string& text) {
  return record.markdown.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("a soak is well when nothing grows after the warming up", "[faults][soak]") {
  // It swings as imports come and go.
  const auto record = record_of([](double minute) {
    return Usage{0, static_cast<std::uint64_t>(20'000'000 + 500'000 * (int(minute * 2) % 3)), 20,
                 6};
  });
  INFO(record.markdown);
  CHECK(record.well);
  CHECK(says(record, "| master, memory | 19.6 / 20 / 6 | 19.6 / 20 / 6 | +0.0 % |"));
  CHECK(says(record, "| tasks | 300000 |"));
}

TEST_CASE("a soak is not well when something grows", "[faults][soak]") {
  const auto grown = [](double minute) { return minute > 20 ? 1U : 0U; };
  const auto memory = record_of([&](double minute) {
    return Usage{0, 20'000'000 + 2'100'000 * grown(minute), 20, 6};
  });
  CHECK_FALSE(memory.well);
  CHECK(says(memory, "master, memory: memory grew"));
  // Slowly, but without an end.
  const auto slow = record_of([](double minute) {
    return Usage{0, static_cast<std::uint64_t>(20'000'000 + 100'000 * minute), 20, 6};
  });
  CHECK_FALSE(slow.well);
  const auto descriptors = record_of([&](double minute) {
    return Usage{0, 20'000'000, 20 + 2 * grown(minute), 6};
  });
  CHECK_FALSE(descriptors.well);
  CHECK(says(descriptors, "master, memory: descriptors grew"));
  const auto files = record_of([&](double minute) {
    // Half of the time its log is empty.
    const auto half = static_cast<unsigned>(minute * 2);
    return Usage{0, 10'000'000 + (half % 2) * (16'000'000U + 8'000'000U * grown(minute)), 0, 0};
  });
  CHECK_FALSE(files.well);
  const auto threads = record_of([&](double minute) {
    return Usage{0, 20'000'000, 20, 6 + grown(minute)};
  });
  CHECK_FALSE(threads.well);
  CHECK(says(threads, "master, memory: threads grew"));
}

TEST_CASE("a soak is not well after a problem, or when it saw little", "[faults][soak]") {
  const auto flat = [](double) { return Usage{0, 20'000'000, 20, 6}; };
  const auto lost = record_of(flat, "import 7: 4999 lines");
  CHECK_FALSE(lost.well);
  CHECK(says(lost, "- memory: import 7: 4999 lines"));
  CHECK_FALSE(soak_record({}, kMinutes, 1).well);
  SideRecord rarely{"memory", false, {}};
  rarely.notes.usage["master"] = {{11, 1, 1, 1}, {25, 1, 1, 1}};
  CHECK(says(soak_record({rarely}, kMinutes, 1), "seen too rarely"));
}

}  // namespace probekit::test
