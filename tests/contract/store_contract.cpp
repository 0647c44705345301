// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "contract/store_contract.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "probekit/testing/manual_clock.hpp"
#include "store/task_store.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"
#include "support/store_answer.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// Remembers what it was told; a store may tell on any thread.
class Listener final : public StoreObserver {
 public:
  void on_ready(const std::vector<Lane>& lanes) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Lane& lane : lanes) lanes_[lane.id] = lane;
  }
  void on_gone(const std::vector<LaneId>&) override {}
  void on_progress(const std::vector<BatchId>& batches) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    batches_.insert(batches.begin(), batches.end());
  }
  void on_due() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    due_ = true;
  }
  bool take_due() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(due_, false);
  }
  std::vector<Lane> take_lanes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<Lane> lanes;
    for (auto& [id, lane] : lanes_) lanes.push_back(lane);
    lanes_.clear();
    return lanes;
  }
  bool take_progress(BatchId batch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return batches_.erase(batch) > 0;
  }

 private:
  std::mutex mutex_;
  std::map<LaneId, Lane> lanes_;
  std::set<BatchId> batches_;
  bool due_ = false;
};

/// A store and the few calls the contract is made of.
class Subject {
 public:
  explicit Subject(const MakeStore& make, StoreOptions options = {}) {
    options.clock = clock;
    store = make(options);
    REQUIRE(store != nullptr);
    store->observe(&listener);
  }
  ~Subject() { store->observe(nullptr); }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  std::uint64_t open(BatchOrigin origin = BatchOrigin::import) {
    return value_of<std::uint64_t>([&](auto done) {
      store->open_upload({"name", origin}, std::move(done));
    });
  }
  Expected<std::uint64_t> append(std::uint64_t upload, const std::vector<std::string>& targets,
                                 milliseconds deadline = 60s, const std::string& agent = {}) {
    Selector agents;
    if (!agent.empty()) {
      agents.kind = Selector::Kind::names;
      agents.names = {agent};
    }
    return append(upload, targets, deadline, agents);
  }
  Expected<std::uint64_t> append(std::uint64_t upload, const std::vector<std::string>& targets,
                                 milliseconds deadline, const Selector& selector) {
    const auto agents = std::make_shared<const Selector>(selector);
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = "http";
    options->deadline = deadline;
    options->priority = Priority::low;
    options->labels = {{"team", "web"}};
    std::vector<NewTask> tasks;
    for (const std::string& target : targets) tasks.push_back({target, options, agents});
    return answer_of<std::uint64_t>(
        [&](auto done) { store->append(upload, tasks, std::move(done)); });
  }
  BatchView commit(std::uint64_t upload, std::uint64_t rejected = 0) {
    return value_of<BatchView>(
        [&](auto done) { store->commit_upload(upload, rejected, std::move(done)); });
  }
  BatchId import(const std::vector<std::string>& targets, milliseconds deadline = 60s,
                 const std::string& agent = {}) {
    const auto upload = open();
    REQUIRE(append(upload, targets, deadline, agent));
    return commit(upload).id;
  }
  SessionId session(const std::string& agent, const std::vector<Label>& tags = {}) {
    return value_of<TaskStore::SessionOpened>([&](auto done) {
             store->open_session({agent, tags, {"http"}}, std::move(done));
           })
        .session;
  }
  std::vector<LeasedTask> lease(SessionId session, std::size_t count) {
    LeaseRequest request{session, {}, count};
    for (const Lane& lane : store->lanes()) request.lanes.push_back(lane.id);
    return value_of<LeaseReply>([&](auto done) { store->lease(request, std::move(done)); }).tasks;
  }
  RecordReply record(SessionId session, const std::vector<TaskReport>& reports) {
    return value_of<RecordReply>(
        [&](auto done) { store->record(session, reports, std::move(done)); });
  }
  std::uint64_t lose(SessionId session, milliseconds grace) {
    return value_of<std::uint64_t>([&](auto done) {
      store->lose_session({session, grace}, std::move(done));
    });
  }
  ResumeReply resume(SessionId previous, SessionId session, const std::vector<LeasedTask>& held) {
    ResumeRequest request{previous, session, false, {}};
    for (const LeasedTask& task : held) request.held.emplace_back(task.task, task.attempt);
    return value_of<ResumeReply>([&](auto done) { store->resume(request, std::move(done)); });
  }
  StoreTick tick() {
    return value_of<StoreTick>([&](auto done) { store->tick(std::move(done)); });
  }
  Expected<BatchView> batch(BatchId id) {
    return answer_of<BatchView>([&](auto done) { store->batch(id, std::move(done)); });
  }
  Ledger ledger(BatchId id) {
    const auto view = batch(id);
    REQUIRE(view);
    REQUIRE(view->info.ledger.balanced());
    return view->info.ledger;
  }
  StoreFacts facts() {
    return value_of<StoreFacts>([&](auto done) { store->facts(std::move(done)); });
  }
  Expected<ResultPage> page(const ResultQuery& query) {
    return answer_of<ResultPage>([&](auto done) { store->results(query, std::move(done)); });
  }
  std::vector<std::string> lines(BatchId id) {
    std::vector<std::string> lines;
    ResultQuery query;
    query.batch = id;
    query.limit = 7;
    while (true) {
      const auto read = page(query);
      REQUIRE(read);
      std::size_t from = 0;
      for (std::size_t i = 0; i < read->count; ++i) {
        const auto end = read->lines.find('\n', from);
        REQUIRE(end != std::string::npos);
        lines.push_back(read->lines.substr(from, end - from));
        from = end + 1;
      }
      REQUIRE(from == read->lines.size());
      if (read->next.empty() || read->count == 0) return lines;
      query.after = read->next;
    }
  }

