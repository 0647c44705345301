// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/task_table.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/table_world.hpp"

using namespace probekit;
using namespace probekit::store;
using namespace probekit::test;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

// -- uploads --------------------------------------------------------------------------------------

TEST_CASE("nothing of an upload counts or is leased before its commit", "[store][upload]") {
  World world;
  const SessionId session = world.session("a");
  const auto upload = world.open();
  CHECK(world.append(upload, 3, "u", probe_options()).value() == 3);
  CHECK(world.append(upload, 2, "v", probe_options()).value() == 5);
  CHECK(world.table.facts().ledger.accepted == 0);
  CHECK(world.table.take_news().empty());
  CHECK(world.lease(session, 10).empty());

  const BatchId batch = world.commit(upload, 7);
  CHECK(world.ledger(batch).accepted == 5);
  CHECK(world.ledger(batch).queued == 5);
  CHECK(world.info(batch).rejected == 7);
  CHECK(world.info(batch).state == BatchState::running);
  CHECK(world.lease(session, 10).size() == 5);
  CHECK_FALSE(world.table.commit_upload(world.now, upload, 0));
}

TEST_CASE("an abandoned upload leaves nothing and its room", "[store][upload]") {
  World world{options_of(4, 100, 5)};
  const auto upload = world.open();
  REQUIRE(world.append(upload, 4, "u", probe_options()));
  world.table.abandon_upload(world.now, upload);
  world.check();
  CHECK(world.table.facts().ledger.accepted == 0);
  CHECK_FALSE(world.append(upload, 1, "u", probe_options()));
  CHECK(world.ledger(world.import(4)).queued == 4);
}

TEST_CASE("an append past queued_max is refused and the upload stays as it was",
          "[store][upload]") {
  World world{options_of(10, 100, 5)};
  const BatchId first = world.import(4);
  const auto other = world.open();
  REQUIRE(world.append(other, 3, "o", probe_options()));
  const auto upload = world.open();
  REQUIRE(world.append(upload, 2, "u", probe_options()));
  const auto refused = world.append(upload, 2, "x", probe_options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(world.append(upload, 1, "v", probe_options()).value() == 3);
  CHECK(world.ledger(world.commit(upload)).accepted == 3);

  // Tasks in flight count, ended ones do not.
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 1);
  CHECK_FALSE(world.append(other, 1, "o", probe_options()));
  world.record(session, {passed(tasks[0])});
  CHECK(world.append(other, 1, "o", probe_options()));
  CHECK(world.ledger(first).done == 1);
}

