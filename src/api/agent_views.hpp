// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the API shows of agents, as JSON. Pure.

#include "json/json_writer.hpp"
#include "probekit/master.hpp"

namespace probekit::api {

void write_agent(json::Writer& writer, const AgentSnapshot& agent);

}  // namespace probekit::api
