// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/timer_queue.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

SteadyTime at(int ms) { return SteadyTime(milliseconds(ms)); }

TEST_CASE("timers run in the order they are due, equal ones in the order given", "[timer]") {
  TimerQueue queue;
  std::vector<int> ran;
  for (const int ms : {50, 10, 30, 10, 20}) {
    const int mark = ms * 10 + static_cast<int>(queue.size());
    queue.schedule(at(ms), [&ran, mark] { ran.push_back(mark); });
  }
  CHECK(queue.next_wakeup() == at(10));
  CHECK(queue.run_due(at(9)) == 0);
  CHECK(queue.run_due(at(30)) == 4);
  CHECK(ran == std::vector<int>{101, 103, 204, 302});
  CHECK(queue.next_wakeup() == at(50));
  CHECK(queue.run_due(at(1000)) == 1);
  CHECK_FALSE(queue.next_wakeup());
  CHECK(queue.empty());
}

TEST_CASE("a cancelled timer does not run and its function is destroyed at once", "[timer]") {
  TimerQueue queue;
  auto held = std::make_shared<int>(1);
  int ran = 0;
  const TimerId gone = queue.schedule(at(1), [held, &ran] { ++ran; });
  queue.schedule(at(2), [&ran] { ran += 10; });
  CHECK(gone != 0);
  CHECK(held.use_count() == 2);
  CHECK(queue.cancel(gone));
  CHECK(held.use_count() == 1);
  CHECK(queue.next_wakeup() == at(2));
  CHECK_FALSE(queue.cancel(gone));
  CHECK_FALSE(queue.cancel(0));
  CHECK_FALSE(queue.cancel(12345));
  queue.run_due(at(5));
  CHECK(ran == 10);
}

TEST_CASE("an old id does not reach the timer that has its place", "[timer]") {
  TimerQueue queue;
  int ran = 0;
  const TimerId first = queue.schedule(at(1), [] {});
  queue.run_due(at(1));
  const TimerId second = queue.schedule(at(2), [&ran] { ++ran; });
  CHECK(first != second);
  CHECK_FALSE(queue.cancel(first));
  queue.run_due(at(2));
  CHECK(ran == 1);
}

TEST_CASE("what a timer schedules runs in a later call, even when due already", "[timer]") {
  TimerQueue queue;
  int ran = 0;
  queue.schedule(at(5), [&] {
    ++ran;
    queue.schedule(at(1), [&ran] { ran += 10; });
    CHECK(queue.next_wakeup() == at(1));
  });
  queue.schedule(at(6), [&ran] { ran += 100; });
  CHECK(queue.run_due(at(6)) == 2);
  CHECK(ran == 101);
  CHECK(queue.next_wakeup() == at(1));
  CHECK(queue.run_due(at(6)) == 1);
  CHECK(ran == 111);
}

TEST_CASE("a timer may cancel others that are due, itself, and what it just scheduled", "[timer]") {
  TimerQueue queue;
  int ran = 0;
  TimerId self = 0;
  TimerId other = 0;
  self = queue.schedule(at(1), [&] {
    ++ran;
    CHECK_FALSE(queue.cancel(self));
    CHECK(queue.cancel(other));
    const TimerId fresh = queue.schedule(at(1), [&ran] { ran += 100; });
    CHECK(queue.cancel(fresh));
    CHECK_FALSE(queue.cancel(fresh));
  });
  other = queue.schedule(at(1), [&ran] { ran += 10; });
  CHECK(queue.run_due(at(9)) == 1);
  CHECK(queue.run_due(at(9)) == 0);
  CHECK(ran == 1);
  CHECK(queue.empty());
}

TEST_CASE("an exception leaves the other timers in place", "[timer]") {
  TimerQueue queue;
  int ran = 0;
  queue.schedule(at(1), [&] {
    queue.schedule(at(3), [&ran] { ran += 10; });
    throw std::runtime_error("thrown");
  });
  queue.schedule(at(2), [&ran] { ++ran; });
  CHECK_THROWS_AS(queue.run_due(at(2)), std::runtime_error);
  CHECK(ran == 0);
  CHECK(queue.run_due(at(2)) == 1);
  CHECK(queue.run_due(at(3)) == 1);
  CHECK(ran == 11);
}

TEST_CASE("clear destroys every function, and those that cancel each other as they go", "[timer]") {
  struct Canceller {
    TimerQueue& queue;
    TimerId other;
    ~Canceller() { queue.cancel(other); }
  };
  TimerQueue queue;
  auto held = std::make_shared<int>(1);
  const TimerId other = queue.schedule(at(9), [held] {});
  queue.schedule(at(1), [c = std::make_shared<Canceller>(Canceller{queue, other})] {});
  CHECK(queue.cancel(other) == false);  // the temporary above cancelled it
  queue.schedule(at(2), [held] {});
  queue.clear();
  CHECK(queue.empty());
  CHECK(held.use_count() == 1);
  CHECK_FALSE(queue.next_wakeup());
}

TEST_CASE("a long random life agrees with a sorted list", "[timer]") {
  TimerQueue queue;
  std::vector<std::pair<std::pair<int, int>, TimerId>> model;  // (due, order), id
  std::vector<int> ran;
  std::uint32_t seed = 12345;
  const auto draw = [&seed](std::uint32_t bound) {
    seed = seed * 1664525U + 1013904223U;
    return static_cast<int>((seed >> 8) % bound);
  };
  int now = 0;
  for (int step = 0; step < 20000; ++step) {
    const int what = draw(10);
    if (what < 5) {
      const int due = now + draw(1000);
      model.push_back(
          {{due, step}, queue.schedule(at(due), [&ran, step] { ran.push_back(step); })});
    } else if (what < 8 && !model.empty()) {
      const auto victim = model.begin() + draw(static_cast<std::uint32_t>(model.size()));
      REQUIRE(queue.cancel(victim->second));
      model.erase(victim);
    } else {
      now += draw(40);
      std::sort(model.begin(), model.end());
      std::vector<int> expected;
      while (!model.empty() && model.front().first.first <= now) {
        expected.push_back(model.front().first.second);
        model.erase(model.begin());
      }
      ran.clear();
      REQUIRE(queue.run_due(at(now)) == expected.size());
      REQUIRE(ran == expected);
    }
    REQUIRE(queue.size() == model.size());
  }
}

}  // namespace
}  // namespace probekit
