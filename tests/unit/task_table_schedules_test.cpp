// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include <algorithm>
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

ScheduleSpec spec_of(int targets, milliseconds interval) {
  auto options = probe_options();
  options->timeout = 1s;
  options->priority = Priority::normal;
  ScheduleSpec spec;
  spec.interval = interval;
  for (int i = 0; i < targets; ++i) spec.targets.push_back({"t" + std::to_string(i), options});
  return spec;
}

ScheduleView put(World& world, const std::string& name, const ScheduleSpec& spec) {
  const auto made = world.table.put_schedule(world.now, name, spec, 0.1);
  REQUIRE(made);
  world.check();
  return made->view;
}

ScheduleView view(World& world, const std::string& name) {
  const auto found = world.table.schedule(world.now, name);
  REQUIRE(found);
  return *found;
}

std::vector<std::string> lines_of(World& world, const std::string& name) {
  std::vector<std::string> lines;
  ScheduleResultQuery query;
  query.name = name;
  query.limit = 7;
  while (true) {
    const auto page = world.table.schedule_results(world.now, query);
    REQUIRE(page);
    REQUIRE_FALSE(page->next.empty());
    if (page->count == 0) return lines;
    const auto end = world.table.schedule_page_end(world.now, query);
    CHECK(end->count == page->count);
    CHECK(end->next == page->next);
    for (std::size_t at = 0; at < page->lines.size(); at = page->lines.find('\n', at) + 1) {
      lines.push_back(page->lines.substr(at, page->lines.find('\n', at) - at));
    }
    query.after = page->next;
  }
}

void work(World& world, SessionId session) {
  std::vector<TaskReport> reports;
  for (const LeasedTask& task : world.lease(session, 1000)) reports.push_back(passed(task));
  world.record(session, reports);
}

/// Ticks when the table asks for it, and lets the session work, if one is given.
void pass_time(World& world, milliseconds time, SessionId session = 0) {
  milliseconds left = time;
  while (left > 0ms) {
    const milliseconds step = std::min(left, world.table.tick(world.now).next);
    if (session != 0) work(world, session);
    world.advance(step);
    left -= step;
  }
  world.tick();
  if (session != 0) work(world, session);
}

}  // namespace

TEST_CASE("every run of a schedule is a line, at its time, and none is two", "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  const ScheduleView made = put(world, "web", spec_of(7, 10s));
  REQUIRE(made.next_at);
  CHECK(*made.next_at > world.now.system);
  pass_time(world, 100s, a);
  const auto lines = lines_of(world, "web");
  CHECK(lines.size() == 70);
  std::set<std::string> runs;
  std::map<std::string, int> by_target;
  for (const std::string& line : lines) {
    CHECK(has(line, R"("state":"done")"));
    CHECK(has(line, R"("schedule":"web")"));
    CHECK_FALSE(has(line, R"("batch":)"));
    CHECK(runs.insert(member(line, "target") + member(line, "scheduled_at")).second);
    ++by_target[member(line, "target")];
  }
  for (const auto& [target, count] : by_target) CHECK(count == 10);
  const ScheduleView now = view(world, "web");
  CHECK(now.ledger.accepted == 70);
  CHECK(now.ledger.done == 70);
  CHECK(now.ledger.passed == 70);
  CHECK(now.missed == 0);
  CHECK(world.table.facts().ledger.done == 70);
  CHECK_FALSE(world.table.find_batch("b0123abcd-2"));
  CHECK(world.table.batches(world.now, {})->items.empty());
}

TEST_CASE("progress of a schedule is told under the number to watch", "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  const ScheduleView made = put(world, "web", spec_of(1, 1s));
  CHECK(world.table.take_news().due);
  CHECK(world.tick().next <= 1s);
  pass_time(world, 1s, a);
  const auto progress = world.table.take_news().progress;
  CHECK(progress == std::vector<BatchId>{made.watch});
}

