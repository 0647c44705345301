// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
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

BatchId open_batch(World& world, int targets) {
  const auto upload = world.table.open_upload({"", BatchOrigin::import, true});
  REQUIRE(upload);
  if (targets > 0) REQUIRE(world.append(*upload, targets, "u", probe_options()));
  return world.commit(*upload);
}

std::uint64_t extend(World& world, BatchId batch) {
  const auto upload = world.table.extend_batch(batch);
  REQUIRE(upload);
  return *upload;
}

void add(World& world, BatchId batch, int targets, const std::string& prefix,
         const std::shared_ptr<const ProbeOptions>& options = probe_options(),
         const std::string& agent = {}) {
  const auto upload = extend(world, batch);
  REQUIRE(world.append(upload, targets, prefix, options, agent));
  CHECK(world.commit(upload) == batch);
}

void pass_all(World& world, SessionId session) {
  for (auto tasks = world.lease(session, 100); !tasks.empty(); tasks = world.lease(session, 100)) {
    std::vector<TaskReport> reports;
    for (const LeasedTask& task : tasks) reports.push_back(passed(task));
    world.record(session, reports);
  }
}

}  // namespace

TEST_CASE("an open batch grows upload by upload, and ends once it is closed", "[store][open]") {
  World world;
  const SessionId session = world.session("a");
  const BatchId batch = open_batch(world, 2);
  CHECK(world.info(batch).state == BatchState::open);
  pass_all(world, session);
  CHECK(world.info(batch).state == BatchState::open);
  add(world, batch, 3, "v");
  CHECK(world.ledger(batch).accepted == 5);
  CHECK(targets_of(world.lease(session, 1)) == Texts{"v0"});
  auto high = probe_options();
  high->priority = Priority::high;
  add(world, batch, 2, "w", high);
  add(world, batch, 1, "x", probe_options(), "elsewhere");
  pass_all(world, session);
  CHECK(world.ledger(batch).done == 6);
  const auto closed = world.table.close_batch(world.now, batch);
  REQUIRE(closed);
  CHECK(closed->info.state == BatchState::running);
  CHECK(world.table.close_batch(world.now, batch));
  world.lose(session, 0ms);
  pass_all(world, world.session("elsewhere"));
  CHECK(world.info(batch).state == BatchState::done);
  CHECK(count_lines(world.lines(batch)) == 8);
  CHECK(world.table.close_batch(world.now, batch)->info.state == BatchState::done);
}

TEST_CASE("an open batch may begin and end empty", "[store][open]") {
  World world;
  const BatchId batch = open_batch(world, 0);
  CHECK(world.info(batch).state == BatchState::open);
  CHECK(world.table.close_batch(world.now, batch)->info.state == BatchState::done);
  world.check();
}

TEST_CASE("the page of an open batch is never the last", "[store][open]") {
  World world;
  const BatchId batch = open_batch(world, 1);
  pass_all(world, world.session("a"));
  ResultQuery query;
  query.batch = batch;
  auto page = world.table.results(world.now, query);
  CHECK(page->count == 1);
  REQUIRE_FALSE(page->next.empty());
  CHECK_FALSE(world.table.page_end(world.now, query)->next.empty());
  query.after = page->next;
  REQUIRE(world.table.close_batch(world.now, batch));
  CHECK(world.table.results(world.now, query)->next.empty());
}

TEST_CASE("an upload into an open batch is all or nothing", "[store][open]") {
  World world{options_of(10, 10, 5)};
  const BatchId batch = open_batch(world, 2);
  const auto upload = extend(world, batch);
  REQUIRE(world.append(upload, 5, "v", probe_options(), "there"));
  CHECK(world.ledger(batch).accepted == 2);
  REQUIRE_FALSE(world.append(upload, 4, "w", probe_options()));
  world.table.abandon_upload(world.now, upload);
  world.check();
  CHECK(world.ledger(batch).accepted == 2);
  add(world, batch, 8, "x");
  CHECK(world.ledger(batch).accepted == 10);
}

TEST_CASE("what is uploaded into a batch that closed meanwhile is refused", "[store][open]") {
  World world;
  const BatchId batch = open_batch(world, 1);
  const auto upload = extend(world, batch);
  REQUIRE(world.append(upload, 5, "v", probe_options()));
  REQUIRE(world.table.close_batch(world.now, batch));
  const auto refused = world.table.commit_upload(world.now, upload, 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::batch_closed);
  CHECK(world.table.commit_upload(world.now, upload, 0).error().code() == errc::not_found);
  CHECK(world.table.extend_batch(batch).error().code() == errc::batch_closed);
  CHECK(world.table.extend_batch(BatchId{77}).error().code() == errc::not_found);
  CHECK(world.table.close_batch(world.now, BatchId{77}).error().code() == errc::not_found);
  world.check();
  CHECK(world.ledger(batch).accepted == 1);
}

