// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "dispatch/dispatcher.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

const SteadyTime kStart{std::chrono::seconds{1000}};

/// Lanes with counts of tasks, in the place of a store.
struct Lanes {
  std::map<LaneId, std::size_t> tasks;
  std::set<std::pair<SessionId, LaneId>> kept;  // from a session: nothing here is for it

  LeaseReply lease(const LeaseRequest& request) {
    LeaseReply reply;
    for (const LaneId lane : request.lanes) {
      std::size_t& left = tasks[lane];
      if (left > 0 && kept.count({request.session, lane}) > 0) {
        reply.unfit.push_back(lane);
        continue;
      }
      while (left > 0 && reply.tasks.size() < request.count) {
        --left;
        LeasedTask task;
        task.task = TaskId::of(BatchId{lane}, static_cast<std::uint32_t>(left));
        reply.tasks.push_back(task);
      }
      if (left == 0) reply.empty.push_back(lane);
    }
    return reply;
  }
};

Lane lane(LaneId id, Priority priority, std::string kind = "http", std::string agent = "",
          std::vector<Label> tags = {}) {
  Lane made;
  made.id = id;
  made.priority = priority;
  made.kind = std::move(kind);
  made.agent = std::move(agent);
  made.tags = std::move(tags);
  return made;
}

/// A dispatcher, its lanes, and how many tasks each session got.
struct Fleet {
  Dispatcher dispatcher;
  Lanes lanes;
  std::map<SessionId, std::size_t> got;
  std::vector<LaneId> led;  // the first lane of each ask
  std::size_t asked = 0;

  void join(SessionId id, std::uint64_t high, std::uint64_t other,
            std::vector<std::string> kinds = {"http", "dns"}, std::vector<Label> tags = {}) {
    dispatcher.add_session(id, "agent-" + std::to_string(id), std::move(kinds), std::move(tags));
    dispatcher.set_room(id, CreditClass::high, high);
    dispatcher.set_room(id, CreditClass::other, other);
  }

  void answer(const Dispatcher::Ask& ask) {
    ++asked;
    led.push_back(ask.request.lanes.front());
    const LeaseReply reply = lanes.lease(ask.request);
    CHECK(reply.tasks.size() <= Dispatcher::kChunk);
    got[ask.request.session] += reply.tasks.size();
    dispatcher.on_leased(ask.request.session, ask.credit, reply);
  }

  /// Until nothing is left to ask.
  void run(SteadyTime now = kStart) {
    for (int round = 0; round < 100'000; ++round) {
      const std::vector<Dispatcher::Ask> asks = dispatcher.next(now);
      if (asks.empty()) return;
      for (const Dispatcher::Ask& ask : asks) answer(ask);
    }
    FAIL("the dispatcher never comes to rest");
  }
};

TEST_CASE("nothing is asked before a lane is ready and a session has room", "[dispatch]") {
  Fleet fleet;
  CHECK(fleet.dispatcher.next(kStart).empty());
  fleet.join(1, 0, 0);
  fleet.lanes.tasks[7] = 5;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  CHECK(fleet.dispatcher.next(kStart).empty());
  fleet.dispatcher.set_room(1, CreditClass::other, 3);
  fleet.run();
  CHECK(fleet.got[1] == 3);
  fleet.dispatcher.set_room(1, CreditClass::other, 10);
  fleet.run();
  CHECK(fleet.got[1] == 5);
}

TEST_CASE("a lane for tags is served by whoever has all of them, while they are there",
          "[dispatch]") {
  const Label north{"zone", "north"};
  const Label fast{"net", "fast"};
  Fleet fleet;
  fleet.join(1, 0, 100, {"http"}, {north});
  fleet.join(2, 0, 100, {"http"}, {north, fast});
  fleet.join(3, 0, 100, {"http"}, {fast, {"zone", "south"}});
  const auto ready = [&](LaneId id, std::vector<Label> tags) {
    fleet.lanes.tasks[id] = 5;
    fleet.dispatcher.on_ready({lane(id, Priority::normal, "http", "", std::move(tags))});
    fleet.run();
  };
  ready(7, {north, fast});
  CHECK(fleet.got[2] == 5);
  fleet.dispatcher.remove_session(2);
  ready(7, {north, fast});
  CHECK(fleet.lanes.tasks[7] == 5);
  ready(8, {fast});
  CHECK(fleet.got[3] == 5);
  ready(9, {{"zone", "west"}});
  CHECK(fleet.lanes.tasks[9] == 5);
  // Who comes later finds what waits, told anew or not.
  fleet.join(4, 0, 100, {"http"}, {fast, north});
  fleet.run();
  CHECK(fleet.got[4] == 5);
  ready(7, {north, fast});
  CHECK(fleet.got[4] == 10);
  fleet.dispatcher.on_gone({7});
  ready(7, {north, fast});
  CHECK(fleet.got[4] == 15);
  CHECK(fleet.got[1] == 0);
}