TEST_CASE("a run still waiting when its next is due is missed, and says so", "[store][schedule]") {
  World world;
  ScheduleSpec spec = spec_of(2, 10s);
  auto options = std::make_shared<ProbeOptions>(*spec.targets[0].options);
  options->deadline = 60s;
  for (ScheduledTarget& target : spec.targets) target.options = options;
  put(world, "web", spec);
  pass_time(world, 35s);
  const ScheduleView now = view(world, "web");
  CHECK(now.ledger.queued == 2);
  CHECK(now.ledger.expired == now.missed);
  CHECK(now.ledger.accepted == now.missed + 2);
  const auto lines = lines_of(world, "web");
  REQUIRE(lines.size() == now.missed);
  for (const std::string& line : lines) {
    CHECK(member(line, "reason") == "missed");
    CHECK(has(line, "its target's next run was due; no agent that runs http was connected then"));
    CHECK(member(line, "schedule") == "web");
    CHECK_FALSE(member(line, "scheduled_at").empty());
  }
  work(world, world.session("a"));
  CHECK(view(world, "web").ledger.done == 2);
}

TEST_CASE("a run whose time to start ran out is missed", "[store][schedule]") {
  World world;
  ScheduleSpec spec = spec_of(1, 1h);
  auto options = probe_options();
  options->deadline = 12s;
  spec.targets[0].options = options;
  put(world, "web", spec);
  pass_time(world, 1h);
  CHECK(view(world, "web").missed == 1);
  CHECK(has(lines_of(world, "web").at(0), "no agent took it before its deadline"));
}

TEST_CASE("after a long stop one line stands for all runs but the latest", "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  put(world, "web", spec_of(2, 10s));
  pass_time(world, 20s, a);
  world.advance(100s);
  pass_time(world, 0ms, a);
  const auto lines = lines_of(world, "web");
  CHECK(lines.size() == 8);
  CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
          return has(line, R"("reason":"missed","attempts":0,"count":9,"first":")");
        }) == 2);
  const ScheduleView now = view(world, "web");
  CHECK(now.missed == 18);
  CHECK(now.ledger.done == 6);
  CHECK(now.ledger.expired == 2);
  CHECK(now.ledger.balanced());
}

TEST_CASE("a change keeps the run in hand, the lines and the times of what stays",
          "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  ScheduleSpec spec = spec_of(3, 10s);
  put(world, "web", spec);
  pass_time(world, 10s, a);
  const auto before = lines_of(world, "web");
  pass_time(world, 9s);
  const auto held = world.lease(a, 100);
  REQUIRE_FALSE(held.empty());
  const auto next = view(world, "web").next_at;
  spec.targets.push_back({"new", spec.targets[0].options});
  std::swap(spec.targets[0], spec.targets[2]);
  const auto again = world.table.put_schedule(world.now, "web", spec, 0.9);
  REQUIRE(again);
  CHECK_FALSE(again->created);
  CHECK(again->view.updated_at > again->view.created_at);
  CHECK(again->view.next_at <= next);
  std::vector<TaskReport> reports;
  for (const LeasedTask& task : held) reports.push_back(passed(task));
  CHECK(world.record(a, reports).recorded == held.size());
  pass_time(world, 40s, a);
  std::map<std::string, std::set<std::string>> phases;  // of the due times in their interval
  for (const std::string& line : lines_of(world, "web")) {
    phases[member(line, "target")].insert(member(line, "scheduled_at").substr(18));
  }
  CHECK(phases.size() == 4);
  for (const auto& [target, times] : phases) {
    CAPTURE(target);
    CHECK(times.size() == 1);
  }
  const auto after = lines_of(world, "web");
  CHECK(std::equal(before.begin(), before.end(), after.begin()));
}

TEST_CASE("a disabled schedule runs no more, and enabled again misses nothing",
          "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  ScheduleSpec spec = spec_of(2, 10s);
  put(world, "web", spec);
  pass_time(world, 20s, a);
  spec.enabled = false;
  CHECK_FALSE(put(world, "web", spec).next_at);
  pass_time(world, 60s, a);
  CHECK(lines_of(world, "web").size() == 4);
  spec.enabled = true;
  CHECK(put(world, "web", spec).next_at);
  pass_time(world, 10s, a);
  CHECK(lines_of(world, "web").size() == 6);
  CHECK(view(world, "web").missed == 0);
}

