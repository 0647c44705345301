// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/task_queue.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

const SteadyTime kNow{std::chrono::seconds{1000}};

std::size_t rounds() {
  const char* const text = std::getenv("PROBEKIT_STRESS_ROUNDS");
  const int given = text != nullptr ? std::atoi(text) : 0;
  return given > 0 ? static_cast<std::size_t>(given) : 3;
}

std::vector<Task> make_tasks(std::uint64_t first, std::size_t count) {
  static const auto options = [] {
    std::vector<std::shared_ptr<const ProbeOptions>> made;
    for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
      auto one = std::make_shared<ProbeOptions>();
      one->priority = priority;
      one->timeout = std::chrono::seconds{1};
      made.push_back(std::move(one));
    }
    return made;
  }();
  std::vector<Task> tasks(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t id = first + i;
    tasks[i].id = TaskId{id};
    tasks[i].options = options[id % 3];
    if (id % 2 == 0) tasks[i].host_key = "host" + std::to_string(id % 5);
    if (id % 7 == 0) tasks[i].deadline = kNow + std::chrono::milliseconds{2500};
  }
  return tasks;
}

TEST_CASE("threads that push, pop, finish and remove lose no task and share none",
          "[stress][task_queue]") {
  constexpr std::size_t kPushers = 2;
  constexpr std::size_t kProbers = 3;
  constexpr std::uint64_t kTasks = 20'000;  // by each pusher

  for (std::size_t round = 0; round < rounds(); ++round) {
    TaskQueueOptions options;
    options.concurrency = 48;
    options.queue = 200;
    options.per_host = 4;
    TaskQueue queue(options);
    std::vector<std::atomic<int>> ended(kPushers * kTasks);
    std::atomic<std::uint64_t> left{kPushers * kTasks};
    std::atomic<std::int64_t> running{0};
    std::atomic<std::int64_t> running_max{0};
    std::atomic<int> ticks{0};
    const auto end = [&](const Task& task) {
      ended[task.id.value].fetch_add(1);
      left.fetch_sub(1);
    };

    std::vector<std::thread> threads;
    for (std::size_t pusher = 0; pusher < kPushers; ++pusher) {
      threads.emplace_back([&, pusher] {
        std::uint64_t next = pusher * kTasks;
        std::vector<Task> batch;
        for (const std::uint64_t stop = next + kTasks; next < stop || !batch.empty();) {
          if (batch.empty()) {
            const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(32, stop - next));
            batch = make_tasks(next, count);
            next += count;
          }
          batch = queue.push(std::move(batch), kNow);
          if (batch.empty()) continue;
          if (const auto taken = queue.remove(batch.front().id)) end(*taken);
          std::this_thread::yield();
        }
      });
    }
    for (std::size_t prober = 0; prober < kProbers; ++prober) {
      threads.emplace_back([&] {
        std::vector<Task> mine;
        while (left.load() > 0) {
          const SteadyTime now = kNow + std::chrono::milliseconds{ticks.fetch_add(1) % 1000};
          auto popped = queue.pop(16, now);
          for (const Task& task : popped.expired) end(task);
          for (const Task& task : popped.host_busy) end(task);
          const auto started = static_cast<std::int64_t>(popped.start.size());
          const std::int64_t all = running.fetch_add(started) + started;
          std::int64_t max = running_max.load();
          while (all > max && !running_max.compare_exchange_weak(max, all)) {
          }
          for (Task& task : popped.start) mine.push_back(std::move(task));
          while (mine.size() > (popped.start.empty() ? 0U : 8U)) {
            running.fetch_sub(1);
            queue.finish(mine.back());
            end(mine.back());
            mine.pop_back();
          }
          if (popped.start.empty()) {
            queue.set_paused(false);
            queue.facts(now);
            std::this_thread::yield();
          }
        }
      });
    }
    threads.emplace_back([&] {
      std::uint64_t id = 0;
      while (left.load() > 0) {
        id = (id + 7919) % (kPushers * kTasks);
        if (const auto taken = queue.remove(TaskId{id})) end(*taken);
        if (id % 64 == 0) queue.set_paused(true);
        std::this_thread::yield();
      }
    });
    for (std::thread& thread : threads) thread.join();

    for (const auto& count : ended) REQUIRE(count.load() == 1);
    CHECK(running_max.load() <= 48);
    const TaskQueueFacts facts = queue.facts(kNow);
    CHECK(facts.running == 0);
    CHECK(facts.queued_high + facts.queued_other + facts.waiting_for_host == 0);
  }
}

}  // namespace
}  // namespace probekit
