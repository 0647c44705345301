// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// SQLite stores for the simulation: the product's, without its thread, on a disk that forgets what
/// was not synced.

#include <memory>

#include "simulation/world/stores.hpp"

namespace probekit::simulation {

std::unique_ptr<Stores> make_sqlite_stores(World& world);

}  // namespace probekit::simulation
