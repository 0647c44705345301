// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "protocol/master_session.hpp"

#include <functional>
#include <string>

#include "probekit/testing/seeded_random.hpp"
#include "store/task_store.hpp"
#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::size_t kRoom = Connection::kSendRoom;

/// A session, the time, and the agent's part played by hand.
struct Table {
  testing::SeededRandom random;
  SteadyTime now{1h};
  SystemTime wall{std::chrono::microseconds{1'767'225'600'000'000}};
  MasterSessionOptions options;
  MasterSession session;
  std::vector<Message> sent;  // by the session, as the agent reads it

  explicit Table(MasterSessionOptions given = defaults())
      : options(given), session(given, random, now) {}

  static MasterSessionOptions defaults() {
    MasterSessionOptions options;
    options.master = "m";
    options.store = "store-1";
    options.results_bytes = kResultsBytesMin;
    return options;
  }

  void pass(milliseconds time) {
    now += time;
    wall += time;
  }
  void say(const Message& message) {
    std::string text;
    encode(message, text);
    session.on_message(text, now, wall);
  }
  void pump(std::size_t room = kRoom) {
    for (;;) {
      const std::string text = session.next_message(room, now, wall);
      if (text.empty()) return;
      auto message = decode(text);
      REQUIRE(message);
      sent.push_back(std::move(*message));
    }
  }
  template <class T>
  std::vector<T> take() {
    std::vector<T> found;
    for (const Message& message : sent) {
      if (const auto* one = std::get_if<T>(&message)) found.push_back(*one);
    }
    return found;
  }
  template <class T>
  std::optional<T> event() {
    for (auto& one : session.take_events()) {
      if (auto* found = std::get_if<T>(&one)) return std::move(*found);
    }
    return std::nullopt;
  }

  static Hello hello(std::uint64_t holds = 0) {
    Hello hello;
    hello.name = "a1";
    hello.instance = "0123456789abcdef";
    hello.agent_version = "0.1.0";
    hello.kinds = {"http"};
    hello.capacity_tasks = 1000;
    hello.capacity_high = 10;
    hello.slots = 5;
    hello.store = "store-1";
    hello.holds = holds;
    return hello;
  }
  void connect() {
    say(hello());
    REQUIRE(event<MasterSession::HelloArrived>());
    session.welcome("17", 3, {}, now);
    pump();
    sent.clear();
  }
  void grant(std::uint64_t high, std::uint64_t other) { say(Credit{high, other}); }

  static std::vector<LeasedTask> tasks(std::uint64_t first, std::size_t count) {
    const auto shared = std::make_shared<const ProbeOptions>([] {
      ProbeOptions made;
      made.kind = "http";
      return made;
    }());
    std::vector<LeasedTask> made(count);
    for (std::size_t i = 0; i < count; ++i) {
      made[i].task = TaskId{first + i};
      made[i].target = "http://127.0.0.1/" + std::to_string(i);
      made[i].options = shared;
      made[i].left = 60s;
    }
    return made;
  }
  static Results results(std::uint64_t seq, std::size_t count, std::size_t bytes = 2) {
    Results made;
    made.seq = seq;
    for (std::size_t i = 0; i < count; ++i) {
      Results::Item item;
      item.task = TaskId{seq + i};
      item.result = R"({"x":")" + std::string(bytes, 'x') + "\"}";
      made.items.push_back(std::move(item));
    }
    return made;
  }
  static Heartbeat beat(std::uint64_t seq, std::uint64_t items) {
    Heartbeat beat;
    beat.seq = seq;
    beat.items_sent = items;
    return beat;
  }
  void check_closed(CloseCode code, const std::string& part) {
    REQUIRE(session.closing());
    CHECK(static_cast<int>(session.closing()->code) == static_cast<int>(code));
    CHECK_THAT(session.closing()->text, Catch::Contains(part));
    CHECK(session.stage() == MasterSession::Stage::closing);
    CHECK(session.room(true) == 0);
    CHECK(session.room(false) == 0);
  }
};

// -- handshake ------------------------------------------------------------------------------------

TEST_CASE("a hello is told, and answered by a welcome and a heartbeat", "[session]") {
  Table table;
  table.say(Table::hello());
  const auto arrived = table.event<MasterSession::HelloArrived>();
  REQUIRE(arrived);
  CHECK(arrived->hello.name == "a1");
  CHECK(arrived->held.empty());
  table.session.welcome("17", 3, {}, table.now);
  table.pump();
  REQUIRE(table.sent.size() == 2);
  const auto welcome = table.take<Welcome>();
  REQUIRE(welcome.size() == 1);
  CHECK(welcome[0].session == "17");
  CHECK(welcome[0].epoch == 3);
  CHECK(welcome[0].store == "store-1");
  CHECK(welcome[0].results_bytes == kResultsBytesMin);
  CHECK(welcome[0].last);
  CHECK(std::holds_alternative<Heartbeat>(table.sent[1]));
}

TEST_CASE("hellos that make no sense are rejected with the reason", "[session]") {
  const auto rejected = [](const std::function<void(Table&)>& act, const std::string& reason) {
    Table table;
    act(table);
    table.check_closed(CloseCode::rejected, reason);
    table.pump();
    const auto reject = table.take<Reject>();
    REQUIRE(reject.size() == 1);
    CHECK(reject[0].reason == reason);
    CHECK(table.sent.size() == 1);
  };
  const auto with = [](const std::function<void(Hello&)>& change) {
    return [change](Table& table) {
      Hello hello = Table::hello();
      change(hello);
      table.say(hello);
    };
  };
  rejected(with([](Hello& hello) { hello.versions = {"probekit.v9"}; }), "version");
  rejected(with([](Hello& hello) { hello.name = "no spaces"; }), "hello");
  rejected(with([](Hello& hello) { hello.capacity_tasks = kCapacityTasksMax + 1; }), "hello");
  rejected(with([](Hello& hello) { hello.capacity_high = kCapacityHighMax + 1; }), "hello");
  rejected(with([](Hello& hello) { hello.holds = 1ULL << 40; }), "hello");
  rejected([](Table& table) { table.say(Credit{1, 1}); }, "hello");
  rejected([](Table& table) { table.session.on_message("nonsense", table.now, table.wall); },
           "hello");
  rejected(
      [](Table& table) {
        table.say(Table::hello(1));
        table.say(Credit{1, 1});
      },
      "hello");
  rejected(
      [](Table& table) {
        table.say(Table::hello(1));
        table.say(Held{{}, true});
      },
      "hello");
  rejected(
      [](Table& table) {
        table.say(Table::hello(1));
        table.say(
            Held{{{TaskId{1}, 1, HeldState::queued}, {TaskId{2}, 1, HeldState::queued}}, true});
      },
      "hello");
}

TEST_CASE("what an agent holds is gathered over messages", "[session]") {
  Table table;
  table.say(Table::hello(3));
  table.say(Held{{{TaskId{1}, 1, HeldState::queued}, {TaskId{2}, 2, HeldState::running}}, false});
  CHECK_FALSE(table.event<MasterSession::HelloArrived>());
  table.say(Held{{{TaskId{3}, 1, HeldState::finished}}, true});
  const auto arrived = table.event<MasterSession::HelloArrived>();
  REQUIRE(arrived);
  REQUIRE(arrived->held.size() == 3);
  CHECK(arrived->held[1].attempt == 2);
}

TEST_CASE("a list of what is held that does not end holds no connection", "[session][limits]") {
  Table table;
  const auto dead_after = table.options.dead_after;
  SECTION("empty messages") {
    table.say(Table::hello(1000));
    table.say(Held{{}, false});
    REQUIRE(table.session.closing());
    CHECK(table.session.closing()->code == CloseCode::rejected);
  }
  SECTION("one at a time, slowly") {
    table.say(Table::hello(1000));
    SteadyTime end = table.now + dead_after + 10s;
    std::uint64_t id = 1;
    while (!table.session.closing()) {
      REQUIRE(table.now < end);
      REQUIRE(table.session.next_wakeup());
      CHECK(*table.session.next_wakeup() <= end);
      table.pass(5s);
      table.say(Held{{{TaskId{id++}, 1, HeldState::queued}}, false});
      table.session.on_wakeup(table.now);
    }
    CHECK(table.now == end);
    CHECK(table.session.closing()->code == CloseCode::silent);
  }
  SECTION("in time") {
    table.say(Table::hello(1000));
    table.pass(dead_after - 1ms);
    table.say(Held{{{TaskId{1}, 1, HeldState::queued}}, false});
    table.pass(9s);
    table.session.on_wakeup(table.now);
    CHECK_FALSE(table.session.closing());
  }
}

TEST_CASE("waits without end are taken for long ones", "[session][limits]") {
  MasterSessionOptions options = Table::defaults();
  options.time_to_first_message = options.dead_after = options.resume_grace = milliseconds::max();
  Table table{options};
  CHECK(*table.session.next_wakeup() > table.now + 24h);
  table.say(Table::hello(1));
  CHECK(*table.session.next_wakeup() > table.now + 24h);
  table.say(Held{{{TaskId{1}, 1, HeldState::queued}}, true});
  table.session.welcome("1", 1, {}, table.now);
  table.pass(24h);
  table.session.on_wakeup(table.now);
  CHECK_FALSE(table.session.closing());
}

TEST_CASE("tasks held of another store are not this store's", "[session]") {
  Table table;
  Hello hello = Table::hello(1);
  hello.store = "store-0";
  table.say(hello);
  table.say(Held{{{TaskId{1}, 1, HeldState::queued}}, true});
  const auto arrived = table.event<MasterSession::HelloArrived>();
  REQUIRE(arrived);
  CHECK(arrived->held.empty());
}

TEST_CASE("many wanted tasks are split over messages under 64 KiB", "[session]") {
  Table table;
  table.say(Table::hello());
  std::vector<TaskId> wanted;
  for (std::uint64_t i = 0; i < 7000; ++i) wanted.push_back(TaskId{~0ULL - i});
  table.session.welcome("1", 1, wanted, table.now);
  std::vector<TaskId> told;
  std::size_t messages = 0;
  for (bool last = false; !last; ++messages) {
    const std::string text = table.session.next_message(kRoom, table.now, table.wall);
    CHECK(text.size() <= 64 * 1024);
    const auto message = decode(text);
    REQUIRE(message);
    const auto* welcome = std::get_if<Welcome>(&*message);
    const auto* more = std::get_if<Wanted>(&*message);
    REQUIRE((welcome != nullptr || more != nullptr));
    const auto& part = welcome != nullptr ? welcome->wanted : more->tasks;
    told.insert(told.end(), part.begin(), part.end());
    last = welcome != nullptr ? welcome->last : more->last;
  }
  CHECK(messages == 3);
  CHECK(told == wanted);
}

TEST_CASE("a connection that says no hello is closed", "[session]") {
  Table table;
  REQUIRE(table.session.next_wakeup() == table.now + 10s);
  table.pass(9s);
  table.session.on_wakeup(table.now);
  CHECK_FALSE(table.session.closing());
  table.pass(1s);
  table.session.on_wakeup(table.now);
  table.check_closed(CloseCode::silent, "no hello within 10 s");
}

TEST_CASE("what the handshake took is part of the time to say hello", "[session]") {
  MasterSessionOptions options;
  options.opening_time = 4s;
  CHECK(Table(options).session.next_wakeup() == Table(options).now + 6s);
}

TEST_CASE("nothing may be said before the welcome", "[session]") {
  Table table;
  table.say(Table::hello());
  table.say(Credit{1, 1});
  table.check_closed(CloseCode::protocol_error, "before the welcome");
}

// -- credit and tasks -----------------------------------------------------------------------------

TEST_CASE("room is credit less what was given", "[session][credit]") {
  Table table;
  table.connect();
  CHECK(table.session.room(false) == 0);
  table.grant(2, 100);
  CHECK(table.event<MasterSession::CreditArrived>());
  CHECK(table.session.room(true) == 2);
  CHECK(table.session.room(false) == 100);
  table.session.send_tasks(Table::tasks(1, 30), false, table.now);
  CHECK(table.session.room(false) == 70);
  CHECK(table.session.room(true) == 2);
  table.grant(2, 120);
  CHECK(table.session.room(false) == 90);
  table.grant(2, 120);
  CHECK_FALSE(table.session.closing());
}

TEST_CASE("credit beyond the agent's capacity gives no more room than that", "[session][credit]") {
  Table table;
  table.connect();
  table.grant(1ULL << 60, 1ULL << 60);
  CHECK(table.session.room(true) == 10);
  CHECK(table.session.room(false) == 1000);
}

TEST_CASE("credit that falls ends the session", "[session][credit]") {
  Table table;
  table.connect();
  table.grant(2, 100);
  SECTION("in a credit message") { table.grant(2, 99); }
  SECTION("in a heartbeat") {
    Heartbeat beat = Table::beat(1, 0);
    beat.credit = Credit{2, 99};
    table.say(beat);
  }
  table.check_closed(CloseCode::protocol_error, "credit for other fell from 100 to 99");
}

TEST_CASE("tasks are packed, counted when they leave, and high goes first", "[session]") {
  Table table;
  table.connect();
  table.grant(5, 1000);
  table.session.send_tasks(Table::tasks(1, 900), false, table.now);
  table.session.send_tasks(Table::tasks(5000, 2), true, table.now);
  table.pass(20ms);
  CHECK(table.session.unsent_bytes() > 30'000);
  table.pump();
  CHECK(table.session.unsent_bytes() == 0);
  const auto messages = table.take<Tasks>();
  REQUIRE(messages.size() >= 3);
  CHECK(messages.size() < 6);
  CHECK(messages[0].tasks.size() == 2);
  CHECK(messages[0].tasks[0].task == TaskId{5000});
  CHECK(messages[0].waited == 20ms);
  std::size_t count = 0;
  for (const Tasks& message : messages) {
    CHECK(message.options.size() == 1);
    count += message.tasks.size();
  }
  CHECK(count == 902);
  table.pass(20s);
  table.session.on_wakeup(table.now);
  table.pump();
  const auto beats = table.take<Heartbeat>();
  REQUIRE(beats.size() == 1);
  CHECK(beats[0].items_sent == 902);
}

TEST_CASE("a heartbeat counts what left, not what waits", "[session]") {
  Table table;
  table.connect();
  table.grant(0, 1000);
  table.session.send_tasks(Table::tasks(1, 900), false, table.now);
  const std::string first = table.session.next_message(kRoom, table.now, table.wall);
  const auto message = decode(first);
  REQUIRE(message);
  const std::size_t left = std::get<Tasks>(*message).tasks.size();
  CHECK(left < 900);
  CHECK(table.session.next_message(0, table.now, table.wall).empty());
  table.session.ask_for_life(table.now);
  const auto beat = decode(table.session.next_message(1, table.now, table.wall));
  REQUIRE(beat);
  CHECK(std::get<Heartbeat>(*beat).items_sent == left);
}

TEST_CASE("a cancel does not overtake the tasks it is about", "[session]") {
  Table table;
  table.connect();
  table.grant(0, 1000);
  table.session.cancel({TaskId{900}});
  table.session.send_tasks(Table::tasks(1, 3), false, table.now);
  table.session.cancel({TaskId{1}});
  table.pump();
  REQUIRE(table.sent.size() == 3);
  CHECK(std::get<Cancel>(table.sent[0]).tasks.front() == TaskId{900});
  CHECK(std::holds_alternative<Tasks>(table.sent[1]));
  CHECK(std::get<Cancel>(table.sent[2]).tasks.front() == TaskId{1});
}

TEST_CASE("tasks that did not leave can be taken back", "[session]") {
  Table table;
  table.connect();
  table.grant(5, 1000);
  table.session.send_tasks(Table::tasks(1, 900), false, table.now);
  const auto message = decode(table.session.next_message(kRoom, table.now, table.wall));
  REQUIRE(message);
  const std::size_t left = std::get<Tasks>(*message).tasks.size();
  table.session.send_tasks(Table::tasks(5000, 2), true, table.now);
  const std::vector<TaskId> unsent = table.session.take_unsent();
  CHECK(unsent.size() == 902 - left);
  CHECK(std::find(unsent.begin(), unsent.end(), TaskId{900}) != unsent.end());
  CHECK(std::find(unsent.begin(), unsent.end(), TaskId{5001}) != unsent.end());
  CHECK(table.session.unsent_bytes() == 0);
}

TEST_CASE("a draining agent has no room", "[session]") {
  Table table;
  table.connect();
  table.grant(2, 100);
  table.session.take_events();
  table.say(Draining{});
  CHECK(table.event<MasterSession::DrainArrived>());
  CHECK(table.session.room(false) == 0);
  table.say(Table::results(1, 1));
  CHECK(table.event<MasterSession::ResultsArrived>());
}

// -- results --------------------------------------------------------------------------------------

TEST_CASE("one ack speaks for all that is committed without a gap", "[session][results]") {
  Table table;
  table.connect();
  table.say(Table::results(1, 3));
  table.say(Table::results(4, 2));
  table.say(Table::results(6, 1));
  table.session.on_committed(5);
  table.pump();
  CHECK(table.take<Ack>().empty());
  table.session.on_committed(3);
  table.session.on_committed(6);
  table.pump();
  const auto acks = table.take<Ack>();
  REQUIRE(acks.size() == 1);
  CHECK(acks[0].seq == 6);
  table.session.on_committed(6);
  table.pump();
  CHECK(table.take<Ack>().size() == 1);
  table.session.ask_for_life(table.now);
  table.pump();
  REQUIRE(table.take<Heartbeat>().size() == 1);
  CHECK(table.take<Heartbeat>()[0].ack == 6);
}

TEST_CASE("a gap or a repeat in the results' numbers is a fault of accounting",
          "[session][results]") {
  Table table;
  table.connect();
  table.say(Table::results(1, 3));
  const auto seq = GENERATE(3U, 5U);
  table.say(Table::results(seq, 1));
  table.check_closed(CloseCode::accounting, "expected 4");
}

TEST_CASE("a heartbeat whose count differs is a fault of accounting", "[session][results]") {
  Table table;
  table.connect();
  table.say(Table::results(1, 3));
  table.say(Table::beat(1, 3));
  CHECK_FALSE(table.session.closing());
  table.say(Table::beat(2, 4));
  table.check_closed(CloseCode::accounting, "sent 4");
}

TEST_CASE("an agent may not send more than the results window", "[session][results]") {
  Table table;
  table.connect();
  // Alone one message may be larger than the window.
  table.say(Table::results(1, 3, 60'000));
  CHECK_FALSE(table.session.closing());
  table.session.on_committed(3);
  table.say(Table::results(4, 2, 60'000));
  CHECK_FALSE(table.session.closing());
  table.say(Table::results(6, 1, 20'000));
  table.check_closed(CloseCode::protocol_error, "results window overdrawn");
  CHECK(table.session.take_events().size() == 2);
}

TEST_CASE("an agent is judged by the largest window it was told", "[session][results]") {
  MasterSessionOptions options = Table::defaults();
  options.results_bytes = 4 * kResultsBytesMin;
  Table table{options};
  table.connect();
  table.session.set_results_bytes(1, table.now);
  table.pump();
  REQUIRE(table.take<Heartbeat>().size() == 1);
  CHECK(table.take<Heartbeat>()[0].results_bytes == kResultsBytesMin);
  for (std::uint64_t seq = 1; seq <= 4; ++seq) table.say(Table::results(seq, 1, 65'000));
  CHECK_FALSE(table.session.closing());
}

// -- time -----------------------------------------------------------------------------------------

TEST_CASE("heartbeats go out at their interval, give or take a tenth", "[session]") {
  Table table;
  table.connect();
  for (int i = 0; i < 5; ++i) {
    const SteadyTime before = table.now;
    const auto due = table.session.next_wakeup();
    REQUIRE(due);
    CHECK(*due - before >= 13'500ms);
    CHECK(*due - before <= 16'500ms);
    table.pass(std::chrono::duration_cast<milliseconds>(*due - table.now) + 1ms);
    table.session.on_bytes_received(static_cast<std::uint64_t>(i + 1), table.now);
    table.session.on_wakeup(table.now);
    table.pump();
    CHECK(table.take<Heartbeat>().size() == static_cast<std::size_t>(i + 1));
  }
}

TEST_CASE("a heartbeat without room waits quietly and leaves first", "[session]") {
  Table table;
  table.connect();
  table.grant(0, 100);
  table.session.send_tasks(Table::tasks(1, 3), false, table.now);
  table.pass(20s);
  table.session.on_wakeup(table.now);
  CHECK(table.session.next_message(0, table.now, table.wall).empty());
  REQUIRE(table.session.next_wakeup());
  CHECK(*table.session.next_wakeup() > table.now);
  table.pump();
  CHECK(std::holds_alternative<Heartbeat>(table.sent.front()));
}

TEST_CASE("an agent is dead when no byte came for so long, and only then", "[session]") {
  Table table;
  table.connect();
  table.pass(59s);
  table.session.on_bytes_received(1, table.now);  // a part of a message is life
  table.session.on_wakeup(table.now);
  CHECK_FALSE(table.session.closing());
  table.pass(59s);
  table.session.on_bytes_received(1, table.now);
  table.session.on_wakeup(table.now);
  CHECK_FALSE(table.session.closing());
  table.pass(1s);
  table.session.on_wakeup(table.now);
  table.check_closed(CloseCode::silent, "not a byte received for 60 s");
  CHECK(table.session.closing()->abort);
}

TEST_CASE("the agent's clock is learnt from its heartbeats", "[session]") {
  Table table;
  table.connect();
  table.pass(40ms);
  Heartbeat beat = Table::beat(1, 0);
  beat.echo = 1;
  beat.sent_us = (table.wall.time_since_epoch() - 20ms + 5s).count();
  table.say(beat);
  CHECK(table.session.rtt() == 40ms);
  CHECK(table.session.clock_offset() == -5s);
}

// -- hostile --------------------------------------------------------------------------------------

TEST_CASE("messages that make no sense end the session with a reason", "[session]") {
  const std::string texts[] = {
      "",
      "{",
      "[]",
      R"({"type":"no such thing"})",
      R"({"type":"results","seq":1})",
      R"({"type":"welcome","session":"1","epoch":1,"store":"","master":""})",
      R"({"type":"credit","high":-1,"other":1})",
      std::string(1000, '['),
      "{\"type\":\"\xff\"}"};
  for (const std::string& text : texts) {
    INFO(text);
    Table table;
    table.connect();
    table.session.on_message(text, table.now, table.wall);
    table.check_closed(CloseCode::protocol_error, "");
    CHECK_FALSE(table.session.closing()->text.empty());
  }
  Table table;
  table.connect();
  table.say(Table::hello());
  table.check_closed(CloseCode::protocol_error, "second hello");
}

TEST_CASE("an unknown message that says it is optional is skipped", "[session]") {
  Table table;
  table.connect();
  table.session.on_message(R"({"type":"weather","optional":true,"sun":1})", table.now, table.wall);
  CHECK_FALSE(table.session.closing());
}

TEST_CASE("after its end a session takes nothing and sends no tasks", "[session]") {
  Table table;
  table.connect();
  table.grant(2, 100);
  table.session.take_events();
  table.session.send_tasks(Table::tasks(1, 3), false, table.now);
  table.session.close(CloseCode::going_away, "bye");
  table.say(Table::results(1, 1));
  CHECK(table.session.take_events().empty());
  table.pump();
  CHECK(table.sent.empty());
  CHECK(table.session.take_unsent().size() == 3);
  CHECK_FALSE(table.session.next_wakeup());
}

// -- a whole life, with a failure at each step ----------------------------------------------------

struct Step {
  const char* name;
  std::function<void(Table&)> act;
};

const std::vector<Step>& life() {
  static const std::vector<Step> steps = {
      {"hello", [](Table& t) { t.say(Table::hello(2)); }},
      {"held",
       [](Table& t) {
         t.say(
             Held{{{TaskId{1}, 1, HeldState::finished}, {TaskId{2}, 1, HeldState::queued}}, true});
       }},
      {"welcome",
       [](Table& t) {
         CHECK(t.event<MasterSession::HelloArrived>());
         t.session.welcome("17", 3, {TaskId{1}}, t.now);
       }},
      {"pump", [](Table& t) { t.pump(); }},
      {"what was finished comes first", [](Table& t) { t.say(Table::results(1, 1)); }},
      {"credit", [](Table& t) { t.grant(4, 900); }},
      {"tasks", [](Table& t) { t.session.send_tasks(Table::tasks(1, 900), false, t.now); }},
      {"high", [](Table& t) { t.session.send_tasks(Table::tasks(5000, 2), true, t.now); }},
      {"a part leaves",
       [](Table& t) { CHECK_FALSE(t.session.next_message(kRoom, t.now, t.wall).empty()); }},
      {"commit", [](Table& t) { t.session.on_committed(1); }},
      {"heartbeat", [](Table& t) { t.say(Table::beat(1, 1)); }},
      {"all leaves", [](Table& t) { t.pump(); }},
      {"results", [](Table& t) { t.say(Table::results(2, 500)); }},
      {"more results", [](Table& t) { t.say(Table::results(502, 402)); }},
      {"cancel", [](Table& t) { t.session.cancel({TaskId{7}}); }},
      {"commit all",
       [](Table& t) {
         t.session.on_committed(501);
         t.session.on_committed(903);
       }},
      {"ack", [](Table& t) { t.pump(); }},
      {"draining", [](Table& t) { t.say(Draining{}); }},
      {"last heartbeat", [](Table& t) { t.say(Table::beat(2, 903)); }},
  };
  return steps;
}

TEST_CASE("a whole life ends with every count closed", "[session][script]") {
  MasterSessionOptions options = Table::defaults();
  options.results_bytes = 1024 * 1024;
  Table table{options};
  for (const Step& step : life()) {
    INFO(step.name);
    step.act(table);
    REQUIRE_FALSE(table.session.closing());
  }
  const auto acks = table.take<Ack>();
  REQUIRE_FALSE(acks.empty());
  CHECK(acks.back().seq == 903);
  CHECK(table.session.take_unsent().empty());
}

TEST_CASE("a failure at any step of a life leaves no task unaccounted", "[session][script]") {
  enum class Failure { cut, garbage, silence, miscount };
  MasterSessionOptions options = Table::defaults();
  options.results_bytes = 1024 * 1024;
  for (std::size_t at = 0; at <= life().size(); ++at) {
    for (const Failure failure :
         {Failure::cut, Failure::garbage, Failure::silence, Failure::miscount}) {
      INFO("failure " << static_cast<int>(failure) << " before step " << at);
      Table table{options};
      for (std::size_t i = 0; i < at; ++i) life()[i].act(table);
      const MasterSession::Stage stage = table.session.stage();
      const bool answering = stage == MasterSession::Stage::admitting;
      switch (failure) {
        case Failure::cut:
          break;
        case Failure::garbage:
          table.session.on_message("\x01", table.now, table.wall);
          CHECK(table.session.closing());
          break;
        case Failure::silence:
          table.pass(61s);
          table.session.on_wakeup(table.now);
          // While it is the master's turn, the agent's silence is no fault.
          CHECK(table.session.closing().has_value() == !answering);
          break;
        case Failure::miscount:
          table.say(Table::beat(9, 12345));
          CHECK(table.session.closing());
          break;
      }
      // What was given has left in a message or comes back, each task once.
      std::size_t given = 0;
      if (at > 6) given += 900;
      if (at > 7) given += 2;
      std::size_t left = 0;
      for (const Tasks& message : table.take<Tasks>()) left += message.tasks.size();
      if (at > 8) left += 2;  // the message that step took itself: high goes first
      const std::size_t unsent = table.session.take_unsent().size();
      CHECK(left + unsent == given);
      if (table.session.closing()) {
        const std::size_t before = table.take<Tasks>().size();
        table.pump();
        CHECK(table.take<Tasks>().size() == before);
      }
    }
  }
}

}  // namespace
}  // namespace probekit::protocol
