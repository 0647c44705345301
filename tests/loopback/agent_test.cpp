// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "probekit/agent.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "probekit/testing/scripted_prober.hpp"
#include "support/catch.hpp"
#include "support/held_executor.hpp"
#include "support/run_until.hpp"
#include "support/scripted_master.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using namespace protocol;
using test::fake_tasks;
using test::plain_welcome;
using test::run_until;
using test::ScriptedMaster;

AgentOptions small_options() {
  AgentOptions options;
  options.name = "here";
  options.concurrency = 4;
  options.queue = 12;
  options.threads = 2;
  options.backoff_min = 1ms;
  options.backoff_max = 5ms;
  return options;
}

// `fake:at-once` passes, `fake:never` runs until it is cancelled or its time is over.
std::unique_ptr<testing::ScriptedProber> fake_prober() {
  return testing::make_scripted_prober("fake", "fake",
                                       [](std::string_view target, const ProbeOptions&) {
                                         if (target == "fake:never")
                                           return testing::passed_after(1h);
                                         return testing::passed_at_once();
                                       });
}

class Lines final : public LogSink {
 public:
  void write(const LogLine& line) override {
    const std::lock_guard<std::mutex> lock{mutex_};
    lines_.push_back(line);
  }
  std::optional<LogLine> find(const std::string& part) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    for (const LogLine& line : lines_)
      if (line.message.find(part) != std::string::npos) return line;
    return std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<LogLine> lines_;
};

struct World {
  MemoryNetwork network;
  std::unique_ptr<ScriptedMaster> master = std::make_unique<ScriptedMaster>(network.listener());
  std::unique_ptr<Agent> agent;
  testing::ScriptedProber* prober = nullptr;
  std::atomic<int> connected{0};

  explicit World(AgentOptions options = small_options())
      : agent(std::make_unique<Agent>(network.connector(), std::move(options))) {
    auto made = fake_prober();
    prober = made.get();
    agent->add(std::move(made));
    agent->on_connected([this](const std::string&) { ++connected; });
  }
  void greet(std::vector<TaskId> wanted = {}) {
    run_until([&] { return !master->got<Hello>().empty(); });
    const std::uint64_t holds = master->got<Hello>().front().holds;
    run_until([&] { return holds == 0 || !master->got<Held>().empty(); });
    master->send(plain_welcome(std::move(wanted)));
  }
  void join() {
    agent->start();
    greet();
    run_until([&] { return !master->got<Credit>().empty(); });
  }
};

}  // namespace

TEST_CASE("an agent connects, probes what it is sent and forgets what is acknowledged",
          "[agent][loopback]") {
  World world;
  world.join();
  run_until([&] { return world.connected == 1; });
  CHECK(world.agent->status().connected);
  const Hello hello = world.master->got<Hello>().front();
  CHECK(hello.name == "here");
  CHECK(hello.kinds == std::vector<std::string>{"fake"});
  CHECK(hello.instance.size() == 32);
  CHECK(hello.slots == 4);
  CHECK(hello.threads == 2);
  CHECK(world.master->got<Credit>().front().other == 8);

  world.master->send(fake_tasks({1, 2, 3}, "fake:at-once"));
  run_until([&] { return world.master->items().size() == 3; });
  for (const auto& item : world.master->items()) {
    CHECK_FALSE(item.returned);
    CHECK(item.result.find(R"("verdict":"passed")") != std::string::npos);
  }
  run_until([&] { return world.agent->status().unacknowledged == 3; });
  world.master->send(Ack{3});
  run_until([&] { return world.agent->status().unacknowledged == 0; });
  CHECK(world.agent->status().received == 3);
  CHECK(world.agent->status().results == 3);
}

TEST_CASE("with every slot and the queue full of probes that hang, heartbeats are answered at once",
          "[agent][loopback]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1, 2, 3, 4, 5, 6, 7, 8}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 3; });
  Heartbeat beat;
  beat.seq = 1;
  beat.items_sent = 8;
  world.master->send(beat);
  run_until([&] { return !world.master->got<Heartbeat>().empty(); });
  const Heartbeat answer = world.master->got<Heartbeat>().front();
  CHECK(answer.running == 3);  // one slot is for `high` only
  CHECK(answer.queued == 5);
  CHECK(answer.echo == 1);
  CHECK_FALSE(world.master->closed());
}