  const std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  Listener listener;
  std::shared_ptr<TaskStore> store;
};

TaskReport said(const LeasedTask& task, TaskReport::Kind kind, Verdict verdict = Verdict::none) {
  TaskReport report;
  report.task = task.task;
  report.attempt = task.attempt;
  report.kind = kind;
  report.verdict = verdict;
  if (verdict == Verdict::failed) report.failure = FailureKind::connect;
  report.duration = 5ms;
  report.phases = {{"dns_us", 2ms}, {"connect_us", 3ms}, {"duration_us", 5ms}};
  report.fields =
      verdict == Verdict::passed
          ? R"("address":"1.2.3.4:80","verdict":"passed","failure":null,"started_at":)"
            R"("2026-01-01T00:00:01.000000Z","duration_us":5000,"suspect":false)"
          : R"("verdict":"failed","failure":{"kind":"connect","message":"x"},"started_at":)"
            R"("2026-01-01T00:00:01.000000Z","duration_us":5000,"suspect":false)";
  return report;
}

TaskReport passed(const LeasedTask& task) {
  return said(task, TaskReport::Kind::result, Verdict::passed);
}
TaskReport failed(const LeasedTask& task) {
  return said(task, TaskReport::Kind::result, Verdict::failed);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> many(const std::string& prefix, int count) {
  std::vector<std::string> targets;
  for (int i = 0; i < count; ++i) targets.push_back(prefix + std::to_string(i));
  return targets;
}

std::vector<std::string> targets_of(const std::vector<LeasedTask>& tasks) {
  std::vector<std::string> targets;
  for (const LeasedTask& task : tasks) targets.push_back(task.target);
  return targets;
}

void check_uploads(const MakeStore& make) {
  SECTION("an upload counts and is dispatched only once it is committed") {
    Subject subject(make);
    const SessionId session = subject.session("a");
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 3)).value() == 3);
    REQUIRE(subject.append(upload, many("v", 2)).value() == 5);
    CHECK(subject.facts().ledger.accepted == 0);
    CHECK(subject.listener.take_lanes().empty());
    CHECK(subject.lease(session, 10).empty());
    const BatchView view = subject.commit(upload, 4);
    CHECK(view.info.ledger.queued == 5);
    CHECK(view.info.rejected == 4);
    CHECK(view.info.name == "name");
    CHECK(view.info.created_at == subject.clock->system_now());
    run_until([&] { return subject.listener.take_lanes().size() == 1; });
    CHECK(subject.lease(session, 10).size() == 5);
    CHECK_FALSE(subject.append(upload, many("w", 1)));
  }
  SECTION("an abandoned upload leaves nothing") {
    Subject subject(make);
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 3)));
    subject.store->abandon_upload(upload);
    CHECK(subject.facts().ledger.accepted == 0);
    CHECK_FALSE(subject.append(upload, many("u", 1)));
  }
  SECTION("past queued_max an append is refused whole, and the upload goes on") {
    StoreOptions options;
    options.queued_max = 5;
    Subject subject(make, options);
    subject.import(many("u", 3));
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("v", 1)));
    const auto refused = subject.append(upload, many("w", 2));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::store_full);
    REQUIRE(subject.append(upload, many("x", 1)));
    CHECK(subject.commit(upload).info.ledger.accepted == 2);
    CHECK(subject.facts().queued_max == 5);
  }
  SECTION("an open batch takes uploads until it is closed, each all or nothing") {
    Subject subject(make);
    const SessionId session = subject.session("a");
    const auto first = value_of<std::uint64_t>([&](auto done) {
      subject.store->open_upload({"open", BatchOrigin::import, true}, std::move(done));
    });
    const BatchId batch = subject.commit(first).id;
    const auto extend = [&] {
      return answer_of<std::uint64_t>(
          [&](auto done) { subject.store->extend_batch(batch, std::move(done)); });
    };
    for (const char* prefix : {"u", "v"}) {
      const auto upload = extend();
      REQUIRE(upload);
      REQUIRE(subject.append(*upload, many(prefix, 2)));
      const BatchView view = subject.commit(*upload, 1);
      CHECK(view.id == batch);
      CHECK(view.info.state == BatchState::open);
      for (const LeasedTask& task : subject.lease(session, 9)) {
        subject.record(session, {passed(task)});
      }
    }
    const auto broken = extend();
    REQUIRE(subject.append(*broken, many("w", 5)));
    subject.store->abandon_upload(*broken);
    const auto late = extend();
    REQUIRE(late);
    const auto closed =
        value_of<BatchView>([&](auto done) { subject.store->close_batch(batch, std::move(done)); });
    CHECK(closed.info.state == BatchState::done);
    CHECK(closed.info.rejected == 2);
    CHECK(closed.info.ledger.done == 4);
    CHECK(subject.lines(batch).size() == 4);
    const auto refused = answer_of<BatchView>(
        [&](auto done) { subject.store->commit_upload(*late, 0, std::move(done)); });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::batch_closed);
    CHECK(extend().error().code() == errc::batch_closed);
  }
  SECTION("a key is claimed once, and answered with its batch") {
    Subject subject(make);
    const IdempotencyKey key{"scope", "key"};
    const auto claim = [&] {
      return value_of<KeyState>([&](auto done) { subject.store->claim_key(key, std::move(done)); });
    };
    CHECK(claim().kind == KeyState::Kind::claimed);
    CHECK(claim().kind == KeyState::Kind::running);
    subject.store->release_key(key);
    CHECK(claim().kind == KeyState::Kind::claimed);
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 1)));
    const auto view = value_of<BatchView>([&](auto done) {
      subject.store->commit_upload(upload, 0, KeyAnswer{key, "digest", "answer"}, std::move(done));
    });
    const KeyState state = claim();
    CHECK(state.kind == KeyState::Kind::answered);
    CHECK(state.digest == "digest");
    CHECK(state.answer == "answer");
    CHECK(state.batch == view.id);
  }
  SECTION("an empty batch is done at once") {
    Subject subject(make);
    const BatchView view = subject.commit(subject.open());
    CHECK(view.info.state == BatchState::done);
    CHECK(subject.lines(view.id).empty());
  }
}

