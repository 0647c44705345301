// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/task_table.hpp"
#include "support/catch.hpp"
#include "support/table_world.hpp"

using namespace probekit;
using namespace probekit::store;
using namespace probekit::test;
using namespace std::chrono_literals;

namespace {

using Kind = Selector::Kind;

std::shared_ptr<const Selector> any(std::uint32_t count) { return chosen(Kind::any, count); }
std::shared_ptr<const Selector> tagged(std::vector<Label> tags, std::uint32_t count = 1) {
  return chosen(Kind::tags, count, std::move(tags));
}

BatchId import(World& world, int targets, const std::shared_ptr<const Selector>& agents,
               const std::shared_ptr<const ProbeOptions>& options = probe_options()) {
  const auto upload = world.open();
  for (int i = 0; i < targets; ++i) {
    REQUIRE(world.table.append(upload, {{"t" + std::to_string(i), options, agents}}));
  }
  world.check();
  return world.commit(upload);
}

void pass(World& world, SessionId session, const std::vector<LeasedTask>& tasks) {
  std::vector<TaskReport> reports;
  for (const LeasedTask& task : tasks) reports.push_back(passed(task));
  CHECK(world.record(session, reports).recorded == tasks.size());
}

/// Agents of the lines of each target.
std::map<std::string, std::set<std::string>> agents_by_target(const std::string& lines) {
  std::map<std::string, std::set<std::string>> agents;
  const auto value = [](const std::string& line, const std::string& name) {
    const std::size_t at = line.find("\"" + name + "\":\"") + name.size() + 4;
    return line.substr(at, line.find('"', at) - at);
  };
  for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
    const std::string line = lines.substr(at, lines.find('\n', at) - at);
    agents[value(line, "target")].insert(value(line, "agent"));
  }
  return agents;
}

}  // namespace

TEST_CASE("tasks for tags go to those who have them all", "[store][selector]") {
  World world;
  const SessionId both = world.session("both", {{"zone", "a"}, {"region", "eu"}});
  const SessionId one = world.session("one", {{"region", "eu"}});
  const SessionId none = world.session("none");
  import(world, 2, tagged({{"region", "eu"}, { "zone", "a" }}));
  import(world, 2, tagged({{ "region", "eu" }}));
  CHECK(world.lease(none, 10).empty());
  CHECK(world.lease(one, 10).size() == 2);
  CHECK(world.lease(both, 10).size() == 2);
}

TEST_CASE("an agent with other tags cannot claim what is queued for some", "[store][selector]") {
  World world;
  const SessionId eu = world.session("eu", {{"region", "eu"}});
  import(world, 1, tagged({{ "region", "eu" }}));
  const auto tasks = world.lease(eu, 1);
  world.lose(eu, 0ms);
  const SessionId us = world.session("us", {{"region", "us"}});
  CHECK(world.resume(0, us, tasks).wanted.empty());
  const SessionId again = world.session("eu", {{"region", "eu"}});
  CHECK(world.resume(eu, again, tasks).wanted.size() == 1);
}

TEST_CASE("a target for two agents is a task each, and none gets both", "[store][selector]") {
  World world;
  const SessionId a = world.session("a");
  const BatchId batch = import(world, 3, any(2));
  CHECK(world.ledger(batch).accepted == 6);
  const auto first = world.lease(a, 10);
  CHECK(targets_of(first) == std::vector<std::string>{"t0", "t1", "t2"});
  pass(world, a, first);
  CHECK(world.lease(a, 10).empty());  // done is as good as held
  const SessionId b = world.session("b");
  const auto second = world.lease(b, 10);
  CHECK(targets_of(second) == std::vector<std::string>{"t0", "t1", "t2"});
  CHECK(world.lease(b, 10).empty());
  pass(world, b, second);
  CHECK(world.info(batch).state == BatchState::done);
  for (const auto& [target, agents] : agents_by_target(world.lines(batch))) {
    CHECK((agents == std::set<std::string>{"a", "b"}));
  }
}

TEST_CASE("what is left for others does not hide what an agent may have", "[store][selector]") {
  World world;
  const SessionId a = world.session("a");
  import(world, 500, any(2));  // more than a lease looks at of those shunned
  for (int i = 0; i < 5; ++i) CHECK(world.lease(a, 100).size() == 100);
  CHECK(world.lease(a, 100).empty());
  const SessionId b = world.session("b");
  for (int i = 0; i < 10; ++i) world.lease(b, 100);
  CHECK(world.table.facts().ledger.in_flight == 1000);
}

