// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/agent_session.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "probekit/testing/seeded_random.hpp"
#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;
using Stage = AgentSession::Stage;

AgentSessionOptions small_options() {
  AgentSessionOptions options;
  options.name = "agent";
  options.instance = "0123456789abcdef0123456789abcdef";
  options.version = "0.1.0";
  options.kinds = {"http"};
  options.concurrency = 4;
  options.queue = 8;
  return options;
}

std::shared_ptr<const ProbeOptions> options_of(Priority priority) {
  ProbeOptions options;
  options.kind = "http";
  options.timeout = 1s;
  options.priority = priority;
  return std::make_shared<const ProbeOptions>(options);
}

// An agent's session, an executor that does what a test says, and the two directions of a
// connection, on which messages lie until the test takes them off.
struct Rig {
  testing::SeededRandom chance;
  SteadyTime now{1h};
  AgentSession session;
  std::uint64_t bytes = 0;

  // The executor.
  std::vector<Task> queued;
  std::map<std::uint64_t, Task> running;
  bool paused = false;

  // What happened.
  std::vector<Message> sent;  // by the agent on this connection
  std::vector<AgentSession::Event> events;
  std::optional<AgentSession::Close> close;
  int measured = 0;

  explicit Rig(AgentSessionOptions options = small_options())
      : session(std::move(options), chance, [this](Heartbeat& beat) {
          ++measured;
          beat.running = running.size();
        }) {}

