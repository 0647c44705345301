// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master and an agent of the simulation: the product's parts, put together as Master and Agent
/// put them together, on machines that can be killed.

#include <memory>
#include <string>

#include "agent/agent_core.hpp"
#include "base/notifier.hpp"
#include "master/fleet.hpp"
#include "master/master_core.hpp"
#include "probekit/executor.hpp"
#include "simulation/world/judge.hpp"
#include "simulation/world/late_store.hpp"
#include "simulation/world/network.hpp"
#include "simulation/world/plan.hpp"
#include "simulation/world/planted.hpp"
#include "simulation/world/probing.hpp"
#include "simulation/world/stores.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

/// Runs what is posted at once, in a turn of its own.
class WorldExecutor final : public Executor {
 public:
  explicit WorldExecutor(World& world) : world_(world) {}
  void post(std::function<void()> function) override {
    world_.at(world_.now(), std::move(function));
  }

 private:
  World& world_;
};

class MasterNode {
 public:
  MasterNode(World& world, Network& network, Judge& judge, const Plan& plan, Planted planted,
             Stores& stores);
  ~MasterNode();

  void boot();
  /// Killed; what a store has not answered for may be gone with it.
  void crash(bool silent);
  /// As Master::stop(): its store stays.
  void stop();
  void drain(std::function<void()> done);
  bool running() const noexcept { return fleet_ != nullptr; }
  Machine& machine() noexcept { return machine_; }
  TaskStore& store() noexcept { return *core_->store; }
  LateStore& late_store() noexcept { return *late_; }
  Fleet& fleet() noexcept { return *fleet_; }

 private:
  void drop();
  void forget_store();

  World& world_;
  Network& network_;
  Judge& judge_;
  const Plan& plan_;
  const Planted planted_;
  Machine machine_;
  Stores& stores_;
  std::shared_ptr<TaskStore> real_;
  std::shared_ptr<TaskStore> stored_;  // the same, with a mistake perhaps
  std::shared_ptr<TaskStore> watched_;
  std::shared_ptr<LateStore> late_;
  std::shared_ptr<MasterCore> core_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<Listener> listener_;
};

class AgentNode {
 public:
  AgentNode(World& world, Network& network, Judge& judge, const AgentPlan& plan, Planted planted);
  ~AgentNode();

  void boot();
  void crash(bool silent);
  void drain(std::function<void()> done);
  bool running() const noexcept { return core_ != nullptr; }
  bool idle() const;
  Machine& machine() noexcept { return machine_; }
  const AgentPlan& plan() const noexcept { return plan_; }
  /// What it has in hand and what it has to say never pass what it granted credit for.
  void check_bounds();

 private:
  World& world_;
  Network& network_;
  Judge& judge_;
  const AgentPlan plan_;
  const Planted planted_;
  Machine machine_;
  AgentOptions options_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<SimulatedProbing> probing_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<AgentCore> core_;
};

}  // namespace probekit::simulation
