// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/task.hpp"

#include <sstream>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

std::string text_of(const Ledger& ledger) {
  std::ostringstream out;
  out << ledger;
  return out.str();
}

TEST_CASE("a task id is its batch and its place in it", "[probe][task]") {
  const TaskId id = TaskId::of(BatchId{7}, 4'000'000'000U);
  CHECK(id.batch() == BatchId{7});
  CHECK(id.index() == 4'000'000'000U);
  CHECK(TaskId::of(BatchId{1}, 2) < TaskId::of(BatchId{2}, 1));
}

TEST_CASE("a ledger is printed as the sum it is, without zeros", "[probe][task]") {
  Ledger ledger;
  CHECK(text_of(ledger) == "accepted 0");
  ledger.accepted = 3;
  ledger.done = 3;
  ledger.passed = 2;
  ledger.failed = 1;
  CHECK(text_of(ledger) == "accepted 3 = done 3 (passed 2, failed 1)");
  CHECK(ledger.balanced());
  ledger.accepted = 10;
  ledger.queued = 1;
  ledger.in_flight = 2;
  ledger.expired = 3;
  ledger.cancelled = 1;
  CHECK(text_of(ledger) ==
        "accepted 10 = queued 1 + in flight 2 + done 3 (passed 2, failed 1) + expired 3 + "
        "cancelled 1");
  CHECK(ledger.balanced());
  CHECK_FALSE(ledger.ended());
  ledger.passed = 3;
  CHECK_FALSE(ledger.balanced());
}

TEST_CASE("priorities are read by their names alone", "[probe][task]") {
  for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
    REQUIRE(parse_priority(to_string(priority)));
    CHECK(*parse_priority(to_string(priority)) == priority);
  }
  CHECK_FALSE(parse_priority("High"));
  CHECK_FALSE(parse_priority(""));
}

TEST_CASE("states and reasons are named as in results", "[probe][task]") {
  CHECK(to_string(TaskState::in_flight) == "in_flight");
  CHECK(to_string(TaskState::cancelled) == "cancelled");
  CHECK(to_string(ExpiryReason::agent_lost) == "agent_lost");
  CHECK(to_string(ExpiryReason::no_agent) == "no_agent");
}

TEST_CASE("names have 1 to 64 plain characters", "[probe][task]") {
  CHECK(is_valid_name("a"));
  CHECK(is_valid_name("eu-west_1.A9"));
  CHECK(is_valid_name(std::string(64, 'x')));
  CHECK_FALSE(is_valid_name(std::string(65, 'x')));
  CHECK_FALSE(is_valid_name(""));
  CHECK_FALSE(is_valid_name("a b"));
  CHECK_FALSE(is_valid_name("a:b"));
  CHECK_FALSE(is_valid_name("\xC3\xA4"));
}

}  // namespace
}  // namespace probekit
