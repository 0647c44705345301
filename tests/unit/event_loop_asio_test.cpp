// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/event_loop.hpp"

#include <pthread.h>

#include <array>
#include <asio/post.hpp>
#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/event_loop_asio.hpp"
#include "probekit/log.hpp"
#include "probekit/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Runs `function` on the loop and waits for it.
template <class Function>
void on_loop(EventLoop& loop, Function function) {
  std::promise<void> done;
  loop.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

TEST_CASE("posts of one thread run in order on the loop's thread", "[event_loop]") {
  EventLoop loop({});
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) loop.post([&ran, i] { ran.push_back(i); });
  loop.start();
  for (int i = 100; i < 1000; ++i) loop.post([&ran, i] { ran.push_back(i); });
  bool on_thread = false;
  on_loop(loop, [&] { on_thread = loop.on_loop_thread(); });
  CHECK(on_thread);
  CHECK_FALSE(loop.on_loop_thread());
  REQUIRE(ran.size() == 1000);
  for (int i = 0; i < 1000; ++i) REQUIRE(ran[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("posts of many threads all run", "[event_loop]") {
  EventLoop loop({});
  loop.start();
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) loop.post([&ran] { ++ran; });
    });
  }
  for (auto& thread : threads) thread.join();
  on_loop(loop, [] {});
  CHECK(ran == 20000);
}

TEST_CASE("a post inside a post runs after the call returned", "[event_loop]") {
  EventLoop loop({});
  loop.start();
  std::vector<int> ran;
  std::promise<void> done;
  loop.post([&] {
    loop.post([&] {
      ran.push_back(2);
      done.set_value();
    });
    ran.push_back(1);
  });
  done.get_future().wait();
  CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("exceptions from posts, timers and Asio handlers are counted and the loop goes on",
          "[event_loop]") {
  EventLoop loop({});
  loop.start();
  std::promise<void> timers;
  loop.post([] { throw std::runtime_error("post"); });
  loop.post([&] {
    loop.call_after(seconds(0), [] { throw 7; });
    loop.call_after(seconds(0), [&] { timers.set_value(); });
  });
  timers.get_future().wait();
  asio::post(asio_context(loop), [] { throw std::runtime_error("handler"); });
  test::run_until([&] { return loop.failures() == 3; });
  bool alive = false;
  on_loop(loop, [&] { alive = true; });
  CHECK(alive);
}

TEST_CASE("timers run in the order they are due, those from before the start too", "[event_loop]") {
  EventLoop loop({});
  std::vector<int> ran;
  std::promise<void> done;
  const SteadyTime now = loop.now();
  loop.call_at(now + milliseconds(30), [&] {
    ran.push_back(3);
    done.set_value();
  });
  loop.call_at(now + milliseconds(5), [&] { ran.push_back(1); });
  loop.start();
  loop.post([&] { loop.call_at(now + milliseconds(20), [&] { ran.push_back(2); }); });
  done.get_future().wait();
  CHECK(ran == std::vector<int>{1, 2, 3});
  CHECK(loop.now() - now >= milliseconds(30));
}

TEST_CASE("a timer never runs inside the call that makes it, and a cancelled one never",
          "[event_loop]") {
  EventLoop loop({});
  loop.start();
  std::vector<int> ran;
  std::promise<void> done;
  loop.post([&] {
    const TimerId gone = loop.call_after(milliseconds(1), [&] { ran.push_back(-1); });
    loop.call_at(loop.now() - seconds(5), [&] { ran.push_back(2); });
    loop.cancel(gone);
    loop.cancel(gone);
    loop.cancel(0);
    ran.push_back(1);
    loop.call_after(milliseconds(10), [&] { done.set_value(); });
  });
  done.get_future().wait();
  CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("timers follow an injected clock", "[event_loop]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  EventLoopOptions options;
  options.clock = clock;
  EventLoop loop(options);
  std::atomic<bool> ran{false};
  loop.call_after(seconds(3600), [&] { ran = true; });
  loop.start();
  on_loop(loop, [] {});
  CHECK_FALSE(ran);
  clock->advance(seconds(3600));
  test::run_until([&] { return ran.load(); });
}

TEST_CASE("a function that holds the loop up shows as lag", "[event_loop]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  EventLoopOptions options;
  options.clock = clock;
  EventLoop loop(options);
  loop.start();
  on_loop(loop, [] {});
  CHECK(loop.lag().max < seconds(1));
  clock->advance(seconds(5));  // as if the process had been frozen
  test::run_until([&] { return loop.lag().max >= seconds(4); });
}

TEST_CASE("a timer for the past is not lag", "[event_loop]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  EventLoopOptions options;
  options.clock = clock;
  EventLoop loop(options);
  loop.start();
  on_loop(loop, [] {});
  clock->advance(seconds(100));
  test::run_until([&] { return loop.lag().last >= seconds(99); });
  std::promise<void> done;
  loop.post([&] { loop.call_at(loop.now() - seconds(30), [&] { done.set_value(); }); });
  done.get_future().wait();
  CHECK(loop.lag().last < seconds(1));
}

TEST_CASE("stop destroys unrun what was posted, and posts after it vanish", "[event_loop]") {
  const auto held = std::make_shared<int>(1);
  EventLoop loop({});
  loop.start();
  std::promise<void> entered;
  std::promise<void> leave;
  loop.post([&, held] {
    loop.call_after(seconds(60), [held] {});
    entered.set_value();
    leave.get_future().wait();
  });
  entered.get_future().wait();
  for (int i = 0; i < 10; ++i) loop.post([held] {});
  std::thread stopper([&] { loop.stop(); });
  // The running function ends first; whether others still start is up to when stop() got there.
  leave.set_value();
  stopper.join();
  CHECK(held.use_count() == 1);
  loop.post([held] {});
  CHECK(held.use_count() == 1);
  loop.stop();
}

TEST_CASE("a loop that never started destroys what it was given", "[event_loop]") {
  const auto held = std::make_shared<int>(1);
  {
    EventLoop loop({});
    loop.post([held] {});
    loop.call_after(seconds(1), [held] {});
    asio::post(asio_context(loop), [held] {});
    CHECK(held.use_count() == 4);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("functions destroyed unrun may still call the loop", "[event_loop]") {
  struct Caller {
    EventLoop& loop;
    TimerId timer;
    ~Caller() {
      loop.cancel(timer);
      loop.post([] {});
    }
  };
  EventLoop loop({});
  const TimerId timer = loop.call_after(seconds(1), [] {});
  loop.call_after(seconds(1), [c = std::make_shared<Caller>(Caller{loop, timer})] {});
  asio::post(asio_context(loop), [c = std::make_shared<Caller>(Caller{loop, timer})] {});
}

TEST_CASE("the thread has its name", "[event_loop]") {
  EventLoopOptions options;
  options.name = "a-name-longer-than-fifteen";
  EventLoop loop(options);
  loop.start();
  std::array<char, 16> name{};
  on_loop(loop, [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  CHECK(std::string(name.data()) == "a-name-longer-t");
}

}  // namespace
}  // namespace probekit
