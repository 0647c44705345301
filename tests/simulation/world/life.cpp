// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/life.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "simulation/world/judge.hpp"
#include "simulation/world/network.hpp"
#include "simulation/world/nodes.hpp"
#include "simulation/world/plan.hpp"

namespace probekit::simulation {

namespace {

constexpr Time kAgain = milliseconds{200};

class Life {
 public:
  explicit Life(const LifeOptions& options)
      : world_(options.seed),
        judge_(world_),
        network_(world_, judge_),
        plan_(make_plan(world_.chance())),
        planted_(options.planted) {
    world_.set_trace(options.trace);
    judge_.calm = plan_.calm;
    judge_.attempts_max = plan_.attempts_max;
    judge_.standstill = plan_.standstill;
    judge_.tamperer = tamperer_for(planted_, world_);
    master_ = std::make_unique<MasterNode>(world_, network_, judge_, plan_, planted_);
    for (const AgentPlan& agent : plan_.agents)
      agents_.push_back(std::make_unique<AgentNode>(world_, network_, judge_, agent, planted_));
  }

  LifeReport run() {
    describe();
    master_->boot();
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      world_.at(plan_.agents[i].begins, [this, i] {
        if (!agents_[i]->running()) agents_[i]->boot();
      });
    }
    for (std::size_t i = 0; i < plan_.batches.size(); ++i)
      world_.at(plan_.batches[i].at, [this, i] { submit(i); });
    for (const Incident& incident : plan_.incidents)
      world_.at(incident.at, [this, &incident] { happen(incident); });

    while (!world_.failed() && world_.step(plan_.heals)) check();
    if (!world_.failed()) heal();
    const Time end = plan_.heals + plan_.patience;
    while (!world_.failed() && !over()) {
      if (!world_.step(end)) {
        world_.fail("not at its end " + std::to_string(plan_.patience / seconds{1}) +
                    " s after all was well:" + judge_.unfinished() + unfinished());
      }
      check();
    }
    if (!world_.failed() && plan_.last_is_done && judge_.last_not_done() > 0)
      world_.fail("what was asked for when all was well was not done");

    LifeReport report;
    if (world_.failed()) report.broken = world_.failure();
    report.lasted = world_.now();
    report.steps = world_.steps();
    report.tasks = judge_.ended_of_all();
    report.connections = judge_.connections();
    return report;
  }

 private:
  void describe() {
    world_.trace([&] {
      const MasterOptions& master = plan_.master;
      return std::string{plan_.calm ? "a calm life" : "a life"} + ", heartbeats every " +
             std::to_string(master.heartbeat_interval.count()) + " ms, dead after " +
             std::to_string(master.dead_after.count()) + " ms, grace " +
             std::to_string(master.resume_grace.count()) + " ms, all well at " +
             std::to_string(std::chrono::duration_cast<milliseconds>(plan_.heals).count()) + " ms";
    });
    for (const AgentPlan& agent : plan_.agents) {
      world_.trace([&] {
        return agent.name + ": concurrency " + std::to_string(agent.options.concurrency) +
               ", queue " + std::to_string(agent.options.queue) + ", per host " +
               std::to_string(agent.options.per_host) + ", window " +
               std::to_string(agent.way.window_bytes) + " bytes, " +
               std::to_string(agent.way.bytes_per_second) + " B/s";
      });
    }
  }

  void check() {
    judge_.check();
    for (const auto& agent : agents_) agent->check_bounds();
    if (world_.steps() % 32 == 0) check_buffers();
  }

  // What waits for an agent at the master: its limit, and what one lease may pass it by.
  void check_buffers() {
    if (!master_->running()) return;
    for (const AgentSnapshot& one : master_->fleet().agents()) {
      const std::size_t most = plan_.master.send_buffer_limit + Connection::kSendRoom;
      if (one.connection.unsent_bytes > most)
        world_.fail(std::to_string(one.connection.unsent_bytes) + " bytes wait for " + one.name);
    }
  }

  bool over() const {
    return to_submit_ == 0 && judge_.all_ended() &&
           std::all_of(agents_.begin(), agents_.end(),
                       [](const auto& one) { return !one->running() || one->idle(); });
  }