TEST_CASE("a copy that comes back may go to the agent that gave it back", "[store][selector]") {
  World world;
  const SessionId a = world.session("a");
  import(world, 1, any(2));
  const auto tasks = world.lease(a, 10);
  REQUIRE(tasks.size() == 1);
  CHECK(world.lease(a, 10).empty());
  world.record(a, {report(tasks[0], TaskReport::Kind::returned)});
  CHECK(world.lease(a, 10).size() == 1);
  CHECK(world.lease(a, 10).empty());
}

TEST_CASE("a lease tells an empty lane from one with tasks for others", "[store][selector]") {
  World world;
  const SessionId a = world.session("a");
  const SessionId b = world.session("b");
  import(world, 1, any(2));
  const LaneId lane = world.table.lanes().at(0).id;
  const auto ask = [&](SessionId session) {
    auto reply = world.table.lease(world.now, {session, {lane}, 10});
    REQUIRE(reply);
    return *reply;
  };
  const LeaseReply first = ask(a);
  CHECK(first.tasks.size() == 1);
  CHECK(first.unfit == std::vector<LaneId>{lane});
  CHECK(first.empty.empty());
  const LeaseReply second = ask(b);
  CHECK(second.tasks.size() == 1);
  CHECK(second.empty == std::vector<LaneId>{lane});
  CHECK(second.unfit.empty());
}

TEST_CASE("other agents take over the copies of a lost one, never a second of theirs",
          "[store][selector]") {
  constexpr int kTargets = 40;
  World world;
  const SessionId a = world.session("a");
  const SessionId b = world.session("b");
  const SessionId c = world.session("c");
  const BatchId batch = import(world, kTargets, any(2));
  const auto of_a = world.lease(a, 20);
  const auto of_b = world.lease(b, 30);
  const auto of_c = world.lease(c, 10);
  pass(world, b, of_b);
  pass(world, a, {of_a.begin(), of_a.begin() + 5});
  world.lose(a, 30s);
  world.advance(31s);
  world.tick();
  pass(world, c, of_c);
  for (int round = 0; round < 100 && !world.ledger(batch).ended(); ++round) {
    for (const SessionId session : {b, c}) pass(world, session, world.lease(session, 7));
  }
  const auto agents = agents_by_target(world.lines(batch));
  CHECK(agents.size() == kTargets);
  for (const auto& [target, by] : agents) {
    CAPTURE(target);
    CHECK(by.size() == 2);
  }
  CHECK(world.ledger(batch).done == 2 * kTargets);
}

TEST_CASE("a late result of a lost copy does not make one agent's of two", "[store][selector]") {
  World world;
  const SessionId a = world.session("a");
  const SessionId x = world.session("x");
  const BatchId batch = import(world, 1, any(2));
  const auto lost = world.lease(a, 1);
  REQUIRE(world.lease(x, 1).size() == 1);
  world.lose(a, 0ms);
  world.lose(x, 0ms);
  const SessionId b = world.session("b");
  const auto taken = world.lease(b, 1);
  REQUIRE(taken[0].task == lost[0].task);
  const SessionId again = world.session("a");
  const auto other = world.lease(again, 1);
  REQUIRE(other.size() == 1);
  REQUIRE(other[0].task != lost[0].task);
  const RecordReply reply = world.record(again, {passed(lost[0])});
  CHECK(reply.duplicate == 1);
  CHECK(reply.recorded == 0);
  pass(world, again, other);
  pass(world, b, taken);
  CHECK(world.ledger(batch).done == 2);
}

TEST_CASE("a task nobody fits blocks nobody and ends with no_agent", "[store][selector]") {
  World world;
  const SessionId a = world.session("a", {{"region", "us"}});
  const BatchId for_eu = import(world, 2, tagged({{"region", "eu"}}));
  const BatchId for_three = import(world, 1, any(3));
  const BatchId for_us = import(world, 1, tagged({{"region", "us"}}));
  const auto tasks = world.lease(a, 10);
  CHECK(tasks.size() == 2);
  pass(world, a, tasks);
  CHECK(world.info(for_us).state == BatchState::done);
  world.advance(24h);
  world.tick();
  CHECK(world.ledger(for_eu).expired == 2);
  CHECK(has(world.lines(for_eu), R"("reason":"no_agent")"));
  CHECK(has(world.lines(for_eu), "no agent that runs http with region=eu was connected then"));
  CHECK(world.ledger(for_three).expired == 2);
  CHECK(has(world.lines(for_three), R"("reason":"no_agent")"));
  CHECK(has(world.lines(for_three), "for 3 different agents"));
}

