// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_executor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "probekit/testing/manual_clock.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "support/catch.hpp"
#include "support/held_executor.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::run_until;
using testing::make_scripted_prober;
using testing::never_answers;
using testing::passed_after;
using testing::passed_at_once;
using testing::ScriptedAnswer;
using testing::ScriptedProber;

/// Keeps what it is told.
class Recorder final : public TaskObserver {
 public:
  void on_result(Task task, ProbeResult result) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++reports_[task.id.value];
    results_.emplace(task.id.value, std::move(result));
  }
  void on_returned(Task task, Returned why) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++reports_[task.id.value];
    returned_[task.id.value] = why;
  }
  void on_burst_end() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++bursts_;
  }

  std::size_t reported() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return reports_.size();
  }
  bool each_once() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& report : reports_) {
      if (report.second != 1) return false;
    }
    return true;
  }
  ProbeResult result(std::uint64_t id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return results_.at(id);
  }
  bool has_result(std::uint64_t id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return results_.count(id) != 0;
  }
  Returned returned(std::uint64_t id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return returned_.at(id);
  }
  std::size_t bursts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bursts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, int> reports_;
  std::map<std::uint64_t, ProbeResult> results_;
  std::map<std::uint64_t, Returned> returned_;
  std::size_t bursts_ = 0;
};

/// A runner that never answers, and tells what it is told to.
class TellingProber final : public Prober {
 public:
  class Runner final : public ProbeRunner {
   public:
    void start(std::uint64_t, std::string_view, const ProbeOptions&) override { ++running_; }
    void cancel(std::uint64_t) override { --running_; }
    void tell(ProbeWaits& waits, LocalFailures& failures) const override {
      waits.dns += static_cast<std::uint64_t>(running_);
      waits.tls += static_cast<std::uint64_t>(2 * running_);
      waits.dns_longest = std::max(waits.dns_longest, milliseconds{10 * running_});
      failures.ports += 3;
    }

   private:
    int running_ = 0;
  };

  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop&, const ProbeEnvironment&,
                                           ProbeSink&) const override {
    return std::make_unique<Runner>();
  }

 private:
  const ProbeKind kind_ = [] {
    ProbeKind kind;
    kind.name = "fake";
    return kind;
  }();
};

/// An executor with a scripted prober of kind "fake".
struct Bench {
  Bench(ProbeExecutorOptions options, testing::ProbeScript script) : executor(std::move(options)) {
    auto made = make_scripted_prober("fake", "fake", std::move(script));
    prober = made.get();
    executor.add(std::move(made));
  }

  Recorder recorder;  // outlives the executor
  ProbeExecutor executor;
  const ScriptedProber* prober = nullptr;
};

ProbeExecutorOptions sized(std::size_t concurrency, std::size_t threads) {
  ProbeExecutorOptions options;
  options.concurrency = concurrency;
  options.threads = threads;
  options.per_host = 0;
  return options;
}

testing::ProbeScript always(ScriptedAnswer answer) {
  return [answer](std::string_view, const ProbeOptions&) { return answer; };
}

Task task(std::uint64_t id, milliseconds timeout, std::string kind) {
  auto options = std::make_shared<ProbeOptions>();
  options->kind = std::move(kind);
  options->timeout = timeout;
  Task made;
  made.id = TaskId{id};
  made.target = "fake:" + std::to_string(id);
  made.options = std::move(options);
  return made;
}

Task task(std::uint64_t id) { return task(id, seconds{10}, "fake"); }

std::vector<Task> tasks(std::uint64_t first, std::size_t count) {
  std::vector<Task> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(task(first + i));
  return made;
}

std::vector<Task> list_of(Task one) {
  std::vector<Task> list;
  list.push_back(std::move(one));
  return list;
}

ProbeSpec spec(std::string target) {
  ProbeSpec made;
  made.target = std::move(target);
  return made;
}

