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
constexpr Time kScheduleGoesOn = seconds{3};

class Life {
 public:
  explicit Life(const LifeOptions& options)
      : world_(options.seed),
        judge_(world_),
        network_(world_, judge_),
        stores_(options.stores ? options.stores(world_) : std::make_unique<MemoryStores>()),
        plan_(make_plan(world_.chance(), stores_->durable())),
        planted_(options.planted) {
    world_.set_trace(options.trace);
    if (planted_ == Planted::sync_forgotten) stores_->forget_syncs();
    judge_.calm = plan_.calm;
    judge_.attempts_max = plan_.attempts_max;
    judge_.standstill = plan_.standstill;
    judge_.tamperer = tamperer_for(planted_, world_);
    master_ = std::make_unique<MasterNode>(world_, network_, judge_, plan_, planted_, *stores_);
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
      world_.at(plan_.batches[i].at, [this, i] {
        ++begun_;
        submit(i);
      });
    for (std::size_t i = 0; i < plan_.schedules.size(); ++i)
      world_.at(plan_.schedules[i].at, [this, i] { schedule(i); });
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
    if (!world_.failed()) judge_.check_all_lines();
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
    if (stores_->dead() && master_->running())
      crash_master(world_.chance().one_in(2), world_.now() + milliseconds{500});
    judge_.check();
    for (const auto& agent : agents_) agent->check_bounds();
    if (world_.steps() % 32 == 0) check_buffers();
  }

  // What waits for an agent at the master: its limit, and what one lease may pass it by. What waits
  // for the store: its limit, and the least window of each agent.
  void check_buffers() {
    if (!master_->running()) return;
    const std::size_t bytes = master_->late_store().bytes();
    if (bytes > plan_.master.uncommitted_bytes_max +
                    (agents_.size() + 1) * static_cast<std::size_t>(protocol::kResultsBytesMin))
      world_.fail(std::to_string(bytes) + " bytes of results wait for the store");
    for (const AgentSnapshot& one : master_->fleet().agents()) {
      const std::size_t most = plan_.master.send_buffer_limit + Connection::kSendRoom;
      if (one.connection.unsent_bytes > most)
        world_.fail(std::to_string(one.connection.unsent_bytes) + " bytes wait for " + one.name);
    }
  }

  // Nothing is asked for later.
  Time quiet_at() const {
    return plan_.heals + (plan_.schedules.empty() ? Time{0} : kScheduleGoesOn);
  }

  bool over() const {
    return begun_ == plan_.batches.size() && asking_ == 0 && world_.now() > quiet_at() &&
           judge_.all_ended() && std::all_of(agents_.begin(), agents_.end(), [](const auto& one) {
             return !one->running() || one->idle();
           });
  }

  std::string unfinished() const {
    std::string text;
    if (asking_ > 0) text += " requests not answered: " + std::to_string(asking_);
    for (const auto& agent : agents_) {
      if (agent->running() && !agent->idle())
        text += ' ' + agent->machine().name() + " is not idle";
    }
    return text;
  }

  // -- what is asked --------------------------------------------------------------------------
  using Question = std::function<void(TaskStore& store, std::function<void()> answered)>;

  /// Asks the master until it has answered, as a client does.
  void ask(Question question) {
    ++asking_;
    ask_again(std::make_shared<const Question>(std::move(question)));
  }

  void ask_again(const std::shared_ptr<const Question>& question) {
    if (!master_->running() || master_drains_) {
      world_.at(world_.now() + kAgain, [this, question] { ask_again(question); });
      return;
    }
    const auto answered = std::make_shared<bool>(false);
    const std::uint64_t life = master_->machine().life();
    (*question)(master_->store(), [this, answered] {
      if (!std::exchange(*answered, true)) --asking_;
    });
    if (!*answered) wait_for_answer(question, answered, life);
  }

  void wait_for_answer(const std::shared_ptr<const Question>& question,
                       const std::shared_ptr<bool>& answered, std::uint64_t life) {
    world_.at(world_.now() + kAgain, [this, question, answered, life] {
      if (*answered) return;
      if (master_->running() && master_->machine().life() == life)
        return wait_for_answer(question, answered, life);
      ask_again(question);
    });
  }

  void submit(std::size_t number) {
    ask([this, number](TaskStore& store, const std::function<void()>& answered) {
      const BatchPlan& batch = plan_.batches[number];
      const bool open = batch.more_at > Time{0};
      if (const auto id = judge_.batch_named(name_of(number))) {  // its answer was lost
        answered();
        if (open) submit_more(number, *id, store_number_);
        return;
      }
      std::uint64_t upload = 0;
      store.open_upload({name_of(number), BatchOrigin::import, open},
                        [&](const Expected<std::uint64_t>& opened) {
                          if (opened) upload = *opened;
                        });
      if (!fill(store, number, upload)) return;
      store.commit_upload(upload, 0,
                          [this, number, open, answered](const Expected<BatchView>& made) {
                            if (!made) return refused("a batch", made.error());
                            answered();
                            if (open) submit_more(number, made->id, store_number_);
                          });
    });
  }