  SystemTime wall() const {
    return SystemTime{std::chrono::duration_cast<std::chrono::microseconds>(
        now.time_since_epoch() + std::chrono::hours{480'000})};
  }

  void take_events() {
    for (bool more = true; more;) {
      auto taken = session.take_events();
      more = !taken.empty();
      for (auto& event : taken) {
        if (auto* deliver = std::get_if<AgentSession::Deliver>(&event)) {
          for (Task& task : deliver->tasks) queued.push_back(task);
        } else if (auto* cancel = std::get_if<AgentSession::CancelTasks>(&event)) {
          for (const TaskId id : cancel->tasks) cancel_task(id);
        } else if (std::holds_alternative<AgentSession::TakeBack>(event)) {
          for (const Task& task : std::exchange(queued, {}))
            session.returned(task.id, Returned::draining, now);
        } else if (auto* pause = std::get_if<AgentSession::Pause>(&event)) {
          paused = pause->paused;
        } else if (auto* closing = std::get_if<AgentSession::Close>(&event)) {
          close = *closing;
        }
        events.push_back(std::move(event));
      }
    }
  }
  void cancel_task(TaskId id) {
    const auto found = std::find_if(queued.begin(), queued.end(),
                                    [id](const Task& task) { return task.id == id; });
    if (found != queued.end()) {
      queued.erase(found);
      session.cancelled(id, now);
    }
    // A running one ends when the test says so.
  }
  template <class T>
  std::vector<T> happened() const {
    std::vector<T> found;
    for (const auto& event : events)
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    return found;
  }

  // Takes what the session has to send; returns what is new.
  std::vector<Message> pump(std::size_t room = Connection::kSendRoom) {
    std::vector<Message> fresh;
    take_events();
    while (auto text = session.next_message(room, now, wall())) {
      auto decoded = decode(*text);
      if (!decoded) FAIL(decoded.error().message());
      fresh.push_back(*decoded);
      sent.push_back(*decoded);
      take_events();
    }
    take_events();
    return fresh;
  }
  template <class T>
  std::vector<T> pump_for() {
    std::vector<T> found;
    for (Message& message : pump())
      if (T* one = std::get_if<T>(&message)) found.push_back(std::move(*one));
    return found;
  }
  template <class T>
  std::vector<T> all_sent() const {
    std::vector<T> found;
    for (const Message& message : sent)
      if (const T* one = std::get_if<T>(&message)) found.push_back(*one);
    return found;
  }

  void tell(const Message& message) {
    std::string text;
    encode(message, text);
    bytes += text.size();
    session.message(text, now, wall());
    take_events();
  }
  void advance(std::chrono::nanoseconds by, std::chrono::nanoseconds late = 0s) {
    now += by;
    session.tick(now, bytes, late);
    take_events();
  }

  void connect() {
    sent.clear();
    close.reset();
    session.connected(now, bytes, [this](TaskId id) {
      return std::any_of(queued.begin(), queued.end(),
                         [id](const Task& task) { return task.id == id; });
    });
  }
  Welcome welcome(std::vector<TaskId> wanted = {}) const {
    Welcome message;
    message.session = "s1";
    message.store = "store-1";
    message.master = "m";
    message.heartbeat_interval = 15s;
    message.dead_after = 60s;
    message.resume_grace = 30s;
    message.results_bytes = 1 << 20;
    message.wanted = std::move(wanted);
    return message;
  }
  void cut() {
    session.closed(now);
    take_events();
  }
  void join() {
    connect();
    pump();
    tell(welcome());
    pump();
  }

  Tasks tasks(std::vector<std::uint64_t> ids, Priority priority = Priority::low) const {
    Tasks message;
    message.options = {options_of(priority)};
    for (const std::uint64_t id : ids)
      message.tasks.push_back({TaskId{id}, 1, 0, 60s, "http://x/" + std::to_string(id)});
    return message;
  }
  void start(std::size_t count = 1) {
    for (; count > 0 && !queued.empty(); --count) {
      running.emplace(queued.front().id.value, queued.front());
      queued.erase(queued.begin());
    }
  }
  static AgentSession::Finished result(TaskId id, std::size_t padding = 0) {
    AgentSession::Finished one;
    one.task = id;
    const std::string json =
        "{\"verdict\":\"passed\",\"pad\":\"" + std::string(padding, 'x') + "\"}";
    append_result_item(one.item, id, 1, json);
    one.result_bytes = json.size();
    return one;
  }
  void finish(std::uint64_t id, std::size_t padding = 0) {
    running.erase(id);
    std::vector<AgentSession::Finished> all;
    all.push_back(result(TaskId{id}, padding));
    session.finished(std::move(all), now);
    take_events();
  }
};

std::vector<std::uint64_t> ids_of(const std::vector<Results>& results) {
  std::vector<std::uint64_t> ids;
  for (const Results& message : results)
    for (const Results::Item& item : message.items) ids.push_back(item.task.value);
  return ids;
}

}  // namespace

TEST_CASE("a session begins with hello, and credit follows the welcome", "[protocol][agent]") {
  Rig rig;
  rig.connect();
  const auto first = rig.pump();
  REQUIRE(first.size() == 1);
  const Hello& hello = std::get<Hello>(first[0]);
  CHECK(hello.name == "agent");
  CHECK(hello.capacity_tasks == 12);
  CHECK(hello.capacity_high == 8);
  CHECK(hello.holds == 0);
  CHECK(hello.store.empty());
  CHECK(rig.session.stage() == Stage::greeting);

  rig.tell(rig.welcome());
  const auto second = rig.pump();
  REQUIRE(second.size() == 1);
  CHECK(std::get<Credit>(second[0]).high == 8);
  CHECK(std::get<Credit>(second[0]).other == 8);
  CHECK(rig.happened<AgentSession::Welcomed>().size() == 1);
  CHECK(rig.session.stage() == Stage::active);
}

TEST_CASE("a task is delivered, its result sent, and forgotten when acknowledged",
          "[protocol][agent]") {
  Rig rig;
  rig.join();
  Tasks tasks = rig.tasks({7});
  tasks.waited = 500ms;
  rig.tell(tasks);
  REQUIRE(rig.queued.size() == 1);
  CHECK(rig.queued[0].target == "http://x/7");
  CHECK(rig.queued[0].deadline == rig.now + 59'500ms);
  CHECK(rig.session.held() == 1);
  rig.start();
  rig.finish(7);
  CHECK(rig.session.held() == 0);
  const auto results = rig.pump_for<Results>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].seq == 1);
  CHECK(results[0].items[0].task.value == 7);
  CHECK(rig.session.unacknowledged() == 1);
  rig.tell(Ack{1});
  CHECK(rig.session.unacknowledged() == 0);
  rig.tell(Ack{1});
  CHECK_FALSE(rig.close);
}

TEST_CASE("what goes beyond the credit comes back overdrawn", "[protocol][agent][credit]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  CHECK(rig.queued.size() == 8);
  rig.advance(2ms);
  const auto results = rig.pump_for<Results>();
  REQUIRE(results.size() == 1);
  REQUIRE(results[0].items.size() == 2);
  CHECK(results[0].items[0].task.value == 9);
  CHECK(results[0].items[1].returned == Returned::overdrawn);
}

TEST_CASE("a master that overdraws without end is left, and what it cost is bounded",
          "[protocol][agent][credit][limits]") {
  Rig rig;
  rig.join();
  // Windows of 8 and 12, and 1024.
  constexpr std::size_t kMost = 8 + 12 + AgentSession::kOverdrawnMax;
  std::uint64_t next = 1;
  const auto tell_tasks = [&](std::size_t count) {
    std::vector<std::uint64_t> ids;
    for (; count > 0; --count) ids.push_back(next++);
    rig.tell(rig.tasks(ids));
    rig.advance(2ms);
    rig.pump();
  };
  tell_tasks(8);
  tell_tasks(kMost);
  CHECK_FALSE(rig.close);
  CHECK(rig.session.unacknowledged() == kMost);
  // What is acknowledged is forgotten, and counts no more.
  rig.tell(Ack{kMost});
  tell_tasks(kMost);
  CHECK_FALSE(rig.close);
  tell_tasks(65'000);
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::protocol_error);
  CHECK(rig.session.unacknowledged() == kMost);
  CHECK(rig.queued.size() == 8);

  rig.cut();
  CHECK(rig.session.unacknowledged() == 0);
  rig.connect();
  rig.pump();
  std::vector<TaskId> held;
  for (std::uint64_t id = 1; id <= 8; ++id) held.emplace_back(TaskId{id});
  rig.tell(rig.welcome(held));
  rig.pump();
  tell_tasks(kMost);
  CHECK_FALSE(rig.close);
  CHECK(rig.session.unacknowledged() == kMost);
}

TEST_CASE("a task taken before the one too many is still run", "[protocol][agent][credit]") {
  Rig rig;
  rig.join();
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 1; id <= 3000; ++id) ids.push_back(id);
  rig.tell(rig.tasks(ids));
  REQUIRE(rig.close);
  CHECK(rig.queued.size() == 8);
  CHECK(rig.session.held() == 8);
}