TEST_CASE("a removed schedule ends what it has in hand and is gone", "[store][schedule]") {
  World world;
  const SessionId a = world.session("a");
  put(world, "web", spec_of(4, 10s));
  pass_time(world, 10s, a);
  pass_time(world, 10s);
  const auto held = world.lease(a, 2);
  REQUIRE(held.size() == 2);
  const auto last = world.table.remove_schedule(world.now, "web");
  REQUIRE(last);
  CHECK(last->ledger.done == 4);
  world.check();
  CHECK(world.table.schedule(world.now, "web").error().code() == errc::not_found);
  CHECK(world.table.schedule_results(world.now, {"web", {}, 10, 1000, {}}).error().code() ==
        errc::not_found);
  CHECK(world.table.remove_schedule(world.now, "web").error().code() == errc::not_found);
  work(world, a);  // what was queued
  world.record(a, {passed(held[0]), passed(held[1])});
  pass_time(world, 20s, a);
  CHECK(world.table.facts().ledger.done == 8);
  CHECK(world.table.facts().ledger.accepted == 8);
  CHECK(world.table.facts().results_kept == 0);
}

TEST_CASE("old lines of a schedule are forgotten like batches, and reading goes on",
          "[store][schedule]") {
  World world{options_of(1000, 100, 5)};
  const SessionId a = world.session("a");
  put(world, "web", spec_of(4, 1s));
  pass_time(world, 10s, a);
  ScheduleResultQuery query;
  query.name = "web";
  query.limit = 10;
  const auto first = world.table.schedule_results(world.now, query);
  REQUIRE(first);
  pass_time(world, 100s, a);
  CHECK(view(world, "web").ledger.done == 440);
  CHECK(lines_of(world, "web").size() <= 140);
  CHECK(lines_of(world, "web").size() >= 80);
  query.after = first->next;
  const auto later = world.table.schedule_results(world.now, query);
  REQUIRE(later);
  CHECK(later->count == 10);
  query.after = "r0123abcd-9-1";
  CHECK(world.table.schedule_results(world.now, query).error().code() == errc::invalid_argument);
}

TEST_CASE("a page that was announced has no other lines, whatever is forgotten meanwhile",
          "[store][schedule]") {
  World world{options_of(1000, 100, 5)};
  const SessionId a = world.session("a");
  put(world, "web", spec_of(4, 1s));
  pass_time(world, 20s, a);
  const auto before = lines_of(world, "web");
  REQUIRE(before.size() == 80);
  ScheduleResultQuery query;
  query.name = "web";
  query.limit = 50;
  const auto end = world.table.schedule_page_end(world.now, query);
  REQUIRE(end);
  CHECK(end->count == 50);
  query.until = end->next;
  query.limit = 1000;
  const auto read = [&] { return world.table.schedule_results(world.now, query).value(); };
  CHECK(read().count == 50);
  CHECK(read().next == end->next);

  // What is read stays for a minute, as long as there are not twice as many lines as are kept.
  pass_time(world, 20s, a);
  CHECK(lines_of(world, "web").front() == before.front());
  pass_time(world, 20s, a);
  const ResultPage later = read();
  CHECK(later.count < 50);
  CHECK(later.next == end->next);
  pass_time(world, 60s, a);
  CHECK(read().count == 0);
  CHECK(lines_of(world, "web").size() > 50);
  query.until = "r0123abcd-9-1";
  CHECK(world.table.schedule_results(world.now, query).error().code() == errc::invalid_argument);
}

TEST_CASE("lines nobody has read for a minute are forgotten", "[store][schedule]") {
  World world{options_of(1000, 100, 5)};
  const SessionId a = world.session("a");
  put(world, "web", spec_of(1, 1s));
  pass_time(world, 50s, a);
  CHECK(lines_of(world, "web").size() == 50);
  pass_time(world, 59s, a);
  CHECK(world.table.facts().results_kept == 109);
  pass_time(world, 2s, a);
  CHECK(world.table.facts().results_kept <= 101);
}

TEST_CASE("all agents of a run are those connected when it is due", "[store][schedule]") {
  World world;
  ScheduleSpec spec = spec_of(1, 10s);
  spec.agents.kind = Selector::Kind::all;
  put(world, "web", spec);
  pass_time(world, 10s);
  CHECK(member(lines_of(world, "web").at(0), "reason") == "no_agent");
  const SessionId a = world.session("a");
  const SessionId b = world.session("b");
  const SessionId c = world.session("c");
  world.table.set_drained(c, true);
  pass_time(world, 10s);
  CHECK(view(world, "web").ledger.queued == 2);
  work(world, a);
  work(world, b);
  work(world, c);
  std::set<std::string> agents;
  for (const std::string& line : lines_of(world, "web")) agents.insert(member(line, "agent"));
  CHECK((agents == std::set<std::string>{"", "a", "b"}));
}