void check_leases(const MakeStore& make) {
  SECTION("tasks are leased in order, once, with what is left") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 5));
    const SessionId session = subject.session("a");
    subject.clock->advance(2s);
    const auto tasks = subject.lease(session, 3);
    CHECK(targets_of(tasks) == many("u", 3));
    CHECK(tasks[0].left == 58s);
    CHECK(tasks[0].attempt == 1);
    CHECK(tasks[0].options->labels == std::vector<Label>{{"team", "web"}});
    CHECK(targets_of(subject.lease(subject.session("b"), 9)) ==
          std::vector<std::string>{"u3", "u4"});
    CHECK(subject.ledger(batch).in_flight == 5);
  }
  SECTION("a pinned task waits for its agent and holds nobody up") {
    Subject subject(make);
    subject.import(many("p", 50), 60s, "pinned");
    subject.import(many("u", 1));
    CHECK(targets_of(subject.lease(subject.session("a"), 9)) == many("u", 1));
    CHECK(targets_of(subject.lease(subject.session("pinned"), 2)) == many("p", 2));
  }
  SECTION("what is given back or returned is next again, without an attempt") {
    Subject subject(make);
    subject.import(many("u", 4));
    const SessionId session = subject.session("a");
    const auto tasks = subject.lease(session, 2);
    subject.listener.take_lanes();
    CHECK(value_of<std::uint64_t>([&](auto done) {
            subject.store->give_back(session, {tasks[1].task}, std::move(done));
          }) == 1);
    CHECK(subject.record(session, {said(tasks[0], TaskReport::Kind::returned)}).requeued == 1);
    run_until([&] { return !subject.listener.take_lanes().empty(); });
    const auto again = subject.lease(session, 9);
    CHECK(targets_of(again) == many("u", 4));
    CHECK(again[0].attempt == 1);
  }
  SECTION("unsupported and busy tasks go to others") {
    Subject subject(make);
    subject.import(many("u", 2));
    const SessionId a = subject.session("a");
    const auto tasks = subject.lease(a, 2);
    subject.record(a, {said(tasks[0], TaskReport::Kind::unsupported),
                       said(tasks[1], TaskReport::Kind::host_busy)});
    CHECK(subject.lease(a, 9).empty());
    subject.clock->advance(1s);
    subject.tick();
    CHECK(targets_of(subject.lease(a, 9)) == std::vector<std::string>{"u1"});
    CHECK(targets_of(subject.lease(subject.session("b"), 9)) == many("u", 1));
  }
}

