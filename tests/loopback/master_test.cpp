// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/master.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "master/master_access.hpp"
#include "probekit/agent.hpp"
#include "probekit/stores.hpp"
#include "probekit/testing/manual_clock.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "support/catch.hpp"
#include "support/held_executor.hpp"
#include "support/raw_agent.hpp"
#include "support/run_until.hpp"
#include "support/stalling_store.hpp"
#include "support/store_answer.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using namespace protocol;
using test::RawAgent;
using test::run_until;

/// A master with a memory store and a memory network.
struct World {
  MemoryNetwork network;
  std::shared_ptr<TaskStore> store;
  Master master;

  explicit World(MasterOptions options = defaults(), std::shared_ptr<TaskStore> given = nullptr)
      : store(given ? std::move(given) : make_memory_store()), master(store, std::move(options)) {
    REQUIRE(master.listen(network.listener()));
  }
  static MasterOptions defaults() {
    MasterOptions options;
    options.name = "m";
    options.resume_grace = 10s;
    return options;
  }
  std::unique_ptr<RawAgent> agent() { return std::make_unique<RawAgent>(network.connector()); }

  static BatchRequest request(std::size_t count) {
    BatchRequest request;
    for (std::size_t i = 0; i < count; ++i) {
      request.targets.push_back("http://127.0.0.1:8080/" + std::to_string(i));
    }
    return request;
  }
  Batch submit(std::size_t count) {
    auto batch = master.submit(request(count));
    REQUIRE(batch);
    return std::move(*batch);
  }
  AgentSnapshot info(const std::string& name) {
    for (AgentSnapshot& one : master.agents()) {
      if (one.name == name) return std::move(one);
    }
    FAIL("no agent " << name);
    return {};
  }
};

std::string passed_with(std::size_t bytes) {
  std::string text = test::passed_result();
  text.pop_back();
  return text + R"(,"filler":")" + std::string(bytes, 'x') + "\"}";
}

void check(const Ledger& ledger, std::uint64_t queued, std::uint64_t in_flight, std::uint64_t done,
           std::uint64_t expired, std::uint64_t cancelled) {
  CHECK(ledger.balanced());
  CHECK(ledger.queued == queued);
  CHECK(ledger.in_flight == in_flight);
  CHECK(ledger.done == done);
  CHECK(ledger.expired == expired);
  CHECK(ledger.cancelled == cancelled);
}

TEST_CASE("a batch is leased, recorded and read to its end", "[master]") {
  World world;
  auto agent = world.agent();
  const Welcome welcome = agent->join("a1");
  CHECK(welcome.epoch == 1);
  CHECK(welcome.store == world.master.status().store_id);
  agent->grant(10, 5000);
  Batch batch = world.submit(2000);
  const auto tasks = agent->wait_for_tasks(2000);
  CHECK(tasks.size() == 2000);
  check(batch.ledger(), 0, 2000, 0, 0, 0);
  for (std::size_t i = 0; i < tasks.size(); i += 500) {
    agent->pass({tasks.begin() + static_cast<std::ptrdiff_t>(i),
                 tasks.begin() + static_cast<std::ptrdiff_t>(i + 500)});
  }
  agent->wait_for_ack(2000);
  std::size_t lines = 0;
  ResultRange results = batch.results();
  for (const TaskResult& line : results) {
    ++lines;
    CHECK(line.state == TaskState::done);
    CHECK(line.verdict == Verdict::passed);
    CHECK(line.agent == "a1");
    CHECK(line.batch == batch.id());
  }
  CHECK_FALSE(results.error());
  CHECK(lines == 2000);
  std::ostringstream text;
  text << batch.ledger();
  CHECK(text.str() == "accepted 2000 = done 2000 (passed 2000)");
  CHECK(batch.info()->state == BatchState::done);
}

TEST_CASE("submit is all or nothing, and names the target that is wrong", "[master]") {
  World world;
  BatchRequest request = World::request(3);
  request.targets[2] = "example.com";
  const auto refused = world.master.submit(request);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::invalid_argument);
  CHECK_THAT(refused.error().message(), Catch::StartsWith("target 3 (example.com): "));
  CHECK(world.master.status().ledger.accepted == 0);

  CHECK_FALSE(world.master.submit(BatchRequest{}));
  request = World::request(1);
  request.name.assign(257, 'x');
  CHECK_FALSE(world.master.submit(request));
  request = World::request(1);
  request.agents.kind = Selector::Kind::names;
  CHECK_FALSE(world.master.submit(request));
  request.agents.names = {"a b"};
  CHECK_FALSE(world.master.submit(request));
  request.agents.names = {"a", "b", "a"};
  const auto twice = world.master.submit(request);
  REQUIRE_FALSE(twice);
  CHECK_THAT(twice.error().message(), Catch::Contains("named twice"));
  request.agents.names.clear();
  for (int i = 0; i < 257; ++i) request.agents.names.push_back("a" + std::to_string(i));
  CHECK_FALSE(world.master.submit(request));
  ProbeSpec spec;
  spec.target = "http://127.0.0.1/";
  spec.timeout = 0ms;
  request = World::request(1);
  request.specs = {spec};
  const auto bad_spec = world.master.submit(request);
  REQUIRE_FALSE(bad_spec);
  CHECK_THAT(bad_spec.error().message(), Catch::StartsWith("spec 1 "));
  CHECK(world.master.status().ledger.accepted == 0);
}

TEST_CASE("an upload that is dropped leaves nothing", "[master]") {
  World world;
  {
    auto upload = world.master.open_upload(BatchRequest{});
    REQUIRE(upload);
    for (int i = 0; i < 3000; ++i) REQUIRE(upload->add("http://127.0.0.1/" + std::to_string(i)));
    CHECK_FALSE(upload->add("nonsense"));
    CHECK(upload->accepted() == 3000);
  }
  CHECK(world.master.status().ledger.accepted == 0);
  auto upload = world.master.open_upload(BatchRequest{});
  REQUIRE(upload);
  REQUIRE(upload->add("http://127.0.0.1/"));
  const auto batch = upload->commit(2);
  REQUIRE(batch);
  CHECK(batch->info()->rejected == 2);
  check(batch->ledger(), 1, 0, 0, 0, 0);
}

TEST_CASE("a high probe is answered while all credit for bulk is used up", "[master]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(1, 2);
  world.submit(100);
  const auto bulk = agent->wait_for_tasks(2);
  CHECK(bulk.size() == 2);
  BatchRequest urgent;
  ProbeSpec spec;
  spec.target = "http://127.0.0.1/now";
  spec.priority = Priority::high;
  urgent.specs = {spec};
  auto batch = world.master.submit(urgent);
  REQUIRE(batch);
  const auto high = agent->wait_for_tasks(1);
  REQUIRE(high.size() == 1);
  CHECK(high[0].target == "http://127.0.0.1/now");
  agent->pass(high);
  run_until([&] { return batch->ledger().done == 1; });
}

