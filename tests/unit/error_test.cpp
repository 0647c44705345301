// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/error.hpp"

#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "support/catch.hpp"

namespace probekit {
namespace {

constexpr int kFirst = static_cast<int>(errc::invalid_argument);
constexpr int kLast = static_cast<int>(errc::internal);
constexpr std::array<reaction, 4> kReactions = {reaction::retry_later, reaction::reconnect,
                                                reaction::give_up, reaction::callers_bug};

int reactions_to(const std::error_code& code) {
  int count = 0;
  for (const reaction what : kReactions) count += code == what ? 1 : 0;
  return count;
}

TEST_CASE("every code has a message of its own and exactly one reaction", "[error]") {
  std::set<std::string> messages;
  for (int value = kFirst; value <= kLast; ++value) {
    CAPTURE(value);
    const std::error_code code = static_cast<errc>(value);
    CHECK(code.category() == error_category());
    CHECK(code.message().find("unknown") == std::string::npos);
    CHECK(messages.insert(code.message()).second);
    CHECK(reactions_to(code) == 1);
  }
  const std::error_code beyond(kLast + 1, error_category());
  CHECK(beyond.message() == "unknown error " + std::to_string(kLast + 1));
  CHECK(beyond == reaction::give_up);
}

TEST_CASE("reactions tell what to do about a code", "[error]") {
  CHECK(make_error_code(errc::invalid_argument) == reaction::callers_bug);
  CHECK(make_error_code(errc::store_full) == reaction::retry_later);
  CHECK(make_error_code(errc::draining) == reaction::retry_later);
  CHECK(make_error_code(errc::connection_lost) == reaction::reconnect);
  CHECK(make_error_code(errc::name_in_use) == reaction::reconnect);
  CHECK(make_error_code(errc::cancelled) == reaction::give_up);
  CHECK(make_error_code(errc::internal) == reaction::give_up);
}

TEST_CASE("errors of the operating system have a reaction too; success and strangers have none",
          "[error]") {
  for (const int value : {ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH}) {
    CAPTURE(value);
    CHECK(std::error_code(value, std::system_category()) == reaction::reconnect);
    CHECK(reactions_to(std::error_code(value, std::generic_category())) == 1);
  }
  CHECK(std::error_code(EMFILE, std::system_category()) == reaction::retry_later);
  CHECK(std::error_code(EINVAL, std::system_category()) == reaction::callers_bug);
  CHECK(std::error_code(EACCES, std::system_category()) == reaction::give_up);
  CHECK(reactions_to(std::error_code()) == 0);
  CHECK(reactions_to(std::make_error_code(std::future_errc::no_state)) == 0);
}

TEST_CASE("reactions have names", "[error]") {
  std::set<std::string> messages;
  for (const reaction what : kReactions) messages.insert(make_error_condition(what).message());
  CHECK(messages.size() == kReactions.size());
  CHECK(std::error_condition(99, reaction_category()).message() == "unknown reaction 99");
}

TEST_CASE("Expected holds a value or an error", "[error]") {
  Expected<std::unique_ptr<int>> value = std::make_unique<int>(7);
  REQUIRE(value.has_value());
  CHECK(**value == 7);
  const std::unique_ptr<int> moved = std::move(value).value();
  CHECK(*moved == 7);

  const Expected<std::string> failed = Error(errc::not_found, "no batch b1");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code() == errc::not_found);
  CHECK(failed.error().message() == "no batch b1");

  const Expected<void> done;
  CHECK(done.has_value());
  const Expected<void> refused = Error(errc::rejected, "no");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::rejected);
}

}  // namespace
}  // namespace probekit
