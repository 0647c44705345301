// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/epoll_loop.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A pair of connected sockets.
class Pair {
 public:
  Pair() {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) == 0);
    ours = fds[0];
    theirs = fds[1];
  }
  ~Pair() {
    close_ours();
    close_theirs();
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void send() const { REQUIRE(write(theirs, "x", 1) == 1); }
  void drain() const {
    char byte = 0;
    while (read(ours, &byte, 1) > 0) {
    }
  }
  void close_ours() { close_one(ours); }
  void close_theirs() { close_one(theirs); }

  int ours = -1;
  int theirs = -1;

 private:
  static void close_one(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

// Runs the loop on this thread and stops it when `condition` holds after a round, or fails.
template <class Condition>
void run_loop_until(EpollLoop& loop, Condition condition, int line = __builtin_LINE()) {
  const SteadyTime end = system_clock()->steady_now() + seconds(10);
  bool held = false;
  loop.set_idle([&] {
    held = condition();
    if (held || system_clock()->steady_now() >= end) loop.stop();
  });
  loop.run();
  INFO("called in line " << line);
  REQUIRE(held);
}

TEST_CASE("a readable descriptor is reported until it is read", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const Pair pair;
  pair.send();
  int seen = 0;
  loop.watch(pair.ours, ProbeLoop::readable, [&](unsigned events) {
    CHECK(events == ProbeLoop::readable);
    CHECK(loop.on_loop_thread());
    if (++seen == 3) pair.drain();
  });
  bool later = false;
  loop.call_at(loop.clock_now() + milliseconds(30), [&] { later = true; });
  run_loop_until(loop, [&] { return later; });
  CHECK(seen == 3);
}

TEST_CASE("changing the events keeps the callback", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const Pair pair;
  std::vector<unsigned> seen;
  loop.watch(pair.ours, ProbeLoop::writable, [&](unsigned events) {
    seen.push_back(events);
    if (events == ProbeLoop::writable) {
      loop.watch(pair.ours, ProbeLoop::readable, nullptr);
      pair.send();
    } else {
      loop.watch(pair.ours, ProbeLoop::none, nullptr);
    }
  });
  bool later = false;
  loop.call_at(loop.clock_now() + milliseconds(30), [&] { later = true; });
  run_loop_until(loop, [&] { return later; });
  CHECK(seen == std::vector<unsigned>{ProbeLoop::writable, ProbeLoop::readable});
}

TEST_CASE("a callback may replace itself while it runs", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const Pair pair;
  pair.send();
  const auto held = std::make_shared<int>(1);
  int first = 0;
  int second = 0;
  loop.watch(pair.ours, ProbeLoop::readable, [&, held](unsigned) {
    loop.watch(pair.ours, ProbeLoop::readable, [&](unsigned) {
      ++second;
      pair.drain();
    });
    ++first;  // would be a use after free if the replaced function were gone
    CHECK(held.use_count() == 2);
  });
  run_loop_until(loop, [&] { return second > 0; });
  CHECK(first == 1);
  CHECK(second == 1);
  CHECK(held.use_count() == 1);
}

TEST_CASE("after unwatch no callback follows, even for an event already fetched", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const Pair one;
  const Pair two;
  one.send();
  two.send();
  int ran = 0;
  const auto ready = [&](unsigned) {
    ++ran;
    loop.unwatch(one.ours);
    loop.unwatch(two.ours);
    loop.unwatch(two.ours);
  };
  loop.watch(one.ours, ProbeLoop::readable, ready);
  loop.watch(two.ours, ProbeLoop::readable, ready);
  bool later = false;
  loop.call_at(loop.clock_now() + milliseconds(20), [&] { later = true; });
  run_loop_until(loop, [&] { return later; });
  CHECK(ran == 1);
}

TEST_CASE("an urgent descriptor is served before others of the same round", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const std::array<Pair, 4> pairs;
  const Pair urgent;
  std::string order;
  for (const Pair& pair : pairs) {
    pair.send();
    loop.watch(pair.ours, ProbeLoop::readable, [&](unsigned) {
      pair.drain();
      order += 'o';
      if (order.size() == 2) urgent.send();
    });
  }
  const unsigned events = unsigned{ProbeLoop::readable} | unsigned{ProbeLoop::urgent};
  loop.watch(urgent.ours, events, [&](unsigned seen) {
    CHECK(seen == ProbeLoop::readable);
    urgent.drain();
    order += 'u';
    loop.post([&] { order += 'p'; });
  });
  // It wakes the loop as any other does, may become one of them, and may end.
  const std::vector<std::pair<std::string, std::function<void()>>> steps = {
      {"ooupoo", [&] { urgent.send(); }},
      {"ooupooup",
       [&] {
         loop.watch(urgent.ours, ProbeLoop::readable, nullptr);
         urgent.send();
       }},
      {"ooupooupup",
       [&] {
         loop.watch(urgent.ours, events, nullptr);
         loop.unwatch(urgent.ours);
         urgent.send();
       }},
  };
  std::size_t step = 0;
  int rounds_after = 0;
  const std::function<void()> look = [&] {
    if (step == steps.size()) {
      ++rounds_after;
    } else if (order == steps[step].first) {
      steps[step++].second();
    }
    loop.call_at(loop.clock_now() + milliseconds(1), look);
  };
  look();
  run_loop_until(loop, [&] { return rounds_after == 3; });
  CHECK(order == "ooupooupup");
}

TEST_CASE("the next owner of a descriptor's number gets none of the last one's events",
          "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  Pair one;
  Pair two;
  const Pair fresh;  // nothing to read on it
  one.send();
  two.send();
  int reused = 0;
  int calls = 0;
  // Whichever comes first gives the other's number to a descriptor that has nothing to say.
  const auto steal = [&](Pair& mine, Pair& other) {
    ++calls;
    loop.unwatch(mine.ours);
    const int number = other.ours;
    loop.unwatch(number);
    REQUIRE(dup2(fresh.ours, number) == number);
    loop.watch(number, ProbeLoop::readable, [&](unsigned) { ++reused; });
  };
  loop.watch(one.ours, ProbeLoop::readable, [&](unsigned) { steal(one, two); });
  loop.watch(two.ours, ProbeLoop::readable, [&](unsigned) { steal(two, one); });
  bool later = false;
  loop.call_at(loop.clock_now() + milliseconds(20), [&] {
    CHECK(reused == 0);
    fresh.send();
  });
  loop.call_at(loop.clock_now() + milliseconds(40), [&] { later = true; });
  run_loop_until(loop, [&] { return later && reused > 0; });
  CHECK(calls == 1);
}

TEST_CASE("a descriptor closed and opened again behind the loop's back is watched anew",
          "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  Pair one;
  const Pair fresh;
  const int number = one.ours;
  unsigned seen = 0;
  loop.watch(number, ProbeLoop::readable, [&](unsigned events) {
    seen = events;
    fresh.drain();
  });
  REQUIRE(dup2(fresh.ours, number) == number);
  loop.watch(number, ProbeLoop::readable | ProbeLoop::writable, nullptr);
  loop.watch(number, ProbeLoop::readable, nullptr);
  fresh.send();
  run_loop_until(loop, [&] { return seen != 0; });
  CHECK(seen == ProbeLoop::readable);
  loop.unwatch(number);
}

TEST_CASE("a hang-up is a failure that can be read; with none watched it is silent",
          "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  Pair loud;
  Pair quiet;
  loud.close_theirs();
  quiet.close_theirs();
  unsigned events_seen = 0;
  int quiet_seen = 0;
  loop.watch(loud.ours, ProbeLoop::readable, [&](unsigned events) {
    events_seen = events;
    loop.unwatch(loud.ours);
  });
  loop.watch(quiet.ours, ProbeLoop::none, [&](unsigned) { ++quiet_seen; });
  run_loop_until(loop, [&] { return events_seen != 0; });
  CHECK(events_seen == (ProbeLoop::readable | ProbeLoop::failed));
  CHECK(quiet_seen == 0);
}

TEST_CASE("a descriptor that epoll refuses reports failed, later", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  unsigned seen = 0;
  loop.watch(file, ProbeLoop::readable, [&](unsigned events) { seen = events; });
  CHECK(seen == 0);
  run_loop_until(loop, [&] { return seen != 0; });
  CHECK(seen == ProbeLoop::failed);
  loop.unwatch(file);
  close(file);
}

TEST_CASE("timers run when due, with the time of the wake-up", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  std::vector<int> ran;
  const SteadyTime start = loop.clock_now();
  loop.call_at(start + milliseconds(20), [&] {
    CHECK(loop.now() >= start + milliseconds(20));
    ran.push_back(2);
  });
  loop.call_at(start + milliseconds(5), [&] { ran.push_back(1); });
  loop.cancel(loop.call_at(start, [&] { ran.push_back(-1); }));
  run_loop_until(loop, [&] { return ran.size() == 2; });
  CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("posts from other threads wake the loop and run in order", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  std::array<std::vector<int>, 3> ran;
  std::thread runner([&] { loop.run(); });
  std::vector<std::thread> posters;
  for (auto& mine : ran) {
    posters.emplace_back([&loop, &mine] {
      for (int i = 0; i < 3000; ++i) loop.post([&mine, i] { mine.push_back(i); });
    });
  }
  for (auto& poster : posters) poster.join();
  loop.post([&] { loop.stop(); });
  runner.join();
  for (const auto& mine : ran) {
    REQUIRE(mine.size() == 3000);
    for (int i = 0; i < 3000; ++i) REQUIRE(mine[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("one post to a sleeping loop runs at once, not at the next tick", "[epoll_loop]") {
  // Twenty one after another would take two seconds at the tick of 100 ms.
  EpollLoop loop(nullptr, nullptr);
  std::thread runner([&] { loop.run(); });
  const SteadyTime start = system_clock()->steady_now();
  std::atomic<int> ran{0};
  for (int i = 0; i < 20; ++i) {
    loop.post([&] { ++ran; });
    test::run_until([&] { return ran == i + 1; });
  }
  CHECK(system_clock()->steady_now() - start < seconds(1));
  loop.stop();
  runner.join();
}

TEST_CASE("what the idle function posts and schedules is seen before the sleep", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  int rounds = 0;
  const SteadyTime start = system_clock()->steady_now();
  loop.set_idle([&] {
    if (++rounds == 50) return loop.stop();
    if (rounds % 2 == 0) {
      loop.post([] {});
    } else {
      loop.call_at(loop.now(), [] {});
    }
  });
  loop.run();
  CHECK(rounds == 50);
  CHECK(system_clock()->steady_now() - start < seconds(1));
}

TEST_CASE("exceptions from callbacks are counted and the probing loop goes on", "[epoll_loop]") {
  EpollLoop loop(nullptr, nullptr);
  const Pair pair;
  pair.send();
  loop.watch(pair.ours, ProbeLoop::readable, [&](unsigned) {
    pair.drain();
    throw std::runtime_error("event");
  });
  loop.post([] { throw std::runtime_error("post"); });
  loop.call_at(loop.now(), [] { throw 7; });
  run_loop_until(loop, [&] { return loop.failures() == 3; });
}

TEST_CASE("a loop that was frozen shows it as lag, one that is idle shows none", "[epoll_loop]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  EpollLoop loop(clock, nullptr);
  std::thread runner([&] { loop.run(); });
  std::atomic<bool> started{false};
  loop.post([&] { started = true; });
  test::run_until([&] { return started.load(); });
  CHECK(loop.lag().max < seconds(1));
  clock->advance(seconds(100));
  test::run_until([&] { return loop.lag().max >= seconds(99); });
  // A timer for the past is not lag.
  std::atomic<bool> past{false};
  loop.post([&] { loop.call_at(loop.now() - seconds(50), [&] { past = true; }); });
  test::run_until([&] { return past.load(); });
  CHECK(loop.lag().last < seconds(1));
  loop.stop();
  runner.join();
}

TEST_CASE("stop before run ends it at once; what is left is destroyed unrun", "[epoll_loop]") {
  struct Caller {
    EpollLoop& loop;
    int fd;
    ~Caller() {
      loop.unwatch(fd);
      loop.cancel(1);
      loop.post([] {});
    }
  };
  const auto held = std::make_shared<int>(1);
  const Pair pair;
  {
    EpollLoop loop(nullptr, nullptr);
    const auto caller = std::make_shared<Caller>(Caller{loop, pair.ours});
    loop.watch(pair.ours, ProbeLoop::writable, [held, caller](unsigned) { FAIL(); });
    loop.post([held, caller] { FAIL(); });
    loop.call_at(loop.now(), [held, caller] { FAIL(); });
    loop.stop();
    loop.run();
  }
  CHECK(held.use_count() == 1);
}

}  // namespace
}  // namespace probekit