TEST_CASE("pinned tasks wait for their agent", "[master]") {
  World world;
  auto other = world.agent();
  other->join("other");
  other->grant(10, 10);
  BatchRequest request = World::request(2);
  request.agents.kind = Selector::Kind::names;
  request.agents.names = {"mine", "other"};
  auto batch = world.master.submit(request);
  REQUIRE(batch);
  CHECK(batch->ledger().accepted == 4);
  CHECK(other->wait_for_tasks(2).size() == 2);
  auto mine = world.agent();
  mine->join("mine");
  mine->grant(10, 10);
  CHECK(mine->wait_for_tasks(2).size() == 2);
  CHECK(other->tasks_waiting() == 0);
}

TEST_CASE("an open batch takes more until it is closed", "[master][open]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(10, 100);
  BatchRequest request;
  request.open = true;
  auto batch = world.master.submit(request);
  REQUIRE(batch);
  CHECK(batch->info()->state == BatchState::open);
  CHECK(batch->add(World::request(2)).value() == 2);
  agent->pass(agent->wait_for_tasks(2));
  BatchRequest wrong = World::request(2);
  wrong.targets[1] = "nonsense";
  const auto refused = batch->add(wrong);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message(), Catch::StartsWith("target 2 (nonsense): "));
  CHECK(batch->add(BatchRequest{}).error().code() == errc::invalid_argument);  // empty
  std::size_t lines = 0;
  std::optional<Upload> late;
  {
    auto upload = batch->extend(BatchRequest{});
    REQUIRE(upload);
    REQUIRE(upload->add("http://127.0.0.1/more"));
    const auto same = upload->commit(3);
    REQUIRE(same);
    CHECK(same->id() == batch->id());
    auto open = batch->extend(BatchRequest{});
    REQUIRE(open);
    REQUIRE(open->add("http://127.0.0.1/late"));
    late.emplace(std::move(*open));
  }
  agent->pass(agent->wait_for_tasks(1));
  ResultRange results = batch->results();
  for (const TaskResult& line : results) {  // waits for more while it is open
    CHECK(line.verdict == Verdict::passed);
    if (++lines == 3) CHECK(batch->close());
  }
  CHECK_FALSE(results.error());
  CHECK(lines == 3);
  CHECK(batch->info()->state == BatchState::done);
  CHECK(batch->info()->rejected == 3);
  CHECK(late->commit(0).error().code() == errc::batch_closed);
  CHECK(batch->add(World::request(1)).error().code() == errc::batch_closed);
}

TEST_CASE("a schedule runs its targets again and again, and is read like a batch",
          "[master][schedule]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(10, 100);
  ScheduleRequest request;
  request.interval = 1s;
  request.targets = World::request(3).targets;
  auto schedule = world.master.put_schedule("web", request);
  REQUIRE(schedule);
  CHECK(schedule->name() == "web");
  std::promise<Expected<ResultPage>> first;
  schedule->read_results({}, 10, 10s,
                         [&](Expected<ResultPage> page) { first.set_value(std::move(page)); });
  agent->pass(agent->wait_for_tasks(3));
  CHECK(first.get_future().get().value().count >= 1);
  agent->pass(agent->wait_for_tasks(3));
  std::map<std::string, int> runs;
  ResultRange results = schedule->results();
  int lines = 0;
  for (const TaskResult& line : results) {
    CHECK(line.schedule == "web");
    CHECK(line.batch.empty());
    CHECK(line.scheduled_at);
    ++runs[line.target];
    if (++lines == 6) CHECK(world.master.remove_schedule("web"));
  }
  REQUIRE(results.error());
  CHECK(results.error()->code() == errc::not_found);
  for (const auto& [target, count] : runs) CHECK(count == 2);
  CHECK(runs.size() == 3);
  CHECK(schedule->info().error().code() == errc::not_found);
}

TEST_CASE("schedules are changed, listed, and refused by what is wrong", "[master][schedule]") {
  World world;
  ScheduleRequest request;
  request.interval = 1h;
  request.targets = World::request(2).targets;
  REQUIRE(world.master.put_schedule("b", request));
  REQUIRE(world.master.put_schedule("a", request));
  request.enabled = false;
  auto changed = world.master.put_schedule("a", request);
  REQUIRE(changed);
  const auto info = changed->info();
  REQUIRE(info);
  CHECK_FALSE(info->enabled);
  CHECK_FALSE(info->next_at);
  CHECK(info->targets == 2);
  const auto all = world.master.schedules();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a");
  CHECK(all[1].next_at);
  CHECK(world.master.schedule("b"));
  CHECK(world.master.schedule("c").error().code() == errc::not_found);
  CHECK(world.master.remove_schedule("c").error().code() == errc::not_found);
  request.targets[1] = "nonsense";
  const auto refused = world.master.put_schedule("a", request);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message(), Catch::StartsWith("target 2 (nonsense): "));
  request.targets.pop_back();
  request.interval = 1ms;
  CHECK_THAT(world.master.put_schedule("a", request).error().message(),
             Catch::StartsWith("interval: "));
}

/// Agents of a batch's lines, by target.
std::map<std::string, std::set<std::string>> agents_of(const Batch& batch) {
  std::map<std::string, std::set<std::string>> agents;
  ResultRange results = batch.results();
  for (const TaskResult& line : results) agents[line.target].insert(line.agent);
  return agents;
}

TEST_CASE("two different agents do each target, also when one is killed on the way",
          "[master][selector]") {
  constexpr std::size_t kTargets = 30;
  MasterOptions options = World::defaults();
  options.resume_grace = 0ms;
  World world{options};
  std::map<std::string, std::unique_ptr<RawAgent>> agents;
  for (const char* name : {"a", "b", "c"}) {
    agents[name] = world.agent();
    agents[name]->join(name);
    agents[name]->grant(0, 100);
  }
  BatchRequest request = World::request(kTargets);
  request.agents.count = 2;
  auto batch = world.master.submit(request);
  REQUIRE(batch);
  CHECK(batch->ledger().accepted == 2 * kTargets);
  run_until([&] { return batch->ledger().in_flight == 2 * kTargets; });
  agents["b"]->cut();
  agents.erase("b");
  std::map<std::string, std::set<std::string>> got;
  run_until([&] {
    for (const auto& [name, agent] : agents) {
      const auto tasks = agent->wait_for_tasks(0);
      for (const auto& task : tasks) CHECK(got[task.target].insert(name).second);
      if (!tasks.empty()) agent->pass(tasks);
    }
    return batch->ledger().ended();
  });
  CHECK(batch->ledger().done == 2 * kTargets);
  const auto by_target = agents_of(*batch);
  CHECK(by_target.size() == kTargets);
  for (const auto& [target, by] : by_target) CHECK((by == std::set<std::string>{"a", "c"}));
}

