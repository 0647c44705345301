// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What all stores check of their options, and put where nothing is given.

#include "probekit/export.hpp"
#include "probekit/stores.hpp"

namespace probekit::store {

/// Throws std::invalid_argument.
PROBEKIT_EXPORT StoreOptions completed(StoreOptions options);

}  // namespace probekit::store