TEST_CASE("a master cannot want more than is held, nor for ever", "[protocol][agent][limits]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2}));
  rig.cut();
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome({TaskId{1}});
  welcome.last = false;
  SECTION("in the welcome") {
    welcome.wanted = {TaskId{1}, TaskId{2}, TaskId{3}};
    rig.tell(welcome);
  }
  SECTION("after it") {
    rig.tell(welcome);
    CHECK_FALSE(rig.close);
    rig.tell(Wanted{{TaskId{2}, TaskId{3}}, false});
  }
  SECTION("the same again and again") {
    rig.tell(welcome);
    rig.tell(Wanted{{TaskId{2}}, false});
    CHECK_FALSE(rig.close);
    rig.tell(Wanted{{TaskId{2}}, false});
  }
  SECTION("nothing, again and again") {
    rig.tell(welcome);
    rig.tell(Wanted{{}, false});
  }
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::protocol_error);
  CHECK(rig.close->text.find("want") != std::string::npos);
}

TEST_CASE("what a master may be configured to is taken as it is told",
          "[protocol][agent][limits]") {
  Rig rig;
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome();
  welcome.heartbeat_interval = 10min;
  welcome.dead_after = 48h;
  rig.tell(welcome);
  rig.pump();
  rig.advance(1ms);  // reads what the welcome was made of
  rig.advance(47h);
  CHECK_FALSE(rig.close);
  rig.advance(2h);
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::silent);
}

TEST_CASE("no master sends an agent away for more than a day", "[protocol][agent][limits]") {
  Rig rig;
  rig.connect();
  rig.pump();
  rig.tell(Reject{"busy", "", 24h * 366 * 99});
  rig.cut();
  CHECK(rig.session.reconnect_delay(0s) == 24h);
  CHECK(rig.session.reconnect_delay(std::chrono::seconds::max()) == 24h);
}

TEST_CASE("tasks before the first credit are overdrawn", "[protocol][agent][credit]") {
  Rig rig;
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome();
  welcome.last = false;
  rig.tell(welcome);
  rig.tell(Wanted{{}, true});
  // Active now, and credit is granted with it; a class without a grant stays at what it is.
  rig.tell(rig.tasks({1}));
  CHECK(rig.queued.size() == 1);
}

TEST_CASE("credit grows by what is acknowledged and never falls", "[protocol][agent][credit]") {
  Rig rig;
  rig.join();
  std::uint64_t last = 8;
  std::uint64_t next = 1;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint64_t> ids;
    while (next <= last) ids.push_back(next++);
    rig.tell(rig.tasks(ids));
    CHECK(rig.queued.size() == ids.size());
    rig.start(100);
    while (!rig.running.empty()) rig.finish(rig.running.begin()->first);
    rig.advance(10ms);
    std::uint64_t seq = 0;
    for (const Results& results : rig.pump_for<Results>())
      seq = results.seq + results.items.size() - 1;
    REQUIRE(seq == next - 1);
    rig.tell(Ack{seq});
    for (const Credit& credit : rig.pump_for<Credit>()) {
      CHECK(credit.other >= last);
      last = credit.other;
    }
    CHECK(last >= next - 1 + 4);      // the master is never left without
    CHECK(last <= next - 1 + 4 + 8);  // and never has more than there is room
  }
  // Many a second: the window has grown to its upper end.
  CHECK(last == next - 1 + 12);
}

TEST_CASE("heartbeats carry credit, leave first and count what went before them",
          "[protocol][agent][heartbeat]") {
  Rig rig;
  rig.join();
  Heartbeat beat;
  beat.seq = 1;
  rig.tell(beat);  // the first is answered at once
  auto beats = rig.pump_for<Heartbeat>();
  REQUIRE(beats.size() == 1);
  CHECK(beats[0].seq == 1);
  CHECK(beats[0].echo == 1);
  CHECK(beats[0].credit->other == 8);
  CHECK(beats[0].items_sent == 0);
  CHECK(rig.measured == 1);
  rig.tell(rig.tasks({1, 2}));
  rig.start(2);
  rig.finish(1);
  rig.finish(2);
  const auto wakeup = rig.session.next_wakeup(rig.now);
  REQUIRE(wakeup);
  rig.advance(17s);
  const auto messages = rig.pump();
  REQUIRE(messages.size() >= 2);
  CHECK(std::get<Heartbeat>(messages[0]).items_sent == 0);
  CHECK(std::holds_alternative<Results>(messages[1]));
  rig.advance(17s);
  beats = rig.pump_for<Heartbeat>();
  REQUIRE(beats.size() == 1);
  CHECK(beats[0].items_sent == 2);
}

TEST_CASE("a heartbeat whose counts differ closes with accounting",
          "[protocol][agent][heartbeat]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2}));
  Heartbeat beat;
  beat.seq = 1;
  beat.items_sent = 2;
  rig.tell(beat);
  CHECK_FALSE(rig.close);
  beat.seq = 2;
  beat.items_sent = 3;
  rig.tell(beat);
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::accounting);
  CHECK(rig.session.stage() == Stage::closing);
  CHECK(rig.pump().empty());
}

TEST_CASE("an acknowledgement of what was never sent ends the session", "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.tell(Ack{1});
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::protocol_error);
}

