// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A SQLite store whose disk fails: what it says meanwhile, and that nothing is lost.

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "store/sqlite_store.hpp"
#include "support/catch.hpp"
#include "support/failing_vfs_sqlite.hpp"
#include "support/process.hpp"
#include "support/run_until.hpp"
#include "support/store_answer.hpp"

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;
using Fault = FailingVfs::Fault;

namespace {

/// Lets a disk go on, also when a test fails.
struct GoesOn {
  FailingVfs& vfs;
  ~GoesOn() { vfs.fail_with(Fault::none); }
};

/// Holds what a store answers, whenever it does.
template <class T>
struct Later {
  struct Slot {
    std::atomic<bool> there{false};
    std::optional<Expected<T>> answer;
  };
  std::shared_ptr<Slot> slot = std::make_shared<Slot>();

  Completion<T> completion() const {
    return [slot = slot](Expected<T> answer) {
      slot->answer.emplace(std::move(answer));
      slot->there = true;
    };
  }
  bool there() const { return slot->there; }
};

class World {
 public:
  World() { open(); }

  void open() {
    store.reset();
    auto opened = store::open_sqlite_store({folder.path() + "/store", vfs.name()}, {},
                                           store::StoreThread::own);
    if (!opened) FAIL(opened.error().message());
    store = *opened;
  }
  std::uint64_t upload() {
    return value_of<std::uint64_t>([&](auto done) { store->open_upload({}, std::move(done)); });
  }
  Expected<std::uint64_t> append(std::uint64_t token, int count) {
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = "http";
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) texts.push_back("http://x/" + std::to_string(i));
    std::vector<NewTask> tasks;
    for (const std::string& text : texts) tasks.push_back({text, options, nullptr});
    return answer_of<std::uint64_t>(
        [&](auto done) { store->append(token, tasks, std::move(done)); });
  }
  BatchId import(int count) {
    const auto token = upload();
    REQUIRE(append(token, count));
    return value_of<BatchView>(
               [&](auto done) { store->commit_upload(token, 0, std::nullopt, std::move(done)); })
        .id;
  }
  /// Each 8 kB: of three thousand, more than from where the log is copied beside the work, and less
  /// than from where the work waits for it.
  BatchId import_large(std::size_t count) {
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = "http";
    const std::string text = "http://x/" + std::string(8'000, 'x');
    const std::vector<NewTask> tasks(1'000, NewTask{text, options, nullptr});
    const auto token = upload();
    for (std::size_t there = 0; there < count; there += tasks.size()) {
      REQUIRE(answer_of<std::uint64_t>(
          [&](auto done) { store->append(token, tasks, std::move(done)); }));
    }
    const auto view = value_of<BatchView>(
        [&](auto done) { store->commit_upload(token, 0, std::nullopt, std::move(done)); });
    REQUIRE(view.info.ledger.accepted == count);
    return view.id;
  }
  SessionId session() {
    return value_of<TaskStore::SessionOpened>([&](auto done) {
             store->open_session({"agent", {}, {"http"}}, std::move(done));
           })
        .session;
  }
  LeaseRequest request(SessionId session, std::size_t count) {
    LeaseRequest made{session, {}, count};
    for (const Lane& lane : store->lanes()) made.lanes.push_back(lane.id);
    return made;
  }
  std::vector<TaskReport> reports(const std::vector<LeasedTask>& tasks) {
    std::vector<TaskReport> made;
    for (const LeasedTask& task : tasks) {
      TaskReport report;
      report.task = task.task;
      report.attempt = task.attempt;
      report.verdict = Verdict::passed;
      report.fields = "\"verdict\":\"passed\",\"started_at\":\"x\",\"suspect\":false";
      made.push_back(std::move(report));
    }
    return made;
  }
  StoreFacts facts() {
    return value_of<StoreFacts>([&](auto done) { store->facts(std::move(done)); });
  }
  ResultPage page(BatchId batch) {
    return value_of<ResultPage>([&](auto done) {
      store->results({batch, {}, 1000, 1 << 20, {}}, std::move(done));
    });
  }

  FailingVfs vfs;
  TemporaryFolder folder;
  std::shared_ptr<TaskStore> store;
};

}  // namespace

TEST_CASE("while its disk fails a SQLite store answers for nothing, and goes on afterwards",
          "[contract][store][sqlite]") {
  const auto [fault, words] = GENERATE(table<Fault, std::string>(
      {{Fault::full, "the disk is full"}, {Fault::sync, "the disk fails"}}));
  World world;
  const BatchId batch = world.import(100);
  const SessionId session = world.session();
  const auto leased = value_of<LeaseReply>(
      [&](auto done) { world.store->lease(world.request(session, 10), std::move(done)); });
  REQUIRE(leased.tasks.size() == 10);
  const auto token = world.upload();

  world.vfs.fail_with(fault);
  const Later<RecordReply> recorded;
  world.store->record(session, world.reports(leased.tasks), recorded.completion());
  run_until([&] { return !world.facts().trouble.empty(); });
  CHECK(world.facts().trouble.find(words) != std::string::npos);
  const Later<LeaseReply> lease;
  world.store->lease(world.request(session, 10), lease.completion());

  const auto refused = [&words = words](const auto& answer) {
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code() == errc::store_failed);
    CHECK(answer.error().message().find(words) != std::string::npos);
  };
  refused(world.append(token, 5));
  refused(answer_of<BatchView>(
      [&](auto done) { world.store->commit_upload(token, 0, std::nullopt, std::move(done)); }));
  refused(
      answer_of<std::uint64_t>([&](auto done) { world.store->open_upload({}, std::move(done)); }));
  refused(answer_of<BatchView>([&](auto done) { world.store->cancel(batch, std::move(done)); }));
  refused(answer_of<bool>(
      [&](auto done) { world.store->set_name_drained("a1", true, std::move(done)); }));
  // Time stands still, but answers.
  CHECK(answer_of<StoreTick>([&](auto done) { world.store->tick(std::move(done)); }));
  // What is not on the disk is not read either.
  CHECK(world.page(batch).count == 0);
  CHECK_FALSE(recorded.there());
  CHECK_FALSE(lease.there());

