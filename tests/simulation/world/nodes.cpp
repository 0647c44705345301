// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/nodes.hpp"

#include <utility>

#include "probekit/stores.hpp"
#include "probekit/testing/seeded_random.hpp"

namespace probekit::simulation {

namespace {

std::shared_ptr<RandomSource> new_source(World& world) {
  return std::make_shared<testing::SeededRandom>(world.chance().seed());
}

}  // namespace

// -- MasterNode -----------------------------------------------------------------------------------

MasterNode::MasterNode(World& world, Network& network, Judge& judge, const Plan& plan,
                       Planted planted, Stores& stores)
    : world_(world),
      network_(network),
      judge_(judge),
      plan_(plan),
      planted_(planted),
      machine_(world, "master", plan.master_steady_offset, microseconds{0}),
      stores_(stores) {
  judge_.clock = machine_.clock();
}

MasterNode::~MasterNode() {
  if (running()) crash(true);
}

void MasterNode::boot() {
  world_.trace([] { return std::string{"master starts"}; });
  EventLoop& loop = machine_.boot();
  StoreOptions store_options;
  store_options.attempts_max = plan_.attempts_max;
  store_options.clock = machine_.clock();
  store_options.random = new_source(world_);
  auto opened = stores_.open(store_options);
  if (!opened) {
    machine_.halt();
    return world_.fail("the store does not open: " + opened.error().message());
  }
  if (*opened != real_) {
    real_ = *opened;
    stored_ = with_mistake(planted_, real_);
    judge_.read_from(stored_);
    watched_ = judge_.watch(stored_);
  }
  late_ = std::make_shared<LateStore>(world_, machine_,
                                      with_mistake_of_answers(planted_, world_, machine_, watched_),
                                      plan_.store_latency);
  MasterOptions options = plan_.master;
  options.clock = machine_.clock();
  options.random = new_source(world_);
  options.executor = std::make_shared<WorldExecutor>(world_);
  core_ = std::make_shared<MasterCore>(late_, std::move(options));
  core_->cpu_time = [this] { return std::chrono::duration_cast<microseconds>(world_.now()) / 10; };
  core_->loop_cpu_time = core_->cpu_time;
  std::string id;
  stored_->facts([&](const Expected<StoreFacts>& facts) { id = facts->id; });
  fleet_ = std::make_unique<Fleet>(core_, loop, id);
  core_->loop = &loop;
  core_->store->observe(fleet_.get());
  core_->post([this] {
    fleet_->start();
    listener_ = network_.listener(machine_);
    const auto url = listener_->start(machine_.loop(), *fleet_);
    if (!url) world_.fail("the master cannot listen: " + url.error().message());
  });
}

void MasterNode::drop() {
  listener_.reset();
  core_->loop = nullptr;
  fleet_.reset();
  machine_.halt();
  late_->forget_calls();
  core_.reset();
  late_.reset();
  judge_.master_ended();
}

void MasterNode::crash(bool silent) {
  world_.trace([] { return std::string{"master is killed"}; });
  network_.on_death(machine_, silent);
  stored_->observe(nullptr);
  drop();
  if (stores_.durable()) {
    judge_.master_crashed();
  } else {
    judge_.store_lost();
  }
  forget_store();
  stores_.crash();
}

void MasterNode::forget_store() {
  judge_.read_from(nullptr);
  watched_.reset();
  stored_.reset();
  real_.reset();
}

void MasterNode::stop() {
  world_.trace([] { return std::string{"master stops"}; });
  core_->close_reads();
  core_->store->observe(nullptr);
  core_->loop = nullptr;
  if (listener_) listener_->stop();
  fleet_->abort_all();
  machine_.run_posted();
  late_->finish();
  network_.on_death(machine_, false);
  drop();
  if (stores_.durable()) {
    judge_.store_closed();
    forget_store();
  }
  stores_.close();
}

void MasterNode::drain(std::function<void()> done) {
  world_.trace([] { return std::string{"master drains"}; });
  core_->post([this, done = std::move(done)] {
    fleet_->drain(plan_.master.dead_after, [done](const Expected<void>&) { done(); });
  });
}

// -- AgentNode ------------------------------------------------------------------------------------

AgentNode::AgentNode(World& world, Network& network, Judge& judge, const AgentPlan& plan,
                     Planted planted)
    : world_(world),
      network_(network),
      judge_(judge),
      plan_(plan),
      planted_(planted),
      machine_(world, plan.name, plan.steady_offset, plan.wall_offset) {
  network_.set_way(machine_, plan_.way);
}

AgentNode::~AgentNode() {
  if (running()) crash(true);
}

void AgentNode::boot() {
  world_.trace([this] { return machine_.name() + " starts"; });
  EventLoop& loop = machine_.boot();
  AgentOptions options = plan_.options;
  options.clock = machine_.clock();
  options.random = new_source(world_);
  options_ = AgentCore::completed(std::move(options));
  connector_ = network_.connector(machine_);
  ProbingPlan probing = plan_.probing;
  probing.in_the_reading_thread = planted_ == Planted::reading_waits;
  probing_ = std::make_unique<SimulatedProbing>(world_, machine_, probing);
  if (probing.in_the_reading_thread) {
    probing_->block_reading = [this, until = Time{0}](Time lasts) mutable {
      until = std::max(until, world_.now()) + lasts;
      machine_.freeze(until);
    };
  }
  notifier_ = std::make_unique<Notifier>(std::make_shared<WorldExecutor>(world_));
  core_ = std::make_unique<AgentCore>(options_, *connector_, *probing_, *notifier_, loop);
  core_->set_kinds({"http"});
  probing_->start(core_->mailbox());
  judge_.agent_began(machine_, *probing_);
  loop.post([this] { core_->connect(); });
}

void AgentNode::crash(bool silent) {
  world_.trace([this] { return machine_.name() + " is killed"; });
  network_.on_death(machine_, silent);
  judge_.agent_ended(machine_);
  core_.reset();
  connector_.reset();
  machine_.halt();
  probing_.reset();
  notifier_.reset();
}

void AgentNode::drain(std::function<void()> done) {
  world_.trace([this] { return machine_.name() + " drains"; });
  machine_.loop().post([this, done = std::move(done)] {
    core_->drain(seconds{5}, [done](const Expected<void>&) { done(); });
  });
}

bool AgentNode::idle() const {
  return core_->session().held() == 0 && core_->session().unacknowledged() == 0;
}

void AgentNode::check_bounds() {
  if (!running()) return;
  const auto& session = core_->session();
  const std::size_t most = 3 * plan_.options.concurrency + plan_.options.queue;
  if (session.held() + session.unacknowledged() > most)
    world_.fail(machine_.name() + " has " + std::to_string(session.held()) + " tasks in hand and " +
                std::to_string(session.unacknowledged()) + " to tell of, its room is " +
                std::to_string(most));
}

}  // namespace probekit::simulation