Selector selector(Selector::Kind kind, std::uint32_t count, std::vector<Label> tags = {}) {
  Selector made;
  made.kind = kind;
  made.count = count;
  made.tags = std::move(tags);
  return made;
}

void check_selectors(const MakeStore& make) {
  SECTION("tasks for tags wait for an agent that has them, and end with no_agent without one") {
    Subject subject(make);
    const SessionId us = subject.session("us", {{"region", "us"}});
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 3), 60s,
                           selector(Selector::Kind::tags, 1, {{"region", "eu"}})));
    const BatchId batch = subject.commit(upload).id;
    CHECK(subject.lease(us, 10).empty());
    const SessionId eu = subject.session("eu", {{"disk", "ssd"}, {"region", "eu"}});
    const auto tasks = subject.lease(eu, 1);
    REQUIRE(tasks.size() == 1);
    subject.record(eu, {passed(tasks[0])});
    subject.lose(eu, 0ms);
    subject.clock->advance(61s);
    while (!subject.ledger(batch).ended()) subject.tick();
    CHECK(subject.ledger(batch).expired == 2);
    CHECK(has(subject.lines(batch).back(), R"("reason":"no_agent")"));
  }
  SECTION("of three agents two different ones do each target, also when one is lost on the way") {
    Subject subject(make);
    std::vector<SessionId> sessions;
    for (const char* name : {"a", "b", "c"}) sessions.push_back(subject.session(name));
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 20), 600s, selector(Selector::Kind::any, 2)).value() ==
            40);
    const BatchId batch = subject.commit(upload).id;
    std::map<std::string, std::set<SessionId>> done;
    const auto work = [&](SessionId session, std::size_t count) {
      for (const LeasedTask& task : subject.lease(session, count)) {
        REQUIRE(done[task.target].insert(session).second);
        REQUIRE(subject.record(session, {passed(task)}).recorded == 1);
      }
    };
    for (int round = 0; round < 2; ++round) {
      for (const SessionId session : sessions) work(session, 3);
    }
    CHECK(subject.lease(sessions[0], 5).size() == 5);
    subject.lose(sessions[0], 0ms);
    for (int round = 0; round < 100 && !subject.ledger(batch).ended(); ++round) {
      work(sessions[1], 3);
      work(sessions[2], 3);
    }
    CHECK(subject.ledger(batch).done == 40);
    for (const auto& [target, by] : done) CHECK(by.size() == 2);
  }
  SECTION("all agents, when there is none, are a line a target that says so") {
    Subject subject(make);
    const auto upload = subject.open();
    REQUIRE(subject.append(upload, many("u", 3), 60s, selector(Selector::Kind::all, 1)));
    const BatchView view = subject.commit(upload);
    while (!subject.ledger(view.id).ended()) subject.tick();
    CHECK(subject.ledger(view.id).expired == 3);
    CHECK(has(subject.lines(view.id).front(), R"("reason":"no_agent")"));
  }
}