  world.vfs.fail_with(Fault::none);
  run_until([&] { return recorded.there() && lease.there(); }, 10s);
  CHECK((*recorded.slot->answer)->recorded == 10);
  CHECK((*lease.slot->answer)->tasks.size() == 10);
  CHECK(world.facts().trouble.empty());
  CHECK(world.page(batch).count == 10);
  CHECK(world.import(3).value == batch.value + 1);

  world.open();
  CHECK(world.page(batch).count == 10);
  const auto ledger = world.facts().ledger;
  CHECK(ledger.balanced());
  CHECK(ledger.accepted == 103);
  CHECK(ledger.done == 10);
  CHECK(ledger.in_flight == 10);
}

TEST_CASE("an upload during which the disk fills up is refused, and leaves nothing",
          "[contract][store][sqlite]") {
  World world;
  const auto token = world.upload();
  REQUIRE(world.append(token, 10));
  world.vfs.fail_with(Fault::full);
  const auto refused = world.append(token, 10);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("the disk is full") != std::string::npos);
  world.store->abandon_upload(token);
  world.vfs.fail_with(Fault::none);
  run_until([&] { return world.facts().trouble.empty(); }, 10s);
  CHECK(world.facts().ledger.accepted == 0);
  world.open();
  CHECK(world.facts().ledger.accepted == 0);
}