TEST_CASE("runs for different agents never meet at one, also when it is killed and comes back",
          "[store][schedule]") {
  World world;
  ScheduleSpec spec = spec_of(3, 10s);
  spec.agents.count = 2;
  put(world, "web", spec);
  SessionId a = world.session("a");
  const SessionId b = world.session("b");
  for (int round = 0; round < 6; ++round) {
    pass_time(world, 10s);
    if (round == 2) {
      world.lease(a, 100);
      world.lose(a, 0ms);
      a = world.session("a");
    }
    work(world, a);
    work(world, b);
  }
  std::map<std::string, std::set<std::string>> agents;
  for (const std::string& line : lines_of(world, "web")) {
    CHECK(agents[member(line, "target") + member(line, "scheduled_at")]
              .insert(member(line, "agent"))
              .second);
  }
  CHECK(view(world, "web").ledger.done == 36);
  CHECK(view(world, "web").missed == 0);
}

TEST_CASE("a run there is no room for is told later, not lost", "[store][schedule]") {
  World world{options_of(5, 1000, 5)};
  const BatchId batch = world.import(5);
  put(world, "web", spec_of(1, 10s));
  pass_time(world, 35s);
  CHECK(view(world, "web").ledger.accepted == 0);
  REQUIRE(world.table.cancel(world.now, batch));
  const SessionId a = world.session("a");
  pass_time(world, 2s, a);
  const auto lines = lines_of(world, "web");
  REQUIRE(lines.size() == 2);
  CHECK(has(lines[0], R"("count":3)"));
  CHECK(has(lines[1], R"("state":"done")"));
}

TEST_CASE("a change drops no run that is due", "[store][schedule]") {
  enum class Change { disable, interval, targets };
  World world{options_of(6, 5, 5)};
  ScheduleSpec spec = spec_of(2, 10s);
  put(world, "web", spec);
  const SessionId a = world.session("a");
  const auto change = GENERATE(Change::disable, Change::interval, Change::targets);
  const std::uint64_t due = change == Change::targets ? 1 : 2;
  if (change == Change::disable) spec.enabled = false;
  if (change == Change::interval) spec.interval = 20s;
  if (change == Change::targets) spec.targets.erase(spec.targets.begin());
  SECTION("it begins now") {
    world.advance(10s);  // and no tick
    CHECK(put(world, "web", spec).ledger.queued == due);
    pass_time(world, 0ms, a);
    CHECK(view(world, "web").ledger.done == 2);
    CHECK(view(world, "web").missed == 0);
  }
  SECTION("it begins now, and a line tells of those before") {
    world.advance(30s);
    const ScheduleView made = put(world, "web", spec);
    CHECK(made.ledger.queued == due);
    CHECK(made.ledger.expired == due);
    CHECK(made.missed == 2 * due);
  }
  SECTION("a line tells of all where there is no room") {
    world.import(6);
    pass_time(world, 30s);
    const ScheduleView made = put(world, "web", spec);
    CHECK(made.ledger.queued == 0);
    CHECK(made.ledger.expired == due);
    CHECK(made.missed == 3 * due);
    const auto lines = lines_of(world, "web");
    REQUIRE(lines.size() == due);
    for (const std::string& line : lines) CHECK(has(line, R"("count":3)"));
  }
  SECTION("or it is refused, where lines have no room either") {
    const auto upload = world.table.open_upload({"", BatchOrigin::import, true});
    REQUIRE(world.append(*upload, 5, "u", probe_options()));
    const BatchId batch = world.commit(*upload);
    work(world, a);
    const auto more = world.table.extend_batch(batch);
    REQUIRE(world.append(*more, 6, "u", probe_options()));
    world.commit(*more);
    pass_time(world, 10s);
    const auto before = view(world, "web");
    const auto refused = world.table.put_schedule(world.now, "web", spec, 0);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::store_full);
    CHECK(view(world, "web").updated_at == before.updated_at);
    REQUIRE(world.table.cancel(world.now, batch));
    CHECK(put(world, "web", spec).ledger.accepted == due);
  }
}

