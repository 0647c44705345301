// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the two written forms of a Selector share.

#include <cstddef>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// Agents one selector may name: each is a task for every target.
constexpr std::size_t kSelectorNamesMax = 256;

/// *Errors*: invalid_argument for what is no name, for one given twice and past the limit.
Expected<void> add_agent_name(Selector& selector, std::string_view name);

}  // namespace probekit