TEST_CASE("there is work for whoever may take what is ready", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 0, {"http"}, {{"zone", "north"}});
  const auto has_work = [&] { return fleet.dispatcher.has_work_for(1); };
  const auto has_work_of = [&](const Lane& ready) {
    fleet.dispatcher.on_ready({ready});
    const bool has = has_work();
    fleet.dispatcher.on_gone({ready.id});
    return has;
  };
  CHECK_FALSE(has_work());
  CHECK(has_work_of(lane(7, Priority::low)));
  CHECK_FALSE(has_work());
  CHECK(has_work_of(lane(7, Priority::high)));
  CHECK(has_work_of(lane(7, Priority::normal, "http", "agent-1")));
  CHECK(has_work_of(lane(7, Priority::normal, "http", "", {{"zone", "north"}})));
  CHECK_FALSE(has_work_of(lane(7, Priority::normal, "dns")));
  CHECK_FALSE(has_work_of(lane(7, Priority::normal, "http", "agent-2")));
  CHECK_FALSE(has_work_of(lane(7, Priority::normal, "http", "", {{"zone", "south"}})));
  CHECK_FALSE(fleet.dispatcher.has_work_for(2));
  fleet.dispatcher.set_drained(1, true);
  CHECK_FALSE(has_work_of(lane(7, Priority::low)));
}

TEST_CASE("an empty lane is not asked again until it is ready again", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 100);
  fleet.lanes.tasks[7] = 1;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.run();
  CHECK(fleet.got[1] == 1);
  const std::size_t asked = fleet.asked;
  fleet.dispatcher.set_room(1, CreditClass::other, 100);
  fleet.run();
  CHECK(fleet.asked == asked);
  fleet.lanes.tasks[7] = 1;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.run();
  CHECK(fleet.got[1] == 2);
}

TEST_CASE("a lane that became ready while it was asked is asked again", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 100);
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  const auto asks = fleet.dispatcher.next(kStart);
  REQUIRE(asks.size() == 1);
  const LeaseReply reply = fleet.lanes.lease(asks[0].request);  // empty so far
  fleet.lanes.tasks[7] = 4;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.dispatcher.on_leased(1, CreditClass::other, reply);
  fleet.run();
  CHECK(fleet.got[1] == 4);
}

TEST_CASE("sessions are served in chunks, round robin", "[dispatch]") {
  Fleet fleet;
  for (SessionId id = 1; id <= 4; ++id) fleet.join(id, 0, 10'000);
  fleet.lanes.tasks[7] = 4 * Dispatcher::kChunk;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.run();
  for (SessionId id = 1; id <= 4; ++id) CHECK(fleet.got[id] == Dispatcher::kChunk);
}

TEST_CASE("one ask is open for each session and class", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 10, 10'000);
  fleet.lanes.tasks = {{7, 5000}, {8, 5}};
  fleet.dispatcher.on_ready({lane(7, Priority::low), lane(8, Priority::high)});
  const auto asks = fleet.dispatcher.next(kStart);
  REQUIRE(asks.size() == 2);
  CHECK(asks[0].credit == CreditClass::high);
  CHECK(asks[0].request.count == 10);
  CHECK(asks[1].credit == CreditClass::other);
  fleet.dispatcher.set_room(1, CreditClass::other, 20'000);
  CHECK(fleet.dispatcher.next(kStart).empty());
  fleet.answer(asks[1]);
  CHECK(fleet.dispatcher.next(kStart).size() == 1);
}

TEST_CASE("high tasks go out while the credit for all others is used up", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 2, 0);
  fleet.lanes.tasks = {{7, 5000}, {8, 1}};
  fleet.dispatcher.on_ready({lane(7, Priority::low), lane(8, Priority::high)});
  fleet.run();
  CHECK(fleet.got[1] == 1);
  CHECK(fleet.lanes.tasks[8] == 0);
}

TEST_CASE("normal goes before low, which begins one lease of 16", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 0);
  fleet.lanes.tasks = {{1, 1000}, {2, 1000}};
  fleet.dispatcher.on_ready({lane(1, Priority::normal), lane(2, Priority::low)});
  for (int i = 0; i < 160; ++i) {
    fleet.dispatcher.set_room(1, CreditClass::other, 1);
    fleet.run();
  }
  CHECK(fleet.lanes.tasks[1] == 1000 - 150);
  CHECK(fleet.lanes.tasks[2] == 1000 - 10);
}