  std::string unfinished() const {
    std::string text;
    if (to_submit_ > 0) text += " batches not submitted: " + std::to_string(to_submit_);
    for (const auto& agent : agents_) {
      if (agent->running() && !agent->idle())
        text += ' ' + agent->machine().name() + " is not idle";
    }
    return text;
  }

  // -- what is asked --------------------------------------------------------------------------
  void submit(std::size_t number) {
    if (!master_->running() || master_drains_) {
      world_.at(world_.now() + kAgain, [this, number] { submit(number); });
      return;
    }
    const BatchPlan& batch = plan_.batches[number];
    TaskStore& store = master_->store();
    std::uint64_t upload = 0;
    store.open_upload({"batch", BatchOrigin::import, false},
                      [&](const Expected<std::uint64_t>& opened) { upload = *opened; });
    const auto options = std::make_shared<const ProbeOptions>(batch.options);
    const auto agents = std::make_shared<const Selector>(batch.agents);
    std::vector<std::string> targets;
    for (std::size_t i = 0; i < batch.targets; ++i)
      targets.push_back("http://host" + std::to_string(i % batch.hosts) + "/" + std::to_string(i));
    std::vector<NewTask> tasks;
    for (const std::string& target : targets) tasks.push_back({target, options, agents});
    store.append(upload, tasks, [&](const Expected<std::uint64_t>& appended) {
      if (!appended) world_.fail("an upload was refused: " + appended.error().message());
    });
    judge_.expect_batch(upload, {batch.options.timeout, *batch.options.deadline,
                                 number + 1 == plan_.batches.size()});
    const std::uint64_t life = master_->machine().life();
    const auto settled = std::make_shared<bool>(false);
    store.commit_upload(upload, 0, [this, settled](const Expected<BatchView>& made) {
      if (!made) world_.fail("a batch was refused: " + made.error().message());
      *settled = true;
      --to_submit_;
    });
    // Who never hears of it asks again, as a client does.
    if (!*settled) watch_submit(number, life, settled);
  }

  void watch_submit(std::size_t number, std::uint64_t life, std::shared_ptr<bool> settled) {
    world_.at(world_.now() + kAgain, [this, number, life, settled = std::move(settled)] {
      if (*settled) return;
      if (master_->running() && master_->machine().life() == life)
        return watch_submit(number, life, settled);
      submit(number);
    });
  }

