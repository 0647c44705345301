// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/target_cache.hpp"

#include <utility>

namespace probekit::store {

std::size_t TargetCache::bytes_of(const TargetChunk& chunk) noexcept {
  // A node of the list and one of the map, with their links; tasks and text are blocks of their
  // own.
  constexpr std::size_t kNodes =
      sizeof(Entry) + 2 * sizeof(void*) + sizeof(Chunks::value_type) + 4 * sizeof(void*);
  constexpr std::size_t kAllocator = 4 * 2 * sizeof(void*);
  return kNodes + kAllocator + chunk.tasks.capacity() * sizeof(TargetChunk::Task) +
         chunk.text.capacity();
}

const TargetChunk* TargetCache::find(std::uint64_t key, std::uint32_t& place) {
  auto at = chunks_.upper_bound(key);
  if (at == chunks_.begin()) return nullptr;
  --at;
  const std::uint64_t first = at->first;
  const TargetChunk& chunk = at->second->chunk;
  if (first >> 32 != key >> 32 || key - first >= chunk.tasks.size()) return nullptr;
  used_.splice(used_.begin(), used_, at->second);
  place = static_cast<std::uint32_t>(key - first);
  return &chunk;
}

const TargetChunk& TargetCache::add(std::uint64_t first, TargetChunk chunk) {
  if (const auto known = chunks_.find(first); known != chunks_.end()) erase(known);
  used_.push_front({first, std::move(chunk)});
  chunks_.emplace(first, used_.begin());
  bytes_ += bytes_of(used_.front().chunk);
  while (bytes_ > bytes_max_ && used_.size() > 1) erase(chunks_.find(used_.back().first));
  return used_.front().chunk;
}

void TargetCache::drop(std::uint32_t piece) {
  auto at = chunks_.lower_bound(std::uint64_t{piece} << 32);
  while (at != chunks_.end() && at->first >> 32 == piece) at = erase(at);
}

TargetCache::Chunks::iterator TargetCache::erase(Chunks::iterator at) {
  bytes_ -= bytes_of(at->second->chunk);
  used_.erase(at->second);
  return chunks_.erase(at);
}

}  // namespace probekit::store
