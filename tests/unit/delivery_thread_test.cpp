// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "probekit/executor.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

TEST_CASE("the delivery thread runs what is posted, in order, on one other thread", "[executor]") {
  std::vector<int> ran;
  std::vector<std::thread::id> threads;
  {
    DeliveryThread delivery;
    for (int i = 0; i < 1000; ++i) {
      delivery.post([&, i] {
        ran.push_back(i);
        threads.push_back(std::this_thread::get_id());
      });
    }
  }
  REQUIRE(ran.size() == 1000);
  for (int i = 0; i < 1000; ++i) REQUIRE(ran[static_cast<std::size_t>(i)] == i);
  CHECK(threads.front() == threads.back());
  CHECK(threads.front() != std::this_thread::get_id());
}

TEST_CASE("what a posted function throws is counted and the thread goes on", "[executor]") {
  DeliveryThread delivery;
  std::atomic<bool> after{false};
  delivery.post([] { throw std::runtime_error("thrown"); });
  delivery.post([] { throw 7; });
  delivery.post([&] { after = true; });
  test::run_until([&] { return after.load(); });
  CHECK(delivery.failures() == 2);
}

TEST_CASE("post never runs the function inside the call", "[executor]") {
  DeliveryThread delivery;
  std::atomic<int> step{0};
  delivery.post([&] {
    delivery.post([&] { step = step == 1 ? 2 : -1; });
    step = 1;
  });
  test::run_until([&] { return step != 0 && step != 1; });
  CHECK(step == 2);
}

TEST_CASE("the last owner may let go on the delivery thread itself", "[executor]") {
  std::atomic<bool> after{false};
  auto delivery = std::make_shared<DeliveryThread>();
  DeliveryThread& reference = *delivery;
  std::mutex gate;
  {
    const std::lock_guard<std::mutex> closed(gate);
    reference.post([owner = delivery, &gate]() mutable {
      const std::lock_guard<std::mutex> wait(gate);
      owner.reset();
    });
    reference.post([&] { after = true; });
    delivery.reset();
  }
  test::run_until([&] { return after.load(); });
}

}  // namespace
}  // namespace probekit