TEST_CASE("deadlines in an open batch begin with each upload's commit", "[store][open]") {
  World world;
  auto options = probe_options();
  options->deadline = 60s;
  const BatchId batch = open_batch(world, 0);
  add(world, batch, 1, "early", options);
  world.advance(50s);
  add(world, batch, 1, "late", options);
  world.advance(1s);
  world.tick();
  CHECK(world.ledger(batch).expired == 1);
  const auto left = world.lease(world.session("a"), 10);
  REQUIRE(targets_of(left) == Texts{"late0"});
  CHECK(left[0].left == 59s);
  // So do the five minutes a named agent may be away.
  add(world, batch, 1, "first", probe_options(), "away");
  world.advance(4min);
  add(world, batch, 1, "second", probe_options(), "away");
  world.advance(61s);
  world.tick();
  CHECK(has(world.lines(batch), R"("target":"first0","reason":"agent_lost")"));
  CHECK_FALSE(has(world.lines(batch), "second0"));
  world.advance(4min);
  world.tick();
  CHECK(has(world.lines(batch), "second0"));
}

TEST_CASE("an open batch without an upload for an hour closes itself", "[store][open]") {
  World world;
  const BatchId batch = open_batch(world, 0);
  world.advance(59min);
  const auto upload = extend(world, batch);
  world.advance(3h);  // one that is under way keeps it open
  world.tick();
  CHECK(world.info(batch).state == BatchState::open);
  world.table.abandon_upload(world.now, upload);
  world.advance(59min);
  world.tick();
  CHECK(world.info(batch).state == BatchState::open);
  world.advance(1min);
  world.tick();
  CHECK(world.info(batch).state == BatchState::done);
}

TEST_CASE("cancel closes an open batch", "[store][open]") {
  World world;
  const BatchId empty = open_batch(world, 0);
  CHECK(world.table.cancel(world.now, empty)->info.state == BatchState::cancelled);
  const BatchId batch = open_batch(world, 3);
  CHECK(world.table.cancel(world.now, batch)->info.state == BatchState::cancelled);
  CHECK(world.table.extend_batch(batch).error().code() == errc::batch_closed);
  world.check();
}

TEST_CASE("batches open at once are limited", "[store][open]") {
  World world;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < kOpenBatchesMax; ++i) {
    last = world.table.open_upload({"", BatchOrigin::import, true}).value();
  }
  const auto refused = world.table.open_upload({"", BatchOrigin::import, true});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::store_full);
  REQUIRE(world.table.open_upload({"", BatchOrigin::import, false}));
  world.table.abandon_upload(world.now, last);
  const BatchId batch = open_batch(world, 0);
  REQUIRE_FALSE(world.table.open_upload({"", BatchOrigin::import, true}));
  REQUIRE(world.table.close_batch(world.now, batch));
  REQUIRE(world.table.open_upload({"", BatchOrigin::import, true}));
  world.check();
}

TEST_CASE("batches that end empty are forgotten too", "[store][open]") {
  World world{options_of(10, 10, 5)};
  const BatchId first = open_batch(world, 0);
  REQUIRE(world.table.close_batch(world.now, first));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(world.table.close_batch(world.now, open_batch(world, 0)));
    world.check();
  }
  CHECK_FALSE(world.table.batch(world.now, first));
}

TEST_CASE("an extension runs through many queues and lanes", "[store][open]") {
  World world;
  const BatchId batch = open_batch(world, 1);
  for (int i = 0; i < 40; ++i) {
    add(world, batch, 2, "v", probe_options(), "n" + std::to_string(i));
    if (i % 3 == 0) pass_all(world, world.session("n" + std::to_string(i)));
  }
  add(world, batch, 9000, "many");
  for (int i = 0; i < 40; ++i) pass_all(world, world.session("n" + std::to_string(i)));
  CHECK(world.ledger(batch).done == 9081);
  CHECK(world.table.close_batch(world.now, batch)->info.state == BatchState::done);
}

TEST_CASE("a key is kept as long as its batch", "[store][key]") {
  World world{options_of(10, 2, 5)};
  const SessionId session = world.session("a");
  const BatchId open = open_batch(world, 0);
  const auto extension = extend(world, open);
  REQUIRE(world.append(extension, 1, "u", probe_options()));
  REQUIRE(world.table.commit_upload(world.now, extension, 0, KeyAnswer{{"s", "open"}, "d", "a"}));
  const auto upload = world.open();
  REQUIRE(world.append(upload, 1, "u", probe_options()));
  REQUIRE(world.table.commit_upload(world.now, upload, 0, KeyAnswer{{"s", "done"}, "d", "a"}));
  pass_all(world, session);
  for (int i = 0; i < 5; ++i) {
    world.import(1);
    pass_all(world, session);
  }
  CHECK(world.table.keys().claim({"s", "done"})->kind == KeyState::Kind::claimed);
  CHECK(world.table.keys().claim({"s", "open"})->kind == KeyState::Kind::answered);
  world.check();
}