TEST_CASE("a heartbeat heals a lost acknowledgement and moves the window",
          "[protocol][agent][heartbeat]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1}));
  rig.start();
  rig.finish(1);
  rig.pump();
  Heartbeat beat;
  beat.seq = 1;
  beat.items_sent = 1;
  beat.ack = 1;
  beat.results_bytes = 5;  // under the minimum counts as the minimum
  rig.tell(beat);
  CHECK_FALSE(rig.close);
  CHECK(rig.session.unacknowledged() == 0);
}

TEST_CASE("results on the wire stay within the window", "[protocol][agent][window]") {
  AgentSessionOptions options = small_options();
  options.concurrency = 64;
  options.queue = 64;
  Rig rig{options};
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome();
  welcome.results_bytes = 0;  // counts as kResultsBytesMin
  rig.tell(welcome);
  rig.pump();
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 1; i <= 40; ++i) ids.push_back(i);
  rig.tell(rig.tasks(ids));
  rig.start(40);
  for (const std::uint64_t id : ids) rig.finish(id, 10'000);
  std::uint64_t acked = 0;
  std::uint64_t received = 0;
  std::deque<std::uint64_t> sizes;
  while (acked < 40) {
    std::uint64_t unacked = 0;
    for (const Results& results : rig.pump_for<Results>())
      for (const Results::Item& item : results.items) {
        ++received;
        sizes.push_back(item.result.size() + kResultItemBytes);
      }
    for (const std::uint64_t size : sizes) unacked += size;
    CHECK(unacked <= kResultsBytesMin);
    if (received < 40) CHECK(unacked > kResultsBytesMin - 11'000);
    REQUIRE(received > acked);
    acked += 1;
    sizes.pop_front();
    rig.tell(Ack{acked});
  }
  CHECK_FALSE(rig.close);
}

TEST_CASE("results wait for company only while more are to come, and not long",
          "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3}));
  rig.start(3);
  rig.finish(1);
  CHECK(rig.pump_for<Results>().empty());
  CHECK(rig.session.next_wakeup(rig.now) == rig.now + 2ms);
  rig.advance(2ms);
  CHECK(rig.pump_for<Results>().size() == 1);
  rig.finish(2);
  CHECK(rig.pump_for<Results>().empty());
  rig.finish(3);  // the last one held
  const auto results = rig.pump_for<Results>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].items.size() == 2);
}

TEST_CASE("a full outbox stops the executor until there is room again", "[protocol][agent]") {
  AgentSessionOptions options = small_options();
  options.outbox_bytes_max = 20'000;
  Rig rig{options};
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4}));
  rig.start(4);
  rig.finish(1, 9'000);
  CHECK_FALSE(rig.paused);
  rig.finish(2, 9'000);
  rig.finish(3, 9'000);
  CHECK(rig.paused);
  rig.advance(2ms);
  rig.pump();
  rig.tell(Ack{1});
  CHECK(rig.paused);
  rig.tell(Ack{2});
  CHECK_FALSE(rig.paused);
}

TEST_CASE("a cut leaves what is held; the resume sends what is finished again, first",
          "[protocol][agent][resume]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4, 5, 6}));
  rig.start(4);
  rig.finish(1);
  rig.advance(2ms);
  rig.pump();
  rig.finish(2);  // 1 is sent, 2 is not; 3, 4 run; 5, 6 wait
  rig.cut();
  rig.advance(1s);
  rig.connect();
  auto messages = rig.pump();
  REQUIRE(messages.size() == 2);
  CHECK(std::get<Hello>(messages[0]).holds == 6);
  CHECK(std::get<Hello>(messages[0]).store == "store-1");
  std::map<std::uint64_t, HeldState> states;
  for (const auto& item : std::get<Held>(messages[1]).tasks) states[item.task.value] = item.state;
  CHECK(std::get<Held>(messages[1]).last);
  CHECK(states.size() == 6);
  CHECK(states[1] == HeldState::finished);
  CHECK(states[2] == HeldState::finished);
  CHECK(states[3] == HeldState::running);
  CHECK(states[5] == HeldState::queued);

  SECTION("all are wanted") {
    Welcome welcome = rig.welcome({TaskId{1}, TaskId{2}, TaskId{3}});
    welcome.last = false;
    rig.tell(welcome);
    CHECK(rig.pump().empty());
    rig.tell(Wanted{{TaskId{4}, TaskId{5}, TaskId{6}}, true});
    rig.advance(2ms);
    messages = rig.pump();
    REQUIRE(messages.size() == 2);
    const Results& again = std::get<Results>(messages[0]);
    CHECK(again.seq == 1);
    CHECK(ids_of({again}) == std::vector<std::uint64_t>{1, 2});
    // Six take room, so the first credit, counted from 0 again, is the window less six.
    CHECK(std::get<Credit>(messages[1]).other == 8 - 6);
    CHECK(rig.queued.size() == 2);
    CHECK(rig.running.size() == 2);
  }
  SECTION("a finished, a running and a queued one are not wanted") {
    rig.tell(rig.welcome({TaskId{2}, TaskId{4}, TaskId{6}}));
    CHECK(rig.happened<AgentSession::Welcomed>().back().resumed == 3);
    CHECK(rig.happened<AgentSession::Welcomed>().back().unwanted == 3);
    CHECK(rig.queued.size() == 1);
    rig.advance(2ms);
    auto results = rig.pump_for<Results>();
    std::map<std::uint64_t, std::optional<Returned>> said;
    for (const auto& message : results)
      for (const auto& item : message.items) said[item.task.value] = item.returned;
    CHECK(results[0].seq == 1);
    CHECK(results[0].items[0].task.value == 2);
    CHECK(said.size() == 3);
    CHECK_FALSE(said[2]);
    CHECK(said[1] == Returned::unwanted);
    CHECK(said[5] == Returned::unwanted);
    // The running one comes back when it has ended, even if by then it has a result.
    rig.finish(3);
    rig.advance(2ms);
    results = rig.pump_for<Results>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].items[0].task.value == 3);
    CHECK(results[0].items[0].returned == Returned::unwanted);
  }
  SECTION("another cut right away loses nothing") {
    rig.cut();
    rig.connect();
    messages = rig.pump();
    CHECK(std::get<Hello>(messages[0]).holds == 6);
  }
  SECTION("what ends while nobody listens is not listed, what returns in between comes back") {
    rig.session.returned(TaskId{6}, Returned::expired, rig.now);
    rig.queued.pop_back();
    rig.tell(rig.welcome({TaskId{1}, TaskId{2}, TaskId{3}, TaskId{4}, TaskId{5}, TaskId{6}}));
    rig.advance(2ms);
    const auto results = rig.pump_for<Results>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].items.back().returned == Returned::expired);
    rig.cut();
    rig.session.returned(TaskId{5}, Returned::expired, rig.now);
    rig.connect();
    CHECK(std::get<Hello>(rig.pump()[0]).holds == 4);
  }
}