TEST_CASE("which batch a text names is told while the disk stands still",
          "[contract][store][sqlite]") {
  World world;
  // More than SQLite keeps in memory, so that a lease has to read.
  const BatchId batch = world.import_large(3'000);
  world.open();
  const SessionId session = world.session();
  const LeaseRequest request = world.request(session, 3'000);

  std::future<std::optional<BatchId>> found;
  const GoesOn goes_on{world.vfs};
  world.vfs.fail_with(Fault::standing);
  const Later<LeaseReply> lease;
  world.store->lease(request, lease.completion());
  run_until([&] { return world.vfs.stands(); });
  found = std::async(std::launch::async,
                     [&] { return world.store->find_batch(world.store->batch_name(batch)); });
  REQUIRE(found.wait_for(10s) == std::future_status::ready);
  CHECK(found.get() == batch);
  CHECK(world.vfs.stands());
  CHECK_FALSE(lease.there());

  world.vfs.fail_with(Fault::none);
  run_until([&] { return lease.there(); });
  CHECK((*lease.slot->answer)->tasks.size() == 3'000);
}

TEST_CASE("uploads end and keys are free however many calls wait", "[contract][store][sqlite]") {
  World world;
  const auto committed = world.upload();
  const auto abandoned = world.upload();
  REQUIRE(world.append(committed, 10));
  REQUIRE(world.append(abandoned, 20));
  const auto claim = [&] {
    return value_of<KeyState>([&](auto done) {
             world.store->claim_key({"batches", "k"}, std::move(done));
           })
        .kind;
  };
  REQUIRE(claim() == KeyState::Kind::claimed);
  std::promise<void> go_on;
  world.store->facts([let = go_on.get_future().share()](const auto&) { let.wait(); });
  const auto refused = std::make_shared<std::atomic<std::size_t>>(0);
  for (int calls = 0; calls < 1'000'000 && *refused == 0; ++calls) {
    world.store->facts([refused](const Expected<StoreFacts>& facts) {
      if (!facts && facts.error().code() == errc::limit_reached) ++*refused;
    });
  }
  const Later<BatchView> commit;
  world.store->commit_upload(committed, 0, std::nullopt, commit.completion());
  world.store->abandon_upload(abandoned);
  world.store->release_key({"batches", "k"});
  go_on.set_value();
  run_until([&] { return commit.there(); });
  CHECK(*refused == 1);
  CHECK(*commit.slot->answer);
  CHECK(world.facts().ledger.accepted == 10);
  const auto late = world.append(abandoned, 1);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == errc::not_found);
  CHECK(claim() == KeyState::Kind::claimed);
}

TEST_CASE("calls that wait for a failing disk are answered when the store ends",
          "[contract][store][sqlite]") {
  World world;
  world.import(10);
  const SessionId session = world.session();
  world.vfs.fail_with(Fault::full);
  const Later<LeaseReply> lease;
  world.store->lease(world.request(session, 5), lease.completion());
  run_until([&] { return !world.facts().trouble.empty(); });
  world.store.reset();
  REQUIRE(lease.there());
  CHECK_FALSE(*lease.slot->answer);
  world.vfs.fail_with(Fault::none);
  world.open();
  CHECK(world.facts().ledger.queued == 10);
}

TEST_CASE("whoever waits for a failing disk is let go when its master ends",
          "[contract][store][sqlite]") {
  World world;
  world.import(10);
  const SessionId session = world.session();
  world.vfs.fail_with(Fault::full);
  const Later<LeaseReply> lease;
  world.store->lease(world.request(session, 5),
                     [kept = world.store, done = lease.completion()](Expected<LeaseReply> answer) {
                       done(std::move(answer));
                     });
  run_until([&] { return !world.facts().trouble.empty(); });
  CHECK_FALSE(lease.there());
  world.store->abandon();
  run_until([&] { return lease.there(); });
  const std::weak_ptr<TaskStore> alive = world.store;
  world.store.reset();
  run_until([&] { return alive.expired(); });
  REQUIRE(lease.there());
  REQUIRE_FALSE(*lease.slot->answer);
  CHECK(lease.slot->answer->error().code() == errc::closed);
}

TEST_CASE("a SQLite store may end with the last answer it gives", "[contract][store][sqlite]") {
  World world;
  world.import(10);
  std::promise<void> go_on;
  std::promise<void> ended;
  struct Ends {
    explicit Ends(std::promise<void>& its) : told(its) {}
    Ends(const Ends&) = delete;
    ~Ends() { told.set_value(); }
    std::promise<void>& told;
  };
  world.store->facts([let = go_on.get_future().share()](const auto&) { let.wait(); });
  // Declared first, so that it ends last.
  world.store->facts([ends = std::make_shared<Ends>(ended), kept = world.store](const auto&) {});
  world.store.reset();
  go_on.set_value();
  ended.get_future().wait();
  world.open();
  CHECK(world.facts().ledger.queued == 10);
}

TEST_CASE("the log of a SQLite store is copied into its file beside the work",
          "[contract][store][sqlite]") {
  World world;
  const auto size = [&] { return std::filesystem::file_size(world.folder.path() + "/store"); };
  world.import_large(3'000);
  run_until([&] { return size() > 16'000'000; }, 10s);
}

TEST_CASE("what a master that ended had told a failing disk still happens",
          "[contract][store][sqlite]") {
  World world;
  world.import(10);
  const SessionId session = world.session();
  const auto leased = value_of<LeaseReply>(
      [&](auto done) { world.store->lease(world.request(session, 10), std::move(done)); });
  REQUIRE(leased.tasks.size() == 10);
  world.vfs.fail_with(Fault::full);
  const Later<RecordReply> recorded;
  world.store->record(session, world.reports({leased.tasks.begin(), leased.tasks.begin() + 4}),
                      recorded.completion());
  run_until([&] { return !world.facts().trouble.empty(); });
  const Later<std::uint64_t> lost;
  world.store->lose_session({session, 0ms, "it stopped"}, lost.completion());
  const Later<LeaseReply> lease;
  world.store->lease(world.request(session, 10), lease.completion());
  world.store->abandon();
  const Later<std::uint64_t> after;  // of the next master
  world.store->give_back(session, {}, after.completion());
  run_until([&] { return recorded.there() && lost.there() && lease.there(); });
  CHECK(lost.slot->answer->error().code() == errc::closed);
  CHECK_FALSE(after.there());

  world.vfs.fail_with(Fault::none);
  run_until([&] { return after.there(); }, 10s);
  CHECK(*after.slot->answer);
  run_until([&] {
    (void)answer_of<StoreTick>([&](auto done) { world.store->tick(std::move(done)); });
    return world.facts().ledger.queued == 6;
  });
  CHECK(world.facts().ledger.done == 4);
  CHECK(world.facts().ledger.in_flight == 0);
}
