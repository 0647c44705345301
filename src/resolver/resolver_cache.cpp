// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/resolver_cache.hpp"

#include <algorithm>
#include <utility>

namespace probekit {

ResolutionPtr ResolverCache::find(std::string_view name, SteadyTime now) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  const auto entry = found->second;
  if (now >= entry->until) {
    by_name_.erase(found);
    entries_.erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->resolution;
}

void ResolverCache::store(std::string_view name, ResolutionPtr resolution, std::chrono::seconds ttl,
                          SteadyTime now) {
  if (resolution->addresses.empty()) {
    ttl = std::min(ttl, kNegativeMax);
    if (ttl.count() <= 0) return;
  } else {
    ttl = std::clamp(ttl, kPositiveMin, kPositiveMax);
  }
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    found->second->resolution = std::move(resolution);
    found->second->until = now + ttl;
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_max_ == 0) return;
  if (entries_.size() >= entries_max_) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
  entries_.push_front({std::string(name), std::move(resolution), now + ttl});
  by_name_.emplace(entries_.front().name, entries_.begin());
}

void ResolverCache::clear() {
  by_name_.clear();
  entries_.clear();
}

}  // namespace probekit
