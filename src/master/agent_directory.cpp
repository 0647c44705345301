// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/agent_directory.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "probe/selector.hpp"

namespace probekit {

namespace {

bool runs(const AgentDirectory::Entry& agent, const std::string& kind) {
  return std::find(agent.kinds.begin(), agent.kinds.end(), kind) != agent.kinds.end();
}

}  // namespace

void AgentDirectory::put(const std::string& name, Entry entry) {
  const std::unique_lock<std::shared_mutex> lock{mutex_};
  entries_[name] = std::move(entry);
}

void AgentDirectory::remove(const std::string& name) {
  const std::unique_lock<std::shared_mutex> lock{mutex_};
  entries_.erase(name);
}

bool AgentDirectory::has(const std::string& kind, const Selector& agents) const {
  const std::shared_lock<std::shared_mutex> lock{mutex_};
  if (agents.kind == Selector::Kind::names) {
    return std::any_of(agents.names.begin(), agents.names.end(), [&](const std::string& name) {
      const auto found = entries_.find(name);
      return found != entries_.end() && runs(found->second, kind);
    });
  }
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& one) {
    return runs(one.second, kind) && has_tags(one.second.tags, agents.tags);
  });
}

Selector AgentDirectory::resolve(const Selector& agents, const std::string& kind) const {
  if (agents.kind != Selector::Kind::all) return agents;
  Selector named;
  const std::shared_lock<std::shared_mutex> lock{mutex_};
  for (const auto& [name, agent] : entries_) {
    if (runs(agent, kind)) named.names.push_back(name);
  }
  named.kind = named.names.empty() ? Selector::Kind::all : Selector::Kind::names;
  return named;
}

}  // namespace probekit
