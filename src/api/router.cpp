// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/router.hpp"

#include <algorithm>
#include <utility>

#include "api/query.hpp"
#include "base/text.hpp"

namespace probekit::api {
namespace {

struct Entry {
  std::string_view method;
  std::string_view pattern;  // `*` stands for one segment
  MakeAnswer make;
  std::string_view unsupported;
  bool open = false;
};

constexpr Entry kEntries[] = {
    {"GET", "/", get_page, {}, true},
    {"GET", "/healthz", get_healthz, {}, true},
    {"GET", "/metrics", get_metrics, {}},
    {"GET", "/probe", get_scrape_probe, {}},
    {"GET", "/readyz", get_readyz, {}, true},
    {"GET", "/v1/agents", list_agents, {}},
    {"GET", "/v1/agents/*", get_agent, {}},
    {"DELETE", "/v1/agents/*/drain", undrain_agent, {}},
    {"POST", "/v1/agents/*/drain", drain_agent, {}},
    {"GET", "/v1/batches", list_batches, {}},
    {"POST", "/v1/batches", post_batch, {}},
    {"DELETE", "/v1/batches/*", delete_batch, {}},
    {"GET", "/v1/batches/*", get_batch, {}},
    {"POST", "/v1/batches/*/close", close_batch, {}},
    {"GET", "/v1/batches/*/results", get_results, {}},
    {"GET", "/v1/batches/*/summary", get_summary, {}},
    {"POST", "/v1/batches/*/targets", post_targets, {}},
    {"GET", "/v1/masters", list_masters, {}},
    {"POST", "/v1/probes", post_probe, {}},
    {"GET", "/v1/probes/*", get_probe, {}},
    {"GET", "/v1/schedules", list_schedules, {}},
    {"DELETE", "/v1/schedules/*", delete_schedule, {}},
    {"GET", "/v1/schedules/*", get_schedule, {}},
    {"PUT", "/v1/schedules/*", put_schedule, {}},
    {"GET", "/v1/schedules/*/results", get_schedule_results, {}},
    {"GET", "/v1/status", get_status, {}},
};

/// The next segment of `path`, without the slashes around it.
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, std::min(path.find('/'), path.size()));
  path.remove_prefix(segment.size());
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::string& name) {
  while (!pattern.empty() && !path.empty()) {
    if (path.front() != '/') return false;
    const std::string_view expected = take_segment(pattern);
    auto segment = percent_decode(take_segment(path), false);
    if (!segment) return false;
    if (expected == "*") {
      if (segment->empty() || !is_valid_utf8(*segment)) return false;
      name = std::move(*segment);
    } else if (*segment != expected) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

Routed find_route(std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::string allow;
  for (const Entry& entry : kEntries) {
    std::string name;
    if (!matches(entry.pattern, path, name)) continue;
    if (entry.method == wanted) {
      return Routed{Route{entry.make, entry.unsupported, entry.open, std::move(name)}, {}};
    }
    if (!allow.empty()) allow += ", ";
    allow += entry.method;
    if (entry.method == "GET") allow += ", HEAD";
  }
  Routed routed;
  if (allow.empty()) {
    routed.problem = problem(404, "there is nothing at this path");
  } else {
    routed.problem = problem(405, "this path takes " + allow);
    routed.problem.headers.push_back({"Allow", allow});
  }
  return routed;
}

}  // namespace probekit::api