TEST_CASE("tags choose agents, and all is those connected then", "[master][selector]") {
  World world;
  auto plain = world.agent();
  plain->join("plain");
  plain->grant(10, 10);
  auto tagged = world.agent();
  tagged->connect();
  Hello hello = RawAgent::hello("tagged", "one");
  hello.tags = {{"zone", "b"}, {"region", "eu"}};
  tagged->say(hello);
  tagged->wait_for<Welcome>();
  tagged->grant(10, 10);
  BatchRequest request = World::request(2);
  request.agents.kind = Selector::Kind::tags;
  request.agents.tags = {{"zone", "b"}, {"region", "eu"}};
  REQUIRE(world.master.submit(request));
  tagged->pass(tagged->wait_for_tasks(2));

  MasterAccess& access = world.master.access();
  CHECK(access.has_agent("http", request.agents));
  CHECK_FALSE(access.has_agent("dns", request.agents));
  Selector nowhere = request.agents;
  nowhere.tags = {{"region", "us"}};
  CHECK_FALSE(access.has_agent("http", nowhere));

  Selector all;
  all.kind = Selector::Kind::all;
  CHECK((access.resolve(all, "http").names == std::vector<std::string>{"plain", "tagged"}));
  CHECK(access.resolve(all, "dns") == all);
  request = World::request(3);
  request.agents = all;
  auto batch = world.master.submit(request);
  REQUIRE(batch);
  CHECK(batch->ledger().accepted == 6);
  plain->pass(plain->wait_for_tasks(3));
  tagged->pass(tagged->wait_for_tasks(3));
  for (const auto& [target, by] : agents_of(*batch)) {
    CHECK((by == std::set<std::string>{"plain", "tagged"}));
  }

  // One that is drained takes none; where nobody does, that is a line at once.
  for (const char* name : {"plain", "tagged"}) {
    test::value_of<AgentSnapshot>(
        [&](auto done) { access.set_agent_drained(name, true, std::move(done)); });
  }
  auto none = world.master.submit(request);
  REQUIRE(none);
  run_until([&] { return none->ledger().expired == 3; });
}

TEST_CASE("cancel ends what is queued at once and what is in flight when confirmed", "[master]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 10);
  Batch batch = world.submit(30);
  const auto tasks = agent->wait_for_tasks(10);
  const auto info = batch.cancel();
  REQUIRE(info);
  check(info->ledger, 0, 10, 0, 0, 20);
  const Cancel cancel = agent->wait_for<Cancel>();
  CHECK(cancel.tasks.size() == 10);
  agent->pass({tasks[0]});
  agent->give_back({tasks.begin() + 1, tasks.end()}, Returned::cancelled);
  run_until([&] { return batch.ledger().ended(); });
  check(batch.ledger(), 0, 0, 1, 0, 29);
  CHECK(batch.info()->state == BatchState::cancelled);
}

TEST_CASE("a cancel reaches those who hold the tasks at once", "[master]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 100);
  const SteadyTime begin = system_clock()->steady_now();
  for (int i = 0; i < 10; ++i) {
    Batch batch = world.submit(2);
    const auto tasks = agent->wait_for_tasks(2);
    REQUIRE(batch.cancel());
    CHECK(agent->wait_for<Cancel>().tasks.size() == 2);
    agent->give_back(tasks, Returned::cancelled);
    run_until([&] { return batch.ledger().ended(); });
  }
  // Were it told at the next tick, each would take half a second, give or take half a second.
  CHECK(system_clock()->steady_now() - begin < 3s);
}

TEST_CASE("an agent that holds very much is asked about all of it", "[master][resume]") {
  constexpr std::size_t kTasks = 9000;  // several slices
  World world;
  auto agent = world.agent();
  const std::string store = agent->join("a1").store;
  agent->grant(0, kTasks);
  Batch batch = world.submit(kTasks);
  const auto tasks = agent->wait_for_tasks(kTasks);
  agent->cut();
  run_until([&] { return !world.info("a1").connected; });
  std::vector<Held::Item> held;
  for (std::size_t i = 0; i < kTasks; i += i < 6000 ? 1 : 2) {
    held.push_back({tasks[i].task, 1, HeldState::running});
  }
  const Welcome welcome = agent->join("a1", "one", held, store);
  REQUIRE(welcome.wanted.size() == held.size());
  for (std::size_t i = 0; i < held.size(); ++i) REQUIRE(welcome.wanted[i] == held[i].task);
  check(batch.ledger(), kTasks - held.size(), held.size(), 0, 0, 0);
}

TEST_CASE("tasks of a lost agent go to another as a new attempt", "[master][lease]") {
  MasterOptions options = World::defaults();
  options.resume_grace = 50ms;
  World world{options};
  auto first = world.agent();
  first->join("first");
  first->grant(0, 10);
  Batch batch = world.submit(10);
  first->wait_for_tasks(10);
  first->cut();
  auto second = world.agent();
  second->join("second");
  second->grant(0, 100);
  const auto tasks = second->wait_for_tasks(10);
  for (const auto& task : tasks) CHECK(task.attempt == 2);
  second->pass(tasks);
  run_until([&] { return batch.ledger().done == 10; });
  const AgentSnapshot info = world.info("first");
  CHECK_FALSE(info.connected);
  REQUIRE(info.last_disconnect);
  CHECK(info.last_disconnect->requeued == 10);
  CHECK_FALSE(info.last_disconnect->reason.empty());
}

TEST_CASE("an agent that comes back keeps what it holds", "[master][resume]") {
  World world;
  auto agent = world.agent();
  const std::string store = agent->join("a1").store;
  agent->grant(0, 3);
  Batch batch = world.submit(3);
  const auto tasks = agent->wait_for_tasks(3);
  agent->cut();
  run_until([&] { return !world.info("a1").connected; });
  check(batch.ledger(), 0, 3, 0, 0, 0);
  // The third was lost on its way, and a fourth is one the master never gave.
  std::vector<Held::Item> held{{tasks[0].task, 1, HeldState::finished},
                               {tasks[1].task, 1, HeldState::running},
                               {TaskId::of(BatchId{900}, 1), 1, HeldState::queued}};
  const Welcome welcome = agent->join("a1", "one", held, store);
  CHECK(welcome.epoch == 2);
  CHECK(welcome.wanted == std::vector<TaskId>{tasks[0].task, tasks[1].task});
  check(batch.ledger(), 1, 2, 0, 0, 0);
  agent->pass({tasks[0]});
  agent->wait_for_ack(1);
  agent->grant(0, 10);
  const auto again = agent->wait_for_tasks(1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].task == tasks[2].task);
  CHECK(again[0].attempt == 1);
  agent->pass({tasks[1], again[0]});
  run_until([&] { return batch.ledger().done == 3; });
}

TEST_CASE("a newer connection of the same agent replaces the older at once", "[master][name]") {
  World world;
  auto older = world.agent();
  const std::string store = older->join("a1").store;
  older->grant(0, 2);
  Batch batch = world.submit(2);
  const auto tasks = older->wait_for_tasks(2);
  auto newer = world.agent();
  const Welcome welcome = newer->join(
      "a1", "one", {{tasks[0].task, 1, HeldState::running}, {tasks[1].task, 1, HeldState::running}},
      store);
  CHECK(welcome.wanted.size() == 2);
  CHECK(older->wait_for_close().code == CloseCode::replaced);
  newer->pass(tasks);
  run_until([&] { return batch.ledger().done == 2; });
}

