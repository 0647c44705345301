// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// For harnesses of what holds specs: the kinds they may name and the bounds of what was read.

#include "json/json_value.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit::fuzz {

/// http, dns, and `echo`, whose section may hold anything.
const ProbeKinds& kinds();

/// Ends the process where options that were accepted break a documented bound.
void check_options(const ProbeOptions& options);
/// Likewise; and whether it survives its JSON form and complete_selector().
void check_selector(const Selector& selector);

/// The spec as its JSON; parse_spec() without defaults reads the same back.
std::string to_json(const ParsedSpec& parsed);

}  // namespace probekit::fuzz