/// Probes whose event is there at once; tells of starts and events.
class EventProber final : public Prober {
 public:
  explicit EventProber(std::function<void(std::string)> tell) : tell_(std::move(tell)) {
    kind_.name = "fake";
  }
  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop, const ProbeEnvironment&,
                                           ProbeSink& sink) const override {
    struct Runner final : ProbeRunner {
      Runner(ProbeLoop& its_loop, ProbeSink& its_sink,
             const std::function<void(std::string)>& its_tell)
          : loop(its_loop), sink(its_sink), tell(its_tell) {}
      void start(std::uint64_t probe, std::string_view target, const ProbeOptions&) override {
        const int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        REQUIRE(fd >= 0);
        const std::string name{target};
        tell("start " + name);
        loop.watch(fd, ProbeLoop::readable, [this, fd, probe, name](unsigned) {
          loop.unwatch(fd);
          close(fd);
          tell("event " + name);
          ProbeResult result;
          result.verdict = Verdict::passed;
          sink.on_result(probe, std::move(result));
        });
      }
      void cancel(std::uint64_t) override {}
      ProbeLoop& loop;
      ProbeSink& sink;
      const std::function<void(std::string)>& tell;
    };
    return std::make_unique<Runner>(loop, sink, tell_);
  }

 private:
  const std::function<void(std::string)> tell_;
  ProbeKind kind_;
};

TEST_CASE("a high task starts between two events of others", "[probe][executor]") {
  Recorder recorder;
  ProbeExecutor executor(sized(4, 1));
  std::vector<std::string> told;  // by the one thread, read when all is over
  executor.add(std::make_unique<EventProber>([&](std::string what) {
    if (what == "event fake:2") {
      Task high = task(9);
      auto options = std::make_shared<ProbeOptions>(*high.options);
      options->priority = Priority::high;
      high.options = std::move(options);
      CHECK(executor.submit(list_of(std::move(high))).empty());
    }
    told.push_back(std::move(what));
  }));
  executor.set_paused(true);
  executor.start(&recorder);
  executor.submit(tasks(1, 3));
  executor.set_paused(false);
  run_until([&] { return recorder.reported() == 4; });
  executor.stop();
  const std::vector<std::string> expected = {"start fake:1", "start fake:2", "start fake:3",
                                             "event fake:1", "event fake:2", "start fake:9",
                                             "event fake:3", "event fake:9"};
  CHECK(told == expected);
}

TEST_CASE("what probes wait for is what the runners of all threads tell", "[executor][diagnosis]") {
  Recorder recorder;
  ProbeExecutor executor{sized(8, 2)};
  executor.add(std::make_unique<TellingProber>());
  executor.start(&recorder);
  REQUIRE(executor.submit(tasks(1, 8)).empty());
  run_until([&] { return executor.facts().waits.dns == 7; });  // one slot is for `high` only
  const ProbeExecutorFacts facts = executor.facts();
  CHECK(facts.waits.tls == 14);
  CHECK(facts.waits.dns_longest == milliseconds{40});  // of the thread whose runner says most
  CHECK(facts.failures.ports == 6);
  CHECK(facts.failures.total() == 6);
  executor.stop();
}

TEST_CASE("every task is reported once, from several threads", "[probe][executor]") {
  Bench bench(sized(64, 4), always(passed_after(milliseconds{1})));
  bench.executor.start(&bench.recorder);
  REQUIRE(bench.executor.submit(tasks(1, 2000)).empty());
  run_until([&] { return bench.recorder.reported() == 2000; });
  CHECK(bench.recorder.each_once());
  CHECK(bench.prober->counts().running_max <= 64);
  run_until([&] { return bench.executor.facts().finished == 2000; });
  CHECK(bench.executor.facts().started == 2000);
  CHECK(bench.recorder.result(7).verdict == Verdict::passed);
}