TEST_CASE("lanes of one priority take turns", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 0);
  fleet.lanes.tasks = {{1, 1000}, {2, 1000}};
  fleet.dispatcher.on_ready({lane(1, Priority::low, "http"), lane(2, Priority::low, "dns")});
  for (int i = 0; i < 100; ++i) {
    fleet.dispatcher.set_room(1, CreditClass::other, 1);
    fleet.run();
  }
  CHECK(fleet.lanes.tasks[1] == 950);
  CHECK(fleet.lanes.tasks[2] == 950);
}

TEST_CASE("a pinned lane is for its agent alone", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 100);
  fleet.join(2, 0, 100);
  fleet.lanes.tasks[7] = 5;
  fleet.dispatcher.on_ready({lane(7, Priority::low, "http", "agent-3")});
  fleet.run();
  CHECK(fleet.asked == 0);
  fleet.join(3, 0, 100);
  fleet.run();
  CHECK(fleet.got[3] == 5);
  fleet.lanes.tasks[7] = 2;
  fleet.dispatcher.on_ready({lane(7, Priority::low, "http", "agent-3")});
  fleet.run();
  CHECK(fleet.got[3] == 7);
}

TEST_CASE("a session gets only kinds it can probe", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 100, {"dns"});
  fleet.lanes.tasks = {{1, 5}, {2, 3}};
  fleet.dispatcher.on_ready({lane(1, Priority::low, "http"), lane(2, Priority::low, "dns")});
  fleet.run();
  CHECK(fleet.got[1] == 3);
  CHECK(fleet.lanes.tasks[1] == 5);
  fleet.join(2, 0, 100, {"http"});
  fleet.run();
  CHECK(fleet.got[2] == 5);
}

TEST_CASE("the leases of a session share its room in the send buffer", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 10, 10);
  fleet.lanes.tasks = {{7, 5}, {8, 5}};
  fleet.dispatcher.set_send_room(1, 3000);
  fleet.dispatcher.on_ready({lane(7, Priority::low), lane(8, Priority::high)});
  const auto asks = fleet.dispatcher.next(kStart);
  REQUIRE(asks.size() == 2);
  CHECK(asks[0].request.bytes_max + asks[1].request.bytes_max == 3000);
}

TEST_CASE("drained and backlogged sessions get nothing until that ends", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 2);
  fleet.lanes.tasks[7] = 5;
  const bool drained = GENERATE(true, false);
  const auto set = [&](bool on) {
    drained ? fleet.dispatcher.set_drained(1, on)
            : fleet.dispatcher.set_send_room(1, on ? 0 : 1000);
  };
  set(true);
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.run();
  CHECK(fleet.asked == 0);
  set(false);
  fleet.run();
  CHECK(fleet.got[1] == 2);
}

TEST_CASE("a lane with nothing for one session is still offered to the others", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 10);
  fleet.lanes.tasks[7] = 1;
  fleet.lanes.kept.insert({1, 7});
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.run();
  CHECK(fleet.got[1] == 0);
  CHECK(fleet.asked == 1);
  fleet.dispatcher.set_room(1, CreditClass::other, 11);
  fleet.run();
  CHECK(fleet.asked == 1);
  fleet.join(2, 0, 10);
  fleet.run();
  CHECK(fleet.got[2] == 1);
  // Ready again, it may have something for anybody.
  fleet.lanes.tasks[7] = 1;
  fleet.lanes.kept.clear();
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.dispatcher.set_room(2, CreditClass::other, 0);
  fleet.run();
  CHECK(fleet.got[1] == 1);
}

TEST_CASE("a lane of tags is for those who have them all", "[dispatch]") {
  Fleet fleet;
  const std::vector<Label> eu = {{"region", "eu"}};
  const std::vector<Label> eu_a = {{"region", "eu"}, {"zone", "a"}};
  fleet.join(1, 0, 100);
  fleet.join(2, 0, 100, {"http"}, eu);
  fleet.join(3, 0, 100, {"dns"}, eu_a);
  fleet.lanes.tasks = {{7, 5}, {8, 3}};
  fleet.dispatcher.on_ready({lane(7, Priority::low, "http", "", eu_a)});
  fleet.run();
  CHECK(fleet.asked == 0);  // one lacks a tag, one the kind
  fleet.dispatcher.on_ready({lane(8, Priority::low, "http", "", eu)});
  fleet.run();
  CHECK(fleet.got[2] == 3);
  fleet.join(4, 0, 4, {"http"}, eu_a);
  fleet.run();
  CHECK(fleet.got[4] == 4);
  fleet.dispatcher.set_room(4, CreditClass::other, 100);
  fleet.run();
  CHECK(fleet.got[4] == 5);
  const std::size_t asked = fleet.asked;
  fleet.dispatcher.set_room(4, CreditClass::other, 50);
  fleet.run();
  CHECK(fleet.asked == asked);
  fleet.lanes.tasks[7] = 2;
  fleet.dispatcher.on_ready({lane(7, Priority::low, "http", "", eu_a)});
  fleet.run();
  CHECK(fleet.got[4] == 7);
}

