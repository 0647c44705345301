// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/task_queue.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kNow{seconds{1000}};

std::shared_ptr<const ProbeOptions> options_of(Priority priority) {
  auto options = std::make_shared<ProbeOptions>();
  options->kind = "fake";
  options->timeout = seconds{10};
  options->priority = priority;
  return options;
}

Task task(std::uint64_t id, Priority priority, std::string host = "") {
  Task made;
  made.id = TaskId{id};
  made.target = "fake:" + std::to_string(id);
  made.options = options_of(priority);
  made.host_key = std::move(host);
  return made;
}

std::vector<Task> tasks(std::uint64_t first, std::size_t count, Priority priority,
                        const std::string& host) {
  std::vector<Task> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(task(first + i, priority, host));
  return made;
}

std::vector<Task> tasks(std::uint64_t first, std::size_t count, Priority priority) {
  return tasks(first, count, priority, "");
}

void push_one(TaskQueue& queue, Task one) {
  std::vector<Task> list;
  list.push_back(std::move(one));
  REQUIRE(queue.push(std::move(list), kNow).empty());
}

std::vector<std::uint64_t> ids(const std::vector<Task>& list) {
  std::vector<std::uint64_t> out;
  for (const Task& one : list) out.push_back(one.id.value);
  return out;
}

using Ids = std::vector<std::uint64_t>;

TaskQueueOptions sized(std::size_t concurrency, std::size_t queue, std::size_t per_host) {
  TaskQueueOptions options;
  options.concurrency = concurrency;
  options.queue = queue;
  options.per_host = per_host;
  return options;
}

TEST_CASE("tasks of one priority start in the order of arrival", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 0));
  queue.push(tasks(1, 5, Priority::normal), kNow);
  CHECK(ids(queue.pop(3, kNow).start) == Ids{1, 2, 3});
  CHECK(ids(queue.pop(3, kNow).start) == Ids{4, 5});
  CHECK(queue.pop(3, kNow).start.empty());
}

TEST_CASE("a popped task comes out as it was pushed", "[probe][task_queue]") {
  TaskQueue queue(sized(2, 2, 1));
  Task pushed = task(9, Priority::high, "a:1");
  pushed.attempt = 3;
  pushed.deadline = kNow + seconds{20};
  const auto options = pushed.options;
  push_one(queue, pushed);
  const auto popped = queue.pop(1, kNow);
  REQUIRE(popped.start.size() == 1);
  const Task& got = popped.start.front();
  CHECK(got.id.value == 9);
  CHECK(got.attempt == 3);
  CHECK(got.target == "fake:9");
  CHECK(got.options == options);
  CHECK(got.deadline == pushed.deadline);
  CHECK(got.host_key == "a:1");
}

TEST_CASE("each class has its window, over queued and running", "[probe][task_queue]") {
  TaskQueue queue(sized(4, 6, 0));
  CHECK(queue.window().high == 8);
  CHECK(queue.window().other == 10);
  CHECK(ids(queue.push(tasks(1, 12, Priority::normal), kNow)) == Ids{11, 12});
  CHECK(ids(queue.push(tasks(20, 1, Priority::low), kNow)) == Ids{20});
  CHECK(ids(queue.push(tasks(30, 9, Priority::high), kNow)) == Ids{38});

  auto running = queue.pop(4, kNow).start;
  CHECK(ids(running) == Ids{30, 31, 32, 33});
  CHECK(queue.push(tasks(40, 1, Priority::high), kNow).size() == 1);
  queue.finish(running.front());
  CHECK(queue.push(tasks(40, 1, Priority::high), kNow).empty());
  CHECK(queue.push(tasks(41, 1, Priority::normal), kNow).size() == 1);
}

TEST_CASE("refused tasks come back untouched and do not stop the others", "[probe][task_queue]") {
  TaskQueue queue(sized(1, 1, 0));
  std::vector<Task> list = tasks(1, 3, Priority::low);
  list.push_back(task(4, Priority::high));
  const auto refused = queue.push(std::move(list), kNow);
  CHECK(ids(refused) == Ids{3});
  CHECK(refused[0].target == "fake:3");
  CHECK(refused[0].options != nullptr);
  CHECK(queue.is_queued(TaskId{4}));
}