TEST_CASE("a prober that answers at once is fine", "[probe][executor]") {
  Bench bench(sized(8, 2), always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  REQUIRE(bench.executor.submit(tasks(1, 4000)).empty());
  run_until([&] { return bench.recorder.reported() == 4000; });
  CHECK(bench.recorder.each_once());
  CHECK(bench.prober->counts().running_max <= 8);
  run_until([&] { return bench.recorder.bursts() > 0; });
}

TEST_CASE("one thread does not take all slots", "[probe][executor]") {
  std::mutex mutex;
  std::map<std::thread::id, int> running;
  Bench bench(sized(10, 4), [&](std::string_view, const ProbeOptions&) {
    const std::lock_guard<std::mutex> lock(mutex);
    ++running[std::this_thread::get_id()];
    return never_answers();
  });
  bench.executor.start(&bench.recorder);
  REQUIRE(bench.executor.submit(tasks(1, 100)).empty());
  run_until([&] { return bench.prober->counts().started == 9; });  // a slot is for high only
  const std::lock_guard<std::mutex> lock(mutex);
  CHECK(running.size() >= 3);
  for (const auto& one : running) CHECK(one.second <= 3);
}

TEST_CASE("what the queue has no room for comes back at once", "[probe][executor]") {
  ProbeExecutorOptions options = sized(2, 1);
  options.queue = 3;
  Bench bench(options, always(never_answers()));
  bench.executor.start(&bench.recorder);
  CHECK(bench.executor.window().other == 5);
  CHECK(bench.executor.submit(tasks(1, 8)).size() == 3);
  CHECK(bench.executor.submit(spec("fake:x"), nullptr).error().code() == errc::unsupported);
}

TEST_CASE("a task of a kind nobody probes comes back as unsupported", "[probe][executor]") {
  Bench bench(sized(2, 1), always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(list_of(task(1, seconds{1}, "http")));
  run_until([&] { return bench.recorder.reported() == 1; });
  CHECK(bench.recorder.returned(1) == TaskObserver::Returned::unsupported);
  CHECK(bench.executor.facts().queue.running == 0);
}

TEST_CASE("a task that cannot end in time comes back as expired", "[probe][executor]") {
  Bench bench(sized(2, 1), always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  Task late = task(1);
  late.deadline = system_clock()->steady_now() + seconds{2};
  bench.executor.submit(list_of(std::move(late)));
  run_until([&] { return bench.recorder.reported() == 1; });
  CHECK(bench.recorder.returned(1) == TaskObserver::Returned::expired);
}

TEST_CASE("tasks expire in line while every slot is busy", "[probe][executor]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  ProbeExecutorOptions options = sized(1, 1);
  options.clock = clock;
  Bench bench(options, always(never_answers()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(list_of(task(1, seconds{100}, "fake")));
  run_until([&] { return bench.prober->counts().running == 1; });
  Task waits = task(2);
  waits.deadline = clock->steady_now() + seconds{13};
  bench.executor.submit(list_of(std::move(waits)));
  run_until([&] {
    clock->advance(milliseconds{10});
    return bench.recorder.reported() == 1;
  });
  CHECK(bench.recorder.returned(2) == TaskObserver::Returned::expired);
  CHECK(bench.prober->counts().running == 1);
}

TEST_CASE("a host has so many probes at most", "[probe][executor]") {
  ProbeExecutorOptions options = sized(32, 2);
  options.per_host = 3;
  Bench bench(options, always(passed_after(milliseconds{2})));
  bench.executor.start(&bench.recorder);
  std::vector<Task> list = tasks(1, 40);
  for (Task& one : list) one.host_key = "a:80";
  REQUIRE(bench.executor.submit(std::move(list)).empty());
  run_until([&] { return bench.recorder.reported() == 40; });
  CHECK(bench.prober->counts().running_max <= 3);
  CHECK(bench.prober->counts().answered == 40);
}

TEST_CASE("while paused nothing starts, then everything does", "[probe][executor]") {
  Bench bench(sized(4, 2), always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  bench.executor.set_paused(true);
  REQUIRE(bench.executor.submit(tasks(1, 50)).empty());
  CHECK(bench.executor.is_queued(TaskId{50}));
  CHECK(bench.executor.facts().started == 0);
  bench.executor.set_paused(false);
  run_until([&] { return bench.recorder.reported() == 50; });
}

TEST_CASE("a queued task is cancelled at once", "[probe][executor]") {
  Bench bench(sized(4, 1), always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  bench.executor.set_paused(true);
  bench.executor.submit(tasks(1, 3));
  std::atomic<int> told{0};
  CHECK(bench.executor.cancel(TaskId{2}, [&](TaskId) { ++told; }));
  CHECK_FALSE(bench.executor.is_queued(TaskId{2}));
  bench.executor.set_paused(false);
  run_until([&] { return bench.recorder.reported() == 2; });
  bench.executor.stop();
  CHECK(told == 0);
  CHECK_FALSE(bench.recorder.has_result(2));
}

TEST_CASE("a running task is told to end, and nothing is reported", "[probe][executor]") {
  Bench bench(sized(4, 2), always(never_answers()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(tasks(1, 3));
  run_until([&] { return bench.prober->counts().running == 3; });
  std::atomic<std::uint64_t> ended{0};
  CHECK_FALSE(bench.executor.cancel(TaskId{2}, [&](TaskId id) { ended = id.value; }));
  run_until([&] { return ended == 2; });
  CHECK(bench.prober->counts().running == 2);
  CHECK(bench.executor.facts().queue.running == 2);
  // Again, and of one that never was: nothing happens.
  CHECK_FALSE(bench.executor.cancel(TaskId{2}, [&](TaskId) { ended = 99; }));
  CHECK_FALSE(bench.executor.cancel(TaskId{77}, nullptr));
  bench.executor.stop();
  CHECK(ended == 2);
  CHECK(bench.recorder.reported() == 0);
}

TEST_CASE("what did not start can be taken back", "[probe][executor]") {
  Bench bench(sized(2, 1), always(never_answers()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(tasks(1, 5));
  run_until([&] { return bench.prober->counts().running == 1; });
  const auto back = bench.executor.take_back();
  CHECK(back.size() == 4);
  CHECK(bench.executor.facts().queue.queued_other == 0);
}

TEST_CASE("a prober that throws fails the task as internal", "[probe][executor]") {
  ScriptedAnswer throws;
  throws.when = ScriptedAnswer::When::throws;
  Bench bench(sized(2, 1), always(throws));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(tasks(1, 500));
  run_until([&] { return bench.recorder.reported() == 500; });
  const ProbeResult result = bench.recorder.result(3);
  CHECK(result.verdict == Verdict::failed);
  CHECK(result.failure->kind == FailureKind::internal);
  CHECK(result.failure->message.find("scripted to throw") != std::string::npos);
  CHECK(bench.executor.facts().queue.running == 0);
}

class Unmakeable final : public Prober {
 public:
  Unmakeable() { kind_.name = "fake"; }
  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop&, const ProbeEnvironment&,
                                           ProbeSink&) const override {
    throw std::runtime_error("no library");
  }

 private:
  ProbeKind kind_;
};

TEST_CASE("a prober that cannot start fails its tasks as internal", "[probe][executor]") {
  Recorder recorder;
  ProbeExecutor executor(sized(2, 1));
  executor.add(std::make_unique<Unmakeable>());
  executor.start(&recorder);
  executor.submit(tasks(1, 1));
  run_until([&] { return recorder.reported() == 1; });
  CHECK(recorder.result(1).failure->message == "the prober could not start: no library");
}

TEST_CASE("a probe that is never answered ends as internal after its timeout",
          "[probe][executor]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  ProbeExecutorOptions options = sized(2, 1);
  options.clock = clock;
  Bench bench(options, always(never_answers()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(list_of(task(1, milliseconds{500}, "fake")));
  run_until([&] { return bench.prober->counts().running == 1; });
  const SteadyTime begin = clock->steady_now();
  run_until([&] {
    clock->advance(milliseconds{10});
    return bench.recorder.reported() == 1;
  });
  const ProbeResult result = bench.recorder.result(1);
  CHECK(result.failure->kind == FailureKind::internal);
  CHECK(result.failure->message == "the prober did not answer within its timeout");
  CHECK(result.duration > milliseconds{1500});
  CHECK(clock->steady_now() - begin > milliseconds{1500});
  CHECK(bench.prober->counts().cancelled == 1);
  CHECK(bench.executor.facts().queue.running == 0);
}

/// Answers each probe twice, with no verdict and no times, again when the next one has its slot,
/// and from cancel().
class Careless final : public Prober {
 public:
  Careless() { kind_.name = "fake"; }
  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop&, const ProbeEnvironment&,
                                           ProbeSink& sink) const override {
    struct Runner final : ProbeRunner {
      explicit Runner(ProbeSink& to) : sink(to) {}
      ~Runner() override { sink.on_result(last, ProbeResult{}); }
      void start(std::uint64_t probe, std::string_view target, const ProbeOptions&) override {
        ProbeResult stale;
        stale.address = "stale";
        sink.on_result(last, stale);
        last = probe;
        if (target == "fake:21") return;  // answered by the destructor, after the end
        sink.on_result(probe, ProbeResult{});
        sink.on_result(probe, ProbeResult{});
        sink.on_result(probe + 77, ProbeResult{});
      }
      void cancel(std::uint64_t probe) override { sink.on_result(probe, ProbeResult{}); }
      ProbeSink& sink;
      std::uint64_t last = ~std::uint64_t{0};
    };
    return std::make_unique<Runner>(sink);
  }

 private:
  ProbeKind kind_;
};

TEST_CASE("a careless prober harms nobody", "[probe][executor]") {
  Recorder recorder;
  ProbeExecutor executor(sized(2, 1));
  executor.add(std::make_unique<Careless>());
  executor.start(&recorder);
  executor.submit(tasks(1, 20));
  run_until([&] { return recorder.reported() == 20; });
  executor.submit(tasks(21, 1));
  run_until([&] { return executor.facts().started == 21; });
  executor.stop();
  CHECK(recorder.reported() == 20);
  CHECK(recorder.each_once());
  for (std::uint64_t id = 1; id <= 20; ++id) CHECK(recorder.result(id).address.empty());
  const ProbeResult result = recorder.result(1);
  CHECK(result.failure->kind == FailureKind::internal);
  CHECK(result.failure->message == "the prober gave no verdict");
  CHECK(result.started_at != SystemTime{});
}

TEST_CASE("results of a late thread are suspect", "[probe][executor]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  ProbeExecutorOptions options = sized(4, 1);
  options.clock = clock;
  Bench bench(options, [&](std::string_view target, const ProbeOptions&) {
    if (target == "fake:2") clock->advance(seconds{1});  // a burst that took too long
    return passed_at_once();
  });
  bench.executor.start(&bench.recorder);
  bench.executor.submit(tasks(1, 1));
  run_until([&] { return bench.recorder.reported() == 1; });
  CHECK_FALSE(bench.recorder.result(1).suspect);
  bench.executor.submit(tasks(2, 1));
  run_until([&] { return bench.recorder.reported() == 2; });
  CHECK(bench.recorder.result(2).suspect);
}

TEST_CASE("stop ends what runs without results, and what is submitted later comes back",
          "[probe][executor]") {
  Bench bench(sized(4, 2), always(never_answers()));
  bench.executor.start(&bench.recorder);
  bench.executor.submit(tasks(1, 10));
  run_until([&] { return bench.prober->counts().running == 3; });
  bench.executor.stop();
  bench.executor.stop();
  CHECK(bench.recorder.reported() == 0);
  CHECK(bench.executor.submit(tasks(20, 2)).size() == 2);
  CHECK(bench.executor.facts().queue.running == 0);
  CHECK(bench.executor.facts().queue.queued_other == 0);
  CHECK_THROWS_AS(bench.executor.start(), std::logic_error);
}

TEST_CASE("an executor that never started is stopped quietly", "[probe][executor]") {
  ProbeExecutor executor(sized(1, 1));
  CHECK(executor.submit(tasks(1, 1)).size() == 1);
  CHECK(executor.submit(spec("fake:x"), nullptr).error().code() == errc::closed);
  executor.stop();
}

TEST_CASE("one probe is waited for", "[probe][executor]") {
  Bench bench(sized(4, 2), always(passed_after(milliseconds{1})));
  bench.executor.start();
  ProbeSpec one = spec("fake:a/1");
  one.labels = {{"team", "x"}};
  const auto result = bench.executor.probe(one);
  REQUIRE(result);
  CHECK(result->verdict == Verdict::passed);
  CHECK(result->state == TaskState::done);
  CHECK(result->target == "fake:a/1");
  CHECK(result->kind == "fake");
  CHECK(result->labels == one.labels);
  CHECK(result->duration >= milliseconds{1});
}

TEST_CASE("a spec that is wrong is refused before it counts", "[probe][executor]") {
  Bench bench(sized(4, 1), always(passed_at_once()));
  bench.executor.start();
  CHECK(bench.executor.probe(spec("nonsense")).error().code() == errc::invalid_argument);
  CHECK(bench.executor.probe(spec("http://a/")).error().code() == errc::unsupported);
  ProbeSpec slow = spec("fake:a");
  slow.timeout = seconds{1000};
  CHECK(bench.executor.probe(slow).error().message().find("timeout_ms: ") == 0);
  CHECK(bench.executor.submit(tasks(1, 1)).size() == 1);
}

TEST_CASE("callbacks run on the host's executor, once, and with no lock held",
          "[probe][executor]") {
  const auto delivery = std::make_shared<DeliveryThread>();
  std::promise<std::thread::id> told;
  delivery->post([&] { told.set_value(std::this_thread::get_id()); });
  const std::thread::id theirs = told.get_future().get();

  ProbeExecutorOptions options = sized(2, 1);
  options.executor = delivery;
  Bench bench(options, [](std::string_view target, const ProbeOptions&) {
    return target == "fake:never" ? never_answers() : passed_at_once();
  });
  bench.executor.start();
  std::atomic<int> ran{0};
  std::atomic<int> ran_elsewhere{0};
  const auto count = [&](const TaskResult&) {
    if (std::this_thread::get_id() != theirs) ++ran_elsewhere;
    ++ran;
  };
  // A result; and from within its callback everything may be called.
  REQUIRE(bench.executor.submit(spec("fake:a"), [&](const TaskResult& result) {
    count(result);
    if (!bench.executor.submit(spec("fake:b"), count)) ++ran_elsewhere;
    bench.executor.take_back();
    bench.executor.facts();
  }));
  run_until([&] { return ran == 2; });
  // One taken back, one that runs when it stops, one that waits then.
  bench.executor.set_paused(true);
  REQUIRE(bench.executor.submit(spec("fake:c"), count));
  CHECK(bench.executor.take_back().size() == 1);
  run_until([&] { return ran == 3; });
  bench.executor.set_paused(false);
  REQUIRE(bench.executor.submit(spec("fake:never"), count));
  run_until([&] { return bench.prober->counts().running == 1; });
  REQUIRE(bench.executor.submit(spec("fake:never"), count));
  bench.executor.stop();
  run_until([&] { return ran == 5; });
  CHECK(ran_elsewhere == 0);
}

TEST_CASE("no callback runs inside the call that leads to it", "[probe][executor]") {
  const auto held = std::make_shared<test::HeldExecutor>();
  ProbeExecutorOptions options = sized(2, 1);
  options.executor = held;
  Bench bench(options, always(passed_at_once()));
  bench.executor.start();
  int ran = 0;
  REQUIRE(bench.executor.submit(spec("fake:a"), [&](const TaskResult&) { ++ran; }));
  run_until([&] { return held->waiting() == 1; });
  bench.executor.set_paused(true);
  REQUIRE(bench.executor.submit(spec("fake:b"), [&](const TaskResult&) { ++ran; }));
  bench.executor.take_back();
  REQUIRE(bench.executor.submit(spec("fake:c"), [&](const TaskResult&) { ++ran; }));
  bench.executor.stop();
  CHECK(ran == 0);
  CHECK(held->run() == 3);
  CHECK(ran == 3);
}

TEST_CASE("a result takes its task's room until its callback is called", "[probe][executor]") {
  const auto held = std::make_shared<test::HeldExecutor>();
  ProbeExecutorOptions options = sized(2, 1);
  options.queue = 3;
  options.executor = held;
  Bench bench(options, always(passed_at_once()));
  bench.executor.start();
  const Priority priority = GENERATE(Priority::high, Priority::normal);
  const TaskQueueWindow window = bench.executor.window();
  const std::size_t room = priority == Priority::high ? window.high : window.other;
  ProbeSpec one = spec("fake:a");
  one.priority = priority;
  std::size_t answered = 0;
  for (std::size_t i = 0; i < room; ++i) {
    REQUIRE(bench.executor.submit(one, [&](const TaskResult&) { ++answered; }));
  }
  run_until([&] { return bench.executor.facts().finished == room && held->waiting() == room; });
  const auto refused = bench.executor.submit(one, nullptr);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::limit_reached);
  ProbeSpec of_the_other_class = one;
  of_the_other_class.priority = priority == Priority::high ? Priority::low : Priority::high;
  CHECK(bench.executor.submit(of_the_other_class, nullptr));

  held->run();
  CHECK(answered == room);
  // A callback may go on with the next one.
  for (std::size_t i = 1; i < room; ++i) REQUIRE(bench.executor.submit(one, nullptr));
  bool taken = false;
  REQUIRE(bench.executor.submit(
      one, [&](const TaskResult&) { taken = bench.executor.submit(one, nullptr).has_value(); }));
  run_until([&] { return held->waiting() >= room; });
  held->run();
  CHECK(taken);
}

TEST_CASE("an executor whose tasks go to an observer starts no thread for callbacks",
          "[probe][executor]") {
  const auto threads = [] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/task"}) {
      std::ifstream name{entry.path() / "comm"};
      std::string text;
      std::getline(name, text);
      if (text == "probekit-deliv") ++count;
    }
    return count;
  };
  const std::size_t before = threads();
  Bench observed(sized(1, 1), always(passed_at_once()));
  observed.executor.start(&observed.recorder);
  CHECK(threads() == before);
  Bench alone(sized(1, 1), always(passed_at_once()));
  alone.executor.start();
  run_until([&] { return threads() == before + 1; });
}

TEST_CASE("verdict and failure of a result always agree", "[probe][executor]") {
  Bench bench(sized(4, 1), [](std::string_view target, const ProbeOptions&) {
    ScriptedAnswer answer = passed_at_once();
    if (target == "fake:1") answer.result.verdict = Verdict::failed;
    if (target == "fake:2") answer.result.failure = Failure{FailureKind::tls, "old"};
    return answer;
  });
  bench.executor.start(&bench.recorder);
  CHECK(bench.executor.submit(tasks(1, 2)).empty());
  run_until([&] { return bench.recorder.reported() == 2; });
  const ProbeResult without_reason = bench.recorder.result(1);
  REQUIRE(without_reason.failure);
  CHECK(without_reason.failure->kind == FailureKind::internal);
  const ProbeResult passed_with_one = bench.recorder.result(2);
  CHECK(passed_with_one.verdict == Verdict::failed);
  CHECK(passed_with_one.failure->message == "old");
}

TEST_CASE("durations without end are taken for long ones", "[probe][executor]") {
  ProbeExecutorOptions options = sized(1, 1);
  options.suspect_lag = milliseconds::max();
  Bench bench(options, always(passed_at_once()));
  bench.executor.start(&bench.recorder);
  Task endless = task(1, milliseconds::max(), "fake");
  Task with_deadline = task(2, milliseconds::max(), "fake");
  with_deadline.deadline = system_clock()->steady_now() + std::chrono::hours{24};
  CHECK(bench.executor.submit(list_of(std::move(endless))).empty());
  CHECK(bench.executor.submit(list_of(std::move(with_deadline))).empty());
  run_until([&] { return bench.recorder.reported() == 2; });
  CHECK(bench.recorder.result(1).verdict == Verdict::passed);
  CHECK_FALSE(bench.recorder.result(1).suspect);
  CHECK(bench.recorder.returned(2) == TaskObserver::Returned::expired);
}

TEST_CASE("a full queue refuses, and all that was taken is answered", "[probe][executor]") {
  ProbeExecutorOptions options = sized(2, 1);
  options.queue = 3;
  Bench bench(options, always(passed_at_once()));
  bench.executor.start();
  bench.executor.set_paused(true);
  std::atomic<int> answered{0};
  int taken = 0;
  for (int i = 0; i < 8; ++i) {
    const auto submitted = bench.executor.submit(spec("fake:a"), [&](TaskResult) { ++answered; });
    if (submitted) {
      ++taken;
    } else {
      CHECK(submitted.error().code() == errc::limit_reached);
    }
  }
  CHECK(taken == 5);
  bench.executor.set_paused(false);
  run_until([&] { return answered == taken; });
}

TEST_CASE("alone, an executor makes tasks of one host wait, all of them", "[probe][executor]") {
  ProbeExecutorOptions options = sized(8, 2);
  options.queue = 2000;
  options.per_host = 1;
  Bench bench(options, always(passed_at_once()));
  bench.executor.start();
  std::atomic<int> passed{0};
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(bench.executor.submit(spec("fake:host/" + std::to_string(i)), [&](TaskResult result) {
      if (result.verdict == Verdict::passed) ++passed;
    }));
  }
  run_until([&] { return passed == 2000; });
  CHECK(bench.prober->counts().running_max == 1);
}

TEST_CASE("a spec's deadline that cannot be met ends it expired", "[probe][executor]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  ProbeExecutorOptions options = sized(1, 1);
  options.clock = clock;
  Bench bench(options, always(never_answers()));
  bench.executor.start();
  bench.executor.set_paused(true);
  ProbeSpec one = spec("fake:a");
  one.deadline = one.timeout + seconds{2};
  std::mutex mutex;
  std::vector<TaskResult> results;
  REQUIRE(bench.executor.submit(one, [&](TaskResult result) {
    const std::lock_guard<std::mutex> lock(mutex);
    results.push_back(std::move(result));
  }));
  clock->advance(seconds{3});
  bench.executor.set_paused(false);
  run_until([&] {
    clock->advance(milliseconds{10});
    const std::lock_guard<std::mutex> lock(mutex);
    return results.size() == 1;
  });
  CHECK(results[0].state == TaskState::expired);
  CHECK(results[0].reason == ExpiryReason::deadline);
  CHECK(results[0].verdict == Verdict::none);
}

TEST_CASE("stop answers every callback exactly once", "[probe][executor]") {
  std::map<std::string, int> calls;
  std::map<std::string, std::string> messages;
  {
    Bench bench(sized(2, 1), always(never_answers()));
    bench.executor.start();
    for (int i = 0; i < 6; ++i) {
      REQUIRE(bench.executor.submit(spec("fake:" + std::to_string(i)), [&](TaskResult result) {
        ++calls[result.target];
        messages[result.target] = result.failure ? result.failure->message : "";
      }));
    }
    run_until([&] { return bench.prober->counts().running == 1; });
    bench.executor.stop();
    CHECK(bench.executor.submit(spec("fake:late"), [](TaskResult) {}).error().code() ==
          errc::closed);
  }
  CHECK(calls.size() == 6);
  for (const auto& call : calls) {
    CHECK(call.second == 1);
    CHECK(messages[call.first] == "stopped");
  }
}

TEST_CASE("what is taken back is told to its callback", "[probe][executor]") {
  Bench bench(sized(2, 1), always(passed_at_once()));
  bench.executor.start();
  bench.executor.set_paused(true);
  std::atomic<int> cancelled{0};
  REQUIRE(bench.executor.submit(spec("fake:a"), [&](TaskResult result) {
    if (result.state == TaskState::cancelled) ++cancelled;
  }));
  CHECK(bench.executor.take_back().size() == 1);
  run_until([&] { return cancelled == 1; });
}

TEST_CASE("executor options out of range are refused by name", "[probe][executor]") {
  CHECK_THROWS_WITH(ProbeExecutor(sized(0, 1)),
                    "ProbeExecutorOptions.concurrency: 0 is not 1 to 65536");
  CHECK_THROWS_AS(ProbeExecutor(sized(1, 65)), std::invalid_argument);
  ProbeExecutorOptions options;
  options.queue = 0;
  CHECK_THROWS_AS(ProbeExecutor(options), std::invalid_argument);
  options = ProbeExecutorOptions{};
  options.suspect_lag = milliseconds{0};
  CHECK_THROWS_AS(ProbeExecutor(options), std::invalid_argument);
  ProbeExecutor executor(sized(1, 1));
  CHECK_THROWS_AS(executor.add(nullptr), std::invalid_argument);
  CHECK_THROWS_AS(executor.start(nullptr), std::invalid_argument);
  executor.start();
  CHECK_THROWS_AS(executor.start(), std::logic_error);
  CHECK_THROWS_AS(executor.add(make_scripted_prober("fake", "fake", always(passed_at_once()))),
                  std::logic_error);
}

}  // namespace
}  // namespace probekit