TEST_CASE("a lane the store forgot is not asked any more", "[dispatch]") {
  Fleet fleet;
  const std::vector<Label> eu = {{"region", "eu"}};
  fleet.dispatcher.on_ready({lane(7, Priority::low, "http", "", eu),
                             lane(8, Priority::low, "http", "agent-1"), lane(9, Priority::low)});
  fleet.dispatcher.on_gone({7, 8, 9, 10});
  fleet.join(1, 10, 10, {"http"}, eu);
  fleet.run();
  CHECK(fleet.asked == 0);
}

TEST_CASE("many idle sessions cost few leases for one task", "[dispatch]") {
  Fleet fleet;
  for (SessionId id = 1; id <= 5000; ++id) fleet.join(id, 10, 10);
  fleet.lanes.tasks[7] = 1;
  fleet.dispatcher.on_ready({lane(7, Priority::high)});
  fleet.run();
  CHECK(fleet.asked <= Dispatcher::kAsksMax);
  CHECK(fleet.lanes.tasks[7] == 0);
}

TEST_CASE("every task is leased whatever order sessions come and go", "[dispatch]") {
  Fleet fleet;
  fleet.lanes.tasks = {{1, 3000}, {2, 2000}, {3, 500}};
  fleet.dispatcher.on_ready(
      {lane(1, Priority::normal), lane(2, Priority::low), lane(3, Priority::high)});
  std::uint64_t state = 42;
  const auto roll = [&](std::uint64_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % bound;
  };
  std::vector<SessionId> living;
  SessionId next_id = 1;
  std::vector<Dispatcher::Ask> open;
  for (int step = 0; step < 5000; ++step) {
    switch (roll(5)) {
      case 0:
        if (living.size() < 20) {
          fleet.join(next_id, roll(5), roll(50));
          living.push_back(next_id++);
        }
        break;
      case 1:
        if (!living.empty()) {
          const std::size_t at = roll(living.size());
          fleet.dispatcher.remove_session(living[at]);
          living.erase(living.begin() + static_cast<std::ptrdiff_t>(at));
        }
        break;
      case 2:
        for (const SessionId id : living) {
          fleet.dispatcher.set_room(id, CreditClass::high, roll(4));
          fleet.dispatcher.set_room(id, CreditClass::other, roll(30));
        }
        break;
      default:
        for (auto& ask : fleet.dispatcher.next(kStart)) open.push_back(std::move(ask));
        while (!open.empty() && roll(3) != 0) {
          fleet.answer(open.back());
          open.pop_back();
        }
    }
  }
  for (const auto& ask : open) fleet.answer(ask);
  fleet.join(next_id, 1'000'000, 1'000'000);
  fleet.run();
  CHECK(fleet.lanes.tasks[1] == 0);
  CHECK(fleet.lanes.tasks[2] == 0);
  CHECK(fleet.lanes.tasks[3] == 0);
}

TEST_CASE("after a failed lease the store is left alone for a while", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 0, 10);
  fleet.lanes.tasks[7] = 3;
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  const auto asks = fleet.dispatcher.next(kStart);
  REQUIRE(asks.size() == 1);
  fleet.dispatcher.on_failed(1, CreditClass::other, kStart);
  CHECK(fleet.dispatcher.next(kStart).empty());
  REQUIRE(fleet.dispatcher.next_wakeup());
  fleet.run(*fleet.dispatcher.next_wakeup());
  CHECK(fleet.got[1] == 3);
  CHECK_FALSE(fleet.dispatcher.next_wakeup());
}

TEST_CASE("a stopped dispatcher leases nothing", "[dispatch]") {
  Fleet fleet;
  fleet.join(1, 10, 10);
  fleet.dispatcher.on_ready({lane(7, Priority::low)});
  fleet.dispatcher.stop();
  CHECK(fleet.dispatcher.next(kStart).empty());
}

}  // namespace
}  // namespace probekit