TEST_CASE("held tasks are listed in messages within their limit", "[protocol][agent][resume]") {
  AgentSessionOptions options = small_options();
  options.concurrency = 10'000;
  Rig rig{options};
  rig.join();
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 0; i < 5000; ++i) ids.push_back(18'000'000'000'000'000'000ULL + i);
  rig.tell(rig.tasks(ids));
  CHECK(rig.session.held() == 5000);
  rig.cut();
  rig.connect();
  std::size_t listed = 0;
  bool last = false;
  for (const Held& held : rig.pump_for<Held>()) {
    CHECK_FALSE(last);
    std::string text;
    encode(held, text);
    CHECK(text.size() <= kHeldBytesMax);
    listed += held.tasks.size();
    last = held.last;
  }
  CHECK(last);
  CHECK(listed == 5000);
}

TEST_CASE("no credit is given while results of before wait for the window",
          "[protocol][agent][resume]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4}));
  rig.start(4);
  for (std::uint64_t id : {1U, 2U, 3U, 4U}) rig.finish(id, 60'000);
  rig.cut();
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome({TaskId{1}, TaskId{2}, TaskId{3}, TaskId{4}});
  welcome.results_bytes = kResultsBytesMin;
  rig.tell(welcome);
  auto messages = rig.pump();
  CHECK(rig.all_sent<Results>().size() == 2);
  CHECK(rig.all_sent<Credit>().empty());
  rig.advance(17s);
  CHECK_FALSE(rig.pump_for<Heartbeat>().at(0).credit);
  rig.tell(Ack{2});
  rig.pump();
  CHECK(rig.all_sent<Results>().size() == 4);
  CHECK(rig.all_sent<Credit>().size() == 1);
}

TEST_CASE("another store's tasks are dropped, counted once, and end before there is credit",
          "[protocol][agent][resume]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3}));
  rig.start(2);
  rig.finish(1);
  rig.cut();
  rig.connect();
  rig.pump();
  Welcome welcome = rig.welcome();
  welcome.store = "store-2";
  rig.tell(welcome);
  const auto changed = rig.happened<AgentSession::StoreChanged>();
  REQUIRE(changed.size() == 1);
  CHECK(changed[0].before == "store-1");
  CHECK(changed[0].now == "store-2");
  CHECK(changed[0].dropped == 3);
  CHECK(rig.queued.empty());
  auto messages = rig.pump();
  CHECK(messages.empty());  // 2 still runs, and its id may mean another task here
  rig.finish(2);
  messages = rig.pump();
  REQUIRE(messages.size() == 1);
  CHECK(std::holds_alternative<Credit>(messages[0]));
  CHECK(rig.session.held() == 0);
  rig.cut();
  rig.connect();
  messages = rig.pump();
  CHECK(std::get<Hello>(messages[0]).store == "store-2");
  rig.tell(welcome);
  CHECK(rig.happened<AgentSession::StoreChanged>().size() == 1);
}

TEST_CASE("a cancel ends a queued task at once and a running one when it has ended",
          "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4}));
  rig.start(3);
  rig.finish(3);
  rig.tell(Cancel{{TaskId{1}, TaskId{2}, TaskId{3}, TaskId{4}, TaskId{99}}});
  rig.tell(Cancel{{TaskId{1}}});
  CHECK(rig.happened<AgentSession::CancelTasks>().size() == 1);
  rig.running.erase(1);
  rig.session.cancelled(TaskId{1}, rig.now);
  rig.finish(2);  // it had finished before it could be ended
  std::map<std::uint64_t, std::optional<Returned>> said;
  for (const auto& message : rig.pump_for<Results>())
    for (const auto& item : message.items) said[item.task.value] = item.returned;
  CHECK(said.size() == 4);
  CHECK(said[1] == Returned::cancelled);
  CHECK_FALSE(said[2]);
  CHECK_FALSE(said[3]);
  CHECK(said[4] == Returned::cancelled);
  rig.tell(Ack{4});
  CHECK(rig.session.held() == 0);
  CHECK(rig.session.unacknowledged() == 0);
}

TEST_CASE("a task that came back for its host counts as held for a second more",
          "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2}));
  rig.session.returned(TaskId{1}, Returned::host_busy, rig.now);
  rig.session.returned(TaskId{2}, Returned::expired, rig.now);
  rig.advance(2ms);
  CHECK(ids_of(rig.pump_for<Results>()) == std::vector<std::uint64_t>{2});
  CHECK(rig.session.held() == 1);
  CHECK(*rig.session.next_wakeup(rig.now) <= rig.now + 998ms);
  rig.advance(997ms);
  CHECK(rig.pump_for<Results>().empty());
  rig.advance(1ms);
  const auto results = rig.pump_for<Results>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].items[0].returned == Returned::host_busy);
  CHECK(rig.session.held() == 0);
}

