// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Mistakes planted on purpose, where parts meet: a simulation that does not find them finds
/// nothing.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/world/network.hpp"
#include "simulation/world/world.hpp"
#include "store/task_store.hpp"

namespace probekit::simulation {

enum class Planted {
  none,
  ack_lost,              ///< the master never says what it has committed
  ack_ahead,             ///< the store says that results are committed before they are
  completion_lost,       ///< the store never says so, now and then
  return_forgotten,      ///< a task that comes back is not queued again
  loss_forgotten,        ///< the store does not hear that a session was lost
  give_back_dropped,     ///< tasks that were leased and never sent are not given back
  ticks_forgotten,       ///< nothing happens because of time alone
  recorded_twice,        ///< a result that comes twice is recorded twice
  late_result_recorded,  ///< a result of a task that has expired counts as one more
  credit_doubled,        ///< the agent grants its room twice
  held_forgotten,        ///< a resuming agent does not list one of its tasks
  window_overdrawn,      ///< the agent is told a larger window of results than the master keeps to
  cancel_misdirected,    ///< a cancel goes to another agent
  tasks_lost,            ///< a message of tasks is not sent, and counted as if it were
  tasks_repeated,        ///< a message of tasks is sent twice
  late_start,            ///< the agent believes it has a second longer than it has
  reading_waits,         ///< probes run in the thread that reads
  sync_forgotten,        ///< the disk says that it has what it does not have; of durable stores
};

/// All but `none`, and those that need a durable store.
const std::vector<Planted>& all_planted();
std::string_view to_string(Planted planted) noexcept;
std::optional<Planted> parse_planted(std::string_view text) noexcept;

/// What sides send instead of what they mean to; empty when this mistake is not of that kind.
std::function<std::vector<std::string>(const Tap::Line&, std::string)> tamperer_for(Planted planted,
                                                                                    World& world);
/// A store with this mistake; the store itself when it is not of that kind.
std::shared_ptr<TaskStore> with_mistake(Planted planted, std::shared_ptr<TaskStore> store);
/// The same between the store and the master's books of what is committed.
std::shared_ptr<TaskStore> with_mistake_of_answers(Planted planted, World& world, Machine& master,
                                                   std::shared_ptr<TaskStore> store);

}  // namespace probekit::simulation