TEST_CASE("high goes before normal, normal before low", "[probe][task_queue]") {
  TaskQueue queue(sized(64, 64, 0));
  queue.push(tasks(1, 1, Priority::low), kNow);
  queue.push(tasks(2, 1, Priority::normal), kNow);
  queue.push(tasks(3, 1, Priority::high), kNow);
  CHECK(ids(queue.pop(9, kNow).start) == Ids{3, 2, 1});
}

TEST_CASE("of sixteen starts of normal and low one is low while both wait", "[probe][task_queue]") {
  TaskQueue queue(sized(1000, 1000, 0));
  queue.push(tasks(1, 100, Priority::normal), kNow);
  queue.push(tasks(1001, 10, Priority::low), kNow);
  const auto started = ids(queue.pop(64, kNow).start);
  for (std::size_t i = 0; i < started.size(); ++i) {
    CAPTURE(i);
    CHECK((started[i] > 1000) == (i % 16 == 15));
  }
  // Normal tasks that went while no low one waited do not count against the next.
  TaskQueue alone(sized(1000, 1000, 0));
  alone.push(tasks(1, 50, Priority::normal), kNow);
  alone.pop(40, kNow);
  alone.push(tasks(1001, 1, Priority::low), kNow);
  CHECK(alone.pop(1, kNow).start.front().id.value == 41);
}

TEST_CASE("some slots are for high only", "[probe][task_queue]") {
  TaskQueue queue(sized(32, 100, 0));
  queue.push(tasks(1, 100, Priority::normal), kNow);
  auto running = queue.pop(100, kNow).start;
  CHECK(running.size() == 30);
  queue.push(tasks(201, 5, Priority::high), kNow);
  CHECK(ids(queue.pop(100, kNow).start) == Ids{201, 202});
  queue.finish(running.back());
  CHECK(ids(queue.pop(100, kNow).start) == Ids{203});
}

TEST_CASE("a lone slot is for all", "[probe][task_queue]") {
  TaskQueue queue(sized(1, 10, 0));
  queue.push(tasks(1, 1, Priority::low), kNow);
  CHECK(queue.pop(5, kNow).start.size() == 1);
  queue.push(tasks(2, 1, Priority::high), kNow);
  CHECK(queue.pop(5, kNow).start.empty());
}

TEST_CASE("a host has so many running at most, others pass it", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 2));
  queue.push(tasks(1, 4, Priority::normal, "a:80"), kNow);
  queue.push(tasks(11, 1, Priority::normal, "b:80"), kNow);
  queue.push(tasks(21, 3, Priority::normal), kNow);
  auto running = queue.pop(100, kNow).start;
  CHECK(ids(running) == Ids{1, 2, 11, 21, 22, 23});
  CHECK(queue.facts(kNow).waiting_for_host == 2);
  queue.finish(running[0]);
  CHECK(queue.facts(kNow).waiting_for_host == 1);
  CHECK(ids(queue.pop(100, kNow).start) == Ids{3});
  CHECK(queue.pop(100, kNow).start.empty());
}

TEST_CASE("the oldest task of a host that has a slot again goes ahead", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 1));
  queue.push(tasks(1, 3, Priority::normal, "a"), kNow);
  auto running = queue.pop(100, kNow).start;
  REQUIRE(ids(running) == Ids{1});
  queue.push(tasks(10, 2, Priority::normal, "b"), kNow);
  queue.push(tasks(20, 1, Priority::normal, "a"), kNow);
  queue.finish(running[0]);
  // 2 is ahead of 10; 20 came later than 3 and waits behind it.
  auto next = queue.pop(100, kNow).start;
  CHECK(ids(next) == Ids{2, 10});
  queue.finish(next[0]);
  next = queue.pop(100, kNow).start;
  CHECK(ids(next) == Ids{3});
  queue.finish(next[0]);
  CHECK(ids(queue.pop(100, kNow).start) == Ids{20});
}