TEST_CASE("lines of schedules alone never fill the store for good", "[store][schedule]") {
  World world{options_of(1000, 100, 5)};
  const SessionId a = world.session("a");
  const int count = 120;
  for (int i = 0; i < count; ++i) put(world, "s" + std::to_string(i), spec_of(1, 1s));
  int refused = 0;
  for (int second = 0; second < 120; ++second) {
    world.advance(1s);
    world.table.tick(world.now);
    work(world, a);
    const std::uint64_t upload = world.open();
    if (!world.append(upload, 10, "u", probe_options())) ++refused;
    world.table.abandon_upload(world.now, upload);
  }
  CHECK(refused == 0);
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    CHECK(view(world, "s" + std::to_string(i)).ledger.done >= 119);
  }
}

TEST_CASE("a segment no other run comes to ends too, and is forgotten like others",
          "[store][schedule]") {
  World world{options_of(2000, 2000, 5)};
  const SessionId a = world.session("a");
  ScheduleSpec spec = spec_of(15, 10s);
  put(world, "web", spec);
  pass_time(world, 10s, a);
  SECTION("when its schedule is disabled") {
    spec.enabled = false;
    put(world, "web", spec);
  }
  SECTION("when its schedule is seldom due") {
    spec.interval = 24h;
    put(world, "web", spec);
  }
  CHECK(world.table.facts().results_kept == 0);
  pass_time(world, 1h);
  CHECK(world.table.facts().results_kept >= 15);
  const BatchId import = world.import(2000);
  for (int i = 0; i < 2; ++i) work(world, a);
  REQUIRE(world.info(import).finished_at);
  CHECK(lines_of(world, "web").empty());
}

TEST_CASE("schedules are listed by name, and their number and targets are limited",
          "[store][schedule]") {
  World world;
  for (const char* name : {"c", "a", "b"}) put(world, name, spec_of(1, 10s));
  const auto first = world.table.schedules(world.now, "", 2);
  REQUIRE(first);
  REQUIRE(first->items.size() == 2);
  CHECK(first->items[0].name == "a");
  CHECK(first->next == "b");
  const auto second = world.table.schedules(world.now, first->next, 2);
  CHECK(second->items.size() == 1);
  CHECK(second->next.empty());
  CHECK(world.table.schedules(world.now, "a b", 2).error().code() == errc::invalid_argument);

  ScheduleSpec many = spec_of(1, 10s);
  many.targets.resize(kScheduleTargetsMax - 2, many.targets[0]);
  const auto refused = world.table.put_schedule(world.now, "many", many, 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  CHECK(has(refused.error().message(), "of which 99997 are left"));
}

TEST_CASE("a schedule that cannot be is refused by its field", "[store][schedule]") {
  World world;
  const auto why = [&](const std::string& name, const ScheduleSpec& spec) {
    const auto refused = world.table.put_schedule(world.now, name, spec, 0);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::invalid_argument);
    return refused.error().message();
  };
  CHECK(has(why("a b", spec_of(1, 10s)), "name: "));
  CHECK(has(why("a", spec_of(1, 999ms)), "interval: "));
  CHECK(has(why("a", spec_of(0, 10s)), "targets: "));
  ScheduleSpec spec = spec_of(1, 10s);
  spec.agents.count = 0;
  CHECK(has(why("a", spec), "agents: "));
  spec = spec_of(1, 10s);
  spec.targets[0].options = nullptr;
  CHECK(has(why("a", spec), "options"));
}

TEST_CASE("a call does so much work, however many targets are due", "[store][schedule][work]") {
  World world{options_of(1'000'000, 1'000'000, 5), 100};
  put(world, "web", spec_of(2000, 10s));
  // From the second round on, each run ends the one before it as well.
  for (std::uint64_t round = 1; round <= 3; ++round) {
    world.advance(10s);
    for (int i = 0; i < 70; ++i) {
      const std::uint64_t before = world.table.work_done();
      const StoreTick tick = world.table.tick(world.now);
      CHECK(world.table.work_done() - before <= 300);
      if (i == 0) CHECK(tick.next == 1ms);
    }
    world.check();
    CHECK(view(world, "web").ledger.accepted == 2000 * round);
    CHECK(view(world, "web").missed == 2000 * (round - 1));
  }
}