TEST_CASE("what is sent beyond the credit comes back", "[agent][loopback]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1, 2, 3, 4, 5, 6, 7, 8, 9}, "fake:never"));
  run_until([&] { return !world.master->items().empty(); });
  CHECK(world.master->items().front().task.value == 9);
  CHECK(world.master->items().front().returned == Returned::overdrawn);
}

TEST_CASE("after a cut the agent comes back with what it holds", "[agent][loopback]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1}, "fake:at-once"));
  world.master->send(fake_tasks({2, 3, 4, 5, 6}, "fake:never"));
  run_until(
      [&] { return world.master->items().size() == 1 && world.prober->counts().running == 3; });
  world.network.cut();
  run_until([&] { return world.master->connections() == 2; });
  world.greet({TaskId{1}, TaskId{2}, TaskId{3}});
  std::map<std::uint64_t, HeldState> states;
  for (const Held& held : world.master->got<Held>())
    for (const auto& item : held.tasks) states[item.task.value] = item.state;
  CHECK(states.size() == 6);
  CHECK(states[1] == HeldState::finished);
  CHECK(std::count_if(states.begin(), states.end(),
                      [](const auto& one) { return one.second == HeldState::running; }) == 3);
  // The result again, and three that are not wanted any more.
  run_until([&] { return world.master->items().size() == 4; });
  CHECK(world.master->items().front().task.value == 1);
  CHECK(world.master->got<Results>().front().seq == 1);
  CHECK(world.agent->status().disconnects == 1);
  run_until([&] { return world.connected == 2; });
  run_until([&] { return world.prober->counts().running == 2; });
}

TEST_CASE("a running probe is cancelled and says so", "[agent][loopback]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1, 2, 3, 4, 5}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 3; });
  world.master->send(Cancel{{TaskId{1}, TaskId{5}}});
  run_until([&] { return world.master->items().size() == 2; });
  for (const auto& item : world.master->items()) CHECK(item.returned == Returned::cancelled);
}

TEST_CASE("a drain returns what waits, finishes what runs, and ends after the last ack",
          "[agent][loopback][drain]") {
  auto sink = std::make_unique<Lines>();
  const Lines* const lines = sink.get();
  AgentOptions options = small_options();
  options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
  World world{options};
  world.join();
  world.master->send(fake_tasks({1, 2, 3, 4, 5, 6}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 3; });
  std::promise<Expected<void>> drained;
  auto future = drained.get_future();
  world.agent->drain(20s, [&](Expected<void> how) { drained.set_value(std::move(how)); });
  run_until([&] { return world.master->items().size() == 3; });
  CHECK(world.master->got<Draining>().size() == 1);
  world.master->send(Cancel{{TaskId{1}, TaskId{2}, TaskId{3}}});
  run_until([&] { return world.master->items().size() == 6; });
  CHECK(future.wait_for(0s) == std::future_status::timeout);
  world.master->send(Ack{6});
  CHECK(future.get());
  run_until([&] { return world.master->closed().has_value(); });
  CHECK(world.master->closed()->code == CloseCode::normal);
  // As it should be: nothing to warn of, and no disconnect to count.
  run_until([&] { return lines->find("disconnected").has_value(); });
  CHECK(lines->find("disconnected")->level == LogLevel::info);
  CHECK(world.agent->status().disconnects == 0);
  world.agent->stop();
  CHECK(world.master->connections() == 1);
}

TEST_CASE("a drain that takes too long says so", "[agent][loopback][drain]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 1; });
  std::promise<Expected<void>> drained;
  auto future = drained.get_future();
  world.agent->drain(10ms, [&](Expected<void> how) { drained.set_value(std::move(how)); });
  const Expected<void> how = future.get();
  REQUIRE_FALSE(how);
  CHECK(how.error().code() == errc::timed_out);
}

TEST_CASE("an agent that was not started has nothing to drain", "[agent][drain]") {
  World world;
  std::promise<Expected<void>> drained;
  auto future = drained.get_future();
  world.agent->drain(10s, [&](Expected<void> how) { drained.set_value(std::move(how)); });
  CHECK(future.get());
}