TEST_CASE("a slot kept for the one that waited is not taken by a later one",
          "[probe][task_queue]") {
  TaskQueue queue(sized(4, 100, 1));
  queue.push(tasks(1, 2, Priority::low, "a"), kNow);
  auto running = queue.pop(100, kNow).start;
  REQUIRE(ids(running) == Ids{1});
  queue.push(tasks(50, 1, Priority::normal, "a"), kNow);
  queue.finish(running[0]);  // 2, a low one, is called
  auto next = queue.pop(100, kNow).start;
  CHECK(ids(next) == Ids{2});
}

TEST_CASE("a high task goes before others of its host", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 1));
  queue.push(tasks(1, 3, Priority::normal, "a"), kNow);
  auto running = queue.pop(100, kNow).start;
  queue.push(tasks(9, 1, Priority::high, "a"), kNow);
  CHECK(queue.pop(100, kNow).start.empty());
  queue.finish(running[0]);
  running = queue.pop(100, kNow).start;
  REQUIRE(ids(running) == Ids{9});

  // One that arrives when the slot is already kept for 2 takes it, and 2 is still next.
  queue.finish(running[0]);
  queue.push(tasks(10, 1, Priority::high, "a"), kNow);
  running = queue.pop(100, kNow).start;
  REQUIRE(ids(running) == Ids{10});
  queue.finish(running[0]);
  CHECK(ids(queue.pop(100, kNow).start) == Ids{2});
}

TEST_CASE("what is over the quarter that may wait for hosts comes back", "[probe][task_queue]") {
  TaskQueue queue(sized(20, 20, 1));
  queue.push(tasks(1, 20, Priority::normal, "a"), kNow);
  const auto popped = queue.pop(100, kNow);
  CHECK(ids(popped.start) == Ids{1});
  CHECK(popped.host_busy.size() == 9);
  CHECK(popped.host_busy.front().id.value == 12);
  CHECK(queue.facts(kNow).waiting_for_host == 10);
  CHECK(queue.push(tasks(100, 29, Priority::normal), kNow).empty());
}

TEST_CASE("the limit of those who may wait can be set", "[probe][task_queue]") {
  TaskQueueOptions options = sized(20, 20, 1);
  options.waiting = 40;
  TaskQueue queue(options);
  queue.push(tasks(1, 40, Priority::normal, "a"), kNow);
  const auto popped = queue.pop(100, kNow);
  CHECK(popped.host_busy.empty());
  CHECK(queue.facts(kNow).waiting_for_host == 39);
}

TEST_CASE("removing the task a slot is kept for calls the next", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 1));
  queue.push(tasks(1, 4, Priority::normal, "a"), kNow);
  auto running = queue.pop(100, kNow).start;
  REQUIRE(ids(running) == Ids{1});
  queue.finish(running[0]);
  REQUIRE(queue.remove(TaskId{2}));
  REQUIRE(queue.remove(TaskId{4}));
  running = queue.pop(100, kNow).start;
  CHECK(ids(running) == Ids{3});
  queue.finish(running[0]);
  CHECK(queue.facts(kNow).waiting_for_host == 0);
}

TEST_CASE("a task that cannot end in time any more is expired, not started",
          "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 0));
  Task just_fits = task(1, Priority::normal);
  just_fits.deadline = kNow + seconds{11};  // timeout 10 s and 1 s for the way back
  Task late = task(2, Priority::high);
  late.deadline = kNow + seconds{11} - milliseconds{1};
  Task past = task(3, Priority::normal);
  past.deadline = SteadyTime::min();
  push_one(queue, just_fits);
  push_one(queue, late);
  push_one(queue, past);
  push_one(queue, task(4, Priority::normal));
  const auto popped = queue.pop(100, kNow);
  CHECK(ids(popped.start) == Ids{1, 4});
  Ids expired = ids(popped.expired);
  std::sort(expired.begin(), expired.end());
  CHECK(expired == Ids{2, 3});
  const auto facts = queue.facts(kNow);
  CHECK(facts.running == 2);
  CHECK(facts.queued_high + facts.queued_other == 0);
}