TEST_CASE("another instance is refused the name of an agent that answers", "[master][name]") {
  World world;
  auto older = world.agent();
  older->join("a1", "one");
  older->wait_for<Heartbeat>();
  auto newer = world.agent();
  newer->connect();
  newer->say(RawAgent::hello("a1", "two"));
  older->wait_for<Heartbeat>();  // is anybody there?
  Heartbeat answer;
  answer.seq = 1;
  older->say(answer);
  const Reject reject = newer->wait_for<Reject>();
  CHECK(reject.reason == "name_in_use");
  CHECK_THAT(reject.detail, Catch::Contains("`a1`"));  // the agent's own line names the flag
  CHECK(reject.retry_after >= 5s);
  CHECK(newer->wait_for_close().code == CloseCode::rejected);
  CHECK_FALSE(older->is_closed());
}

TEST_CASE("another instance takes over the name of an agent that is silent", "[master][name]") {
  World world;
  auto older = world.agent();
  older->join("a1", "one");
  older->grant(0, 2);
  Batch batch = world.submit(2);
  older->wait_for_tasks(2);
  auto newer = world.agent();
  newer->connect();
  newer->say(RawAgent::hello("a1", "two"));
  const Welcome welcome = newer->wait_for<Welcome>();  // after 5 s
  CHECK(welcome.epoch == 2);
  older->wait_for_close();
  newer->grant(0, 10);
  const auto tasks = newer->wait_for_tasks(2);
  newer->pass(tasks);
  run_until([&] { return batch.ledger().done == 2; });
}

TEST_CASE("a task an agent cannot probe goes to another", "[master]") {
  World world;
  auto first = world.agent();
  first->join("first");
  first->grant(0, 10);
  Batch batch = world.submit(1);
  first->give_back(first->wait_for_tasks(1), Returned::unsupported);
  first->wait_for_ack(1);
  auto second = world.agent();
  second->join("second");
  second->grant(0, 10);
  second->pass(second->wait_for_tasks(1));
  run_until([&] { return batch.ledger().done == 1; });
  CHECK(first->tasks_waiting() == 0);
}

TEST_CASE("what a slow store took of a task's time is not promised to the agent", "[master]") {
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{World::defaults(), store};
  auto agent = world.agent();
  agent->join("a1");
  BatchRequest request = World::request(1);
  request.options.deadline = 60s;
  REQUIRE(world.master.submit(request));
  store->stall(test::StallingStore::Stall::completions);
  agent->grant(0, 1);
  const SteadyTime stalled = system_clock()->steady_now();
  run_until([&] { return system_clock()->steady_now() - stalled > 1500ms; });
  store->go_on();
  const auto tasks = agent->wait_for_tasks(1);
  CHECK(tasks[0].left < 59s);
  CHECK(tasks[0].left > 30s);
}

// The store is asked for its one task, and does not answer.
std::unique_ptr<RawAgent> agent_that_waits_for_a_lease(World& world, test::StallingStore& store) {
  auto agent = world.agent();
  agent->join("a1");
  world.submit(1);
  store.stall(test::StallingStore::Stall::calls);
  agent->grant(0, 1);
  run_until([&] { return world.info("a1").credit_other == 1; });
  world.info("a1");  // after which the lease was asked for, too
  return agent;
}

TEST_CASE("an agent that goes before a lease is answered costs its tasks no attempt",
          "[master][resume]") {
  MasterOptions options = World::defaults();
  options.resume_grace = 0ms;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{options, store};
  const auto agent = agent_that_waits_for_a_lease(world, *store);
  agent->cut();
  run_until([&] { return !world.info("a1").connected; });
  store->go_on();
  auto other = world.agent();
  other->join("b1");
  other->grant(0, 1);
  CHECK(other->wait_for_tasks(1)[0].attempt == 1);
}

TEST_CASE("a lease that comes too late is no attempt, however late it comes", "[master][resume]") {
  const auto clock = std::make_shared<testing::ManualClock>();
  StoreOptions store_options;
  store_options.clock = clock;
  const auto inner = make_memory_store(store_options);
  const auto store = std::make_shared<test::StallingStore>(inner);
  MasterOptions options = World::defaults();
  options.resume_grace = 0ms;
  World world{options, store};
  auto agent = world.agent();
  agent->join("a1");
  world.submit(1);
  store->stall(test::StallingStore::Stall::completions);
  agent->grant(0, 1);
  const auto in_flight = [&] {
    return test::value_of<StoreFacts>([&](auto done) { inner->facts(std::move(done)); })
        .ledger.in_flight;
  };
  run_until([&] { return in_flight() == 1; });
  agent->cut();
  run_until([&] { return !world.info("a1").connected; });
  // The store goes on for long before the master hears of the lease.
  clock->advance(10s);
  inner->tick([](auto) {});
  CHECK(in_flight() == 1);
  store->go_on();
  auto other = world.agent();
  other->join("b1");
  other->grant(0, 1);
  CHECK(other->wait_for_tasks(1)[0].attempt == 1);
}

TEST_CASE("a master that stops before a lease is answered costs its tasks no attempt",
          "[master][resume]") {
  MasterOptions options = World::defaults();
  options.resume_grace = 0ms;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  {
    World world{options, store};
    const auto agent = agent_that_waits_for_a_lease(world, *store);
    world.master.stop();
    store->go_on();
  }
  World world{options, store};
  auto other = world.agent();
  other->join("b1");
  other->grant(0, 1);
  CHECK(other->wait_for_tasks(1)[0].attempt == 1);
}

TEST_CASE("tasks of a session whose successor goes before it resumed are given to others",
          "[master][resume]") {
  StoreOptions store_options;
  const auto clock = std::make_shared<testing::ManualClock>();
  store_options.clock = clock;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store(store_options));
  World world{World::defaults(), store};
  auto older = world.agent();
  older->join("a1");
  older->grant(0, 1);
  world.submit(1);
  older->wait_for_tasks(1);
  store->stall(test::StallingStore::Stall::calls);
  auto newer = world.agent();
  newer->connect();
  newer->say(RawAgent::hello("a1", "one"));
  CHECK(older->wait_for_close().code == CloseCode::replaced);
  newer->cut();
  run_until([&] { return !world.info("a1").connected; });
  store->go_on();
  auto other = world.agent();
  other->join("b1");
  other->grant(0, 1);
  clock->advance(31s);
  other->wait_for_tasks(1);
}

TEST_CASE("results sent again after a cut are in the master's time, too", "[master][resume]") {
  World world;
  auto agent = world.agent();
  const std::string store = agent->join("a1").store;
  const Heartbeat first = agent->wait_for<Heartbeat>();
  Heartbeat beat;  // its clock is an hour ahead
  beat.seq = 1;
  beat.echo = first.seq;
  beat.sent_us = first.sent_us + 3'600'000'000;
  agent->say(beat);
  run_until([&] { return world.info("a1").clock_offset_ms < -3'500'000; });
  agent->grant(0, 2);
  Batch batch = world.submit(2);
  const auto tasks = agent->wait_for_tasks(2);
  agent->pass({tasks[0]});
  agent->wait_for_ack(1);
  agent->cut();
  run_until([&] { return !world.info("a1").connected; });
  agent->join("a1", "one", {{tasks[1].task, 1, HeldState::finished}}, store);
  agent->pass({tasks[1]});  // before the new session knows the clock
  agent->wait_for_ack(1);
  std::vector<SystemTime> started;
  for (const TaskResult& line : batch.results()) started.push_back(line.started_at);
  REQUIRE(started.size() == 2);
  CHECK(started[0] == started[1]);
}

