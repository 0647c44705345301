// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/notifier.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/held_executor.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using test::HeldExecutor;

// Runs each function on a thread of its own.
class ManyThreads final : public Executor {
 public:
  ~ManyThreads() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void post(std::function<void()> function) override { threads_.emplace_back(std::move(function)); }

 private:
  std::vector<std::thread> threads_;
};

// Within a notification: until another thread has begun to close.
void wait_until_closed(Notifier& notifier, HeldExecutor& executor) {
  for (bool open = true; open;) {
    open = false;
    notifier.post([&open] { open = true; });
    executor.run();
  }
}

}  // namespace

TEST_CASE("a notification runs once, on the executor, not inside the call and with no lock held",
          "[base][notifier]") {
  const auto executor = std::make_shared<HeldExecutor>();
  Notifier notifier{executor};
  int notified = 0;
  int answered = 0;
  notifier.post([&] {
    ++notified;
    // With a lock held these would hang.
    notifier.post([&] { ++notified; });
    notifier.answer([&] { ++answered; });
  });
  notifier.answer([&] { ++answered; });
  CHECK(notified + answered == 0);
  CHECK(executor->run() == 2);
  CHECK(notified == 1);
  CHECK(answered == 1);
  CHECK(executor->run() == 2);
  CHECK(notified == 2);
  CHECK(answered == 2);
  CHECK(executor->run() == 0);
}

TEST_CASE("without an executor notifications run on one thread of their own", "[base][notifier]") {
  Notifier notifier{nullptr};
  std::promise<std::thread::id> ran;
  notifier.post([&] { ran.set_value(std::this_thread::get_id()); });
  CHECK(ran.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("a closed notifier notifies of nothing, but what is waited for is answered once",
          "[base][notifier]") {
  const auto executor = std::make_shared<HeldExecutor>();
  Notifier notifier{executor};
  int notified = 0;
  std::vector<int> answered;
  notifier.post([&] { ++notified; });
  notifier.answer([&] { answered.push_back(1); });
  notifier.answer([&] {
    answered.push_back(2);
    throw std::runtime_error("stopping goes on");
  });
  notifier.answer([&] { answered.push_back(3); });
  notifier.close();
  CHECK(answered == std::vector<int>{1, 2, 3});
  CHECK(executor->run() == 4);
  CHECK(notified == 0);
  CHECK(answered.size() == 3);

  // What is asked of a closed one touches nothing that has ended, and is answered.
  notifier.answer([&] { answered.push_back(4); });
  CHECK(answered.size() == 3);
  executor->run();
  CHECK(answered == std::vector<int>{1, 2, 3, 4});
  notifier.close();
  notifier.post([&] { ++notified; });
  executor->run();
  CHECK(notified == 0);
}

TEST_CASE("close waits for the notification that is running, which may close itself",
          "[base][notifier]") {
  const bool closes_too = GENERATE(false, true);
  const auto executor = std::make_shared<HeldExecutor>();
  Notifier notifier{executor};
  std::promise<void> running;
  std::atomic<bool> over{false};
  notifier.post([&] {
    running.set_value();
    wait_until_closed(notifier, *executor);
    if (closes_too) notifier.close();
    over = true;
  });
  std::thread other{[&] { executor->run(); }};
  running.get_future().wait();
  notifier.close();
  CHECK(over);
  other.join();
}

TEST_CASE("two notifications at once may both close", "[base][notifier]") {
  const auto executor = std::make_shared<ManyThreads>();
  Notifier notifier{executor};
  std::atomic<int> entered{0};
  std::atomic<int> over{0};
  for (int i = 0; i < 2; ++i) {
    notifier.post([&] {
      ++entered;
      test::run_until([&] { return entered == 2; });
      notifier.close();
      ++over;
    });
  }
  test::run_until([&] { return entered == 2; });
  notifier.close();
  CHECK(over == 2);
}

TEST_CASE("an answer run by close may close again", "[base][notifier]") {
  const auto executor = std::make_shared<HeldExecutor>();
  Notifier notifier{executor};
  int answered = 0;
  notifier.answer([&] {
    notifier.close();
    ++answered;
  });
  notifier.close();
  CHECK(answered == 1);
}

}  // namespace probekit
