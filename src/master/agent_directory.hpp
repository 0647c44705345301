// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Who could take tasks now: agents that are connected and not draining, for those who ask from
/// other threads than the one agents live on.

#include <map>
#include <shared_mutex>
#include <string>
#include <vector>

#include "probekit/task.hpp"

namespace probekit {

/// *Threads*: safe to share.
class AgentDirectory {
 public:
  struct Entry {
    std::vector<std::string> kinds;
    std::vector<Label> tags;
  };

  void put(const std::string& name, Entry entry);
  void remove(const std::string& name);
  /// At least one of those the selector chooses runs this kind.
  bool has(const std::string& kind, const Selector& agents) const;
  /// `all` becomes the names of those that run this kind, sorted, and stays `all` when there is
  /// none; any other selector is itself.
  Selector resolve(const Selector& agents, const std::string& kind) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace probekit
