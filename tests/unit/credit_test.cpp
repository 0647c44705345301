// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/credit.hpp"

#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;
const SteadyTime kStart{1h};

}  // namespace

TEST_CASE("recent counts forget what is older than two seconds", "[protocol][credit]") {
  RecentCount recent;
  recent.add(kStart, 10);
  CHECK(recent.count(kStart) == 10);
  recent.add(kStart + 1s, 5);
  CHECK(recent.count(kStart + 1999ms) == 15);
  CHECK(recent.count(kStart + 2s) == 5);
  CHECK(recent.count(kStart + 3s) == 0);
  recent.add(kStart + 100s, 1);
  CHECK(recent.count(kStart + 100s) == 1);
}

TEST_CASE("credit is the room: what arrived plus the window less what takes room",
          "[protocol][credit]") {
  CreditGranter granter{8, 32};
  CHECK_FALSE(granter.receive(false));  // nothing was granted yet
  granter.restart();
  granter.update(0, 0, 0);
  CHECK(granter.granted().high == 16);
  CHECK(granter.granted().other == 16);
  for (int i = 0; i < 16; ++i) CHECK(granter.receive(false));
  CHECK_FALSE(granter.receive(false));
  granter.update(0, 17, 0);
  CHECK(granter.granted().other == 16);
  granter.update(0, 10, 0);
  CHECK(granter.granted().other == 17 + 16 - 10);
}

TEST_CASE("the window of other follows the rate between its ends", "[protocol][credit]") {
  const CreditGranter granter{8, 32};
  CHECK(granter.window_other(0) == 16);
  CHECK(granter.window_other(20) == 28);
  CHECK(granter.window_other(1000) == 40);
  CHECK(CreditGranter(8, 3).window_other(0) == 11);
  CHECK(CreditGranter(8, 3).window_other(1000) == 11);
  CHECK(granter.window_high() == 16);
}

TEST_CASE("totals never fall, whatever the rate and the room do", "[protocol][credit]") {
  CreditGranter granter{8, 32};
  granter.update(0, 0, 1000);
  CHECK(granter.granted().other == 40);
  granter.update(0, 0, 0);
  CHECK(granter.granted().other == 40);
  granter.update(100, 100, 0);
  CHECK(granter.granted().other == 40);
  CHECK(granter.granted().high == 16);
}

TEST_CASE("the room is never exceeded by a peer that keeps to its credit", "[protocol][credit]") {
  CreditGranter granter{4, 16};
  std::uint64_t occupied = 0;
  std::uint64_t sent = 0;
  std::uint64_t state = 7;
  const auto below = [&state](std::uint64_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % bound;
  };
  for (int step = 0; step < 20'000; ++step) {
    granter.update(0, occupied, below(40));
    for (std::uint64_t n = below(8); n > 0 && sent < granter.granted().other; --n) {
      ++sent;
      ++occupied;
      CHECK(granter.receive(false));
    }
    CHECK(occupied <= 20);
    occupied -= below(occupied + 1);
  }
  CHECK(sent > 1000);
}

TEST_CASE("the peer is told of an eighth of the window, or at once when it has none left",
          "[protocol][credit]") {
  CreditGranter granter{8, 8};
  CHECK_FALSE(granter.worth_telling());
  granter.update(0, 0, 0);
  CHECK(granter.worth_telling());  // it has nothing yet
  CHECK(granter.tell().other == 16);
  CHECK_FALSE(granter.worth_telling());
  for (int i = 0; i < 8; ++i) granter.receive(false);
  granter.update(0, 7, 0);  // one more than told: 17, with 8 left to spend
  CHECK_FALSE(granter.worth_telling());
  granter.update(0, 6, 0);
  CHECK(granter.worth_telling());
  granter.tell();
  for (int i = 0; i < 10; ++i) granter.receive(false);
  CHECK_FALSE(granter.worth_telling());
  granter.update(0, 15, 0);  // one more, and it has spent all
  CHECK(granter.granted().other == 19);
  CHECK(granter.worth_telling());
}

}  // namespace probekit::protocol
