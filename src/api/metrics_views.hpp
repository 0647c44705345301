// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What /metrics shows, as docs/prometheus.md lists it. Pure.

#include <cstddef>
#include <string>

#include "api/http_server.hpp"
#include "api/process_figures.hpp"
#include "api/status_views.hpp"
#include "master/master_access.hpp"

namespace probekit::api {

/// Agents that get series of their own: the connected ones first, each by name. The others are
/// counted.
constexpr std::size_t kMetricsAgentsMax = 1000;

/// Appends all families.
void write_metrics(std::string& out, MasterFigures figures, const ApiFacts& api,
                   const HttpCounters& http, const ProcessFigures& process);

}  // namespace probekit::api
