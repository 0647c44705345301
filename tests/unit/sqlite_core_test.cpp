// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The SQLite store without its thread, beside a table that keeps all in memory: both are told the
// same, and after the file is opened again it must hold what the memory does.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "probekit/testing/manual_clock.hpp"
#include "probekit/testing/seeded_random.hpp"
#include "store/byte_code.hpp"
#include "store/sqlite_core.hpp"
#include "store/sqlite_database_sqlite.hpp"
#include "store/sqlite_rows.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"

using namespace probekit;
using namespace probekit::store;
using namespace std::chrono_literals;
using probekit::test::TemporaryFolder;

namespace {

std::string text_of(const Ledger& ledger) {
  std::string text;
  for (const auto term : {ledger.accepted, ledger.queued, ledger.in_flight, ledger.done,
                          ledger.expired, ledger.cancelled, ledger.passed, ledger.failed}) {
    text += std::to_string(term) + ' ';
  }
  return text;
}

std::string text_of(const BatchView& view) {
  const BatchSnapshot& info = view.info;
  return info.id + ' ' + info.name + ' ' + text_of(info.ledger) + std::to_string(info.rejected) +
         ' ' + std::to_string(static_cast<int>(info.state)) + ' ' +
         std::to_string(info.created_at.time_since_epoch().count()) + ' ' +
         std::to_string(info.finished_at ? info.finished_at->time_since_epoch().count() : 0);
}

std::string text_of(const BatchSummary& summary) {
  std::string text = text_of(summary.ledger);
  for (const auto* counts : {&summary.reasons, &summary.failures, &summary.agents}) {
    for (const auto& [name, count] : *counts) text += name + '=' + std::to_string(count) + ' ';
  }
  std::vector<std::string> phases;
  for (const PhaseSummary& phase : summary.phases) {
    phases.push_back(phase.name + ' ' + std::to_string(phase.count) + ' ' +
                     std::to_string(phase.p50_us) + ' ' + std::to_string(phase.max_us));
  }
  std::sort(phases.begin(), phases.end());
  for (const std::string& phase : phases) text += phase + '\n';
  return text;
}

/// A file, what is in it, and a table in memory that was told the same.
class Twins {
 public:
  explicit Twins(std::uint64_t seed, std::uint64_t results_kept = 100'000) : random_(seed) {
    options_.clock = clock_;
    options_.random = std::make_shared<testing::SeededRandom>(seed);
    options_.results_kept_max = results_kept;
    options_.attempts_max = 3;
    open();
    memory_ = std::make_unique<TaskTable>(options_, core_->id());
  }

  void open() {
    auto core = SqliteCore::open({path_, {}}, options_);
    if (!core) FAIL(core.error().message());
    core_ = std::move(*core);
  }
  /// As if the process had ended.
  void reopen() {
    core_.reset();
    sessions_.clear();
    open();
  }

  Now now() const { return {clock_->steady_now(), clock_->system_now()}; }
  void commit() {
    const auto committed = core_->commit(now());
    if (!committed) FAIL(committed.error().message());
    core_->table().take_news();
    core_->table().let_go(now());
    memory_->take_news();
  }
  /// Both are told; both answer alike.
  template <class Do>
  auto both(Do&& change) {
    auto a = change(core_->table());
    auto b = change(*memory_);
    return std::make_pair(std::move(a), std::move(b));
  }