TEST_CASE("a name in use is told with the flag that helps", "[agent][loopback]") {
  auto sink = std::make_unique<Lines>();
  const Lines* const lines = sink.get();
  AgentOptions options = small_options();
  options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
  World world{options};
  world.agent->start();
  run_until([&] { return !world.master->got<Hello>().empty(); });
  world.master->send(Reject{"name_in_use", "an agent at 192.0.2.1 answers", 60s});
  run_until([&] { return lines->find("--name").has_value(); });
  run_until([&] { return lines->find("disconnected").has_value(); });
  CHECK(lines->find("rejected: name_in_use: an agent at 192.0.2.1 answers")->level ==
        LogLevel::error);
  CHECK_FALSE(world.agent->status().connected);
}

TEST_CASE("a disconnect is one line with session, peer, reason and what is held",
          "[agent][loopback]") {
  auto sink = std::make_unique<Lines>();
  const Lines* const lines = sink.get();
  AgentOptions options = small_options();
  options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
  World world{options};
  world.join();
  world.master->send(fake_tasks({1, 2}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 2; });
  world.master->close(CloseCode::going_away, "draining retry_after=3600");
  run_until([&] { return lines->find("disconnected").has_value(); });
  const LogLine line = *lines->find("disconnected");
  CHECK(line.message == "disconnected: closed by the master (1001): draining retry_after=3600");
  std::map<std::string, std::string> fields;
  for (const LogField& field : line.fields) fields[field.key] = field.value;
  CHECK(fields["session"] == "s1");
  CHECK(fields["peer"] == "memory");
  CHECK(fields["held"] == "2");
  CHECK(fields["diagnosis"] == "healthy");
  CHECK(fields["text"].find("nothing stood in its way until the end; 2 of ") == 0);
  CHECK(world.agent->status().last_diagnosis.text == fields["text"]);
  CHECK(fields.count("measured_ms_ago") == 1);
  CHECK(world.agent->status().disconnects == 1);
  CHECK(world.agent->status().last_disconnect.find("draining") != std::string::npos);
  // It stays away for as long as it was asked to.
  CHECK(world.master->connections() == 1);
}

TEST_CASE("a master that breaks the protocol is left, and met again", "[agent][loopback]") {
  World world;
  world.join();
  world.master->send(Ack{77});
  run_until([&] { return world.master->connections() == 2; });
  world.greet();
  run_until([&] { return world.agent->status().connected; });
}