TEST_CASE("whoever a task is for, where nobody was there it ends with no_agent",
          "[store][selector]") {
  World world;
  const auto options = probe_options();
  options->deadline = 60s;
  const auto expect = [&](BatchId batch, const char* whom) {
    world.advance(60s);
    world.tick();
    const std::string line = world.lines(batch);
    INFO(line);
    CHECK(has(line, R"("reason":"no_agent")"));
    CHECK(has(line, std::string{"; no agent"} + whom + " was connected then"));
  };
  expect(import(world, 1, any(1), options), " that runs http");
  world.session("a");
  expect(import(world, 1, named({"b"}), options), " named b that runs http");
  options->kind = "tcp";
  expect(import(world, 1, any(1), options), " that runs tcp");
  expect(import(world, 1, named({"a"}), options), " named a that runs tcp");
}

TEST_CASE("where enough agents fit, a task no one took ends by its deadline", "[store][selector]") {
  World world;
  const SessionId a = world.session("a", {{"region", "eu"}});
  const BatchId batch = import(world, 1, tagged({{"region", "eu"}}));
  world.advance(24h);
  world.tick();
  CHECK(has(world.lines(batch), R"("reason":"deadline")"));
  const BatchId later = import(world, 1, tagged({{"region", "eu"}}));
  world.lose(a);
  world.advance(24h);
  world.tick();
  CHECK(has(world.lines(later), R"("reason":"no_agent")"));
}

TEST_CASE("all agents of which there is none: a line a target, at once", "[store][selector]") {
  World world{options_of(1'000'000, 1'000'000, 5), 100};
  const SessionId a = world.session("a");
  const BatchId batch = import(world, 250, chosen(Kind::all, 1));
  CHECK(world.ledger(batch).accepted == 250);
  CHECK(world.lease(a, 10).empty());
  for (int i = 0; i < 5; ++i) world.tick();
  CHECK(world.info(batch).state == BatchState::done);
  CHECK(world.ledger(batch).expired == 250);
  CHECK(has(world.lines(batch), R"("reason":"no_agent")"));
  CHECK(has(world.lines(batch), "no agent that runs http was connected when"));
}

TEST_CASE("named agents get a task of each target", "[store][selector]") {
  World world;
  const BatchId batch = import(world, 2, named({"a", "b"}));
  CHECK(world.ledger(batch).accepted == 4);
  for (const char* name : {"a", "b"}) {
    const SessionId session = world.session(name);
    const auto tasks = world.lease(session, 10);
    CHECK(targets_of(tasks) == std::vector<std::string>{"t0", "t1"});
    pass(world, session, tasks);
  }
  CHECK(world.info(batch).state == BatchState::done);
}