void check_schedules(const MakeStore& make) {
  Subject subject(make);
  ScheduleSpec spec;
  spec.interval = 10s;
  auto options = std::make_shared<ProbeOptions>();
  options->kind = "http";
  options->timeout = 1s;
  options->deadline = 60s;
  for (const std::string& target : many("u", 3)) spec.targets.push_back({target, options});
  const auto put = [&] {
    return value_of<SchedulePut>(
        [&](auto done) { subject.store->put_schedule("web", spec, std::move(done)); });
  };
  const auto view = [&] {
    return answer_of<ScheduleView>(
        [&](auto done) { subject.store->schedule("web", std::move(done)); });
  };
  const auto read = [&](const std::string& after) {
    ScheduleResultQuery query;
    query.name = "web";
    query.after = after;
    return answer_of<ResultPage>(
        [&](auto done) { subject.store->schedule_results(query, std::move(done)); });
  };
  const SchedulePut made = put();
  CHECK(made.created);
  const SessionId session = subject.session("a");
  const auto pass_time = [&](milliseconds time) {
    for (milliseconds left = time; left > 0ms;) {
      const milliseconds step = std::min(left, subject.tick().next);
      subject.clock->advance(step);
      left -= step;
    }
    subject.tick();
  };
  const auto work = [&] {
    for (const LeasedTask& task : subject.lease(session, 100)) {
      CHECK(subject.record(session, {passed(task)}).recorded == 1);
    }
  };

  SECTION("each target of a schedule is run once an interval, and its lines can be followed") {
    std::string after;
    std::set<std::string> lines;
    for (int round = 1; round <= 3; ++round) {
      pass_time(10s);
      work();
      const auto page = read(after);
      REQUIRE(page);
      CHECK(page->count == 3);
      CHECK(lines.insert(page->lines).second);
      CHECK(has(page->lines, R"("schedule":"web")"));
      after = page->next;
    }
    CHECK(view()->ledger.done == 9);
    CHECK(subject.facts().ledger.done == 9);
    run_until([&] { return subject.listener.take_progress(made.view.watch); });
    const auto last = answer_of<ScheduleView>(
        [&](auto done) { subject.store->remove_schedule("web", std::move(done)); });
    REQUIRE(last);
    CHECK(view().error().code() == errc::not_found);
    CHECK(read(after).error().code() == errc::not_found);
  }
  SECTION("runs nobody took are missed, and those nobody looked at one line") {
    pass_time(20s);
    CHECK(view()->missed == 3);
    subject.clock->advance(100s);
    subject.tick();
    work();
    const auto page = read({});
    CHECK(has(page->lines, R"("reason":"missed")"));
    CHECK(has(page->lines, R"("count":9,"first":)"));
    CHECK(view()->ledger.done == 3);
    CHECK(view()->ledger.balanced());
  }
  SECTION("a page of a schedule ends where it was said to") {
    pass_time(10s);
    work();
    ScheduleResultQuery query;
    query.name = "web";
    query.limit = 2;
    const auto end = value_of<ResultPageEnd>(
        [&](auto done) { subject.store->schedule_page_end(query, std::move(done)); });
    CHECK(end.count == 2);
    query.limit = 100;
    query.until = end.next;
    pass_time(10s);
    work();
    const auto page = value_of<ResultPage>(
        [&](auto done) { subject.store->schedule_results(query, std::move(done)); });
    CHECK(page.count == 2);
    CHECK(page.next == end.next);
    CHECK(read(end.next)->count == 4);
  }
  SECTION("a change keeps lines and ledger; disabled it does not run") {
    pass_time(10s);
    work();
    spec.enabled = false;
    CHECK_FALSE(put().created);
    pass_time(30s);
    CHECK(read({})->count == 3);
    CHECK_FALSE(view()->next_at);
    const auto list = value_of<ScheduleList>(
        [&](auto done) { subject.store->schedules({}, 10, std::move(done)); });
    REQUIRE(list.items.size() == 1);
    CHECK(list.items[0].ledger.done == 3);
    CHECK(list.next.empty());
  }
}