  void import(std::size_t count, bool open, const Selector& agents) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      texts.push_back("http://host" + std::to_string(below(5)) + "/" + std::to_string(last_++));
    }
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = below(4) == 0 ? "dns" : "http";
    options->deadline = std::chrono::seconds(20 + below(100));
    options->priority = static_cast<Priority>(below(3));
    options->labels = {{"n", std::to_string(below(3))}};
    const auto selector = std::make_shared<const Selector>(agents);
    std::vector<NewTask> tasks;
    for (const std::string& text : texts) tasks.push_back({text, options, selector});
    const bool extends = !open_.empty() && below(2) == 0;
    const BatchId into = extends ? open_[below(open_.size())] : BatchId{};
    const BatchOrigin origin = below(4) == 0 ? BatchOrigin::probe : BatchOrigin::import;
    const auto upload = both([&](TaskTable& table) {
      return extends ? table.extend_batch(into) : table.open_upload({"batch", origin, open});
    });
    if (!upload.first) return;
    both([&](TaskTable& table) { return *table.append(*upload.first, tasks); });
    if (below(5) == 0) {
      core_->table().abandon_upload(now(), *upload.first);
      memory_->abandon_upload(now(), *upload.second);
      return;
    }
    std::optional<KeyAnswer> answer;
    if (below(3) == 0) answer = KeyAnswer{{"scope", std::to_string(last_)}, "digest", "answer"};
    const auto made = both(
        [&](TaskTable& table) { return table.commit_upload(now(), *upload.first, 3, answer); });
    REQUIRE(made.first.has_value() == made.second.has_value());
    if (!made.first) return;
    CHECK(text_of(*made.first) == text_of(*made.second));
    batches_.insert(made.first->id.value);
    if (answer) keys_[answer->key.key] = made.first->id;
    if (open && !extends) open_.push_back(made.first->id);
  }

  void session() {
    const std::string name = "agent" + std::to_string(below(4));
    const auto opened = both([&](TaskTable& table) {
      return table.open_session({name, {{"zone", name}}, {"http", "dns"}, 30s});
    });
    CHECK(opened.first.session == opened.second.session);
    CHECK(opened.first.epoch == opened.second.epoch);
    sessions_[opened.first.session] = name;
    names_.insert(name);
  }

  void lease() {
    const auto session = any_session();
    if (session == 0) return;
    LeaseRequest request{session, {}, 1 + below(20)};
    for (const Lane& lane : memory_->lanes()) request.lanes.push_back(lane.id);
    const auto leased = both([&](TaskTable& table) { return *table.lease(now(), request); });
    REQUIRE(leased.first.tasks.size() == leased.second.tasks.size());
    for (std::size_t i = 0; i < leased.first.tasks.size(); ++i) {
      const LeasedTask& a = leased.first.tasks[i];
      const LeasedTask& b = leased.second.tasks[i];
      CHECK(a.task == b.task);
      CHECK(a.attempt == b.attempt);
      CHECK(a.target == b.target);
      CHECK(a.options->labels == b.options->labels);
      held_[session].emplace_back(a.task, a.attempt);
    }
  }

  void record() {
    const auto session = any_session();
    if (session == 0) return;
    std::vector<TaskReport> reports;
    for (std::size_t left = below(15); left > 0 && !held_[session].empty(); --left) {
      const auto [task, attempt] = held_[session].back();
      held_[session].pop_back();
      TaskReport report;
      report.task = task;
      report.attempt = attempt;
      if (below(6) == 0) {
        report.kind = static_cast<TaskReport::Kind>(1 + below(4));
      } else {
        report.verdict = below(3) == 0 ? Verdict::failed : Verdict::passed;
        if (report.verdict == Verdict::failed) report.failure = FailureKind::connect;
        report.duration = std::chrono::microseconds(100 + below(1000));
        report.phases = {{"connect_us", std::chrono::microseconds(below(100))},
                         {"own_us", std::chrono::microseconds(below(100))}};
        report.fields = "\"address\":\"1.2.3.4:80\",\"verdict\":\"passed\",\"n\":" +
                        std::to_string(below(1000)) + ",\"started_at\":\"x\",\"suspect\":false";
      }
      reports.push_back(std::move(report));
    }
    const auto said = both([&](TaskTable& table) { return table.record(now(), session, reports); });
    CHECK(said.first.recorded == said.second.recorded);
    CHECK(said.first.duplicate == said.second.duplicate);
    CHECK(said.first.unknown == said.second.unknown);
    CHECK(said.first.requeued == said.second.requeued);
  }

  void lose() {
    const auto session = any_session();
    if (session == 0) return;
    sessions_.erase(session);
    const std::chrono::seconds grace(below(20));
    both([&](TaskTable& table) { return table.lose_session(now(), {session, grace}); });
  }

  void resume() {
    if (held_.empty()) return;
    const auto at = std::next(held_.begin(), static_cast<std::ptrdiff_t>(below(held_.size())));
    const auto held = at->second;
    session();
    const SessionId fresh = sessions_.rbegin()->first;
    ResumeRequest request{0, fresh, below(2) == 0, held, true};
    const auto reply = both([&](TaskTable& table) { return *table.resume(now(), request); });
    CHECK(reply.first.wanted == reply.second.wanted);
    CHECK(reply.first.requeued == reply.second.requeued);
    for (const TaskId task : reply.first.wanted) {
      for (const auto& each : held) {
        if (each.first == task) held_[fresh].push_back(each);
      }
    }
  }

  void put_schedule() {
    ScheduleSpec spec;
    spec.interval = std::chrono::seconds(2 + below(20));
    spec.enabled = below(5) != 0;
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = "http";
    options->timeout = 1s;
    for (std::size_t i = 0; i <= below(4); ++i) {
      spec.targets.push_back({"http://s/" + std::to_string(i), options});
    }
    const std::string name = "s" + std::to_string(below(3));
    if (below(4) == 0) {
      const auto gone = both([&](TaskTable& table) { return table.remove_schedule(now(), name); });
      CHECK(gone.first.has_value() == gone.second.has_value());
      return;
    }
    const auto put =
        both([&](TaskTable& table) { return table.put_schedule(now(), name, spec, 0.25); });
    CHECK(put.first.has_value() == put.second.has_value());
  }

  void cancel() {
    if (batches_.empty()) return;
    const BatchId id{
        *std::next(batches_.begin(), static_cast<std::ptrdiff_t>(below(batches_.size())))};
    const bool close = below(2) == 0;
    const auto done = both([&](TaskTable& table) {
      return close ? table.close_batch(now(), id) : table.cancel(now(), id);
    });
    CHECK(done.first.has_value() == done.second.has_value());
  }

  void tick() {
    clock_->advance(std::chrono::milliseconds(below(3000)));
    const auto ticked = both([&](TaskTable& table) { return table.tick(now()); });
    CHECK(ticked.first.expired == ticked.second.expired);
    CHECK(ticked.first.requeued == ticked.second.requeued);
    CHECK(ticked.first.next == ticked.second.next);
  }

  void step() {
    switch (below(12)) {
      case 0:
        return import(below(60), below(4) == 0, any_selector());
      case 1:
        return session();
      case 2:
      case 3:
      case 4:
        return lease();
      case 5:
      case 6:
      case 7:
        return record();
      case 8:
        return lose();
      case 9:
        return resume();
      case 10:
        return below(3) == 0 ? (below(2) == 0 ? cancel() : put_schedule()) : tick();
      default:
        return tick();
    }
  }

  /// All anybody can ask.
  void check_alike() {
    CHECK(core_->table().audit().empty());
    CHECK(memory_->audit().empty());
    const StoreFacts a = core_->table().facts();
    const StoreFacts b = memory_->facts();
    CHECK(text_of(a.ledger) == text_of(b.ledger));
    CHECK(a.results_kept == b.results_kept);
    CHECK(a.ended.expired == b.ended.expired);
    REQUIRE(a.ended.kinds.size() == b.ended.kinds.size());
    for (std::size_t i = 0; i < a.ended.kinds.size(); ++i) {
      CHECK(a.ended.kinds[i].kind == b.ended.kinds[i].kind);
      CHECK(a.ended.kinds[i].passed == b.ended.kinds[i].passed);
      CHECK(a.ended.kinds[i].failed == b.ended.kinds[i].failed);
      CHECK(a.ended.kinds[i].durations.counts == b.ended.kinds[i].durations.counts);
    }
    for (const std::uint32_t number : batches_) check_batch(BatchId{number});
    const auto lists = both([&](TaskTable& table) { return *table.batches(now(), {}); });
    REQUIRE(lists.first.items.size() == lists.second.items.size());
    for (std::size_t i = 0; i < lists.first.items.size(); ++i) {
      CHECK(lists.first.items[i].id == lists.second.items[i].id);
    }
    for (const char* name : {"s0", "s1", "s2"}) check_schedule(name);
    for (const auto& [key, batch] : keys_) {
      const auto state = both([&, name = key](TaskTable& table) {
        return *table.keys().claim({"scope", name});
      });
      CHECK(state.first.kind == state.second.kind);
      CHECK(state.first.batch == state.second.batch);
      CHECK(state.first.answer == state.second.answer);
      core_->table().keys().release({"scope", key});
      memory_->keys().release({"scope", key});
    }
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }
  SqliteCore& core() { return *core_; }
  TaskTable& memory() { return *memory_; }
  testing::ManualClock& clock() { return *clock_; }
  const std::string& path() const { return path_; }
  const std::set<std::uint32_t>& batches() const { return batches_; }

 private:
  Selector any_selector() {
    Selector agents;
    switch (below(6)) {
      case 0:
        agents.count = 2;
        break;
      case 1:
        agents.kind = Selector::Kind::names;
        agents.names = {"agent0", "agent1"};
        break;
      case 2:
        agents.kind = Selector::Kind::tags;
        agents.tags = {{"zone", "agent2"}};
        break;
      case 3:
        agents.kind = Selector::Kind::all;  // of nobody
        break;
      default:
        break;
    }
    return agents;
  }

  SessionId any_session() {
    if (sessions_.empty()) return 0;
    return std::next(sessions_.begin(), static_cast<std::ptrdiff_t>(below(sessions_.size())))
        ->first;
  }

  void check_batch(BatchId id) {
    const auto views = both([&](TaskTable& table) { return table.batch(now(), id); });
    REQUIRE(views.first.has_value() == views.second.has_value());
    if (!views.first) return;
    CHECK(text_of(*views.first) == text_of(*views.second));
    CHECK(core_->table().find_batch(views.first->info.id).has_value());
    const auto summaries = both([&](TaskTable& table) { return *table.summary(id); });
    CHECK(text_of(summaries.first) == text_of(summaries.second));
    for (const auto& verdict : {std::optional<Verdict>{}, std::optional(Verdict::passed),
                                std::optional(Verdict::failed), std::optional(Verdict::none)}) {
      ResultQuery query{id, {}, 1 + below(30), 1 + below(8000), verdict};
      for (;;) {
        const auto end_a = core_->journal().page_end(now(), query);
        const auto end_b = memory_->page_end(now(), query);
        REQUIRE(end_a);
        CHECK(end_a->count == end_b->count);
        CHECK(end_a->next == end_b->next);
        const auto a = core_->journal().results(now(), query);
        const auto b = memory_->results(now(), query);
        REQUIRE(a);
        CHECK(a->lines == b->lines);
        CHECK(a->count == b->count);
        CHECK(a->next == b->next);
        if (a->next.empty() || a->next == query.after || a->next != b->next) break;
        query.after = a->next;
      }
    }
  }

  void check_schedule(const std::string& name) {
    const auto views = both([&](TaskTable& table) { return table.schedule(now(), name); });
    REQUIRE(views.first.has_value() == views.second.has_value());
    if (!views.first) return;
    CHECK(text_of(views.first->ledger) == text_of(views.second->ledger));
    CHECK(views.first->missed == views.second->missed);
    CHECK(views.first->next_at == views.second->next_at);
    CHECK(views.first->created_at == views.second->created_at);
    CHECK(views.first->spec->targets.size() == views.second->spec->targets.size());
    ScheduleResultQuery query{name, {}, 1 + below(20), 1 + below(4000), {}};
    for (;;) {
      const auto a = core_->journal().schedule_results(now(), query);
      const auto b = memory_->schedule_results(now(), query);
      REQUIRE(a);
      CHECK(a->lines == b->lines);
      CHECK(a->next == b->next);
      if (a->count == 0 || a->next != b->next) break;
      query.after = a->next;
    }
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/store";
  std::mt19937_64 random_;
  std::shared_ptr<testing::ManualClock> clock_ = std::make_shared<testing::ManualClock>();
  StoreOptions options_;
  std::unique_ptr<SqliteCore> core_;
  std::unique_ptr<TaskTable> memory_;
  std::uint64_t last_ = 0;
  std::map<SessionId, std::string> sessions_;
  std::map<SessionId, std::vector<std::pair<TaskId, std::uint32_t>>> held_;
  std::set<std::string> names_;
  std::set<std::uint32_t> batches_;
  std::vector<BatchId> open_;
  std::map<std::string, BatchId> keys_;
};

}  // namespace