TEST_CASE("lines of batches that do not end are bounded too", "[store][upload]") {
  World world{options_of(10, 5, 5)};
  const SessionId session = world.session("a");
  // Each batch ends but for one task, which nobody takes.
  std::uint64_t accepted = 0;
  for (int i = 0; i < 10; ++i) {
    const auto upload = world.open();
    if (!world.append(upload, 1, "stuck", probe_options(), "nobody") ||
        !world.append(upload, 4, "u", probe_options())) {
      world.table.abandon_upload(world.now, upload);
      break;
    }
    accepted += world.ledger(world.commit(upload)).accepted;
    std::vector<TaskReport> reports;
    for (const LeasedTask& task : world.lease(session, 10)) reports.push_back(passed(task));
    world.record(session, reports);
  }
  CHECK(accepted == 15);  // 12 lines, 3 tasks that have not ended
  const auto upload = world.open();
  const auto refused = world.append(upload, 1, "u", probe_options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(has(refused.error().message(), "12 results"));
  // The end of one batch makes room for as many as it had lines, and more.
  REQUIRE(world.table.cancel(world.now, BatchId{1}));
  CHECK(world.append(upload, 5, "u", probe_options()));
  CHECK(world.ledger(world.commit(upload)).queued == 5);
}

TEST_CASE("a task that cannot be is refused with its whole append", "[store][upload]") {
  World world;
  const auto upload = world.open();
  const std::string huge(70'000, 'x');
  CHECK(world.table.append(upload, {{"ok", probe_options(), {}}, {"no", nullptr, {}}})
            .error()
            .code() == errc::invalid_argument);
  CHECK(world.table.append(upload, {{huge, probe_options(), {}}}).error().code() ==
        errc::invalid_argument);
  CHECK(world.ledger(world.commit(upload)).accepted == 0);
}

TEST_CASE("an empty batch is done at once", "[store][upload]") {
  World world;
  const BatchId batch = world.commit(world.open(), 2);
  CHECK(world.info(batch).state == BatchState::done);
  CHECK(world.info(batch).finished_at);
  CHECK(world.lines(batch).empty());
  ResultQuery query;
  query.batch = batch;
  CHECK(world.table.results(world.now, query)->next.empty());
}

TEST_CASE("a lane is a priority, a kind and an agent", "[store][lanes]") {
  World world;
  const auto upload = world.open();
  auto high = probe_options();
  high->priority = Priority::high;
  auto dns = probe_options();
  dns->kind = "dns";
  REQUIRE(world.append(upload, 2, "a", probe_options()));
  REQUIRE(world.append(upload, 1, "b", high));
  REQUIRE(world.append(upload, 1, "c", dns));
  REQUIRE(world.append(upload, 1, "d", dns, "there"));
  REQUIRE(world.append(upload, 1, "e", probe_options()));
  world.commit(upload);
  CHECK(world.table.lanes().size() == 4);
  const auto news = world.table.take_news();
  CHECK(news.ready.size() == 4);
  const SessionId session = world.session("here");
  for (const Lane& lane : world.table.lanes()) {
    const auto reply = world.table.lease(world.now, {session, {lane.id}, 10});
    REQUIRE(reply);
    CHECK((lane.agent.empty() ? reply->empty : reply->unfit) == std::vector<LaneId>{lane.id});
    if (!lane.agent.empty()) {
      CHECK(lane.agent == "there");
      CHECK(reply->tasks.empty());  // not this session's to take
    } else if (lane.kind == "dns") {
      CHECK(targets_of(reply->tasks) == Texts{"c0"});
    } else if (lane.priority == Priority::high) {
      CHECK(targets_of(reply->tasks) == Texts{"b0"});
    } else {
      CHECK(targets_of(reply->tasks) == Texts{"a0", "a1", "e0"});
    }
  }
  world.check();
}

TEST_CASE("equal options of one batch become one object", "[store][upload]") {
  World world;
  const auto upload = world.open();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(world.append(upload, 1, "u", probe_options()));
    auto labelled = probe_options();
    labelled->labels = {{"a", "b"}};
    REQUIRE(world.append(upload, 1, "v", labelled));
  }
  world.commit(upload);
  const auto tasks = world.lease(world.session("a"), 10);
  REQUIRE(tasks.size() == 6);
  std::set<const ProbeOptions*> objects;
  for (const LeasedTask& task : tasks) objects.insert(task.options.get());
  CHECK(objects.size() == 2);
}

// -- leases ---------------------------------------------------------------------------------------

TEST_CASE("a lease hands out tasks in their order with what is left", "[store][lease]") {
  World world;
  auto options = probe_options();
  options->deadline = 60s;
  const BatchId batch = world.import(5, "u", options);
  const SessionId session = world.session("a");
  world.advance(1500ms);
  const auto tasks = world.lease(session, 3);
  CHECK(targets_of(tasks) == Texts{"u0", "u1", "u2"});
  CHECK(tasks[0].left == 58'500ms);
  CHECK(tasks[0].attempt == 1);
  CHECK(tasks[0].task == TaskId::of(batch, 0));
  CHECK(*tasks[0].options == *options);
  CHECK(world.ledger(batch).in_flight == 3);
  CHECK(targets_of(world.lease(session, 3)) == Texts{"u3", "u4"});
}

TEST_CASE("without a deadline of its own a task has that of its origin", "[store][lease]") {
  World world;
  const SessionId session = world.session("a");
  world.import(1);
  CHECK(world.lease(session, 1)[0].left == 24h);
  const auto upload = world.open(BatchOrigin::probe);
  REQUIRE(world.append(upload, 1, "p", probe_options()));
  world.commit(upload);
  CHECK(world.lease(session, 1)[0].left == 15s);
}

TEST_CASE("a lease ends with the task that passes its bytes", "[store][lease]") {
  World world;
  world.import(50, std::string(1000, 'x'));
  const auto heavy = probe_options();
  heavy->kind = "heavy";
  heavy->section = "{\"a\":\"" + std::string(50'000, 'x') + "\"}";
  world.import(50, "u", heavy);
  const SessionId session = world.session("a");
  LeaseRequest request{session, {1}, 512};
  request.bytes_max = 10'000;
  auto reply = world.table.lease(world.now, request);
  REQUIRE(reply);
  CHECK(reply->tasks.size() == 10);  // of some 1050 bytes each
  CHECK(reply->empty.empty());
  request.bytes_max = 1;
  CHECK(world.table.lease(world.now, request)->tasks.size() == 1);
  // Options are sent once for all that share them.
  request.lanes = {2};
  request.bytes_max = 51'000;
  reply = world.table.lease(world.now, request);
  CHECK(reply->tasks.size() > 10);
  CHECK(reply->tasks.size() < 25);
}

TEST_CASE("batches of a lane take turns", "[store][lease]") {
  World world;
  world.import(1000, "a");
  world.import(2, "b");
  world.import(1000, "c");
  const SessionId session = world.session("x");
  const auto many = targets_of(world.lease(session, 9));
  CHECK(many == Texts{"a0", "a1", "a2", "b0", "b1", "c0", "c1", "c2", "a3"});
  // One at a time goes round too.
  CHECK(targets_of(world.lease(session, 1)) == Texts{"c3"});
  CHECK(targets_of(world.lease(session, 1)) == Texts{"a4"});
}

TEST_CASE("a batch whose tasks are all too late does not end the others' turns", "[store][lease]") {
  World world;
  world.import(5, "a");
  const auto options = probe_options();
  options->deadline = 12s;
  world.import(3, "late", options);
  world.advance(5s);
  const SessionId session = world.session("fra-1");
  const auto lanes = world.table.lanes();
  REQUIRE(lanes.size() == 1);
  // Two are a turn of the first; the second has none to give and is gone, so the first goes on.
  const auto reply = world.table.lease(world.now, {session, {lanes[0].id}, 4});
  REQUIRE(reply);
  CHECK(reply->tasks.size() == 4);
  CHECK(reply->unfit.empty());
  world.check();
}

TEST_CASE("tasks for an absent agent block nobody", "[store][lease]") {
  World world;
  world.import(5000, "p", probe_options(), "absent");
  world.import(2, "u");
  CHECK(targets_of(world.lease(world.session("a"), 10)) == Texts{"u0", "u1"});
}

TEST_CASE("lanes are served in the order asked, and the empty ones told", "[store][lease]") {
  World world;
  auto high = probe_options();
  high->priority = Priority::high;
  world.import(3, "low");
  world.import(2, "high", high);
  const auto lanes = world.table.lanes();
  REQUIRE(lanes.size() == 2);
  REQUIRE(lanes[0].priority == Priority::high);
  const SessionId session = world.session("a");
  const auto reply = world.table.lease(world.now, {session, {lanes[0].id, 999, lanes[1].id}, 4});
  REQUIRE(reply);
  CHECK(targets_of(reply->tasks) == Texts{"high0", "high1", "low0", "low1"});
  CHECK(reply->empty == std::vector<LaneId>{lanes[0].id, 999});
  CHECK_FALSE(world.table.lease(world.now, {session + 1, {lanes[0].id}, 4}));
}

TEST_CASE("what is given back is next again, in its order and without an attempt",
          "[store][lease]") {
  World world;
  world.import(5);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 3);
  world.table.take_news();
  CHECK(world.table.give_back(world.now, session, {tasks[1].task, tasks[2].task}) == 2);
  world.check();
  CHECK(world.table.take_news().ready.size() == 1);
  CHECK(world.table.give_back(world.now, session, {tasks[1].task}) == 0);
  const auto again = world.lease(session, 10);
  CHECK(targets_of(again) == Texts{"u1", "u2", "u3", "u4"});
  CHECK(again[0].attempt == 1);
}

// -- sessions -------------------------------------------------------------------------------------

TEST_CASE("epochs count the sessions of each name", "[store][session]") {
  World world;
  CHECK(world.table.open_session({"a", {}, {}}).epoch == 1);
  CHECK(world.table.open_session({"b", {}, {}}).epoch == 1);
  CHECK(world.table.open_session({"a", {}, {}}).epoch == 2);
  CHECK(world.table.open_session({"a", {}, {}}).session == 4);
}

TEST_CASE("a lost session gives its tasks back to the head of their lane", "[store][session]") {
  World world;
  const BatchId batch = world.import(6);
  const SessionId lost = world.session("a");
  REQUIRE(world.lease(lost, 3).size() == 3);
  CHECK(world.table.lose_session(world.now, {lost, 30s}) == 3);
  world.check();
  CHECK(world.ledger(batch).in_flight == 3);
  world.advance(29'999ms);
  CHECK(world.tick().requeued == 0);
  CHECK(world.ledger(batch).in_flight == 3);
  world.advance(1ms);
  const StoreTick tick = world.tick();
  CHECK(tick.requeued == 3);
  CHECK(tick.requeued_by_session == std::vector<std::pair<SessionId, std::uint64_t>>{{lost, 3}});
  CHECK(world.table.take_news().ready.size() == 1);
  const auto again = world.lease(world.session("b"), 10);
  CHECK(targets_of(again) == Texts{"u0", "u1", "u2", "u3", "u4", "u5"});
  CHECK(again[0].attempt == 2);
  CHECK(again[3].attempt == 1);
}

TEST_CASE("a lost session's task waits half of what its deadline leaves at most",
          "[store][session]") {
  World world;
  auto options = probe_options();
  options->timeout = 2s;
  options->deadline = 12s;
  const BatchId batch = world.import(1, "u", options);
  const SessionId lost = world.session("a");
  REQUIRE(world.lease(lost, 1).size() == 1);
  world.lose(lost);  // 12 s left, less the timeout: half is 5 s
  CHECK(world.tick().next <= 1s);
  world.advance(4'999ms);
  CHECK(world.tick().requeued == 0);
  world.advance(1ms);
  CHECK(world.tick().requeued == 1);
  CHECK(world.ledger(batch).queued == 1);
}

TEST_CASE("a task stays its lost agent's until the deadline when no other attempt fits",
          "[store][session]") {
  World world;
  auto options = probe_options();
  options->timeout = 2s;
  options->deadline = 12s;
  const BatchId batch = world.import(2, "u", options);
  const SessionId lost = world.session("a");
  const auto tasks = world.lease(lost, 2);
  world.advance(9s);  // 3 s are left: after half of the spare second no attempt fits
  world.lose(lost);
  world.advance(2'500ms);
  CHECK(world.tick().requeued == 0);
  CHECK(world.ledger(batch).in_flight == 2);
  // Its result still counts.
  CHECK(world.record(lost, {passed(tasks[0])}).recorded == 1);
  world.advance(500ms);
  CHECK(world.tick().expired == 1);
  const std::string lines = world.lines(batch);
  CHECK(has(lines, R"("agent":"a")"));
  CHECK(has(lines, R"("reason":"agent_lost","attempts":1,"diagnosis":"agent a was lost)"));
}

TEST_CASE("a task that expires tells what the master had found", "[store][time]") {
  World world{options_of(100, 100, 1)};
  auto options = probe_options();
  options->deadline = 60s;
  const BatchId waiting = world.import(1, "w", options, "b");
  const BatchId held = world.import(1, "h", options, "a");
  const BatchId lost = world.import(1, "l", options, "c");
  world.lease(world.session("a"), 5);
  const SessionId leaver = world.session("c");
  world.lease(leaver, 5);
  world.table.lose_session(world.now, {leaver, 0ms, "network_stalled: no byte came"});
  CHECK(has(world.lines(lost),
            "\"diagnosis\":\"1 agent was lost with it in hand, the last of them c "
            "(network_stalled: no byte came)\""));
  world.table.explain("targets_slow: all slots wait");
  world.session("b");
  world.advance(61s);
  world.tick();
  CHECK(has(world.lines(waiting),
            "no agent took it before its deadline; 2 agents were connected "
            "then; targets_slow: all slots wait\""));
  CHECK(has(world.lines(held), "no result came before its deadline; targets_slow: all slots wait"));
  world.table.explain("");
  const BatchId later = world.import(1, "x", options, "b");
  world.advance(61s);
  world.tick();
  CHECK(has(world.lines(later), "2 agents were connected then\""));
}

TEST_CASE("after attempts_max agents lost with it in hand a task expires", "[store][session]") {
  World world{options_of(100, 100, 3)};
  const BatchId batch = world.import(1);
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const SessionId session = world.session("a" + std::to_string(attempt));
    const auto tasks = world.lease(session, 1);
    REQUIRE(tasks.size() == 1);
    CHECK(tasks[0].attempt == attempt);
    // What comes back does not count.
    world.record(session, {report(tasks[0], TaskReport::Kind::returned)});
    REQUIRE(world.lease(session, 1).at(0).attempt == attempt);
    world.lose(session, 0ms);
  }
  CHECK(world.ledger(batch).expired == 1);
  CHECK(world.tick().expired == 1);
  CHECK(has(world.lines(batch), R"("reason":"agent_lost","attempts":3,"diagnosis":"3 agents)"));
}

TEST_CASE("a resumed session keeps what it holds, and the rest is queued at once",
          "[store][session]") {
  World world;
  const BatchId batch = world.import(6);
  const SessionId first = world.session("a");
  const auto tasks = world.lease(first, 4);
  world.lose(first);
  world.advance(10s);
  const SessionId second = world.session("a");
  const auto reply = world.resume(first, second, {tasks[1], tasks[3], tasks[3]});
  CHECK(reply.wanted == std::vector<TaskId>{tasks[1].task, tasks[3].task});
  CHECK(reply.requeued == 2);
  CHECK(reply.elsewhere.empty());
  CHECK(world.ledger(batch).in_flight == 2);
  // They never reached it: the same attempt, at the head.
  const auto others = world.lease(world.session("b"), 10);
  CHECK(targets_of(others) == Texts{"u0", "u2", "u4", "u5"});
  CHECK(others[0].attempt == 1);
  world.advance(60s);
  CHECK(world.tick().requeued == 0);
  auto late = passed(tasks[1]);
  CHECK(world.record(second, {late}).recorded == 1);
}

TEST_CASE("a session replaced while it lives is resumed like a lost one", "[store][session]") {
  World world;
  const BatchId batch = world.import(3);
  const SessionId first = world.session("a");
  const auto tasks = world.lease(first, 2);
  const SessionId second = world.session("a");
  CHECK(world.resume(first, second, {tasks[0]}).requeued == 1);
  CHECK_FALSE(world.table.lease(world.now, {first, {1}, 1}));
  world.lose(first);  // told late: nothing of it is left
  CHECK(world.ledger(batch).in_flight == 1);
  world.lose(second, 0ms);
  CHECK(world.ledger(batch).in_flight == 0);
}

TEST_CASE("a restarted process lost what the one before it had in hand", "[store][session]") {
  World world{options_of(100, 100, 2)};
  const BatchId batch = world.import(1);
  const SessionId first = world.session("a");
  REQUIRE(world.lease(first, 1).size() == 1);
  world.lose(first);
  const SessionId second = world.session("a");
  CHECK(world.resume(first, second, {}, true).requeued == 1);
  CHECK(world.lease(second, 1).at(0).attempt == 2);
  world.lose(second);
  const SessionId third = world.session("a");
  CHECK(world.resume(second, third, {}, true).requeued == 0);
  CHECK(world.ledger(batch).expired == 1);  // a task that kills its prober must not kill them all
}

TEST_CASE("a held task whose grace is over is taken out of the queue again", "[store][session]") {
  World world;
  const BatchId batch = world.import(2);
  const SessionId first = world.session("a");
  const auto tasks = world.lease(first, 1);
  world.lose(first, 1s);
  world.advance(1s);
  CHECK(world.tick().requeued == 1);
  const SessionId second = world.session("a");
  CHECK(world.resume(first, second, tasks).wanted == std::vector<TaskId>{tasks[0].task});
  CHECK(world.ledger(batch).in_flight == 1);
  CHECK(targets_of(world.lease(world.session("b"), 5)) == Texts{"u1"});
  // It was not lost after all: the next attempt is the second.
  world.lose(second, 0ms);
  CHECK(world.lease(world.session("c"), 1).at(0).attempt == 2);
}

TEST_CASE("an agent that comes back with an older attempt counts no further one when it goes",
          "[store][session]") {
  World world;
  world.import(1);
  const SessionId first = world.session("a");
  const auto held = world.lease(first, 1);
  world.lose(first, 0ms);
  const SessionId other = world.session("b");
  REQUIRE(world.lease(other, 1).at(0).attempt == 2);
  world.lose(other, 0ms);
  const SessionId second = world.session("a");
  REQUIRE(world.resume(first, second, held).wanted == std::vector<TaskId>{held[0].task});
  world.lose(second, 0ms);
  CHECK(world.lease(world.session("c"), 1).at(0).attempt == 3);
}

TEST_CASE("a held task that another has in hand is elsewhere, and the first result counts",
          "[store][session]") {
  World world;
  const BatchId batch = world.import(1);
  const SessionId first = world.session("a");
  const auto tasks = world.lease(first, 1);
  world.lose(first, 0ms);
  const SessionId other = world.session("b");
  REQUIRE(world.lease(other, 1).size() == 1);
  const SessionId second = world.session("a");
  const auto resumed = world.resume(first, second, tasks);
  CHECK(resumed.wanted.empty());
  CHECK(resumed.elsewhere == std::vector<TaskId>{tasks[0].task});
  const auto recorded = world.record(second, {passed(tasks[0])});
  CHECK(recorded.recorded == 1);
  CHECK(recorded.cancel == std::vector<std::pair<SessionId, TaskId>>{{other, tasks[0].task}});
  CHECK(has(world.lines(batch), R"("attempt":1,"agent":"a")"));
  CHECK(world.record(other, {passed(tasks[0])}).duplicate == 1);
  CHECK(count_lines(world.lines(batch)) == 1);
}

TEST_CASE("held tasks that have ended or are nobody's are not wanted", "[store][session]") {
  World world;
  world.import(2);
  const SessionId first = world.session("a");
  const auto tasks = world.lease(first, 2);
  world.record(first, {passed(tasks[0])});
  world.lose(first);
  LeasedTask unknown = tasks[0];
  unknown.task = TaskId{0xFFFFFFFFFFFF};
  const SessionId second = world.session("a");
  const auto reply = world.resume(first, second, {tasks[0], unknown});
  CHECK(reply.wanted.empty());
  CHECK(reply.elsewhere.empty());
  CHECK(reply.requeued == 1);
}

TEST_CASE("an agent cannot claim what is pinned to another", "[store][session]") {
  World world;
  const BatchId batch = world.import(1, "u", probe_options(), "a");
  const SessionId thief = world.session("b");
  LeasedTask claimed;
  claimed.task = TaskId::of(batch, 0);
  CHECK(world.resume(0, thief, {claimed}).wanted.empty());
  const SessionId owner = world.session("a");
  REQUIRE(world.lease(owner, 1).size() == 1);
  CHECK_FALSE(world.table.resume(world.now, {owner, thief, false, {}}));
  CHECK(world.ledger(batch).in_flight == 1);
}

TEST_CASE("a lost session is forgotten after its tasks, and its results still count",
          "[store][session]") {
  World world;
  const BatchId batch = world.import(1);
  const SessionId lost = world.session("a");
  const auto tasks = world.lease(lost, 1);
  world.lose(lost, 1s);
  world.advance(10min);
  world.tick();
  world.advance(10min);
  world.tick();
  CHECK(world.record(lost, {passed(tasks[0])}).recorded == 1);
  CHECK(world.ledger(batch).done == 1);
  CHECK(world.lease(world.session("b"), 1).empty());
}

// -- results --------------------------------------------------------------------------------------

TEST_CASE("the first result counts, later ones are duplicates, strangers unknown",
          "[store][record]") {
  World world;
  const BatchId batch = world.import(3);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 3);
  LeasedTask stranger = tasks[0];
  stranger.task = TaskId::of(batch, 3);
  const auto reply =
      world.record(session, {passed(tasks[0]), failed(tasks[0], FailureKind::dns),
                             failed(tasks[1], FailureKind::timeout), passed(stranger)});
  CHECK(reply.recorded == 2);
  CHECK(reply.duplicate == 1);
  CHECK(reply.unknown == 1);
  const Ledger ledger = world.ledger(batch);
  CHECK(ledger.done == 2);
  CHECK(ledger.passed == 1);
  CHECK(ledger.failed == 1);
  CHECK(ledger.in_flight == 1);
  const auto summary = world.table.summary(batch);
  REQUIRE(summary);
  CHECK(summary->failures == std::vector<std::pair<std::string, std::uint64_t>>{{"timeout", 1}});
  CHECK(summary->agents == std::vector<std::pair<std::string, std::uint64_t>>{{"a", 2}});
}

TEST_CASE("a result of a task that is queued again ends it", "[store][record]") {
  World world;
  const BatchId batch = world.import(2);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 1);
  world.lose(session, 0ms);
  CHECK(world.ledger(batch).queued == 2);
  CHECK(world.record(session, {passed(tasks[0])}).recorded == 1);
  CHECK(targets_of(world.lease(world.session("b"), 5)) == Texts{"u1"});
}

TEST_CASE("what an agent returns is next again, unless it was not its to return",
          "[store][record]") {
  World world;
  const BatchId batch = world.import(3);
  const SessionId a = world.session("a");
  const SessionId b = world.session("b");
  const auto tasks = world.lease(a, 2);
  const auto stray = world.record(b, {report(tasks[0], TaskReport::Kind::returned)});
  CHECK(stray.requeued == 0);
  CHECK(stray.not_held == 1);
  CHECK(world.ledger(batch).in_flight == 2);
  CHECK(world.record(a, {report(tasks[0], TaskReport::Kind::returned)}).requeued == 1);
  CHECK(targets_of(world.lease(b, 1)) == Texts{"u0"});
  // Not being cancelled, a task an agent calls cancelled is simply given back.
  CHECK(world.record(a, {report(tasks[1], TaskReport::Kind::cancelled)}).requeued == 1);
  CHECK(world.ledger(batch).cancelled == 0);
}

TEST_CASE("an unsupported task is not offered to that session again, but to others",
          "[store][record]") {
  World world;
  world.import(3);
  const SessionId a = world.session("a");
  const auto tasks = world.lease(a, 2);
  CHECK(world.record(a, {report(tasks[0], TaskReport::Kind::unsupported)}).requeued == 1);
  CHECK(targets_of(world.lease(a, 5)) == Texts{"u2"});
  world.advance(1h);
  CHECK(world.lease(a, 5).empty());
  const SessionId b = world.session("b");
  const auto again = world.lease(b, 5);
  CHECK(targets_of(again) == Texts{"u0"});
  CHECK(again[0].attempt == 1);
  // Also after others gave it back.
  world.record(b, {report(again[0], TaskReport::Kind::returned)});
  CHECK(world.lease(a, 5).empty());
  CHECK(targets_of(world.lease(b, 5)) == Texts{"u0"});
}

TEST_CASE("a task whose host is busy is offered to that session again after a second",
          "[store][record]") {
  World world;
  world.import(2);
  const SessionId a = world.session("a");
  auto tasks = world.lease(a, 1);
  world.record(a, {report(tasks[0], TaskReport::Kind::host_busy)});
  CHECK(targets_of(world.lease(a, 5)) == Texts{"u1"});
  CHECK(world.tick().next <= 1s);
  world.advance(999ms);
  CHECK(world.lease(a, 5).empty());
  world.table.take_news();
  world.advance(1ms);
  world.tick();
  CHECK(world.table.take_news().ready.size() == 1);
  tasks = world.lease(a, 5);
  CHECK(targets_of(tasks) == Texts{"u0"});
  CHECK(tasks[0].attempt == 1);
  // Another session may have it at once.
  world.record(a, {report(tasks[0], TaskReport::Kind::host_busy)});
  CHECK(targets_of(world.lease(world.session("b"), 5)) == Texts{"u0"});
  world.advance(2s);
  world.tick();
}

TEST_CASE("a lane of tasks one session cannot have is told again for the others",
          "[store][record]") {
  World world;
  world.import(1000);
  const SessionId a = world.session("a");
  std::vector<TaskReport> all;
  for (const LeasedTask& task : world.lease(a, 1000)) {
    all.push_back(report(task, TaskReport::Kind::unsupported));
  }
  CHECK(world.record(a, all).requeued == 1000);
  CHECK(world.lease(a, 10).empty());
  world.tick();
  world.table.take_news();
  world.advance(1s);
  world.tick();
  CHECK(world.table.take_news().ready.size() == 1);
  std::size_t leased = 0;
  const SessionId b = world.session("b");
  for (int i = 0; i < 10; ++i) leased += world.lease(b, 1000).size();
  CHECK(leased == 1000);
}

// -- time -----------------------------------------------------------------------------------------

TEST_CASE("a task expires when an attempt fits no more, in tick and in lease", "[store][time]") {
  World world;
  auto options = probe_options();
  options->timeout = 10s;
  options->deadline = 60s;
  const bool by_tick = GENERATE(true, false);
  const BatchId batch = world.import(3, "u", options);
  const SessionId session = world.session("a");
  world.advance(49s);
  world.tick();
  CHECK(targets_of(world.lease(session, 1)) == Texts{"u0"});
  world.advance(20ms);
  if (by_tick) {
    CHECK(world.tick().expired == 2);
  } else {
    CHECK(world.lease(session, 5).empty());
    CHECK(world.tick().expired == 2);
  }
  CHECK(world.ledger(batch).expired == 2);
  CHECK(world.ledger(batch).in_flight == 1);
  const std::string lines = world.lines(batch);
  CHECK(has(lines, R"("target":"u1","reason":"deadline","attempts":0,"diagnosis":"no agent took)"));
  CHECK(has(lines, "1 agent was connected then"));
  CHECK(world.table.summary(batch)->reasons ==
        std::vector<std::pair<std::string, std::uint64_t>>{{"deadline", 2}});
}

TEST_CASE("a task in flight expires at its deadline, and its holder is told", "[store][time]") {
  World world;
  auto options = probe_options();
  options->deadline = 60s;
  const BatchId batch = world.import(1, "u", options);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 1);
  world.advance(59'999ms);
  CHECK(world.tick().expired == 0);
  world.advance(20ms);
  const StoreTick tick = world.tick();
  CHECK(tick.expired == 1);
  CHECK(tick.cancel == std::vector<std::pair<SessionId, TaskId>>{{session, tasks[0].task}});
  CHECK(has(world.lines(batch), R"("reason":"deadline","attempts":1,"diagnosis":"agent a had it)"));
  CHECK(world.record(session, {passed(tasks[0])}).duplicate == 1);
  CHECK(world.info(batch).state == BatchState::done);
}

TEST_CASE("a task returned too late to run again expires at once", "[store][time]") {
  World world;
  auto options = probe_options();
  options->deadline = 60s;
  const BatchId batch = world.import(1, "u", options);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 1);
  world.advance(55s);
  CHECK(world.record(session, {report(tasks[0], TaskReport::Kind::returned)}).requeued == 0);
  CHECK(world.ledger(batch).expired == 1);
  CHECK(has(world.lines(batch), "gave it back"));
}

TEST_CASE("tasks of many deadlines in one batch expire each in its time", "[store][time]") {
  World world;
  const auto upload = world.open();
  for (int i = 0; i < 200; ++i) {
    auto options = probe_options();
    options->deadline = 20s + i * 1s;
    REQUIRE(world.append(upload, 1, "u", options));
  }
  const BatchId batch = world.commit(upload);
  for (int i = 0; i < 200; ++i) {
    // The next may start until 9 s + i; 100 ms later it has expired.
    world.advance(i == 0 ? 9s : 900ms);
    world.tick();
    REQUIRE(world.ledger(batch).expired == static_cast<std::uint64_t>(i));
    world.advance(100ms);
    world.tick();
    REQUIRE(world.ledger(batch).expired == static_cast<std::uint64_t>(i + 1));
  }
}

TEST_CASE("a large batch expires over several ticks that follow at once", "[store][time]") {
  World world;
  const BatchId batch = world.import(120'000);
  world.advance(24h);
  int ticks = 0;
  while (world.ledger(batch).queued > 0) {
    REQUIRE(++ticks < 20);
    const StoreTick tick = world.table.tick(world.now);
    if (world.ledger(batch).queued > 0) CHECK(tick.next == 1ms);
  }
  CHECK(ticks > 1);
  world.check();
  CHECK(world.info(batch).state == BatchState::done);
}

TEST_CASE("a clock step of people's time moves no deadline", "[store][time]") {
  World world;
  const BatchId batch = world.import(1);
  world.now.system += 48h;
  world.tick();
  CHECK(world.ledger(batch).queued == 1);
  world.now.system -= 96h;
  world.advance(24h);
  world.tick();
  CHECK(world.ledger(batch).expired == 1);
}

TEST_CASE("tasks pinned to an agent away for five minutes expire", "[store][time]") {
  World world;
  const SessionId gone = world.session("gone");
  const SessionId there = world.session("there");
  const BatchId for_gone = world.import(2, "u", probe_options(), "gone");
  const BatchId for_nobody = world.import(1, "u", probe_options(), "nobody");
  const BatchId for_there = world.import(1, "u", probe_options(), "there");
  world.lease(gone, 1);
  world.advance(1min);
  world.lose(gone, 30s);
  world.advance(4min);
  world.tick();
  CHECK(world.ledger(for_gone).queued == 2);
  CHECK(world.ledger(for_nobody).queued == 1);
  world.advance(1s);
  world.tick();
  CHECK(world.ledger(for_nobody).expired == 1);
  CHECK(has(world.lines(for_nobody), R"("reason":"agent_lost")"));
  CHECK(has(world.lines(for_nobody), "no agent named nobody"));
  CHECK(world.ledger(for_gone).queued == 2);
  world.advance(1min);
  world.tick();
  CHECK(world.ledger(for_gone).expired == 2);
  CHECK(has(world.lines(for_gone), R"("reason":"agent_lost")"));
  // One accepted now has its own five minutes.
  const BatchId later = world.import(1, "u", probe_options(), "gone");
  world.advance(5min);
  world.tick();
  CHECK(world.ledger(later).queued == 1);
  world.session("gone");
  world.advance(1h);
  world.tick();
  CHECK(world.ledger(later).queued == 1);
  CHECK(world.ledger(for_there).queued == 1);
  CHECK(world.lease(there, 5).size() == 1);
}

TEST_CASE("queues for absent agents are looked at bit by bit", "[store][time][work]") {
  World world{options_of(1'000'000, 1'000'000, 5), 100};
  for (int i = 0; i < 50; ++i) {
    const auto upload = world.open();
    for (int name = 0; name < 20; ++name) {
      REQUIRE(world.table.append(upload,
                                 {{"u", probe_options(), named({"n" + std::to_string(name)})}}));
    }
    world.commit(upload);
    world.advance(1s);
  }
  const auto tick_over = [&] {
    std::uint64_t most = 0;
    for (int ticks = 0; ticks < 1000; ++ticks) {
      const std::uint64_t before = world.table.work_done();
      const StoreTick tick = world.table.tick(world.now);
      most = std::max(most, world.table.work_done() - before);
      if (tick.next > 1ms) break;
    }
    world.check();
    return most;
  };
  // All 1,000 queues are looked at, in ten ticks; then those of the first ten batches end.
  const std::uint64_t before = world.table.work_done();
  CHECK(tick_over() <= 100);
  CHECK(world.table.work_done() - before == 1000);
  world.advance(4min + 20s + 500ms);
  CHECK(tick_over() <= 200);  // each is looked at, and moves
  CHECK(world.table.facts().ledger.expired == 11 * 20);
  world.advance(1min);
  CHECK(tick_over() <= 200);
  CHECK(world.table.facts().ledger.expired == 1000);
}

// -- cancel ---------------------------------------------------------------------------------------

TEST_CASE("cancel ends queued tasks at once and tells those who hold others", "[store][cancel]") {
  World world;
  const BatchId batch = world.import(10);
  const BatchId other = world.import(1, "other");
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 5);  // four of the first
  REQUIRE(world.ledger(batch).in_flight == 4);
  const auto view = world.table.cancel(world.now, batch);
  world.check();
  REQUIRE(view);
  CHECK(view->info.ledger.cancelled == 6);
  CHECK(view->info.ledger.in_flight == 4);
  CHECK(view->info.state == BatchState::running);
  CHECK(world.tick().cancel.size() == 4);
  CHECK(world.tick().cancel.empty());

  std::vector<LeasedTask> held;
  for (const auto& task : tasks) {
    if (task.task.batch() == batch) held.push_back(task);
  }
  // Recorded before it is confirmed: done. Returned for any reason: cancelled.
  world.record(session, {passed(held[0]), report(held[1], TaskReport::Kind::cancelled),
                         report(held[2], TaskReport::Kind::host_busy)});
  CHECK(world.ledger(batch).done == 1);
  CHECK(world.ledger(batch).cancelled == 8);
  CHECK(world.info(batch).state == BatchState::running);
  world.lose(session);  // at once, without a grace
  CHECK(world.ledger(batch).cancelled == 9);
  CHECK(world.info(batch).state == BatchState::cancelled);
  CHECK(world.record(session, {passed(held[3])}).duplicate == 1);
  CHECK(count_lines(world.lines(batch)) == 10);
  CHECK(world.ledger(other).in_flight == 1);
}

TEST_CASE("a cancelled task nobody speaks of ends after ten seconds", "[store][cancel]") {
  World world;
  const BatchId batch = world.import(2);
  const SessionId session = world.session("a");
  world.lease(session, 2);
  REQUIRE(world.table.cancel(world.now, batch));
  world.advance(9'999ms);
  world.tick();
  CHECK(world.ledger(batch).in_flight == 2);
  world.advance(20ms);
  world.tick();
  CHECK(world.ledger(batch).cancelled == 2);
  CHECK(world.info(batch).finished_at == world.now.system);
}

TEST_CASE("a holder is told of a cancel once, however often the batch is looked at",
          "[store][cancel]") {
  World world;
  const auto soon = probe_options();
  soon->timeout = 1s;
  soon->deadline = 4s;
  const auto upload = world.open();
  REQUIRE(world.append(upload, 1, "soon", soon));
  REQUIRE(world.append(upload, 1, "u", probe_options()));
  const BatchId batch = world.commit(upload);
  world.lease(world.session("a"), 2);
  REQUIRE(world.table.cancel(world.now, batch));
  CHECK(world.tick().cancel.size() == 2);
  world.advance(5s);
  CHECK(world.tick().cancel.empty());
  CHECK(world.ledger(batch).cancelled == 1);  // at its deadline
  CHECK(world.ledger(batch).in_flight == 1);
}

TEST_CASE("a cancelled task is never handed to another", "[store][cancel]") {
  World world;
  const BatchId batch = world.import(3);
  const SessionId a = world.session("a");
  const auto tasks = world.lease(a, 3);
  REQUIRE(world.table.cancel(world.now, batch));
  const SessionId b = world.session("b");
  SECTION("after a give back") { world.table.give_back(world.now, a, {tasks[0].task}); }
  SECTION("after a return") { world.record(a, {report(tasks[0], TaskReport::Kind::unsupported)}); }
  SECTION("after a loss") { world.lose(a); }
  SECTION("after a resume") {
    const SessionId again = world.session("a");
    CHECK(world.resume(a, again, {tasks[0]}).wanted.empty());
  }
  CHECK(world.lease(b, 5).empty());
  CHECK(world.ledger(batch).cancelled >= 1);
  CHECK(world.ledger(batch).queued == 0);
  world.check();
}

TEST_CASE("cancel of a finished batch changes nothing", "[store][cancel]") {
  World world;
  const BatchId batch = world.import(1);
  const SessionId session = world.session("a");
  world.record(session, {passed(world.lease(session, 1)[0])});
  const auto view = world.table.cancel(world.now, batch);
  REQUIRE(view);
  CHECK(view->info.state == BatchState::done);
  CHECK(world.table.cancel(world.now, BatchId{99}).error().code() == errc::not_found);
}

// -- what one call costs --------------------------------------------------------------------------

namespace {

/// Many tasks, and what each call on them costs in work. Nothing is audited in between: that would
/// cost far more.
class Large {
 public:
  static constexpr std::uint32_t kTasks = 60'000;
  // Each task looked at may be moved, too.
  static constexpr std::uint64_t kMost = 2 * kWorkPerCall + 100;

  explicit Large(int batches = 1) {
    for (int i = 0; i < batches; ++i) {
      ids.push_back(world.import(static_cast<int>(kTasks) / batches));
    }
  }
  template <class Call>
  auto costs(Call call) {
    const std::uint64_t before = world.table.work_done();
    auto answer = call();
    const std::uint64_t work = world.table.work_done() - before;
    CHECK(work <= kMost);
    return answer;
  }
  SessionId hold_all(const std::string& agent) {
    const SessionId session = world.session(agent);
    LeaseRequest request{session, {}, 512};
    for (const Lane& lane : world.table.lanes()) request.lanes.push_back(lane.id);
    while (true) {
      auto reply = world.table.lease(world.now, request);
      REQUIRE(reply);
      if (reply->tasks.empty()) return session;
      held.insert(held.end(), reply->tasks.begin(), reply->tasks.end());
    }
  }
  /// Ticks, each with little work, until `ended` or far too often.
  template <class Ended>
  void tick_until(Ended ended) {
    for (int i = 0; i < 50 && !ended(); ++i) {
      const StoreTick tick = costs([&] { return world.table.tick(world.now); });
      told += tick.cancel.size();
      requeued += tick.requeued;
      for (const auto& [session, count] : tick.requeued_by_session) by_session += count;
      if (!ended()) CHECK(tick.next <= 100ms);
      world.advance(tick.next);
    }
    CHECK(ended());
    world.check();
  }
  Ledger total() { return world.table.facts().ledger; }

  World world;
  std::vector<BatchId> ids;
  std::vector<LeasedTask> held;
  std::uint64_t told = 0;
  std::uint64_t requeued = 0;
  std::uint64_t by_session = 0;
};

}  // namespace

TEST_CASE("a large batch is cancelled bit by bit, and none of it is leased", "[store][work]") {
  Large large;
  World& world = large.world;
  const auto view = large.costs([&] { return world.table.cancel(world.now, large.ids[0]); });
  REQUIRE(view);
  CHECK(view->info.ledger.cancelled == kWorkPerCall);
  CHECK(world.table.take_news().due);
  world.check();
  const BatchId other = world.import(3, "other");
  const SessionId session = world.session("a");
  CHECK(targets_of(world.lease(session, 100)) == Texts{"other0", "other1", "other2"});
  large.tick_until([&] { return large.total().queued == 0; });
  CHECK(large.total().cancelled == Large::kTasks);
  CHECK(world.info(large.ids[0]).state == BatchState::cancelled);
  CHECK(world.ledger(other).in_flight == 3);
}

TEST_CASE("those who hold a large cancelled batch are told of each task once", "[store][work]") {
  Large large;
  World& world = large.world;
  large.hold_all("a");
  REQUIRE(large.held.size() == Large::kTasks);
  REQUIRE(large.costs([&] { return world.table.cancel(world.now, large.ids[0]); }));
  for (int i = 0; i < 10; ++i) {
    large.told += large.costs([&] { return world.table.tick(world.now); }).cancel.size();
    world.advance(1ms);
  }
  CHECK(large.told == Large::kTasks);
  world.advance(10s);
  large.tick_until([&] { return large.total().ended(); });
  CHECK(large.total().cancelled == Large::kTasks);
  CHECK(large.told == Large::kTasks);
}

TEST_CASE("a session that held very much gives it back bit by bit", "[store][work]") {
  Large large{3};
  World& world = large.world;
  const SessionId session = large.hold_all("a");
  REQUIRE(large.costs([&] {
    return world.table.lose_session(world.now, {session, 5s});
  }) == Large::kTasks);
  CHECK(large.total().in_flight == Large::kTasks);
  world.check();
  SECTION("when its grace is over") {
    world.advance(10s);
    large.tick_until([&] { return large.total().in_flight == 0; });
    CHECK(large.requeued == Large::kTasks);
    CHECK(large.by_session == Large::kTasks);
    CHECK(world.lease(world.session("b"), 1).at(0).attempt == 2);
  }
  SECTION("while results of it come in and its agent is back for some") {
    world.advance(10s);
    large.costs([&] { return world.table.tick(world.now); });
    world.record(session, {passed(large.held[0]), passed(large.held[30'000]),
                           passed(large.held[49'999]), passed(large.held.back())});
    const SessionId again = world.session("a");
    const auto reply = world.resume(session, again, {large.held[1], large.held[40'000]});
    CHECK(reply.wanted.size() == 2);
    large.tick_until([&] { return large.total().in_flight == 2; });
    CHECK(large.total().queued == Large::kTasks - 6);
  }
  SECTION("when its agent is back without it") {
    const SessionId again = world.session("a");
    const auto reply = large.costs([&] {
      return world.table.resume(world.now, {session, again, false, {}, true});
    });
    REQUIRE(reply);
    large.tick_until([&] { return large.total().in_flight == 0; });
    CHECK(reply->requeued + large.requeued == Large::kTasks);
    CHECK(world.lease(again, 1).at(0).attempt == 1);
  }
  SECTION("when its agent is back as another process") {
    const SessionId again = world.session("a");
    REQUIRE(large.costs([&] {
      return world.table.resume(world.now, {session, again, true, {}, true});
    }));
    large.tick_until([&] { return large.total().in_flight == 0; });
    CHECK(world.lease(again, 1).at(0).attempt == 2);
  }
  SECTION("when all of it has been cancelled") {
    for (const BatchId id : large.ids) {
      REQUIRE(large.costs([&] { return world.table.cancel(world.now, id); }));
    }
    large.tick_until([&] { return large.total().ended(); });
    CHECK(large.total().cancelled == Large::kTasks);
  }
}

TEST_CASE("what an agent holds may be told in several parts", "[store][session]") {
  World world;
  const BatchId batch = world.import(5);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 5);
  const SessionId again = world.session("a");
  ResumeRequest part{session, again, false, {{tasks[0].task, 1}}, false};
  CHECK(world.table.resume(world.now, part)->wanted.size() == 1);
  world.check();
  world.tick();
  CHECK(world.ledger(batch).in_flight == 5);
  SECTION("to the last") {
    part.held = {{tasks[3].task, 1}};
    part.last = true;
    const auto reply = world.table.resume(world.now, part);
    CHECK(reply->wanted.size() == 1);
    CHECK(reply->requeued == 3);
    CHECK(world.ledger(batch).queued == 3);
  }
  SECTION("or not to the end: then the rest waits as for any lost session") {
    world.lose(again, 0ms);
    CHECK(world.ledger(batch).queued == 1);
    world.advance(31s);
    world.tick();
    CHECK(world.ledger(batch).queued == 5);
  }
}

// -- reading --------------------------------------------------------------------------------------

TEST_CASE("pages of results are full, stable, and end with the batch", "[store][results]") {
  World world;
  const BatchId batch = world.import(10);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 10);
  ResultQuery query;
  query.batch = batch;
  query.limit = 4;
  auto page = world.table.results(world.now, query);
  REQUIRE(page);
  CHECK(page->count == 0);
  CHECK_FALSE(page->next.empty());
  query.after = page->next;
  for (int i = 0; i < 5; ++i) {
    world.record(session,
                 {i % 2 == 0 ? passed(tasks[9U - static_cast<unsigned>(i)])
                             : failed(tasks[9U - static_cast<unsigned>(i)], FailureKind::connect)});
  }
  const auto first = world.table.results(world.now, query);
  CHECK(first->count == 4);
  CHECK(count_lines(first->lines) == 4);
  CHECK(first->lines.find("u9") < first->lines.find("u8"));  // as they were recorded
  ResultQuery rest = query;
  rest.after = first->next;
  CHECK(world.table.results(world.now, rest)->count == 1);  // what there is
  for (int i = 5; i < 10; ++i)
    world.record(session, {passed(tasks[9U - static_cast<unsigned>(i)])});
  const auto again = world.table.results(world.now, query);
  CHECK(again->lines == first->lines);
  CHECK(again->next == first->next);
  page = world.table.results(world.now, rest);
  CHECK(page->count == 4);
  rest.after = page->next;
  page = world.table.results(world.now, rest);
  CHECK(page->count == 2);
  CHECK(page->next.empty());
  CHECK(world.table.results(world.now, rest)->lines == page->lines);
}

TEST_CASE("a filter by verdict skips nothing that fits it", "[store][results]") {
  World world;
  const BatchId batch = world.import(30);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 30);
  for (std::size_t i = 0; i < 30; ++i) {
    world.record(session, {i % 10 == 3 ? failed(tasks[i], FailureKind::dns) : passed(tasks[i])});
  }
  ResultQuery query;
  query.batch = batch;
  query.verdict = Verdict::failed;
  query.limit = 2;
  auto page = world.table.results(world.now, query);
  CHECK(page->count == 2);
  CHECK_FALSE(has(page->lines, "passed"));
  query.after = page->next;
  page = world.table.results(world.now, query);
  CHECK(page->count == 1);
  CHECK(page->next.empty());
  query.after.clear();
  query.limit = 3;  // exactly as many as there are: the last page
  CHECK(world.table.results(world.now, query)->next.empty());
}

TEST_CASE("a page ends after the line that passes its bytes", "[store][results]") {
  World world;
  const BatchId batch = world.import(10);
  const SessionId session = world.session("a");
  for (const auto& task : world.lease(session, 10)) world.record(session, {passed(task)});
  ResultQuery query;
  query.batch = batch;
  query.bytes_max = 1;
  std::size_t pages = 0;
  std::string all;
  do {
    const auto page = world.table.results(world.now, query);
    CHECK(page->count == 1);
    all += page->lines;
    query.after = page->next;
    ++pages;
  } while (!query.after.empty());
  CHECK(pages == 10);
  CHECK(all == world.lines(batch));
}

TEST_CASE("the end of a page is told ahead of its lines", "[store][results]") {
  World world;
  const BatchId batch = world.import(10);
  const SessionId session = world.session("a");
  const auto tasks = world.lease(session, 10);
  for (std::size_t i = 0; i < 6; ++i) world.record(session, {passed(tasks[i])});
  ResultQuery query;
  query.batch = batch;
  for (const std::size_t limit : {1U, 4U, 6U, 100U}) {
    query.limit = limit;
    const auto end = world.table.page_end(world.now, query);
    const auto page = world.table.results(world.now, query);
    REQUIRE(end);
    CHECK(end->count == page->count);
    CHECK(end->next == page->next);
  }
  query.until = world.table.page_end(world.now, query)->next;
  for (std::size_t i = 6; i < 10; ++i) world.record(session, {passed(tasks[i])});
  CHECK(world.table.results(world.now, query)->count == 6);
  CHECK(world.table.results(world.now, query)->next == query.until);
  query.until = "r0123abcd-9-1";
  CHECK(world.table.results(world.now, query).error().code() == errc::invalid_argument);
  query.until.clear();
  CHECK(world.table.page_end(world.now, query)->next.empty());
  CHECK(world.table.page_end(world.now, query)->count == 10);
}

TEST_CASE("cursors and limits of results are checked", "[store][results]") {
  World world;
  ResultQuery query;
  query.batch = world.import(1);
  for (const char* after : {"x", "r0123abcd-1-2", "r0123abcd-2-0", "rffffffff-1-0"}) {
    query.after = after;
    CHECK(world.table.results(world.now, query).error().code() == errc::invalid_argument);
  }
  query.after.clear();
  for (const std::size_t limit : {0U, 10'001U}) {
    query.limit = limit;
    CHECK(world.table.results(world.now, query).error().code() == errc::invalid_argument);
  }
  query.batch = BatchId{2};
  query.limit = 1;
  CHECK(world.table.results(world.now, query).error().code() == errc::not_found);
}

TEST_CASE("batches are found by their text and listed newest first, without probes",
          "[store][batches]") {
  World world;
  std::vector<BatchId> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(world.import(1));
    const auto upload = world.open(BatchOrigin::probe);
    REQUIRE(world.append(upload, 1, "p", probe_options()));
    const BatchId probe = world.commit(upload);
    CHECK(world.table.find_batch(world.table.batch_name(probe)) == probe);
    CHECK(world.table.batch(world.now, probe)->origin == BatchOrigin::probe);
  }
  CHECK(world.table.batch_name(ids[0]) == "b0123abcd-1");
  CHECK_FALSE(world.table.find_batch("b0123abcd-11"));
  CHECK_FALSE(world.table.find_batch("bffffffff-1"));
  BatchListQuery query;
  query.limit = 2;
  std::vector<std::string> listed;
  do {
    const auto list = world.table.batches(world.now, query);
    REQUIRE(list);
    for (const BatchSnapshot& info : list->items) listed.push_back(info.id);
    query.after = list->next;
  } while (!query.after.empty());
  CHECK(listed == Texts{"b0123abcd-9", "b0123abcd-7", "b0123abcd-5", "b0123abcd-3", "b0123abcd-1"});
  query.after = "nonsense";
  CHECK_FALSE(world.table.batches(world.now, query));
}

TEST_CASE("a batch tells its rate and when it will be done", "[store][batches]") {
  World world;
  const BatchId batch = world.import(1000);
  const SessionId session = world.session("a");
  CHECK_FALSE(world.info(batch).eta);
  for (int i = 0; i < 40; ++i) {  // twenty a second
    world.advance(500ms);
    for (const auto& task : world.lease(session, 10)) {
      world.table.record(world.now, session, {passed(task)});
    }
    if (i == 3) CHECK(world.info(batch).tasks_per_second == Approx(20).margin(0.1));
  }
  CHECK(world.info(batch).tasks_per_second == Approx(20).epsilon(0.1));
  CHECK(world.info(batch).eta->count() == Approx(30'000).epsilon(0.1));
  world.advance(60s);
  CHECK(world.info(batch).tasks_per_second == 0);
  CHECK_FALSE(world.info(batch).eta);
  REQUIRE(world.table.cancel(world.now, batch));
  CHECK(world.info(batch).tasks_per_second == Approx(1000.0 / 80));
  CHECK(*world.info(batch).finished_at - world.info(batch).created_at == 80s);
}

// -- forgetting -----------------------------------------------------------------------------------

TEST_CASE("the oldest finished batches are forgotten whole, unfinished ones never",
          "[store][forget]") {
  World world{options_of(1000, 10, 5)};
  const SessionId session = world.session("a");
  const auto run = [&] {
    for (const auto& task : world.lease(session, 100)) world.record(session, {passed(task)});
  };
  const BatchId unfinished = world.import(1, "pinned", probe_options(), "nobody");
  const BatchId first = world.import(6);
  run();
  const BatchId second = world.import(4);
  run();
  CHECK(world.table.facts().results_kept == 10);
  CHECK(world.table.batch(world.now, first));
  const BatchId third = world.import(1);
  run();
  CHECK_FALSE(world.table.batch(world.now, first));
  CHECK_FALSE(world.table.find_batch(world.table.batch_name(first)));
  CHECK(world.table.batch(world.now, second));
  CHECK(world.table.batch(world.now, third));
  CHECK(world.table.batch(world.now, unfinished));
  CHECK(world.table.facts().results_kept == 5);
  CHECK(world.table.facts().ledger.accepted == 12);  // totals remember
  CHECK(world.table.facts().ledger.done == 11);
  CHECK_FALSE(world.table.take_news().forgotten.empty());
  // One larger than all that is kept stays until another has ended.
  const BatchId large = world.import(50);
  run();
  CHECK(world.table.batch(world.now, large));
  CHECK_FALSE(world.table.batch(world.now, third));
  const BatchId last = world.import(1);
  run();
  CHECK_FALSE(world.table.batch(world.now, large));
  CHECK(world.table.batch(world.now, last));
  LeasedTask stale;
  stale.task = TaskId::of(large, 1);
  CHECK(world.record(session, {passed(stale)}).unknown == 1);
}

TEST_CASE("a finished batch that is being read is kept a while longer", "[store][forget]") {
  World world{options_of(1000, 10, 5)};
  const SessionId session = world.session("a");
  const auto run = [&] {
    for (const auto& task : world.lease(session, 100)) world.record(session, {passed(task)});
  };
  const BatchId read = world.import(10);
  run();
  ResultQuery query;
  query.batch = read;
  query.limit = 4;
  query.after = world.table.results(world.now, query)->next;
  world.import(5);
  run();
  CHECK(world.table.batch(world.now, read));
  SECTION("until its last page was") {
    query.limit = 100;
    CHECK(world.table.results(world.now, query)->next.empty());
    world.tick();
  }
  SECTION("until a minute after its last reader") {
    world.advance(59s);
    world.tick();
    REQUIRE(world.table.batch(world.now, read));
    world.advance(2s);
    world.tick();
  }
  SECTION("until there is twice as much as should be") {
    world.import(6);
    run();
  }
  CHECK_FALSE(world.table.batch(world.now, read));
  CHECK(world.table.results(world.now, query).error().code() == errc::not_found);
}

// -- everything at once ---------------------------------------------------------------------------

namespace {

/// What anybody who only sees the answers knows; contradicts the table where it can.
class Witness {
 public:
  Witness(std::uint32_t seed, std::size_t work_per_call)
      : world_(options_of(1'000'000, 1'000'000, 5), work_per_call),
        work_per_call_(work_per_call),
        random_(seed) {}

  void step() {
    switch (below(14)) {
      case 0:
        import();
        break;
      case 1:
        open_session();
        break;
      case 2:
      case 3:
      case 4:
        lease();
        break;
      case 5:
      case 6:
      case 7:
        answer();
        break;
      case 8:
        lose();
        break;
      case 9:
        reconnect();
        break;
      case 10:
        give_back();
        break;
      case 11:
        if (below(8) == 0) cancel();
        break;
      case 12:
        stale_result();
        break;
      default:
        pass_time();
        break;
    }
    world_.check();
  }

  /// Time alone must end everything.
  void finish() {
    for (int i = 0; i < 400; ++i) {
      world_.advance(1s);
      on_tick(world_.table.tick(world_.now));
    }
    world_.advance(25h);
    for (int i = 0; i < 20; ++i) {
      world_.advance(1s);
      on_tick(world_.table.tick(world_.now));
    }
    milliseconds next{0};  // with little work a call ticks follow at once
    for (std::uint64_t i = 0; i < 2 * accepted_ && !world_.table.facts().ledger.ended(); ++i) {
      world_.advance(next);
      const StoreTick tick = world_.table.tick(world_.now);
      on_tick(tick);
      next = tick.next;
    }
    world_.check();
    const Ledger total = world_.table.facts().ledger;
    REQUIRE(total.ended());
    REQUIRE(total.accepted == accepted_);
    REQUIRE(total.done == done_.size());
    std::uint64_t lines = 0;
    for (const auto& [batch, count] : batches_) {
      REQUIRE(world_.info(batch).finished_at);
      const std::string text = world_.lines(batch);
      REQUIRE(count_lines(text) == count);
      lines += count;
    }
    REQUIRE(lines == accepted_);
  }

 private:
  struct Living {
    std::string agent;
    std::map<TaskId, LeasedTask> held;
  };

  std::uint32_t below(std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random_);
  }
  template <class Map>
  auto any_of(Map& map) {
    auto at = map.begin();
    std::advance(at, below(static_cast<std::uint32_t>(map.size())));
    return at;
  }
  SessionId connect(const std::string& agent) {
    return world_.session(agent, {{"half", agent < "d" ? "1" : "2"}});
  }
  bool closed(BatchId id) { return world_.info(id).state != BatchState::open; }
  std::string agent_name() { return std::string(1, static_cast<char>('a' + below(6))); }

  std::shared_ptr<const Selector> selector() {
    switch (below(9)) {
      case 0:
        return named({agent_name()});
      case 1:
        return chosen(Selector::Kind::any, 2 + below(3));
      case 2:
        return chosen(Selector::Kind::tags, 1 + below(3), {{"half", below(2) == 0 ? "1" : "2"}});
      case 3:
        return below(4) == 0 ? chosen(Selector::Kind::all, 1) : named({"a", "c", "f"});
      default:
        return nullptr;
    }
  }

  /// Into a new batch, or one that is open.
  void import() {
    const bool extends = !open_.empty() && below(2) == 0;
    const std::size_t into = extends ? below(static_cast<std::uint32_t>(open_.size())) : 0;
    const bool stays_open = !extends && open_.size() < 3 && below(4) == 0;
    const auto origin = below(4) == 0 ? BatchOrigin::probe : BatchOrigin::import;
    const auto begun = extends ? world_.table.extend_batch(open_[into])
                               : world_.table.open_upload({"", origin, stays_open});
    if (extends && (cancelled_.count(open_[into].value) > 0 || closed(open_[into]))) {
      REQUIRE_FALSE(begun);
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(into));
      return;
    }
    REQUIRE(begun);
    const std::uint64_t upload = *begun;
    std::uint64_t count = 0;
    for (std::uint32_t part = below(4) + 1; part > 0; --part) {
      auto options = probe_options();
      options->timeout = milliseconds(1 + below(20'000));
      if (below(3) == 0) options->deadline = options->timeout + milliseconds(2000 + below(90'000));
      if (below(3) == 0) options->priority = Priority::high;
      if (below(4) == 0) options->kind = "dns";
      const auto agents = selector();
      const std::uint32_t targets = below(30);
      std::vector<NewTask> tasks(targets, NewTask{"u", options, agents});
      REQUIRE(world_.table.append(upload, tasks));
      world_.check();
      count += targets * (agents == nullptr ? 1 : task_count(*agents));
    }
    if (below(10) == 0) {
      world_.table.abandon_upload(world_.now, upload);
      return;
    }
    const auto view = world_.table.commit_upload(world_.now, upload, 0);
    REQUIRE(view);
    accepted_ += count;
    if (stays_open) open_.push_back(view->id);
    auto known = std::find_if(batches_.begin(), batches_.end(),
                              [&](const auto& one) { return one.first == view->id; });
    if (known == batches_.end()) known = batches_.insert(known, {view->id, 0});
    known->second += count;
    REQUIRE(view->info.ledger.accepted == known->second);
    if (extends && below(4) == 0) REQUIRE(world_.table.close_batch(world_.now, view->id));
  }

  void open_session() {
    if (living_.size() >= 6) return;
    const std::string agent = agent_name();
    living_[connect(agent)].agent = agent;
  }

  void lease() {
    if (living_.empty()) return;
    const auto at = any_of(living_);
    LeaseRequest request{at->first, {}, below(40) + 1};
    for (const Lane& lane : world_.table.lanes()) {
      if (below(4) > 0) request.lanes.push_back(lane.id);
    }
    const auto reply = world_.table.lease(world_.now, request);
    REQUIRE(reply);
    REQUIRE(reply->tasks.size() <= request.count);
    for (const LeasedTask& task : reply->tasks) {
      REQUIRE(done_.count(task.task) == 0);
      REQUIRE(cancelled_.count(task.task.batch().value) == 0);
      REQUIRE(unsupported_.count({at->first, task.task}) == 0);
      REQUIRE(task.left >= task.options->timeout + 1s);
      REQUIRE(task.attempt >= 1);
      REQUIRE(task.attempt <= 5);
      for (const auto& [session, other] : living_) {  // one holder that lives
        REQUIRE(other.held.count(task.task) == 0);
      }
      at->second.held.emplace(task.task, task);
    }
  }

  void answer() {
    if (living_.empty()) return;
    auto& [session, living] = *any_of(living_);
    std::vector<TaskReport> reports;
    std::vector<TaskId> results;
    while (!living.held.empty() && below(8) > 0) {
      const auto at = any_of(living.held);
      const LeasedTask& task = at->second;
      switch (below(8)) {
        case 0:
          reports.push_back(report(task, TaskReport::Kind::returned));
          break;
        case 1:
          reports.push_back(report(task, TaskReport::Kind::host_busy));
          break;
        case 2:
          reports.push_back(report(task, TaskReport::Kind::unsupported));
          unsupported_.insert({session, task.task});
          break;
        case 3:
          reports.push_back(report(task, TaskReport::Kind::cancelled));
          break;
        default:
          reports.push_back(below(2) == 0 ? passed(task) : failed(task, FailureKind::connect));
          results.push_back(task.task);
          old_.push_back(task);
          break;
      }
      living.held.erase(at);
    }
    const auto reply = world_.table.record(world_.now, session, reports);
    REQUIRE(reply.recorded + reply.duplicate == results.size());
    std::uint64_t recorded = 0;
    for (const TaskId& id : results) {
      if (ended_.count(id) == 0 && done_.insert(id).second) ++recorded;
    }
    // What expired meanwhile is a duplicate that only the store knows of.
    REQUIRE(reply.recorded <= recorded);
    if (reply.recorded < recorded) forget_unrecorded(results);
    for (const auto& [holder, task] : reply.cancel) {
      REQUIRE(living_.count(holder) == 1);
      living_[holder].held.erase(task);
    }
  }

  /// A result that did not count: its task had expired or been cancelled.
  void forget_unrecorded(const std::vector<TaskId>& results) {
    for (const TaskId& id : results) {
      const std::string name = "\"t0123abcd-" + std::to_string(id.batch().value) + "-" +
                               std::to_string(id.index()) + "\"";
      const std::string lines = world_.lines(id.batch());
      const auto at = lines.find(name);
      REQUIRE(at != std::string::npos);
      const auto start = lines.rfind('{', at);
      if (lines.compare(start, 15, R"({"state":"done")") != 0) {
        done_.erase(id);
        ended_.insert(id);
      }
    }
  }

  void lose() {
    if (living_.empty()) return;
    const auto at = any_of(living_);
    world_.table.lose_session(world_.now, {at->first, milliseconds(below(40'000))});
    lost_.emplace_back(at->first, std::move(at->second));
    living_.erase(at);
    if (lost_.size() > 10) lost_.erase(lost_.begin());
  }

  void reconnect() {
    if (lost_.empty()) return;
    const std::uint32_t which = below(static_cast<std::uint32_t>(lost_.size()));
    const SessionId previous = lost_[which].first;
    const Living living = std::move(lost_[which].second);
    lost_.erase(lost_.begin() + which);
    for (const auto& [session, other] : living_) {
      if (other.agent == living.agent) return;  // its name is taken
    }
    const SessionId session = connect(living.agent);
    Living again{living.agent, {}};
    const bool restarted = below(3) == 0;
    ResumeRequest request{previous, session, restarted, {}};
    for (const auto& [id, task] : living.held) {
      if (!restarted && below(4) > 0) request.held.emplace_back(id, task.attempt);
    }
    const auto reply = world_.table.resume(world_.now, request);
    REQUIRE(reply);
    for (const TaskId& id : reply->wanted) {
      REQUIRE(done_.count(id) == 0);
      for (const auto& [other_session, other] : living_) REQUIRE(other.held.count(id) == 0);
      again.held.emplace(id, living.held.at(id));
    }
    // The others of this name are drained too.
    lost_.erase(
        std::remove_if(lost_.begin(), lost_.end(),
                       [&](const auto& other) { return other.second.agent == living.agent; }),
        lost_.end());
    living_.emplace(session, std::move(again));
  }

  void give_back() {
    if (living_.empty()) return;
    auto& [session, living] = *any_of(living_);
    std::vector<TaskId> tasks;
    while (!living.held.empty() && below(4) > 0) {
      tasks.push_back(living.held.begin()->first);
      living.held.erase(living.held.begin());
    }
    REQUIRE(world_.table.give_back(world_.now, session, tasks) <= tasks.size());
  }

  void cancel() {
    if (batches_.empty()) return;
    const BatchId id = batches_[below(static_cast<std::uint32_t>(batches_.size()))].first;
    const auto view = world_.table.cancel(world_.now, id);
    REQUIRE(view);
    if (work_per_call_ == kWorkPerCall) REQUIRE(view->info.ledger.queued == 0);
    cancelled_.insert(id.value);
  }

  void stale_result() {
    if (old_.empty() || living_.empty()) return;
    const LeasedTask& task = old_[below(static_cast<std::uint32_t>(old_.size()))];
    const auto reply = world_.table.record(world_.now, any_of(living_)->first, {passed(task)});
    REQUIRE(reply.duplicate == 1);  // it has ended: recorded, expired or cancelled
  }

  void pass_time() {
    world_.advance(milliseconds(below(3000)));
    if (below(3) == 0) return;
    on_tick(world_.table.tick(world_.now));
    world_.table.take_news();
  }

  void on_tick(const StoreTick& tick) {
    REQUIRE(tick.next >= 1ms);
    REQUIRE(tick.next <= 1s);
    for (const auto& [session, task] : tick.cancel) {
      REQUIRE(living_.count(session) == 1);
    }
  }

  World world_;
  std::size_t work_per_call_;
  std::mt19937 random_;
  std::uint64_t accepted_ = 0;
  std::vector<std::pair<BatchId, std::uint64_t>> batches_;
  std::vector<BatchId> open_;  // at least when they were last looked at
  std::map<SessionId, Living> living_;
  std::vector<std::pair<SessionId, Living>> lost_;
  std::set<TaskId> done_;
  std::set<TaskId> ended_;
  std::set<std::uint32_t> cancelled_;
  std::set<std::pair<SessionId, TaskId>> unsupported_;
  std::vector<LeasedTask> old_;
};

}  // namespace

TEST_CASE("whatever happens, every task ends once and the ledger closes", "[store][model]") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U);
  // With little work a call everything large happens bit by bit, and all else between the bits.
  const std::size_t work_per_call = seed % 2 == 0 ? kWorkPerCall : 3;
  INFO("seed " << seed << ", work " << work_per_call);
  Witness witness(seed, work_per_call);
  for (int i = 0; i < 800; ++i) {
    INFO("step " << i);
    witness.step();
  }
  witness.finish();
}
