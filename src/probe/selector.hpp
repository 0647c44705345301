// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the written forms of a Selector share.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// Agents one selector may name: each is a task for every target.
constexpr std::size_t kSelectorNamesMax = 256;
/// Different agents one selector may ask for, likewise.
constexpr std::uint32_t kSelectorCountMax = 256;
constexpr std::size_t kSelectorTagsMax = 16;

/// Makes it one of names. *Errors*: invalid_argument for what is no name, for one given twice and
/// past the limit.
Expected<void> add_agent_name(Selector& selector, std::string_view name);
/// Makes it one of tags, which stay sorted. *Errors*: as add_agent_name().
Expected<void> add_agent_tag(Selector& selector, std::string_view key, std::string_view value);

/// Whether a selector that was not parsed is one that could have been; sorts its tags. *Errors*:
/// invalid_argument.
PROBEKIT_EXPORT Expected<void> complete_selector(Selector& selector);

/// What is written correctly and cannot be done yet. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<void> check_supported(const Selector& selector);

}  // namespace probekit