TEST_CASE("a task that is held already comes back, and the first stays", "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1}));
  rig.tell(rig.tasks({1}));
  CHECK(rig.queued.size() == 1);
  rig.advance(2ms);
  const auto results = rig.pump_for<Results>();
  REQUIRE(results.size() == 1);
  CHECK(results[0].items[0].returned == Returned::host_busy);
  rig.tell(Ack{1});
  CHECK(rig.session.held() == 1);
}

TEST_CASE("silence from the master ends the connection; a late loop reads first",
          "[protocol][agent][liveness]") {
  Rig rig;
  rig.join();
  rig.advance(0s);
  CHECK(*rig.session.next_wakeup(rig.now) <= rig.now + 4s);  // to see whether bytes moved
  rig.advance(59s);
  CHECK_FALSE(rig.close);
  SECTION("in time") {
    rig.advance(1s);
    REQUIRE(rig.close);
    CHECK(rig.close->abort);
    CHECK(rig.close->code == CloseCode::silent);
  }
  SECTION("bytes without a message") {
    rig.bytes += 1;
    rig.advance(1s);
    rig.advance(59s);
    CHECK_FALSE(rig.close);
  }
  SECTION("thawed") {
    rig.advance(300s, 299s);
    CHECK_FALSE(rig.close);
    REQUIRE(rig.session.next_wakeup(rig.now));
    CHECK(*rig.session.next_wakeup(rig.now) < rig.now + 1s);
    Heartbeat beat;
    beat.seq = 1;
    rig.tell(beat);
    rig.advance(1s);
    CHECK_FALSE(rig.close);
  }
}

TEST_CASE("a master that never welcomes is given up", "[protocol][agent][liveness]") {
  Rig rig;
  rig.connect();
  rig.pump();
  rig.advance(30s);
  REQUIRE(rig.close);
  CHECK(rig.close->abort);
}

TEST_CASE("a rejection is told, and its wait is kept", "[protocol][agent]") {
  Rig rig;
  rig.connect();
  rig.pump();
  rig.tell(Reject{"busy", "come later", 20s});
  REQUIRE(rig.happened<AgentSession::Rejected>().size() == 1);
  REQUIRE(rig.close);
  rig.cut();
  CHECK(rig.session.reconnect_delay(0s) >= 20s);
  CHECK(rig.session.reconnect_delay(0s) < 20s);
  rig.connect();
  rig.pump();
  rig.tell(Reject{"name_in_use", "", 0s});
  rig.cut();
  CHECK(rig.session.reconnect_delay(0s) >= 5s);
  CHECK(rig.session.reconnect_delay(7s) >= 7s);
}

TEST_CASE("the wait to reconnect doubles to its bound, and is capped while tasks are held",
          "[protocol][agent]") {
  Rig rig;
  std::chrono::milliseconds most{0};
  for (int i = 0; i < 3; ++i) CHECK(rig.session.reconnect_delay(0s) <= 500ms * (1 << i));
  for (int i = 0; i < 200; ++i) most = std::max(most, rig.session.reconnect_delay(0s));
  CHECK(most <= 30s);
  CHECK(most > 25s);
  rig.join();
  rig.tell(rig.tasks({1}));
  rig.cut();
  for (int i = 0; i < 200; ++i) CHECK(rig.session.reconnect_delay(0s) <= 10s);
  // A session that held makes it short again.
  rig.connect();
  rig.pump();
  rig.tell(rig.welcome({TaskId{1}}));
  rig.advance(6s);
  rig.cut();
  CHECK(rig.session.reconnect_delay(0s) <= 500ms);
}

TEST_CASE("messages out of place end the session", "[protocol][agent]") {
  Rig rig;
  SECTION("before the welcome") {
    rig.connect();
    rig.pump();
    rig.tell(rig.tasks({1}));
  }
  SECTION("an agent's own") {
    rig.join();
    rig.tell(Draining{});
  }
  SECTION("a second welcome") {
    rig.join();
    rig.tell(rig.welcome());
  }
  SECTION("nonsense") {
    rig.join();
    rig.session.message("nonsense", rig.now, rig.wall());
    rig.take_events();
  }
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::protocol_error);
  rig.tell(rig.tasks({2}));
  CHECK(rig.queued.empty());
}

TEST_CASE("an unknown message that is optional is ignored", "[protocol][agent]") {
  Rig rig;
  rig.join();
  rig.session.message(R"({"type":"hint","optional":true})", rig.now, rig.wall());
  rig.take_events();
  CHECK_FALSE(rig.close);
}