void check_sessions(const MakeStore& make) {
  SECTION("what calls of sessions come to is told in their order") {
    Subject s(make);
    s.import(many("http://x/", 100));
    const SessionId session = s.session("a1");
    LeaseRequest lease{session, {}, 1};
    for (const Lane& lane : s.store->lanes()) lease.lanes.push_back(lane.id);
    std::mutex mutex;
    std::vector<int> told;
    int calls = 0;
    const auto note = [&] {
      return [&told, &mutex, call = calls++](const auto& answer) {
        const std::lock_guard<std::mutex> lock(mutex);
        told.push_back(answer ? call : -1);
      };
    };
    for (int i = 0; i < 20; ++i) {
      s.store->lease(lease, note());
      s.store->open_session({"a1", {}, {"http"}}, note());
      s.store->resume({0, session, false, {}}, note());
      s.store->give_back(session, {}, note());
    }
    s.store->lose_session({session, 30s}, note());
    std::vector<int> in_order(static_cast<std::size_t>(calls));
    std::iota(in_order.begin(), in_order.end(), 0);
    run_until([&] {
      const std::lock_guard<std::mutex> lock(mutex);
      return told.size() == in_order.size();
    });
    CHECK(told == in_order);
  }

  SECTION("a lost session gives its tasks back to the head of their lane") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 4));
    const SessionId lost = subject.session("a");
    REQUIRE(subject.lease(lost, 2).size() == 2);
    CHECK(subject.lose(lost, 5s) == 2);
    subject.clock->advance(4s);
    CHECK(subject.tick().requeued == 0);
    CHECK(subject.ledger(batch).in_flight == 2);
    subject.clock->advance(1s);
    const StoreTick tick = subject.tick();
    CHECK(tick.requeued == 2);
    CHECK(tick.requeued_by_session == std::vector<std::pair<SessionId, std::uint64_t>>{{lost, 2}});
    const auto again = subject.lease(subject.session("b"), 9);
    CHECK(targets_of(again) == many("u", 4));
    CHECK(again[0].attempt == 2);
    CHECK(again[2].attempt == 1);
  }
  SECTION("a resume keeps what is held and queues the rest") {
    Subject subject(make);
    subject.import(many("u", 3));
    const SessionId first = subject.session("a");
    const auto tasks = subject.lease(first, 3);
    subject.lose(first, 30s);
    const SessionId second = subject.session("a");
    const auto reply = subject.resume(first, second, {tasks[1]});
    CHECK(reply.wanted == std::vector<TaskId>{tasks[1].task});
    CHECK(reply.requeued == 2);
    CHECK(targets_of(subject.lease(subject.session("b"), 9)) ==
          std::vector<std::string>{"u0", "u2"});
    CHECK(subject.record(second, {passed(tasks[1])}).recorded == 1);
  }
  SECTION("after attempts_max lost agents a task expires") {
    StoreOptions options;
    options.attempts_max = 2;
    Subject subject(make, options);
    const BatchId batch = subject.import(many("u", 1));
    for (int i = 0; i < 2; ++i) {
      const SessionId session = subject.session("a");
      REQUIRE(subject.lease(session, 1).size() == 1);
      subject.lose(session, 0ms);
      subject.tick();
    }
    CHECK(subject.ledger(batch).expired == 1);
    CHECK(has(subject.lines(batch).at(0), R"("reason":"agent_lost","attempts":2)"));
  }
}

