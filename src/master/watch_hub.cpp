// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/watch_hub.hpp"

#include <algorithm>
#include <utility>

namespace probekit {

std::uint64_t WatchHub::watch(BatchId batch, std::function<void()> moved) {
  const std::lock_guard<std::mutex> lock{mutex_};
  const std::uint64_t token = ++last_token_;
  watches_.emplace(token, Watch{batch, std::move(moved)});
  by_batch_[batch.value].push_back(token);
  count_.store(watches_.size());
  return token;
}

void WatchHub::unwatch(std::uint64_t token) {
  const std::lock_guard<std::mutex> lock{mutex_};
  const auto found = watches_.find(token);
  if (found == watches_.end()) return;
  const auto list = by_batch_.find(found->second.batch.value);
  std::vector<std::uint64_t>& tokens = list->second;
  tokens.erase(std::remove(tokens.begin(), tokens.end(), token), tokens.end());
  if (tokens.empty()) by_batch_.erase(list);
  watches_.erase(found);
  count_.store(watches_.size());
}

void WatchHub::notify(const std::vector<BatchId>& batches) {
  // A watcher reads the store after it registered, so one that registers now misses nothing.
  if (count_.load() == 0) return;
  const std::lock_guard<std::mutex> lock{mutex_};
  for (const BatchId batch : batches) {
    const auto list = by_batch_.find(batch.value);
    if (list == by_batch_.end()) continue;
    for (const std::uint64_t token : list->second) watches_.at(token).moved();
  }
}

void WatchHub::notify_all() {
  const std::lock_guard<std::mutex> lock{mutex_};
  for (const auto& one : watches_) one.second.moved();
}

}  // namespace probekit