TEST_CASE("results beyond what may be kept stop the probes until they are acknowledged",
          "[agent][loopback]") {
  auto sink = std::make_unique<Lines>();
  const Lines* const lines = sink.get();
  AgentOptions options = small_options();
  options.outbox_bytes_max = 128 * 1024;
  options.concurrency = 8;
  options.queue = 30;
  options.log = std::make_shared<Log>(std::move(sink), LogOptions{});
  MemoryNetwork network;
  ScriptedMaster master{network.listener()};
  Agent agent{network.connector(), options};
  agent.add(
      testing::make_scripted_prober("fake", "fake", [](std::string_view, const ProbeOptions&) {
        testing::ScriptedAnswer answer = testing::passed_at_once();
        answer.result.sections.push_back(
            ResultSection{"pad", "{\"x\":\"" + std::string(40'000, 'x') + "\"}"});
        return answer;
      }));
  agent.start();
  run_until([&] { return !master.got<Hello>().empty(); });
  Welcome welcome = plain_welcome({});
  welcome.heartbeat_interval = 10ms;
  master.send(welcome);
  run_until([&] { return !master.got<Credit>().empty(); });
  REQUIRE(master.got<Credit>().front().other >= 9);

  master.send(fake_tasks({1, 2, 3, 4}, "fake:x"));  // four fill it
  run_until([&] { return lines->find("the outbox is full").has_value(); });
  run_until([&] { return master.items().size() == 4; });
  master.send(fake_tasks({5, 6, 7, 8, 9}, "fake:x"));
  run_until([&] { return agent.status().received == 9; });
  const std::size_t beats = master.got<Heartbeat>().size();
  run_until([&] { return master.got<Heartbeat>().size() >= beats + 10; });
  CHECK(master.got<Heartbeat>().back().queued == 5);
  CHECK(master.got<Heartbeat>().back().running == 0);
  CHECK(agent.status().results == 4);

  master.send(Ack{4});
  run_until([&] { return master.items().size() == 9; });
  master.send(Ack{9});
  run_until([&] { return agent.status().unacknowledged == 0; });
  CHECK(agent.status().disconnects == 0);
}

TEST_CASE("nothing is notified once stop returned, and stopping twice is fine", "[agent][stop]") {
  const auto held = std::make_shared<test::HeldExecutor>();
  AgentOptions options = small_options();
  options.executor = held;
  World world{options};
  world.join();
  run_until([&] { return held->waiting() == 1; });
  world.master->send(fake_tasks({1, 2, 3}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 3; });
  world.agent->stop();
  world.agent->stop();
  CHECK(held->run() == 1);
  world.agent.reset();
  held->run();
  CHECK(world.connected == 0);
}

TEST_CASE("a drain that stop overtakes is answered before stop returns", "[agent][drain][stop]") {
  // Nobody runs the executor: it may be the very thread that stops.
  const auto held = std::make_shared<test::HeldExecutor>();
  AgentOptions options = small_options();
  options.executor = held;
  World world{options};
  world.join();
  world.master->send(fake_tasks({1}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 1; });
  std::vector<std::error_code> answers;
  const auto keep = [&](const Expected<void>& how) {
    answers.push_back(how ? std::error_code{} : how.error().code());
  };
  world.agent->drain(1h, keep);
  world.agent->drain(1h, keep);
  run_until([&] { return world.master->got<Draining>().size() == 1; });
  CHECK(answers.empty());
  world.agent->stop();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0] == errc::cancelled);
  CHECK(answers[1] == errc::cancelled);

  // And one after stop() is answered, too, but not inside the call.
  world.agent->drain(1h, keep);
  CHECK(answers.size() == 2);
  held->run();
  REQUIRE(answers.size() == 3);
  CHECK(answers[2] == errc::closed);
}

TEST_CASE("two stops may meet, one of them in a callback", "[agent][stop]") {
  const auto held = std::make_shared<test::HeldExecutor>();
  AgentOptions options = small_options();
  options.executor = held;
  World world{options};
  std::promise<void> entered;
  std::atomic<bool> over{false};
  std::atomic<int> answered{0};
  world.agent->on_connected([&](const std::string&) {
    entered.set_value();
    // The other stop() is on its way now, and waits for this notification in the end.
    run_until([&] { return !world.agent->status().connected; });
    world.agent->drain(1h, [&](const Expected<void>& how) {
      if (!how && how.error().code() == errc::closed) ++answered;
    });
    world.agent->stop();
    over = true;
  });
  world.join();
  run_until([&] { return held->waiting() == 1; });
  std::thread host{[&] { held->run(); }};
  entered.get_future().wait();
  world.agent->stop();
  CHECK(over);
  host.join();
  held->run();
  CHECK(answered == 1);
}

TEST_CASE("what a drain's callback may do: stop the agent", "[agent][drain][stop]") {
  World world;
  world.join();
  std::promise<void> stopped;
  world.agent->drain(20s, [&](const Expected<void>&) {
    world.agent->stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
  CHECK_FALSE(world.agent->status().connected);
}

TEST_CASE("a host that is slow to hear of connections hears of the last", "[agent][loopback]") {
  const auto held = std::make_shared<test::HeldExecutor>();
  AgentOptions options = small_options();
  options.executor = held;
  World world{options};
  world.join();
  for (std::size_t i = 2; i <= 4; ++i) {
    run_until([&] { return world.agent->status().connected; });
    world.network.cut();
    run_until([&] { return world.master->connections() == i; });
    world.greet();
    run_until([&] { return !world.master->got<Credit>().empty(); });
  }
  CHECK(held->run() == 1);
  CHECK(world.connected == 1);
  world.network.cut();
  run_until([&] { return world.master->connections() == 5; });
  world.greet();
  run_until([&] { return held->waiting() == 1; });
  held->run();
  CHECK(world.connected == 2);
}

TEST_CASE("callbacks run on the host's executor, with no lock held", "[agent][loopback]") {
  const auto delivery = std::make_shared<DeliveryThread>();
  std::promise<std::thread::id> told;
  delivery->post([&] { told.set_value(std::this_thread::get_id()); });
  const std::thread::id theirs = told.get_future().get();
  AgentOptions options = small_options();
  options.executor = delivery;
  World world{options};
  std::promise<std::thread::id> connected_on;
  std::promise<std::pair<std::thread::id, bool>> drained_on;
  world.agent->on_connected([&](const std::string&) {
    connected_on.set_value(std::this_thread::get_id());
    world.agent->status();
    world.agent->drain(20s, [&](const Expected<void>& how) {
      drained_on.set_value({std::this_thread::get_id(), how.has_value()});
    });
  });
  world.join();
  CHECK(connected_on.get_future().get() == theirs);
  const auto [thread, in_time] = drained_on.get_future().get();
  CHECK(thread == theirs);
  CHECK(in_time);
}

TEST_CASE("a drain without a limit waits", "[agent][loopback][drain]") {
  World world;
  world.join();
  world.master->send(fake_tasks({1}, "fake:never"));
  run_until([&] { return world.prober->counts().running == 1; });
  std::promise<Expected<void>> drained;
  world.agent->drain(std::chrono::milliseconds::max(),
                     [&](Expected<void> how) { drained.set_value(std::move(how)); });
  run_until([&] { return world.master->got<Draining>().size() == 1; });
  world.master->send(Cancel{{TaskId{1}}});
  run_until([&] { return world.master->items().size() == 1; });
  world.master->send(Ack{1});
  CHECK(drained.get_future().get());
}

TEST_CASE("a lag stays in the heartbeats of a minute, not of a moment", "[agent][loopback]") {
  MemoryNetwork network;
  ScriptedMaster master{network.listener()};
  Agent agent{network.connector(), small_options()};
  agent.add(
      testing::make_scripted_prober("fake", "fake", [](std::string_view, const ProbeOptions&) {
        poll(nullptr, 0, 300);  // a prober that blocks
        return testing::passed_at_once();
      }));
  agent.start();
  run_until([&] { return !master.got<Hello>().empty(); });
  Welcome welcome = plain_welcome({});
  welcome.heartbeat_interval = 100ms;
  master.send(welcome);
  run_until([&] { return !master.got<Credit>().empty(); });
  master.send(fake_tasks({1}, "fake:x"));
  run_until([&] { return !master.items().empty(); });
  // The loops are on time again for long enough to have measured it.
  const std::size_t before = master.got<Heartbeat>().size();
  run_until([&] { return master.got<Heartbeat>().size() >= before + 5; });
  CHECK(master.got<Heartbeat>().back().loop_lag_us >= 150'000);
}

TEST_CASE("agent options out of range are refused by name", "[agent]") {
  MemoryNetwork network;
  const auto refused = [&](void (*change)(AgentOptions&), const std::string& name) {
    AgentOptions options = small_options();
    change(options);
    try {
      Agent agent{network.connector(), options};
      FAIL(name << " was taken");
    } catch (const std::invalid_argument& error) {
      CHECK(std::string{error.what()}.find(name) != std::string::npos);
    }
  };
  refused([](AgentOptions& o) { o.name = ""; }, "name");
  refused([](AgentOptions& o) { o.name = "a b"; }, "name");
  refused([](AgentOptions& o) { o.tags.assign(65, Label{"a", "b"}); }, "tags");
  refused([](AgentOptions& o) { o.tags = {{"a", ""}}; }, "tags");
  refused(
      [](AgentOptions& o) {
        o.tags.assign(64, Label{std::string(64, 'a'), std::string(64, 'b')});
      },
      "tags");
  refused([](AgentOptions& o) { o.concurrency = 0; }, "concurrency");
  refused([](AgentOptions& o) { o.concurrency = 65'537; }, "concurrency");
  refused([](AgentOptions& o) { o.queue = 0; }, "queue");
  refused([](AgentOptions& o) { o.threads = 65; }, "threads");
  refused([](AgentOptions& o) { o.outbox_bytes_max = 1; }, "outbox_bytes_max");
  refused([](AgentOptions& o) { o.backoff_min = 0ms; }, "backoff_min");
  refused([](AgentOptions& o) { o.backoff_max = o.backoff_min - 1ms; }, "backoff_max");
  CHECK_THROWS_AS((Agent{nullptr, small_options()}), std::invalid_argument);
}

}  // namespace probekit
