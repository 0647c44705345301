// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One life: a master, its store and its agents, as the product has them, from birth until all that
/// was asked of them has ended, while things go wrong.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "simulation/world/planted.hpp"
#include "simulation/world/stores.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

struct LifeOptions {
  std::uint64_t seed = 1;
  Planted planted = Planted::none;
  /// Where tasks live; empty: in memory.
  std::function<std::unique_ptr<Stores>(World& world)> stores;
  /// Hears of all that happens, a line each.
  std::function<void(const std::string&)> trace;
};

struct LifeReport {
  std::optional<std::string> broken;  ///< which promise, and how
  Time lasted{0};
  std::uint64_t steps = 0;
  std::uint64_t tasks = 0;  ///< that ended
  std::uint64_t connections = 0;
};

LifeReport live(const LifeOptions& options);

/// The first life that breaks.
struct BrokenLife {
  std::uint64_t seed = 0;
  std::uint64_t steps = 0;  ///< of it and of those before it
  LifeReport report;
};
/// Of seeds 1 to `lives_max`; nothing: none of them breaks.
std::optional<BrokenLife> first_broken(LifeOptions options, std::uint64_t lives_max);

}  // namespace probekit::simulation
