// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// `GET /probe` without the probing: what a module makes of a target, how long it may take, and the
/// result in the names of Prometheus's blackbox_exporter (0.23). Pure.

#include <chrono>
#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/probe_module.hpp"
#include "probekit/probe_result.hpp"

namespace probekit::api {

/// The target of the spec: a bare `example.com` gets `http://`, a DNS server its question.
/// *Errors*: invalid_argument.
Expected<std::string> scrape_target(const ProbeModule& module, const std::string& target);

struct ScrapeTimes {
  std::chrono::milliseconds timeout{0};  ///< of the probe
  std::chrono::milliseconds wait{0};     ///< for its result, from now
};
/// `header`: X-Prometheus-Scrape-Timeout-Seconds, null when there is none. Of what the scraper
/// leaves, 0.5 s, or half when it is less than 1 s, are for the way to the agent and back; 0.1 s of
/// that, or a fifth, for the answer. *Errors*: invalid_argument for a header that is no number
/// above 0.
Expected<ScrapeTimes> scrape_times(const ProbeModule& module, const std::string* header);

/// Whether the target answered as the module wants. `result` is one of state `done`.
bool scrape_succeeded(const ProbeModule& module, const TaskResult& result);

/// Appends the families of the module's prober. What is not known is left out, never made up.
void write_scrape(std::string& out, const ProbeModule& module, const TaskResult& result);

}  // namespace probekit::api
