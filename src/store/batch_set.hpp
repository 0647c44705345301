// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Some batches by their number, a bit each. *Threads*: safe to share; its lock is held for a few
/// instructions, and never while a file is read.

#include <cstdint>
#include <deque>
#include <mutex>

#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit::store {

class PROBEKIT_EXPORT BatchSet {
 public:
  void insert(BatchId id);
  void erase(BatchId id);
  bool contains(BatchId id) const;

 private:
  bool has(BatchId id) const noexcept;

  mutable std::mutex mutex_;
  std::deque<std::uint64_t> words_;  // of numbers from first_ * 64 on; the first is not 0
  std::uint32_t first_ = 0;
};

}  // namespace probekit::store