// -- agents that lie ------------------------------------------------------------------------------

TEST_CASE("what an agent returns and does not have is acked and counted", "[master][hostile]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 1);
  Batch batch = world.submit(1);
  const auto tasks = agent->wait_for_tasks(1);
  agent->give_back(tasks, Returned::draining);
  agent->give_back(tasks, Returned::draining);
  agent->wait_for_ack(2);
  check(batch.ledger(), 1, 0, 0, 0, 0);
  CHECK(world.master.status().returns_not_held == 1);
}

TEST_CASE("an agent's clock has no part in how busy it is", "[master][hostile]") {
  MasterOptions options = World::defaults();
  options.heartbeat_interval = 20ms;
  options.dead_after = 60s;
  World world{options};
  auto agent = world.agent();
  agent->join("a1");
  Heartbeat beat;
  beat.running = 10;  // all its slots
  const auto say = [&](std::int64_t sent_us, std::int64_t cpu_us) {
    for (int i = 0; i < 3; ++i) agent->wait_for<Heartbeat>();
    ++beat.seq;
    beat.sent_us = sent_us;
    beat.cpu_us = cpu_us;
    beat.queued = 4 + beat.seq;
    agent->say(beat);
    run_until([&] { return world.info("a1").queued == beat.queued; });
    return world.info("a1").diagnosis.verdict;
  };
  say(0, 0);
  CHECK(say(1, 100) == DiagnosisVerdict::targets_slow);  // its clock stood still
  CHECK(say(0, 200) == DiagnosisVerdict::targets_slow);  // and went back
  CHECK_FALSE(agent->is_closed());
}

TEST_CASE("repeated, unknown and unusable results are acked and counted", "[master][hostile]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 2);
  Batch batch = world.submit(2);
  const auto tasks = agent->wait_for_tasks(2);
  agent->pass({tasks[0]});
  agent->pass({tasks[0]});
  Tasks::Item unknown;
  unknown.task = TaskId::of(BatchId{77}, 7);
  agent->pass({unknown});
  Results::Item malformed;
  malformed.task = tasks[1].task;
  malformed.result = R"({"verdict":"maybe"})";
  agent->say_items({malformed});
  agent->wait_for_ack(4);
  check(batch.ledger(), 0, 0, 2, 0, 0);
  CHECK(batch.ledger().passed == 1);
  CHECK(batch.ledger().failed == 1);
  const MasterStatus status = world.master.status();
  CHECK(status.results_duplicate == 1);
  CHECK(status.results_unknown == 1);
  CHECK(status.results_malformed == 1);
  CHECK_FALSE(agent->is_closed());
  bool found = false;
  for (const TaskResult& line : batch.results()) {
    if (line.verdict != Verdict::failed) continue;
    found = true;
    REQUIRE(line.failure);
    CHECK(line.failure->kind == FailureKind::internal);
    CHECK_THAT(line.failure->message, Catch::StartsWith("agent sent an unusable result"));
  }
  CHECK(found);
}

TEST_CASE("an agent whose counts lie is closed, and its tasks survive", "[master][hostile]") {
  MasterOptions options = World::defaults();
  options.resume_grace = 20ms;
  World world{options};
  auto agent = world.agent();
  agent->join("liar");
  agent->grant(0, 5);
  Batch batch = world.submit(5);
  agent->wait_for_tasks(5);
  SECTION("items sent") {
    Heartbeat beat;
    beat.seq = 1;
    beat.items_sent = 3;
    agent->say(beat);
    CHECK(agent->wait_for_close().code == CloseCode::accounting);
  }
  SECTION("a gap in the results") {
    Results results;
    results.seq = 2;
    results.items.resize(1);
    results.items[0].returned = Returned::draining;
    agent->say(results);
    CHECK(agent->wait_for_close().code == CloseCode::accounting);
  }
  SECTION("credit that falls") {
    agent->grant(0, 4);
    CHECK(agent->wait_for_close().code == CloseCode::protocol_error);
  }
  SECTION("nonsense") {
    agent->say_text("\x01\x02");
    CHECK(agent->wait_for_close().code == CloseCode::protocol_error);
  }
  auto honest = world.agent();
  honest->join("honest");
  honest->grant(0, 5);
  honest->pass(honest->wait_for_tasks(5));
  run_until([&] { return batch.ledger().done == 5; });
  check(batch.ledger(), 0, 0, 5, 0, 0);
}

