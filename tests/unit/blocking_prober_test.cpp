// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>

#include "probekit/probe_executor.hpp"
#include "probekit/prober.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using test::run_until;

ProbeKind kind() {
  ProbeKind made;
  made.name = "slow";
  made.schemes = {"slow"};
  return made;
}

ProbeResult passed() {
  ProbeResult result;
  result.verdict = Verdict::passed;
  return result;
}

/// Holds functions until it is opened.
class Gate {
 public:
  ~Gate() { open(); }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  int waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

ProbeExecutorOptions one_thread() {
  ProbeExecutorOptions options;
  options.threads = 1;
  options.concurrency = 16;
  return options;
}

ProbeSpec spec(const std::string& target, milliseconds timeout) {
  ProbeSpec made;
  made.target = target;
  made.timeout = timeout;
  return made;
}

TEST_CASE("a blocking prober runs its function and gives its result", "[probe][blocking]") {
  ProbeExecutor executor(one_thread());
  executor.add(make_blocking_prober(
      kind(),
      [](std::string_view target, const ProbeOptions& options) {
        ProbeResult result = passed();
        result.address = std::string{target} + ' ' + std::to_string(options.timeout.count());
        return result;
      },
      2));
  executor.start();
  const auto result = executor.probe(spec("slow:a", milliseconds{5000}));
  REQUIRE(result);
  CHECK(result->verdict == Verdict::passed);
  CHECK(result->address == "slow:a 5000");
  CHECK(result->started_at != SystemTime{});
}

TEST_CASE("an exception of the function is failure internal", "[probe][blocking]") {
  ProbeExecutor executor(one_thread());
  executor.add(make_blocking_prober(
      kind(),
      [](std::string_view, const ProbeOptions&) -> ProbeResult {
        throw std::runtime_error("no device");
      },
      1));
  executor.start();
  const auto result = executor.probe(spec("slow:a", milliseconds{5000}));
  REQUIRE(result);
  CHECK(result->failure->kind == FailureKind::internal);
  CHECK(result->failure->message == "the prober threw: no device");
}

TEST_CASE("what still runs at its timeout fails as timeout, what never ran as internal",
          "[probe][blocking]") {
  Gate gate;
  ProbeExecutor executor(one_thread());
  executor.add(make_blocking_prober(
      kind(),
      [&](std::string_view, const ProbeOptions&) {
        gate.pass();
        return passed();
      },
      1));
  executor.start();
  std::mutex mutex;
  std::vector<TaskResult> results;
  const auto keep = [&](TaskResult result) {
    const std::lock_guard<std::mutex> lock(mutex);
    results.push_back(std::move(result));
  };
  REQUIRE(executor.submit(spec("slow:runs", milliseconds{500}), keep));  // its thread must start
  run_until([&] { return gate.waiting() == 1; });
  REQUIRE(executor.submit(spec("slow:waits", milliseconds{20}), keep));
  run_until([&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return results.size() == 2;
  });
  for (const TaskResult& result : results) {
    REQUIRE(result.failure);
    CHECK(result.failure->kind ==
          (result.target == "slow:runs" ? FailureKind::timeout : FailureKind::internal));
    CHECK(result.duration >= milliseconds{20});
  }
  gate.open();
  executor.stop();
  CHECK(results.size() == 2);
}

TEST_CASE("a cancelled blocking probe gives no result", "[probe][blocking]") {
  class Recorder final : public TaskObserver {
   public:
    void on_result(Task, ProbeResult) override { ++results; }
    void on_returned(Task, Returned) override {}
    void on_burst_end() override {}
    std::atomic<int> results{0};
  };
  Recorder recorder;
  Gate gate;
  ProbeExecutor executor(one_thread());
  executor.add(make_blocking_prober(
      kind(),
      [&](std::string_view, const ProbeOptions&) {
        gate.pass();
        return passed();
      },
      1));
  executor.start(&recorder);
  auto options = std::make_shared<ProbeOptions>();
  options->kind = "slow";
  std::vector<Task> tasks(2);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    tasks[i].id = TaskId{i + 1};
    tasks[i].target = "slow:a";
    tasks[i].options = options;
  }
  REQUIRE(executor.submit(std::move(tasks)).empty());
  run_until([&] { return gate.waiting() == 1; });
  std::atomic<int> cancelled{0};
  executor.cancel(TaskId{1}, [&](TaskId) { ++cancelled; });
  executor.cancel(TaskId{2}, [&](TaskId) { ++cancelled; });
  run_until([&] { return cancelled == 2; });
  gate.open();
  executor.stop();
  CHECK(recorder.results == 0);
  CHECK(gate.waiting() == 1);
}

TEST_CASE("a blocking prober refuses what it cannot work with", "[probe][blocking]") {
  const auto fine = [](std::string_view, const ProbeOptions&) { return passed(); };
  CHECK_THROWS_AS(make_blocking_prober(kind(), nullptr, 1), std::invalid_argument);
  CHECK_THROWS_AS(make_blocking_prober(kind(), fine, 0), std::invalid_argument);
  CHECK_THROWS_AS(make_blocking_prober(kind(), fine, 1025), std::invalid_argument);
}

}  // namespace
}  // namespace probekit