  // -- what goes wrong ------------------------------------------------------------------------
  void happen(const Incident& incident) {
    AgentNode& agent = *agents_[incident.agent];
    Machine& machine = agent.machine();
    const Time until = world_.now() + incident.lasts;
    world_.trace([&] {
      return "incident: " + std::string{to_string(incident.kind)} + ", " + machine.name() + ", " +
             std::to_string(std::chrono::duration_cast<milliseconds>(incident.lasts).count()) +
             " ms";
    });
    const bool odd = incident.choice % 2 == 1;
    switch (incident.kind) {
      case Incident::Kind::cut:
        network_.cut(machine);
        if (odd) network_.close_gate(machine, until);
        break;
      case Incident::Kind::silence:
        network_.silence(machine, true, true);
        if (odd) network_.close_gate(machine, until);
        break;
      case Incident::Kind::half_silence:
        network_.silence(machine, odd, !odd);
        break;
      case Incident::Kind::stall:
        network_.stall(machine, until);
        break;
      case Incident::Kind::freeze_agent:
        machine.freeze(until);
        break;
      case Incident::Kind::freeze_master:
        master_->machine().freeze(until);
        break;
      case Incident::Kind::crash_agent:
        if (!agent.running()) break;
        agent.crash(odd);
        revive_agent(incident.agent, until);
        break;
      case Incident::Kind::crash_master:
        if (!master_->running()) break;
        master_drains_ = false;
        master_->crash(odd);
        world_.at(until, [this] { revive_master(); });
        break;
      case Incident::Kind::restart_master:
        if (!master_->running() || master_->machine().frozen()) break;
        master_drains_ = false;
        master_->stop();
        world_.at(until, [this] { revive_master(); });
        break;
      case Incident::Kind::drain_agent:
        if (agent.running()) drain_agent(incident.agent, incident.lasts);
        break;
      case Incident::Kind::drain_master:
        if (master_->running() && !master_drains_) drain_master(incident.lasts);
        break;
      case Incident::Kind::rival:
        begin_rival(agent.plan(), until, odd);
        break;
      case Incident::Kind::clock_step: {
        const auto by = microseconds{static_cast<std::int64_t>(incident.choice % 7'200'000'000)} -
                        microseconds{std::chrono::hours{1}};
        (odd ? machine : master_->machine()).step_wall_clock(by);
        break;
      }
      case Incident::Kind::slow_reader: {
        Machine& slow = odd ? machine : master_->machine();
        network_.set_reading_time(
            slow,
            Time{static_cast<std::int64_t>(incident.choice % Time{milliseconds{20}}.count())});
        world_.at(until, [this, &slow] { network_.set_reading_time(slow, Time{0}); });
        break;
      }
      case Incident::Kind::standing_store:
        if (master_->running()) master_->late_store().stand_still(until);
        break;
      case Incident::Kind::cancel_batch:
        cancel_batch(incident.choice);
        break;
    }
  }

  void revive_agent(std::size_t number, Time when) {
    world_.at(when, [this, number] {
      const bool stays_dead = number + plan_.never_back >= agents_.size();
      if (!stays_dead && !agents_[number]->running()) agents_[number]->boot();
    });
  }

  void revive_master() {
    if (!master_->running()) master_->boot();
  }

  void drain_agent(std::size_t number, Time down) {
    const std::uint64_t life = agents_[number]->machine().life();
    agents_[number]->drain([this, number, life, down] {
      world_.at(world_.now(), [this, number, life, down] {
        AgentNode& agent = *agents_[number];
        if (!agent.running() || agent.machine().life() != life) return;
        agent.crash(false);
        revive_agent(number, world_.now() + down);
      });
    });
  }

  void drain_master(Time down) {
    const std::uint64_t life = master_->machine().life();
    master_drains_ = true;
    master_->drain([this, life, down] {
      world_.at(world_.now(), [this, life, down] {
        if (!master_->running() || master_->machine().life() != life) return;
        master_drains_ = false;
        master_->stop();
        world_.at(world_.now() + down, [this] { revive_master(); });
      });
    });
  }

  // Another machine's agent, started under a name that is taken.
  void begin_rival(const AgentPlan& of, Time until, bool silent) {
    if (rival_) return;
    AgentPlan plan = of;
    plan.steady_offset += seconds{77};
    rival_ = std::make_unique<AgentNode>(world_, network_, judge_, plan, planted_);
    rival_->boot();
    world_.at(until, [this, silent] {
      if (rival_ && rival_->running()) rival_->crash(silent);
    });
  }

  void cancel_batch(std::uint64_t choice) {
    if (!master_->running() || judge_.batches().empty()) return;
    auto at = judge_.batches().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(choice % judge_.batches().size()));
    if (at->second.last) return;
    master_->store().cancel(BatchId{at->first}, [](auto) {});
  }

  void heal() {
    world_.trace([] { return std::string{"all is well from here on"}; });
    network_.heal();
    master_->machine().thaw();
    if (rival_ && rival_->running()) rival_->crash(false);
    revive_master();
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      agents_[i]->machine().thaw();
      const bool stays_dead = i + plan_.never_back >= agents_.size();
      if (!agents_[i]->running() && !stays_dead) agents_[i]->boot();
    }
  }

  World world_;
  Judge judge_;
  Network network_;
  const Plan plan_;
  const Planted planted_;
  std::unique_ptr<MasterNode> master_;
  std::vector<std::unique_ptr<AgentNode>> agents_;
  std::unique_ptr<AgentNode> rival_;
  std::size_t to_submit_ = plan_.batches.size();
  bool master_drains_ = false;
};

}  // namespace

LifeReport live(const LifeOptions& options) { return Life{options}.run(); }

}  // namespace probekit::simulation