TEST_CASE("results beyond the window end the session, which loses nothing", "[master][hostile]") {
  MasterOptions options = World::defaults();
  options.results_bytes = kResultsBytesMin;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{options, store};
  auto agent = world.agent();
  agent->join("greedy");
  agent->grant(0, 10);
  Batch batch = world.submit(3);
  const auto tasks = agent->wait_for_tasks(3);
  store->stall(test::StallingStore::Stall::calls);
  for (const auto& task : tasks) {
    Results::Item item;
    item.task = task.task;
    item.result = passed_with(60'000);
    agent->say_items({item});
  }
  const CloseReason reason = agent->wait_for_close();
  CHECK(reason.code == CloseCode::protocol_error);
  CHECK_THAT(reason.text, Catch::Contains("results window overdrawn"));
  store->go_on();
  run_until([&] { return batch.ledger().done == 2; });
  CHECK(batch.ledger().balanced());
}

TEST_CASE("while the store stands still, windows shrink and heartbeats go on", "[master]") {
  MasterOptions options = World::defaults();
  options.uncommitted_bytes_max = 1024 * 1024;
  options.heartbeat_interval = 20ms;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{options, store};
  auto agent = world.agent();
  const Welcome welcome = agent->join("a1");
  CHECK(welcome.results_bytes == 1024 * 1024);
  agent->grant(0, 10);
  Batch batch = world.submit(10);
  const auto tasks = agent->wait_for_tasks(10);
  store->stall(test::StallingStore::Stall::completions);
  for (const auto& task : tasks) {
    Results::Item item;
    item.task = task.task;
    item.result = passed_with(60'000);
    agent->say_items({item});
  }
  run_until([&] { return agent->wait_for<Heartbeat>().results_bytes == kResultsBytesMin; });
  for (int i = 0; i < 5; ++i) agent->wait_for<Heartbeat>();
  CHECK_FALSE(agent->is_closed());
  store->go_on();
  agent->wait_for_ack(10);
  run_until([&] { return agent->wait_for<Heartbeat>().results_bytes == 1024U * 1024U; });
  CHECK(batch.ledger().done == 10);
}

TEST_CASE("the windows of all agents fit into what may wait for the store", "[master]") {
  MasterOptions options = World::defaults();
  options.uncommitted_bytes_max = 3 * kResultsBytesMin;
  options.results_bytes = 2 * kResultsBytesMin;
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{options, store};
  auto a = world.agent();
  CHECK(a->join("a").results_bytes == 2 * kResultsBytesMin);
  auto b = world.agent();
  CHECK(b->join("b").results_bytes == kResultsBytesMin);
  auto c = world.agent();
  CHECK(c->join("c").results_bytes == kResultsBytesMin);  // the least there is
  SECTION("an agent is held to the window it was told") {
    b->grant(0, 10);
    Batch batch = world.submit(3);
    const auto tasks = b->wait_for_tasks(3);
    store->stall(test::StallingStore::Stall::calls);
    for (const auto& task : tasks) {
      Results::Item item;
      item.task = task.task;
      item.result = passed_with(60'000);
      b->say_items({item});
    }
    CHECK_THAT(b->wait_for_close().text, Catch::Contains("results window overdrawn"));
    store->go_on();
  }
  SECTION("one that leaves makes room") {
    a->cut();
    c->cut();
    run_until([&] { return world.master.status().agents_connected == 1; });
    CHECK(world.agent()->join("d").results_bytes == 2 * kResultsBytesMin);
  }
}

TEST_CASE("connections that never say hello are closed", "[master][hostile]") {
  MasterOptions options = World::defaults();
  options.time_to_first_message = 50ms;
  World world{options};
  auto agent = world.agent();
  agent->connect();
  CHECK(agent->wait_for_close().code == CloseCode::silent);
  CHECK(world.master.agents().empty());
}

TEST_CASE("a hello that makes no sense is rejected", "[master][hostile]") {
  World world;
  auto agent = world.agent();
  agent->connect();
  agent->say_text(R"({"type":"hello"})");
  CHECK(agent->wait_for<Reject>().reason == "hello");
  CHECK(agent->wait_for_close().code == CloseCode::rejected);
  agent->connect();
  Hello hello = RawAgent::hello("a1", "one");
  hello.versions = {"probekit.v0"};
  agent->say(hello);
  CHECK(agent->wait_for<Reject>().reason == "version");
}

// -- reading, draining, stopping ------------------------------------------------------------------

TEST_CASE("an asynchronous read waits for the first result", "[master][results]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 10);
  Batch batch = world.submit(1);
  const auto tasks = agent->wait_for_tasks(1);
  std::promise<Expected<ResultPage>> early;
  batch.read_results("", 10, 0ms, [&](auto page) { early.set_value(std::move(page)); });
  const auto nothing = early.get_future().get();
  REQUIRE(nothing);
  CHECK(nothing->count == 0);
  CHECK_FALSE(nothing->next.empty());
  std::promise<Expected<ResultPage>> later;
  batch.read_results(nothing->next, 10, 30s, [&](auto page) { later.set_value(std::move(page)); });
  agent->pass(tasks);
  const auto page = later.get_future().get();
  REQUIRE(page);
  CHECK(page->count == 1);
  CHECK(page->next.empty());
}

TEST_CASE("an asynchronous read answers empty when its time is up", "[master][results]") {
  World world;
  Batch batch = world.submit(1);
  std::promise<Expected<ResultPage>> answer;
  batch.read_results("", 10, 20ms, [&](auto page) { answer.set_value(std::move(page)); });
  const auto page = answer.get_future().get();
  REQUIRE(page);
  CHECK(page->count == 0);
}

TEST_CASE("a wait without end waits", "[master][results]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 1);
  Batch batch = world.submit(1);
  const auto tasks = agent->wait_for_tasks(1);
  std::promise<Expected<ResultPage>> answer;
  batch.read_results("", 10, std::chrono::milliseconds::max(),
                     [&](auto page) { answer.set_value(std::move(page)); });
  std::promise<Expected<void>> drained;
  world.master.drain(std::chrono::milliseconds::max(),
                     [&](Expected<void> done) { drained.set_value(std::move(done)); });
  auto waits = drained.get_future();
  CHECK(waits.wait_for(100ms) == std::future_status::timeout);
  agent->pass(tasks);
  const auto page = answer.get_future().get();
  REQUIRE(page);
  CHECK(page->count == 1);
  CHECK(waits.get());
}

TEST_CASE("a line that cannot be read is one result, and the others follow", "[master][results]") {
  World world;
  Batch batch = world.submit(3);
  // Recorded past everything that checks results.
  TaskStore& store = *world.store;
  const SessionId session = test::value_of<TaskStore::SessionOpened>([&](auto done) {
                              store.open_session({"odd", {}, {}}, std::move(done));
                            }).session;
  LeaseRequest request{session, {}, 3};
  for (const Lane& lane : store.lanes()) request.lanes.push_back(lane.id);
  const auto leased =
      test::value_of<LeaseReply>([&](auto done) { store.lease(request, std::move(done)); });
  REQUIRE(leased.tasks.size() == 3);
  std::vector<TaskReport> reports;
  for (const LeasedTask& task : leased.tasks) {
    TaskReport& report = reports.emplace_back();
    report.task = task.task;
    report.verdict = Verdict::passed;
    report.fields = R"("verdict":"passed","failure":null,"started_at":"2026-01-01T00:00:00.000Z",)"
                    R"("duration_us":1,"suspect":false)";
  }
  reports[1].fields.replace(reports[1].fields.find("2026-01"), 7, "someday");
  test::value_of<RecordReply>([&](auto done) { store.record(session, reports, std::move(done)); });
  std::vector<TaskResult> lines;
  ResultRange results = batch.results();
  for (const TaskResult& line : results) lines.push_back(line);
  CHECK_FALSE(results.error());
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].verdict == Verdict::passed);
  CHECK(lines[2].verdict == Verdict::passed);
  CHECK(lines[1].verdict == Verdict::failed);
  REQUIRE(lines[1].failure);
  CHECK(lines[1].failure->kind == FailureKind::internal);
  CHECK_THAT(lines[1].failure->message, Catch::Contains("started_at"));
  CHECK(lines[1].target == "http://127.0.0.1:8080/1");
  CHECK(lines[1].batch == batch.id());
  CHECK(lines[1].agent == "odd");
  CHECK_FALSE(lines[1].task.empty());
}

TEST_CASE("reads that meet the progress they wait for leave nothing behind", "[master][results]") {
  std::weak_ptr<TaskStore> kept;
  {
    const auto store = std::make_shared<test::StallingStore>(make_memory_store());
    kept = store;
    World world{World::defaults(), store};
    auto agent = world.agent();
    agent->join("a1");
    agent->grant(0, 1);
    Batch batch = world.submit(2);
    agent->pass(agent->wait_for_tasks(1));
    agent->wait_for_ack(1);
    // There is a result, so whoever reads first ends the read: the caller, or a watcher that is
    // told of progress while the caller is still on its way.
    std::atomic<bool> over{false};
    const BatchId id = *world.store->find_batch(batch.id());
    std::thread mover{[&] {
      while (!over) store->observer()->on_progress({id});
    }};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&batch] {
        for (int round = 0; round < 3000; ++round) {
          std::promise<Expected<ResultPage>> answer;
          batch.read_results("", 1, 30s, [&](auto page) { answer.set_value(std::move(page)); });
          if (!answer.get_future().get()) return;
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
    over = true;
    mover.join();
  }
  CHECK(kept.expired());
}

TEST_CASE("stop runs the callbacks that wait, and later calls are answered", "[master][stop]") {
  const auto executor = std::make_shared<test::HeldExecutor>();
  MasterOptions options = World::defaults();
  options.executor = executor;
  std::optional<Batch> batch;
  std::vector<std::string> heard;
  const auto page_heard = [&](const char* what) {
    return [&heard, what](const Expected<ResultPage>& page) {
      heard.push_back(std::string{what} + (page ? " page" : " " + page.error().code().message()));
    };
  };
  const auto drain_heard = [&](const char* what) {
    return [&heard, what](const Expected<void>& drained) {
      heard.push_back(std::string{what} +
                      (drained ? " drained" : " " + drained.error().code().message()));
    };
  };
  const std::string closed = " " + make_error_code(errc::closed).message();
  {
    World world{options};
    auto agent = world.agent();
    agent->join("a1");
    agent->grant(0, 1);
    batch = world.submit(1);
    agent->wait_for_tasks(1);
    batch->read_results("", 10, 30s, page_heard("waiting"));
    world.master.drain(30s, drain_heard("draining"));
    CHECK(executor->waiting() == 0);
    world.master.stop();
    CHECK(heard == std::vector<std::string>{"waiting" + closed, "draining" + closed});
    executor->run();
    CHECK(heard.size() == 2);

    world.master.drain(30s, drain_heard("late"));
    batch->read_results("", 10, 0ms, page_heard("late"));
    CHECK(heard.size() == 2);  // not inside the call
    executor->run();
  }
  batch->read_results("", 10, 30s, page_heard("latest"));
  executor->run();
  CHECK(heard == std::vector<std::string>{"waiting" + closed, "draining" + closed, "late" + closed,
                                          "late" + closed, "latest" + closed});
}

TEST_CASE("two may stop a master at once, one of them in a callback", "[master][stop]") {
  World world;
  std::promise<void> entered;
  std::atomic<bool> left{false};
  world.master.drain(30s, [&](const Expected<void>&) {
    entered.set_value();
    // Until the other has ended everything and waits for this callback.
    run_until([&] {
      const auto refused = world.master.submit(World::request(1));
      return !refused && refused.error().code() == errc::closed;
    });
    world.master.stop();
    left = true;
  });
  entered.get_future().wait();
  world.master.stop();
  CHECK(left);
}

TEST_CASE("another master takes over a store whose first one stopped", "[master][stop]") {
  MasterOptions options = World::defaults();
  const auto store = make_memory_store();
  options.resume_grace = 300ms;
  auto first = std::make_unique<World>(options, store);
  auto stays = first->agent();
  const std::string store_id = stays->join("stays").store;
  stays->grant(0, 2);
  const std::string id = first->submit(2).id();
  const auto held = stays->wait_for_tasks(2);
  auto gone = first->agent();
  gone->join("gone");
  gone->grant(0, 3);
  const std::string other = first->submit(3).id();
  gone->wait_for_tasks(3);
  first->master.stop();

  World second{options, store};
  auto again = second.agent();
  const Welcome welcome = again->join(
      "stays", "one",
      {{held[0].task, 1, HeldState::running}, {held[1].task, 1, HeldState::finished}}, store_id);
  CHECK(welcome.wanted.size() == 2);
  again->pass(held);
  again->grant(0, 10);
  const auto tasks = again->wait_for_tasks(3);  // those of the agent that is gone
  again->pass(tasks);
  const auto batch = second.master.batch(id);
  const auto others = second.master.batch(other);
  REQUIRE(batch);
  REQUIRE(others);
  run_until([&] { return batch->ledger().done == 2 && others->ledger().done == 3; });
}

TEST_CASE("stop ends everyone who waits", "[master][stop]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  Batch batch = world.submit(1);
  std::optional<Error> error;
  std::size_t lines = 0;
  std::thread reader{[&] {
    ResultRange results = batch.results();
    for (const TaskResult& line : results) lines += line.task.size() < 99;
    error = results.error();
  }};
  std::atomic<bool> answered{false};
  batch.read_results("", 10, 30s,
                     [&](auto page) { answered = !page && page.error().code() == errc::closed; });
  run_until([&] { return world.master.status().agents_connected == 1; });
  world.master.stop();
  CHECK(answered);
  world.master.stop();
  reader.join();
  REQUIRE(error);
  CHECK(error->code() == errc::closed);
  CHECK(lines == 0);
  agent->wait_for_close();
  CHECK(world.master.agents().empty());
  const auto late = world.master.submit(World::request(1));
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == errc::closed);
  check(batch.ledger(), 1, 0, 0, 0, 0);
}

TEST_CASE("a drain takes what is in flight and closes agents with 1001", "[master][drain]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 2);
  Batch batch = world.submit(10);
  const auto tasks = agent->wait_for_tasks(2);
  std::promise<Expected<void>> drained;
  world.master.drain(30s, [&](Expected<void> done) { drained.set_value(std::move(done)); });
  const auto refused = world.master.submit(World::request(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::draining);
  agent->grant(0, 10);
  agent->pass(tasks);
  CHECK(drained.get_future().get());
  const CloseReason reason = agent->wait_for_close();
  CHECK(reason.code == CloseCode::going_away);
  CHECK(agent->tasks_waiting() == 0);
  check(batch.ledger(), 8, 0, 2, 0, 0);
}

TEST_CASE("a master whose drain takes too long says so", "[master][drain]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(0, 2);
  world.submit(2);
  agent->wait_for_tasks(2);
  std::promise<Expected<void>> drained;
  world.master.drain(30ms, [&](Expected<void> done) { drained.set_value(std::move(done)); });
  const auto done = drained.get_future().get();
  REQUIRE_FALSE(done);
  CHECK(done.error().code() == errc::timed_out);
  CHECK(agent->wait_for_close().code == CloseCode::going_away);
}

TEST_CASE("a drain is answered, and holds, when the store remembers it", "[master]") {
  const auto store = std::make_shared<test::StallingStore>(make_memory_store());
  World world{World::defaults(), store};
  auto agent = world.agent();
  agent->join("a1");
  run_until([&] { return world.info("a1").connected; });
  store->stall(test::StallingStore::Stall::calls);
  std::promise<Expected<AgentSnapshot>> promise;
  world.master.access().set_agent_drained(
      "a1", true, [&](Expected<AgentSnapshot> info) { promise.set_value(std::move(info)); });
  auto answer = promise.get_future();
  CHECK_FALSE(world.info("a1").draining);  // asked later, answered before
  CHECK(answer.wait_for(0s) == std::future_status::timeout);
  store->go_on();
  const auto drained = answer.get();
  REQUIRE(drained);
  CHECK(drained->draining);
  CHECK(store->drained_names() == std::vector<std::string>{"a1"});
}

TEST_CASE("an agent drained by an operator gets nothing until that is undone", "[master]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  Selector any;
  run_until([&] { return world.master.access().has_agent("http", any); });
  CHECK_FALSE(world.master.access().has_agent("dns", any));
  const auto drain = [&](const char* name, bool drained) {
    std::promise<Expected<AgentSnapshot>> answer;
    world.master.access().set_agent_drained(
        name, drained, [&](Expected<AgentSnapshot> info) { answer.set_value(std::move(info)); });
    return answer.get_future().get();
  };
  REQUIRE(drain("a1", true));
  CHECK(world.info("a1").draining);
  CHECK_FALSE(world.master.access().has_agent("http", any));
  CHECK_FALSE(drain("nobody", true));
  agent->grant(0, 10);
  Batch batch = world.submit(3);
  run_until([&] { return world.info("a1").credit_other == 10; });
  check(batch.ledger(), 3, 0, 0, 0, 0);
  REQUIRE(drain("a1", false));
  CHECK(agent->wait_for_tasks(3).size() == 3);
}

TEST_CASE("the view of an agent tells what it holds and how it fares", "[master]") {
  World world;
  auto agent = world.agent();
  agent->join("a1");
  agent->grant(3, 10);
  world.submit(4);
  const auto tasks = agent->wait_for_tasks(4);
  Heartbeat beat;
  beat.seq = 1;
  beat.running = 10;
  beat.queued = 5;
  agent->say(beat);
  run_until([&] { return world.info("a1").queued == 5; });
  AgentSnapshot info = world.info("a1");
  CHECK(info.connected);
  CHECK(info.in_flight == 4);
  CHECK(info.credit_high == 3);
  CHECK(info.credit_other == 6);
  CHECK(info.instance == "one");
  CHECK(info.kinds == std::vector<std::string>{"http"});
  CHECK(info.diagnosis.verdict == DiagnosisVerdict::targets_slow);
  agent->pass(tasks);
  run_until([&] { return world.info("a1").tasks_per_second > 0.3; });
  CHECK(world.info("a1").in_flight == 0);
  const MasterStatus status = world.master.status();
  CHECK(status.agents_connected == 1);
  CHECK(status.store == "memory");
  CHECK(status.name == "m");
  CHECK(status.version == "0.1.0");
}

// -- with a real agent ----------------------------------------------------------------------------

std::unique_ptr<Agent> start_agent(World& world, const std::string& name,
                                   testing::ProbeScript script) {
  AgentOptions options;
  options.name = name;
  options.concurrency = 8;
  options.queue = 64;
  options.threads = 1;
  options.per_host = 0;
  options.backoff_min = 5ms;
  options.backoff_max = 20ms;
  auto agent = std::make_unique<Agent>(world.network.connector(), std::move(options));
  agent->add(testing::make_scripted_prober("fake", "fake", std::move(script)));
  agent->start();
  return agent;
}

MasterOptions with_fake_kind() {
  MasterOptions options = World::defaults();
  options.kinds.add(testing::make_scripted_prober("fake", "fake", nullptr)->kind());
  options.resume_grace = 100ms;
  return options;
}

BatchRequest fake_request(std::size_t count) {
  BatchRequest request;
  for (std::size_t i = 0; i < count; ++i) request.targets.push_back("fake:t" + std::to_string(i));
  return request;
}

TEST_CASE("a real agent brings a batch to its end, over cuts too", "[master][agent]") {
  World world{with_fake_kind()};
  const auto agent = start_agent(world, "here", [](std::string_view target, const ProbeOptions&) {
    testing::ScriptedAnswer answer = testing::passed_at_once();
    if (target.back() == '7') answer.result = failed_result(FailureKind::connect, "refused");
    return answer;
  });
  auto batch = world.master.submit(fake_request(3000));
  REQUIRE(batch);
  std::size_t lines = 0;
  ResultRange results = batch->results();
  for (const TaskResult& line : results) {
    CHECK(line.state == TaskState::done);
    if (++lines % 700 == 0) world.network.cut();
  }
  CHECK_FALSE(results.error());
  CHECK(lines == 3000);
  std::ostringstream text;
  text << batch->ledger();
  CHECK(text.str() == "accepted 3000 = done 3000 (passed 2700, failed 300)");
}

TEST_CASE("an agent that dies leaves its tasks to another", "[master][agent]") {
  World world{with_fake_kind()};
  auto first = start_agent(world, "first", [](std::string_view, const ProbeOptions&) {
    return testing::passed_after(1h);
  });
  auto batch = world.master.submit(fake_request(50));
  REQUIRE(batch);
  run_until([&] { return batch->ledger().in_flight > 0; });
  const auto second = start_agent(world, "second", [](std::string_view, const ProbeOptions&) {
    return testing::passed_at_once();
  });
  first.reset();
  run_until([&] { return batch->ledger().ended(); });
  check(batch->ledger(), 0, 0, 50, 0, 0);
}

TEST_CASE("a cancelled batch is taken back from a real agent", "[master][agent]") {
  World world{with_fake_kind()};
  const auto agent = start_agent(world, "here", [](std::string_view, const ProbeOptions&) {
    return testing::passed_after(1h);
  });
  auto batch = world.master.submit(fake_request(500));
  REQUIRE(batch);
  run_until([&] { return agent->status().running == 7; });  // one slot is for high only
  REQUIRE(batch->cancel());
  run_until([&] { return batch->ledger().ended(); });
  check(batch->ledger(), 0, 0, 0, 0, 500);
  run_until([&] { return agent->status().running == 0 && agent->status().queued == 0; });
}

TEST_CASE("options that make no sense are refused by name", "[master]") {
  const auto refused = [](const std::function<void(MasterOptions&)>& change,
                          const std::string& name) {
    MasterOptions options;
    change(options);
    CHECK_THROWS_WITH(Master(make_memory_store(), options), Catch::Contains(name));
  };
  refused([](MasterOptions& o) { o.results_bytes = 1; }, "results_bytes");
  refused([](MasterOptions& o) { o.handshakes_per_second = 0; }, "handshakes_per_second");
  refused([](MasterOptions& o) { o.dead_after = 1ms; }, "dead_after");
  refused([](MasterOptions& o) { o.dead_after = 29'999ms; }, "dead_after");
  refused([](MasterOptions& o) { o.dead_after = std::chrono::milliseconds::max(); }, "dead_after");
  refused(
      [](MasterOptions& o) {
        o.heartbeat_interval = 601s;
        o.dead_after = 1h;
      },
      "heartbeat_interval");
  refused([](MasterOptions& o) { o.resume_grace = std::chrono::milliseconds::max(); },
          "resume_grace");
  refused([](MasterOptions& o) { o.time_to_first_message = std::chrono::milliseconds::max(); },
          "time_to_first_message");
  refused([](MasterOptions& o) { o.heartbeat_interval = 0ms; }, "heartbeat_interval");
  CHECK_THROWS_AS(Master(nullptr), std::invalid_argument);
  World world;
  const auto url = world.master.listen(nullptr);
  REQUIRE_FALSE(url);
  CHECK(url.error().code() == errc::invalid_argument);
}

}  // namespace
}  // namespace probekit