TEST_CASE("tasks expire in line, with no slot free and while paused", "[probe][task_queue]") {
  TaskQueue queue(sized(1, 10, 1));
  queue.push(tasks(1, 2, Priority::normal, "a"), kNow);
  auto running = queue.pop(1, kNow).start;
  for (std::uint64_t id = 10; id < 14; ++id) {
    Task one = task(id, Priority::normal, id % 2 == 0 ? "a" : "");
    one.deadline = kNow + seconds{20};
    push_one(queue, std::move(one));
  }
  queue.pop(5, kNow);
  queue.set_paused(true);
  CHECK(queue.pop(0, kNow + seconds{9}).expired.empty());
  CHECK(queue.pop(0, kNow + seconds{10}).expired.size() == 4);
  CHECK(queue.is_queued(TaskId{2}));
}

TEST_CASE("expired tasks that waited for their host leave it usable", "[probe][task_queue]") {
  TaskQueue queue(sized(100, 100, 1));
  queue.push(tasks(1, 1, Priority::normal, "a"), kNow);
  auto running = queue.pop(100, kNow).start;
  Task waits = task(2, Priority::normal, "a");
  waits.deadline = kNow + seconds{12};
  push_one(queue, waits);
  push_one(queue, task(3, Priority::normal, "a"));
  queue.pop(100, kNow);
  queue.finish(running[0]);  // keeps the slot for 2
  const auto popped = queue.pop(100, kNow + seconds{5});
  CHECK(ids(popped.expired) == Ids{2});
  CHECK(ids(popped.start) == Ids{3});
}

TEST_CASE("a paused queue starts nothing and loses nothing", "[probe][task_queue]") {
  TaskQueue queue(sized(10, 10, 0));
  queue.set_paused(true);
  CHECK(queue.push(tasks(1, 3, Priority::high), kNow).empty());
  CHECK(queue.pop(10, kNow).start.empty());
  queue.set_paused(false);
  CHECK(queue.pop(10, kNow).start.size() == 3);
}

TEST_CASE("queued tasks are taken out by id, others are not there", "[probe][task_queue]") {
  TaskQueue queue(sized(10, 10, 0));
  queue.push(tasks(1, 3, Priority::normal), kNow);
  const auto taken = queue.remove(TaskId{2});
  REQUIRE(taken);
  CHECK(taken->target == "fake:2");
  CHECK_FALSE(queue.remove(TaskId{2}));
  CHECK_FALSE(queue.is_queued(TaskId{2}));
  CHECK(queue.is_queued(TaskId{1}));
  CHECK(ids(queue.pop(10, kNow).start) == Ids{1, 3});
  CHECK_FALSE(queue.remove(TaskId{1}));
}

TEST_CASE("everything queued is taken out, the oldest first", "[probe][task_queue]") {
  TaskQueue queue(sized(10, 40, 1));
  queue.push(tasks(1, 3, Priority::normal, "a"), kNow);
  auto running = queue.pop(10, kNow).start;
  queue.push(tasks(10, 1, Priority::low), kNow);
  queue.push(tasks(20, 1, Priority::high), kNow);
  CHECK(ids(queue.remove_all()) == Ids{2, 3, 10, 20});
  CHECK(queue.remove_all().empty());
  queue.finish(running[0]);
  queue.push(tasks(30, 2, Priority::normal, "a"), kNow);
  CHECK(ids(queue.pop(10, kNow).start) == Ids{30});
}

TEST_CASE("facts say what there is and how old the oldest is", "[probe][task_queue]") {
  TaskQueue queue(sized(10, 40, 1));
  CHECK(queue.facts(kNow).oldest_age.count() == 0);
  queue.push(tasks(1, 3, Priority::normal, "a"), kNow);
  queue.push(tasks(10, 1, Priority::high), kNow + seconds{1});
  auto facts = queue.facts(kNow + seconds{3});
  CHECK(facts.queued_high == 1);
  CHECK(facts.queued_other == 3);
  CHECK(facts.running == 0);
  CHECK(facts.oldest_age == seconds{3});
  queue.pop(10, kNow);
  facts = queue.facts(kNow + seconds{3});
  CHECK(facts.queued_high == 0);
  CHECK(facts.queued_other == 2);
  CHECK(facts.waiting_for_host == 2);
  CHECK(facts.running == 2);
  CHECK(facts.oldest_age == seconds{3});
  CHECK(queue.facts(kNow - seconds{1}).oldest_age.count() == 0);
}

