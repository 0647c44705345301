// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "incident/everything_arrives.hpp"

#include <set>

#include "support/catch.hpp"

namespace probekit::test {

std::vector<std::string> many(const std::string& url, std::size_t count) {
  std::vector<std::string> targets;
  for (std::size_t n = 0; n < count; ++n) targets.push_back(url + "?n=" + std::to_string(n));
  return targets;
}

std::vector<json::Value> check_everything_arrived(const ApiClient& api, const std::string& batch,
                                                  std::size_t count,
                                                  std::chrono::milliseconds timeout) {
  const auto counts = api.wait_for(batch, timeout);
  CHECK(counts.accepted == count);
  CHECK(counts.done == count);
  CHECK(counts.expired == 0);
  CHECK(counts.cancelled == 0);
  auto lines = api.results(batch);
  CHECK(lines.size() == count);
  std::set<std::string> tasks;
  std::set<std::string> targets;
  for (const auto& line : lines) {
    tasks.insert(text_at(line, "task"));
    targets.insert(text_at(line, "target"));
  }
  CHECK(tasks.size() == count);
  CHECK(targets.size() == count);
  return lines;
}

}  // namespace probekit::test
