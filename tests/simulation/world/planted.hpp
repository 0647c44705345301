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

/// What each is, what_is() says.
enum class Planted {
  none,
  ack_lost,
  ack_ahead,
  completion_lost,
  return_forgotten,
  loss_forgotten,
  give_back_dropped,
  ticks_forgotten,
  recorded_twice,
  late_result_recorded,
  reasons_mixed_up,
  credit_doubled,
  held_forgotten,
  window_overdrawn,
  cancel_misdirected,
  tasks_lost,
  tasks_repeated,
  late_start,
  reading_waits,
  sync_forgotten,
};

/// All but `none`.
const std::vector<Planted>& all_planted();
/// It is a mistake of a durable store's disk.
constexpr bool needs_disk(Planted planted) noexcept { return planted == Planted::sync_forgotten; }
std::string_view to_string(Planted planted) noexcept;
/// What it does, in words.
std::string_view what_is(Planted planted) noexcept;
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