TEST_CASE("a drain gives back, finishes, flushes, waits for the last ack and closes",
          "[protocol][agent][drain]") {
  Rig rig;
  rig.join();
  rig.tell(rig.tasks({1, 2, 3, 4}));
  rig.start(2);
  rig.session.drain(rig.now);
  rig.take_events();
  CHECK(rig.queued.empty());
  rig.advance(2ms);
  auto messages = rig.pump();
  REQUIRE(messages.size() == 2);
  CHECK(std::holds_alternative<Draining>(messages[0]));
  CHECK(std::get<Results>(messages[1]).items.size() == 2);
  CHECK(std::get<Results>(messages[1]).items[0].returned == Returned::draining);
  // What was on its way comes back too; nothing more is granted.
  rig.tell(rig.tasks({5}));
  CHECK(rig.queued.empty());
  rig.finish(1);
  rig.finish(2);
  rig.advance(2ms);
  messages = rig.pump();
  CHECK(rig.all_sent<Credit>().size() == 1);
  rig.tell(Ack{4});
  CHECK_FALSE(rig.close);
  rig.tell(Ack{5});
  REQUIRE(rig.close);
  CHECK(rig.close->code == CloseCode::normal);
  CHECK_FALSE(rig.close->abort);
  CHECK(rig.happened<AgentSession::Drained>().empty());
  rig.cut();
  CHECK(rig.happened<AgentSession::Drained>().size() == 1);
}

TEST_CASE("a drain without a connection ends at once when nothing is held",
          "[protocol][agent][drain]") {
  Rig rig;
  SECTION("never connected") {
    rig.session.drain(rig.now);
    rig.take_events();
    CHECK(rig.happened<AgentSession::Drained>().size() == 1);
  }
  SECTION("with a result to deliver it waits for the next connection") {
    rig.join();
    rig.tell(rig.tasks({1}));
    rig.start();
    rig.cut();
    rig.session.drain(rig.now);
    rig.finish(1);
    CHECK(rig.happened<AgentSession::Drained>().empty());
    rig.connect();
    rig.pump();
    rig.tell(rig.welcome({TaskId{1}}));
    rig.pump();
    CHECK(rig.all_sent<Draining>().size() == 1);
    CHECK(rig.all_sent<Credit>().empty());
    CHECK(rig.all_sent<Results>().size() == 1);
    rig.tell(Ack{1});
    CHECK(rig.close);
    rig.cut();
    CHECK(rig.happened<AgentSession::Drained>().size() == 1);
  }
}

TEST_CASE("a hello that would be too long is refused when the agent is made", "[protocol][agent]") {
  AgentSessionOptions options = small_options();
  for (int i = 0; i < 64; ++i)
    options.tags.push_back({"key" + std::to_string(i), std::string(64, 'v')});
  testing::SeededRandom chance;
  CHECK_THROWS_AS(AgentSession(options, chance, nullptr), std::invalid_argument);
}

// -- one script, cut everywhere -------------------------------------------------------------------

namespace {

// A master's end of the credit for `other`.
struct Spender {
  std::uint64_t total = 0;
  std::uint64_t spent = 0;

  void restart() { *this = Spender{}; }
  void on_credit(const Credit& credit) { total = std::max(total, credit.other); }
  std::uint64_t available() const { return total - spent; }
  void spend(std::uint64_t count) { spent += count; }
};

// A master that keeps a ledger, and the agent of a Rig. Messages lie on the wire in both
// directions until a step carries them, so that a cut can lose them.
class Journey {
 public:
  Rig rig;
  std::set<std::uint64_t> queued;                 // at the master
  std::map<std::uint64_t, std::uint32_t> leased;  // to the session
  std::set<std::uint64_t> done;
  std::vector<std::string> to_agent;
  std::deque<Message> to_master;
  std::uint64_t committed = 0;
  std::uint64_t expected_seq = 1;
  std::uint64_t sent_items = 0;
  std::uint64_t beats = 0;
  Spender credit;
  bool greeted = false;
  std::vector<TaskId> held;

  explicit Journey(std::uint64_t tasks) {
    for (std::uint64_t id = 1; id <= tasks; ++id) queued.insert(id);
    rig.connect();
  }