void check_records(const MakeStore& make) {
  SECTION("the first result counts; the other holder is told, its result a duplicate") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 1));
    const SessionId first = subject.session("a");
    const auto tasks = subject.lease(first, 1);
    subject.lose(first, 0ms);
    subject.tick();
    const SessionId other = subject.session("b");
    REQUIRE(subject.lease(other, 1).size() == 1);
    const SessionId second = subject.session("a");
    const auto resumed = subject.resume(first, second, tasks);
    CHECK(resumed.wanted.empty());
    CHECK(resumed.elsewhere == std::vector<TaskId>{tasks[0].task});
    const auto recorded = subject.record(second, {passed(tasks[0])});
    CHECK(recorded.recorded == 1);
    CHECK(recorded.cancel == std::vector<std::pair<SessionId, TaskId>>{{other, tasks[0].task}});
    CHECK(subject.record(other, {failed(tasks[0])}).duplicate == 1);
    CHECK(subject.lines(batch).size() == 1);
    CHECK(subject.ledger(batch).passed == 1);
  }
  SECTION("results of tasks nobody knows are counted and change nothing") {
    Subject subject(make);
    const SessionId session = subject.session("a");
    LeasedTask stranger;
    stranger.task = TaskId::of(BatchId{77}, 5);
    CHECK(subject.record(session, {passed(stranger)}).unknown == 1);
    CHECK(subject.facts().ledger.accepted == 0);
  }
  SECTION("a deadline ends what no attempt fits before, and what nobody answered") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 2), 30s);
    const SessionId session = subject.session("a");
    const auto tasks = subject.lease(session, 1);
    subject.clock->advance(20s);  // less than timeout and a second are left
    CHECK(subject.tick().expired == 1);
    CHECK(subject.lease(session, 1).empty());
    subject.clock->advance(10s);
    const StoreTick tick = subject.tick();
    CHECK(tick.expired == 1);
    CHECK(tick.cancel == std::vector<std::pair<SessionId, TaskId>>{{session, tasks[0].task}});
    CHECK(subject.ledger(batch).expired == 2);
    for (const std::string& line : subject.lines(batch)) {
      CHECK(has(line, R"("state":"expired")"));
      CHECK(has(line, R"("reason":"deadline")"));
      CHECK_FALSE(has(line, R"("diagnosis":"")"));
    }
  }
  SECTION("cancel ends what is queued, and what is in flight when its holder says so") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 4));
    const SessionId session = subject.session("a");
    const auto tasks = subject.lease(session, 3);
    const auto view =
        value_of<BatchView>([&](auto done) { subject.store->cancel(batch, std::move(done)); });
    CHECK(view.info.ledger.cancelled == 1);
    CHECK(view.info.ledger.in_flight == 3);
    run_until([&] { return subject.listener.take_due(); });
    CHECK(subject.tick().cancel.size() == 3);
    subject.record(session, {passed(tasks[0]), said(tasks[1], TaskReport::Kind::cancelled)});
    CHECK(subject.ledger(batch).done == 1);
    CHECK(subject.ledger(batch).cancelled == 2);
    CHECK(subject.batch(batch)->info.state == BatchState::running);
    subject.clock->advance(11s);
    subject.tick();
    CHECK(subject.ledger(batch).cancelled == 3);
    CHECK(subject.batch(batch)->info.state == BatchState::cancelled);
    CHECK(subject.lines(batch).size() == 4);
  }
}

