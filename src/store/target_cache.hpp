// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Targets that a store has read from its file, as leases and readers go through them in order: in
/// chunks, the one that was not used for longest goes first. A chunk may be as small as one target,
/// so each call takes as long however many there are. Pure; one thread.

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

#include "store/sqlite_rows.hpp"

namespace probekit::store {

/// Keys are a piece in the upper 32 bits and a task of it in the lower ones.
class TargetCache {
 public:
  /// `bytes_max`: as bytes(); the chunk that was used last stays whatever its size.
  explicit TargetCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  TargetCache(const TargetCache&) = delete;
  TargetCache& operator=(const TargetCache&) = delete;

  /// The chunk that has this task, and its `place` there; null: none.
  const TargetChunk* find(std::uint64_t key, std::uint32_t& place);
  /// Valid until the next add() or drop(), as what find() returns.
  const TargetChunk& add(std::uint64_t first, TargetChunk chunk);
  void drop(std::uint32_t piece);

  std::size_t size() const noexcept { return chunks_.size(); }
  /// Of all chunks, with what it takes to keep them.
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry {
    std::uint64_t first = 0;
    TargetChunk chunk;
  };
  using Entries = std::list<Entry>;
  using Chunks = std::map<std::uint64_t, Entries::iterator>;

  static std::size_t bytes_of(const TargetChunk& chunk) noexcept;
  Chunks::iterator erase(Chunks::iterator at);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Entries used_;  // the last first
  Chunks chunks_;
};

}  // namespace probekit::store