TEST_CASE("options out of range are refused by name", "[probe][task_queue]") {
  CHECK_THROWS_AS(TaskQueue(sized(0, 1, 0)), std::invalid_argument);
  CHECK_THROWS_AS(TaskQueue(sized(65537, 1, 0)), std::invalid_argument);
  CHECK_THROWS_AS(TaskQueue(sized(1, 0, 0)), std::invalid_argument);
  CHECK_THROWS_WITH(TaskQueue(sized(1, 1048577, 0)),
                    "TaskQueueOptions.queue: 1048577 is not 1 to 1048576");
}

/// Any order of calls: nothing is lost or given twice, and every limit holds.
void walk(unsigned seed) {
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  TaskQueueOptions options = sized(1 + below(20), 1 + below(50), below(4));
  options.waiting = below(2) == 0 ? 0 : 1 + below(10);
  TaskQueue queue(options);
  SteadyTime now = kNow;
  std::map<std::uint64_t, Task> running;
  std::map<std::uint64_t, bool> queued;
  std::uint64_t next_id = 1;
  const auto gone = [&](const std::vector<Task>& list) {
    for (const Task& one : list) REQUIRE(queued.erase(one.id.value) == 1);
  };

  for (int step = 0; step < 400; ++step) {
    switch (below(6)) {
      case 0:
      case 1: {
        std::vector<Task> list;
        for (std::size_t i = below(8); i > 0; --i) {
          Task one = task(next_id, static_cast<Priority>(below(3)),
                          below(3) == 0 ? "" : "h" + std::to_string(below(4)));
          if (below(3) == 0) one.deadline = now + seconds{below(30)};
          queued[next_id++] = true;
          list.push_back(std::move(one));
        }
        gone(queue.push(std::move(list), now));
        break;
      }
      case 2: {
        auto popped = queue.pop(below(6), now);
        gone(popped.expired);
        gone(popped.host_busy);
        gone(popped.start);
        for (Task& one : popped.start) {
          REQUIRE((one.deadline == SteadyTime::max() ||
                   one.deadline - now >= one.options->timeout + seconds{1}));
          running.emplace(one.id.value, std::move(one));
        }
        break;
      }
      case 3:
        for (std::size_t i = below(4); i > 0 && !running.empty(); --i) {
          auto one = running.begin();
          std::advance(one, static_cast<std::ptrdiff_t>(below(running.size())));
          queue.finish(one->second);
          running.erase(one);
        }
        break;
      case 4:
        if (const auto taken = queue.remove(TaskId{1 + below(next_id)})) {
          REQUIRE(queued.erase(taken->id.value) == 1);
        }
        if (below(20) == 0) gone(queue.remove_all());
        break;
      default:
        now += milliseconds{below(3000)};
    }
    const TaskQueueFacts facts = queue.facts(now);
    REQUIRE(facts.running == running.size());
    REQUIRE(facts.queued_high + facts.queued_other == queued.size());
    REQUIRE(running.size() <= options.concurrency);
    std::map<std::string, std::size_t> hosts;
    for (const auto& one : running) ++hosts[one.second.host_key];
    if (options.per_host != 0) {
      for (const auto& host : hosts)
        REQUIRE((host.first.empty() || host.second <= options.per_host));
    }
  }
  // Whatever happened, all that is left comes out.
  for (int round = 0; round < 1000 && !(queued.empty() && running.empty()); ++round) {
    for (const auto& one : running) queue.finish(one.second);
    running.clear();
    auto popped = queue.pop(1000, now);
    gone(popped.expired);
    gone(popped.host_busy);
    gone(popped.start);
    for (Task& one : popped.start) running.emplace(one.id.value, std::move(one));
    REQUIRE_FALSE((popped.start.empty() && !queued.empty()));
  }
  REQUIRE(queued.empty());
}

TEST_CASE("no order of calls loses a task or passes a limit", "[probe][task_queue]") {
  for (unsigned seed = 1; seed <= 200; ++seed) walk(seed);
}

}  // namespace
}  // namespace probekit