  void post(const Message& message) {
    std::string text;
    encode(message, text);
    to_agent.push_back(std::move(text));
  }
  void carry_to_agent() {
    for (const std::string& text : std::exchange(to_agent, {})) {
      rig.session.message(text, rig.now, rig.wall());
      rig.take_events();
    }
    if (rig.close) FAIL(rig.close->text);
  }
  void write_agent() {
    for (Message& message : rig.pump()) to_master.push_back(std::move(message));
  }
  void read_master() {
    for (; !to_master.empty(); to_master.pop_front()) take(to_master.front());
  }
  void take(Message& message) {
    if (auto* hello = std::get_if<Hello>(&message)) {
      held.clear();
      if (hello->holds == 0) admit();
    } else if (auto* list = std::get_if<Held>(&message)) {
      for (const auto& item : list->tasks) held.push_back(item.task);
      if (list->last) admit();
    } else if (auto* results = std::get_if<Results>(&message)) {
      CHECK(results->seq == expected_seq);
      for (const auto& item : results->items) {
        ++expected_seq;
        const std::uint64_t id = item.task.value;
        if (leased.erase(id) == 0) continue;
        if (item.returned)
          queued.insert(id);
        else
          CHECK(done.insert(id).second);
      }
      committed = expected_seq - 1;
      post(Ack{committed});
    } else if (auto* told = std::get_if<Credit>(&message)) {
      credit.on_credit(*told);
    } else if (auto* beat = std::get_if<Heartbeat>(&message)) {
      CHECK(beat->items_sent == expected_seq - 1);
      if (beat->credit) credit.on_credit(*beat->credit);
    }
  }
  void admit() {
    // Half of what it holds is not wanted, when a task has waited long enough: here the odd ones
    // from 10 on. What it does not hold is queued again.
    std::vector<TaskId> wanted;
    std::map<std::uint64_t, std::uint32_t> still;
    for (const TaskId id : held) {
      if (leased.count(id.value) == 0) continue;
      if (id.value >= 10 && id.value % 2 == 1) continue;
      wanted.push_back(id);
      still[id.value] = 1;
    }
    for (const auto& one : leased)
      if (still.count(one.first) == 0) queued.insert(one.first);
    leased = still;
    greeted = true;
    post(rig.welcome(wanted));
    beat();
  }
  void lease(std::size_t count) {
    std::vector<std::uint64_t> ids;
    while (count-- > 0 && greeted && !queued.empty() && credit.available() > ids.size()) {
      ids.push_back(*queued.begin());
      queued.erase(queued.begin());
      leased[ids.back()] = 1;
    }
    if (ids.empty()) return;
    credit.spend(ids.size());
    sent_items += ids.size();
    post(rig.tasks(ids));
  }
  void beat() {
    if (!greeted) return;
    Heartbeat message;
    message.seq = ++beats;
    message.items_sent = sent_items;
    message.ack = committed;
    post(message);
  }
  void cut() {
    to_agent.clear();
    to_master.clear();
    rig.cut();
    greeted = false;
    credit.restart();
    committed = 0;
    expected_seq = 1;
    sent_items = 0;
    beats = 0;
    rig.advance(1s);
    rig.connect();
  }
  void check() const {
    // The master's ledger: every task is in exactly one place.
    for (std::uint64_t id = 1; id <= 20; ++id) {
      const std::size_t places = queued.count(id) + leased.count(id) + done.count(id);
      if (places != 1) FAIL("task " << id << " is in " << places << " places");
    }
  }
};

using Step = std::function<void(Journey&)>;

std::vector<Step> script() {
  std::vector<Step> steps;
  const auto add = [&steps](Step step) { steps.push_back(std::move(step)); };
  const auto exchange = [&add] {
    add([](Journey& j) { j.write_agent(); });
    add([](Journey& j) { j.read_master(); });
    add([](Journey& j) { j.carry_to_agent(); });
  };
  exchange();
  exchange();
  for (int round = 0; round < 4; ++round) {
    add([](Journey& j) { j.lease(5); });
    add([](Journey& j) { j.carry_to_agent(); });
    add([](Journey& j) { j.rig.start(3); });
    add([](Journey& j) {
      if (!j.rig.running.empty()) j.rig.finish(j.rig.running.begin()->first);
    });
    add([](Journey& j) {
      if (j.rig.queued.empty()) return;
      const TaskId id = j.rig.queued.back().id;
      j.rig.queued.pop_back();
      j.rig.session.returned(id, id.value % 3 == 0 ? Returned::host_busy : Returned::expired,
                             j.rig.now);
    });
    exchange();
    add([](Journey& j) {
      if (j.greeted) j.post(Cancel{{TaskId{2}, TaskId{7}, TaskId{8}}});
    });
    add([](Journey& j) { j.carry_to_agent(); });
    add([](Journey& j) {
      while (j.rig.running.size() > 1) j.rig.finish(j.rig.running.rbegin()->first);
    });
    add([](Journey& j) { j.rig.advance(1s); });
    exchange();
    add([](Journey& j) { j.beat(); });
    exchange();
  }
  return steps;
}

void finish_all(Journey& journey) {
  for (int round = 0; round < 200 && journey.done.size() < 20; ++round) {
    journey.write_agent();
    journey.read_master();
    journey.lease(100);
    journey.carry_to_agent();
    journey.rig.start(4);
    while (!journey.rig.running.empty()) journey.rig.finish(journey.rig.running.begin()->first);
    journey.rig.advance(100ms);
  }
  for (int round = 0; round < 3; ++round) {
    journey.write_agent();
    journey.read_master();
    journey.carry_to_agent();
  }
}

}  // namespace

TEST_CASE("a session cut at any step, once or twice, loses no task and records none twice",
          "[protocol][agent][resume]") {
  const std::vector<Step> steps = script();
  for (std::size_t first = 0; first <= steps.size(); ++first) {
    for (std::size_t second = first; second <= steps.size(); second += 7) {
      INFO("cut before steps " << first << " and " << second);
      Journey journey{20};
      for (std::size_t i = 0; i < steps.size(); ++i) {
        if (i == first) journey.cut();
        if (i == second && second != first) journey.cut();
        steps[i](journey);
        journey.check();
      }
      finish_all(journey);
      journey.check();
      CHECK(journey.done.size() == 20);
      CHECK(journey.rig.session.held() == 0);
      CHECK(journey.rig.session.unacknowledged() == 0);
    }
  }
}

}  // namespace probekit::protocol