TEST_CASE("what a SQLite file holds is what memory would", "[store][sqlite]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 9)));
  // Few lines are kept in some, so that batches are forgotten.
  Twins twins(seed, seed % 2 == 0 ? 50 : 100'000);
  INFO("seed " << seed);
  for (int i = 0; i < 250; ++i) {
    twins.step();
    if (twins.below(3) == 0) twins.commit();
  }
  twins.commit();
  // What is read is kept for a while, which the file does not remember.
  if (seed % 2 != 0) twins.check_alike();
  twins.reopen();
  twins.check_alike();
}

TEST_CASE("after it is opened again a SQLite store goes on to one line a task", "[store][sqlite]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(100, 106)));
  INFO("seed " << seed);
  Twins twins(seed);
  for (int i = 0; i < 200; ++i) {
    twins.step();
    twins.commit();
  }
  twins.reopen();
  for (int life = 0; life < 3; ++life) {
    TaskTable& table = twins.core().table();
    std::vector<SessionId> sessions;
    for (int agent = 0; agent < 4; ++agent) {
      const std::string name = "agent" + std::to_string(agent);
      sessions.push_back(table.open_session({name, {{"zone", name}}, {"http", "dns"}, 1s}).session);
      REQUIRE(table.resume(twins.now(), {0, sessions.back(), false, {}, true}));
    }
    for (int round = 0; round < 40; ++round) {
      for (const SessionId session : sessions) {
        LeaseRequest request{session, {}, 7};
        for (const Lane& lane : table.lanes()) request.lanes.push_back(lane.id);
        std::vector<TaskReport> reports;
        const auto leased = table.lease(twins.now(), request);
        REQUIRE(leased);
        for (const LeasedTask& task : leased->tasks) {
          CHECK_FALSE(task.target.empty());
          TaskReport report;
          report.task = task.task;
          report.attempt = task.attempt;
          report.verdict = Verdict::passed;
          report.fields = "\"verdict\":\"passed\",\"started_at\":\"x\",\"suspect\":false";
          if (twins.below(4) != 0) reports.push_back(std::move(report));
        }
        table.record(twins.now(), session, reports);
      }
      twins.clock().advance(500ms);
      table.tick(twins.now());
      const auto committed = twins.core().commit(twins.now());
      REQUIRE(committed);
      table.take_news();
      table.let_go(twins.now());
    }
    CHECK(table.audit().empty());
    twins.reopen();
  }
  TaskTable& table = twins.core().table();
  for (int i = 0; i < 300; ++i) {
    twins.clock().advance(1s);
    table.tick(twins.now());
  }
  const Ledger ledger = table.facts().ledger;
  CHECK(ledger.balanced());
  REQUIRE(twins.core().commit(twins.now()));
  table.take_news();
  table.let_go(twins.now());
  CHECK(table.audit().empty());
  for (const std::uint32_t number : twins.batches()) {
    const auto view = table.batch(twins.now(), BatchId{number});
    if (!view || view->info.state == BatchState::open) continue;
    CHECK(view->info.ledger.ended());
    std::set<std::string> tasks;
    std::size_t lines = 0;
    ResultQuery query{BatchId{number}, {}, 1000, 1 << 20, {}};
    do {
      const auto page = twins.core().journal().results(twins.now(), query);
      REQUIRE(page);
      lines += page->count;
      for (std::size_t at = page->lines.find("\"task\":"); at != std::string::npos;
           at = page->lines.find("\"task\":", at + 1)) {
        tasks.insert(page->lines.substr(at, page->lines.find(',', at) - at));
      }
      query.after = page->next;
    } while (!query.after.empty());
    CHECK(lines == view->info.ledger.accepted);
    CHECK(tasks.size() == lines);
  }
}

TEST_CASE("a target is for 1 to 256 agents, whatever a row says", "[store][sqlite]") {
  const auto read = [](std::uint64_t copies) {
    std::string entries;
    ByteWriter out(entries);
    out.number(0);
    out.number(copies);
    out.number(2);
    return TargetChunk::read(entries, "t").tasks.size();
  };
  CHECK(read(1) == 1);
  CHECK(read(256) == 256);
  for (const std::uint64_t wrong :
       {std::uint64_t{0}, std::uint64_t{257}, std::uint64_t{0xFFFF'FFFF}}) {
    CHECK_THROWS_AS(read(wrong), BadBytes);
  }
}

TEST_CASE("rows that contradict each other are a damaged file", "[store][sqlite]") {
  const TemporaryFolder folder;
  const SqliteFile file{folder.path() + "/store", {}};
  const Now now{SteadyTime{1h}, SystemTime{1h}};
  StoreOptions options;
  options.clock = std::make_shared<testing::ManualClock>();
  options.random = std::make_shared<testing::SeededRandom>(1);
  {
    auto core = SqliteCore::open(file, options);
    REQUIRE(core);
    TaskTable& table = (*core)->table();
    for (const std::uint32_t count : {2U, 3U}) {
      auto agents = std::make_shared<Selector>();
      agents->count = count;
      const auto probe = std::make_shared<ProbeOptions>();
      probe->kind = "http";
      probe->deadline = 60s;
      const auto upload = table.open_upload({"", BatchOrigin::import, false});
      REQUIRE(upload);
      REQUIRE(table.append(*upload, {{"http://x/", probe, agents}}));
      REQUIRE(table.commit_upload(now, *upload, 0, std::nullopt));
    }
    REQUIRE((*core)->commit(now));
  }
  REQUIRE(SqliteCore::open(file, options));
  // The first batch's target has two tasks; its options say three.
  probekit::store::Database(file.path, {})
      .run("UPDATE pieces SET bindings = (SELECT bindings FROM pieces ORDER BY id DESC LIMIT 1)");
  const auto damaged = SqliteCore::open(file, options);
  REQUIRE_FALSE(damaged);
  INFO(damaged.error().message());
  CHECK(damaged.error().message().find("it contradicts itself") != std::string::npos);
}

TEST_CASE("a run that began before a change was refused does not begin again", "[store][sqlite]") {
  const TemporaryFolder folder;
  const SqliteFile file{folder.path() + "/store", {}};
  const auto clock = std::make_shared<testing::ManualClock>();
  StoreOptions options;
  options.clock = clock;
  options.random = std::make_shared<testing::SeededRandom>(1);
  options.queued_max = 1;
  options.results_kept_max = 1;
  const auto now = [&] { return Now{clock->steady_now(), clock->system_now()}; };
  const auto open = [&] {
    auto opened = SqliteCore::open(file, options);
    if (!opened) FAIL(opened.error().message());
    return std::move(*opened);
  };
  const auto probe = std::make_shared<ProbeOptions>();
  probe->kind = "http";
  probe->deadline = 60s;
  auto core = open();
  const auto work = [&] {
    TaskTable& table = core->table();
    const SessionId session = table.open_session({"a", {}, {"http"}, 1s}).session;
    REQUIRE(table.resume(now(), {0, session, false, {}, true}));
    LeaseRequest request{session, {}, 1};
    for (const Lane& lane : table.lanes()) request.lanes.push_back(lane.id);
    const auto leased = table.lease(now(), request);
    REQUIRE(leased);
    REQUIRE(leased->tasks.size() == 1);
    TaskReport report;
    report.task = leased->tasks[0].task;
    report.verdict = Verdict::passed;
    report.fields = "\"verdict\":\"passed\",\"started_at\":\"x\",\"suspect\":false";
    CHECK(table.record(now(), session, {report}).recorded == 1);
  };
  // The one line that is kept is that of a batch which takes more.
  const auto upload = core->table().open_upload({"", BatchOrigin::import, true});
  REQUIRE(core->table().append(*upload, {{"http://x/", probe, nullptr}}));
  const auto batch = core->table().commit_upload(now(), *upload, 0, std::nullopt);
  REQUIRE(batch);
  work();
  ScheduleSpec spec;
  spec.interval = 10s;
  spec.targets = {{"http://a/", probe}, {"http://b/", probe}};
  REQUIRE(core->table().put_schedule(now(), "web", spec, 0));
  REQUIRE(core->commit(now()));
  clock->advance(10s);
  spec.enabled = false;
  // The run of one begins; for that of the other there is no room.
  REQUIRE_FALSE(core->table().put_schedule(now(), "web", spec, 0));
  const auto accepted = [&] { return core->table().schedule(now(), "web")->ledger.accepted; };
  REQUIRE(accepted() == 1);
  REQUIRE(core->commit(now()));
  core.reset();
  options.queued_max = 100;
  options.results_kept_max = 100;
  core = open();
  REQUIRE(accepted() == 1);
  core->table().tick(now());
  CHECK(accepted() == 2);  // that of the other
}