TEST_CASE("sets of tags in use are limited, and their end makes room", "[store][selector]") {
  World world;
  const auto upload = world.open();
  for (std::size_t i = 0; i < kTagLanesMax; ++i) {
    const std::string target = "t";
    REQUIRE(world.table.append(upload,
                               {{target, probe_options(), tagged({{"n", std::to_string(i)}})}}));
  }
  const auto other = world.open();
  const auto refused = world.table.append(
      other, {{"t", probe_options(), any(1)}, {"t", probe_options(), tagged({{"n", "x"}})}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(has(refused.error().message(), "1024 different sets of tags"));
  CHECK(world.table.append(other, {{"t", probe_options(), tagged({{"n", "7"}})}}).value() == 1);
  world.check();
  world.table.take_news();
  world.table.abandon_upload(world.now, upload);
  REQUIRE(world.table.append(other, {{"t", probe_options(), tagged({{"n", "x"}})}}));
  CHECK(world.table.take_news().gone.size() == kTagLanesMax - 1);
  const BatchId batch = world.commit(other);
  CHECK(world.ledger(batch).queued == 2);
}

TEST_CASE("names in use are limited, and their end makes room", "[store][selector]") {
  World world;
  const auto options = probe_options();
  const auto name_all = [&](std::uint64_t upload) {
    for (std::size_t first = 0; first < kNameLanesMax; first += 256) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < 256; ++i) names.push_back("n" + std::to_string(first + i));
      REQUIRE(world.table.append(upload, {{"t", options, named(names)}}));
    }
  };
  const auto first = world.table.open_upload({"", BatchOrigin::import, true});
  REQUIRE(first);
  name_all(*first);
  const BatchId batch = world.commit(*first);
  // Again into the same batch, which finds each of its queues.
  const auto second = world.table.extend_batch(batch);
  REQUIRE(second);
  name_all(*second);
  CHECK(world.commit(*second) == batch);
  const auto other = world.open();
  const auto refused =
      world.table.append(other, {{"t", options, any(1)}, {"t", options, named({"x"})}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(has(refused.error().message(), "65536 different names are in use"));
  CHECK(world.table.append(other, {{"t", options, named({"n7"})}}).value() == 1);

  // A schedule's run waits for room likewise, and leaves nothing behind.
  ScheduleSpec spec;
  spec.interval = 10s;
  spec.targets = {{"s", options}};
  spec.agents = *named({"n7", "x", "n8"});
  REQUIRE(world.table.put_schedule(world.now, "web", spec, 0.1));
  world.advance(10s);
  world.tick();
  CHECK(world.table.schedule(world.now, "web")->ledger.accepted == 0);

  REQUIRE(world.table.cancel(world.now, batch));
  for (int i = 0; i < 20; ++i) {
    world.advance(100ms);
    world.table.tick(world.now);
  }
  CHECK(world.ledger(batch).cancelled == 2 * kNameLanesMax);
  CHECK(world.table.schedule(world.now, "web")->ledger.queued == 3);
  world.table.take_news();
  REQUIRE(world.table.append(other, {{"t", options, named({"y"})}}));
  world.check();
  CHECK(world.table.lanes().size() < 20);
  CHECK(world.ledger(world.commit(other)).queued == 2);
}

TEST_CASE("selectors of no agent or too many are refused by the store", "[store][selector]") {
  World world;
  const auto upload = world.open();
  for (const auto& agents : {any(0), any(257), named({})}) {
    const auto refused = world.table.append(upload, {{"t", probe_options(), agents}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::invalid_argument);
  }
  REQUIRE(world.table.append(upload, {{"t", probe_options(), any(256)}}));
  CHECK(world.ledger(world.commit(upload)).queued == 256);
  for (int i = 0; i < 3; ++i) {
    CHECK(world.lease(world.session("a" + std::to_string(i)), 10).size() == 1);
  }
}

TEST_CASE("queued tasks that no connected agent may take are counted", "[store][selector]") {
  World world;
  const auto expect = [&](std::uint64_t count, const std::string& whom) {
    CHECK(world.table.facts().unserved == count);
    CHECK(world.table.facts().unserved_for == whom);
  };
  const auto odd = probe_options();
  odd->kind = "tcp";
  import(world, 2, any(1));
  expect(2, "an agent that runs http");
  const SessionId first = world.session("first", {{"zone", "a"}});
  expect(0, "");
  const BatchId pinned = import(world, 3, named({"second"}));
  import(world, 1, tagged({{ "zone", "a" }}));
  expect(3, "an agent named second that runs http");
  import(world, 4, tagged({{ "zone", "b" }}));
  expect(7, "an agent that runs http with zone=b and others");
  import(world, 5, any(1), odd);
  expect(12, "an agent that runs tcp and others");
  const SessionId second = world.session("second", {{"zone", "b"}});
  expect(5, "an agent that runs tcp");
  // One that drains takes none.
  world.table.set_drained(second, true);
  expect(12, "an agent that runs tcp and others");
  world.table.set_drained(second, false);
  expect(5, "an agent that runs tcp");
  world.lose(second, 30s);
  REQUIRE(world.table.cancel(world.now, pinned));
  expect(9, "an agent that runs tcp and others");
  world.lose(first, 30s);
  expect(12, "an agent that runs tcp and others");
}

TEST_CASE("looking for tasks that nobody serves has an end", "[store][selector][work]") {
  World world;
  std::vector<SessionId> sessions;
  for (int i = 0; i < 500; ++i) sessions.push_back(world.session("a" + std::to_string(i)));
  for (int i = 0; i < 100; ++i) import(world, 1, tagged({{ "zone", "z" + std::to_string(i) }}));
  const std::uint64_t counted = world.table.facts().unserved;
  CHECK(counted > 30);  // 16,384 looks, 501 for each
  CHECK(counted < 35);
  // The places of those that are gone cost as much.
  for (const SessionId session : sessions) world.lose(session);
  world.advance(2h);
  world.tick();
  CHECK(world.table.facts().unserved == counted);
}

TEST_CASE("queued_max counts what selectors make of a target", "[store][selector]") {
  World world{options_of(10, 10, 5)};
  const auto upload = world.open();
  REQUIRE(world.table.append(upload, {{"t", probe_options(), any(9)}}));
  const auto refused = world.table.append(upload, {{"t", probe_options(), any(2)}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(world.ledger(world.commit(upload)).queued == 9);
}