  static std::string name_of(std::size_t number) { return "batch" + std::to_string(number); }

  // Only a store whose power has gone may refuse; it is asked again when it is back.
  void refused(const std::string& what, const Error& error) {
    if (!stores_->dead()) world_.fail(what + " was refused: " + error.message());
  }

  bool fill(TaskStore& store, std::size_t number, std::uint64_t upload) {
    const BatchPlan& batch = plan_.batches[number];
    const auto options = std::make_shared<const ProbeOptions>(batch.options);
    const auto agents = std::make_shared<const Selector>(batch.agents);
    std::vector<std::string> targets;
    for (std::size_t i = 0; i < batch.targets; ++i)
      targets.push_back("http://host" + std::to_string(i % batch.hosts) + "/" + std::to_string(i));
    std::vector<NewTask> tasks;
    for (const std::string& target : targets) tasks.push_back({target, options, agents});
    store.append(upload, tasks, [&](const Expected<std::uint64_t>& appended) {
      if (!appended) refused("an upload", appended.error());
    });
    judge_.expect_batch(upload, name_of(number),
                        {batch.options.timeout, *batch.options.deadline,
                         number + 1 == plan_.batches.size(), batch.agents});
    return !stores_->dead();
  }

  // Into a batch that is open, of this store; when all is well it is closed.
  void submit_more(std::size_t number, BatchId id, std::uint64_t of_store) {
    world_.at(plan_.batches[number].more_at, [this, number, id, of_store] {
      ask([this, number, id, of_store](TaskStore& store, const std::function<void()>& answered) {
        if (of_store != store_number_) return answered();
        store.extend_batch(
            id, [this, number, answered, &store](const Expected<std::uint64_t>& opened) {
              if (opened) {
                if (!fill(store, number, *opened)) return;
                return store.commit_upload(*opened, 0, [this, answered](const auto& made) {
                  if (made || !stores_->dead()) answered();
                });
              }
              if (opened.error().code() != errc::batch_closed)  // which a cancel does, too
                return refused("more of a batch", opened.error());
              answered();
            });
      });
    });
    world_.at(std::max(plan_.heals, plan_.batches[number].more_at), [this, id, of_store] {
      ask([this, id, of_store](TaskStore& store, const std::function<void()>& answered) {
        if (of_store != store_number_) return answered();
        store.close_batch(id, [this, answered](const auto& closed) {
          if (closed || !stores_->dead()) answered();
        });
      });
    });
  }

  // It runs until a while after all is well. Who wants it to end knows that it was made.
  void schedule(std::size_t number) {
    put_schedule(number, true, [this, number] {
      world_.at(std::max(world_.now(), plan_.heals + kScheduleGoesOn),
                [this, number] { put_schedule(number, false, [] {}); });
    });
  }

  void put_schedule(std::size_t number, bool enabled, const std::function<void()>& then) {
    ask([this, number, enabled, then](TaskStore& store, const std::function<void()>& answered) {
      ScheduleSpec spec = plan_.schedules[number].spec;
      spec.enabled = enabled;
      store.put_schedule("schedule" + std::to_string(number), spec,
                         [this, answered, then](const Expected<SchedulePut>& put) {
                           if (!put) return refused("a schedule", put.error());
                           answered();
                           then();
                         });
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
        if (incident.choice % 4 < 2 && stores_->durable()) {
          stores_->die_soon();
          break;
        }
        crash_master(odd, until);
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
      case Incident::Kind::clock_step:
        (is_of_agent(incident) ? machine : master_->machine()).step_wall_clock(size_of(incident));
        break;
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

  void crash_master(bool silent, Time until) {
    master_drains_ = false;
    if (!stores_->durable()) ++store_number_;
    master_->crash(silent);
    world_.at(until, [this] { revive_master(); });
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
    const std::vector<BatchId> batches = judge_.batches();
    if (!master_->running() || batches.empty()) return;
    master_->store().cancel(batches[choice % batches.size()], [](auto) {});
  }

  void heal() {
    world_.trace([] { return std::string{"all is well from here on"}; });
    network_.heal();
    stores_->settle();
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
  const std::unique_ptr<Stores> stores_;
  const Plan plan_;
  const Planted planted_;
  std::unique_ptr<MasterNode> master_;
  std::vector<std::unique_ptr<AgentNode>> agents_;
  std::unique_ptr<AgentNode> rival_;
  std::size_t begun_ = 0;
  std::size_t asking_ = 0;
  std::uint64_t store_number_ = 0;  // grows when a store is lost
  bool master_drains_ = false;
};

}  // namespace

LifeReport live(const LifeOptions& options) { return Life{options}.run(); }

std::optional<BrokenLife> first_broken(LifeOptions options, std::uint64_t lives_max) {
  BrokenLife life;
  for (options.seed = 1; options.seed <= lives_max; ++options.seed) {
    life.report = live(options);
    life.steps += life.report.steps;
    life.seed = options.seed;
    if (life.report.broken) return life;
  }
  return std::nullopt;
}

}  // namespace probekit::simulation