void check_reading(const MakeStore& make) {
  SECTION("every accepted task has one line, in the order they were recorded") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 20));
    const SessionId session = subject.session("a");
    auto tasks = subject.lease(session, 20);
    std::reverse(tasks.begin(), tasks.end());
    for (const auto& task : tasks) {
      subject.record(session, {task.task.index() % 2 == 0 ? passed(task) : failed(task)});
    }
    CHECK(subject.listener.take_progress(batch));
    const auto lines = subject.lines(batch);
    REQUIRE(lines.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      CHECK(has(lines[i], "\"target\":\"u" + std::to_string(19 - i) + "\""));
      CHECK(has(lines[i], R"("labels":{"team":"web"})"));
      CHECK(has(lines[i], "\"batch\":\"" + subject.store->batch_name(batch) + "\""));
    }
    CHECK(subject.batch(batch)->info.state == BatchState::done);
    CHECK(subject.batch(batch)->info.finished_at);
  }
  SECTION("a page that was full or of a finished batch is the same whenever asked") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 10));
    const SessionId session = subject.session("a");
    const auto tasks = subject.lease(session, 10);
    for (std::size_t i = 0; i < 6; ++i) subject.record(session, {passed(tasks[i])});
    ResultQuery query;
    query.batch = batch;
    query.limit = 4;
    const auto full = subject.page(query);
    REQUIRE(full);
    CHECK(full->count == 4);
    ResultQuery rest = query;
    rest.after = full->next;
    CHECK(subject.page(rest)->count == 2);
    const auto end = value_of<ResultPageEnd>(
        [&](auto done) { subject.store->page_end(query, std::move(done)); });
    CHECK(end.count == 4);
    CHECK(end.next == full->next);
    ResultQuery until = query;
    until.until = end.next;
    until.limit = 100;
    CHECK(subject.page(until)->count == 4);
    for (std::size_t i = 6; i < 10; ++i) subject.record(session, {failed(tasks[i])});
    CHECK(subject.page(query)->lines == full->lines);
    query.verdict = Verdict::failed;
    const auto filtered = subject.page(query);
    CHECK(filtered->count == 4);
    CHECK(filtered->next.empty());
    query.after = "nonsense";
    CHECK(subject.page(query).error().code() == errc::invalid_argument);
  }
  SECTION("a summary counts failures, agents and phases") {
    Subject subject(make);
    const BatchId batch = subject.import(many("u", 4));
    const SessionId session = subject.session("a");
    const auto tasks = subject.lease(session, 4);
    subject.record(session, {passed(tasks[0]), passed(tasks[1]), failed(tasks[2])});
    const auto summary =
        value_of<BatchSummary>([&](auto done) { subject.store->summary(batch, std::move(done)); });
    using Counts = std::vector<std::pair<std::string, std::uint64_t>>;
    CHECK(summary.ledger.done == 3);
    CHECK(summary.failures == Counts{{"connect", 1}});
    CHECK(summary.agents == Counts{{"a", 3}});
    REQUIRE(summary.phases.size() == 3);
    for (const PhaseSummary& phase : summary.phases) CHECK(phase.count == 3);
  }
  SECTION("batches are listed newest first, probes are not") {
    Subject subject(make);
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) {
      names.push_back(subject.store->batch_name(subject.import(many("u", 1))));
      const auto upload = subject.open(BatchOrigin::probe);
      REQUIRE(subject.append(upload, many("p", 1)));
      subject.commit(upload);
    }
    std::vector<std::string> listed;
    BatchListQuery query;
    query.limit = 2;
    do {
      const auto list =
          value_of<BatchList>([&](auto done) { subject.store->batches(query, std::move(done)); });
      for (const BatchSnapshot& info : list.items) listed.push_back(info.id);
      query.after = list.next;
    } while (!query.after.empty());
    std::reverse(names.begin(), names.end());
    CHECK(listed == names);
    CHECK(subject.store->find_batch(names[0]));
    CHECK_FALSE(subject.store->find_batch("bffffffff-1"));
  }
  SECTION("the oldest finished batch is forgotten whole, its totals are not") {
    StoreOptions options;
    options.results_kept_max = 5;
    Subject subject(make, options);
    const SessionId session = subject.session("a");
    std::vector<BatchId> ids;
    for (int i = 0; i < 3; ++i) {
      ids.push_back(subject.import(many("u", 3)));
      for (const auto& task : subject.lease(session, 9)) subject.record(session, {passed(task)});
    }
    subject.tick();
    CHECK(subject.batch(ids[0]).error().code() == errc::not_found);
    CHECK(subject.batch(ids[2]));
    CHECK(subject.facts().results_kept <= 5);
    CHECK(subject.facts().ledger.done == 9);
  }
  SECTION("a store's id is its own, and its facts balance") {
    Subject subject(make);
    Subject other(make);
    CHECK(subject.facts().id.size() == 16);
    CHECK(subject.facts().id != other.facts().id);
    CHECK(subject.facts().ledger.balanced());
  }
}

}  // namespace

void check_store_contract(const MakeStore& make) {
  check_uploads(make);
  check_leases(make);
  check_selectors(make);
  check_schedules(make);
  check_sessions(make);
  check_records(make);
  check_reading(make);
}

}  // namespace probekit::test
