// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Keys under which requests for work may be repeated without being done again: which of them run,
/// and what those that came to something were answered. Pure; one thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// Equal when both are; `scope` keeps apart what has nothing to do with one another.
struct IdempotencyKey {
  std::string scope;
  std::string key;
};

/// What a claim of a key comes to.
struct KeyState {
  enum class Kind : std::uint8_t {
    claimed,  ///< the claim holds, until it is released or answered
    running,  ///< another claim holds
    answered  ///< the rest of this tells with what
  };
  Kind kind = Kind::claimed;
  std::string digest;
  std::string answer;
  BatchId batch;
};

/// The end of a claim. Its digest tells the request apart from others, its answer is the caller's.
struct KeyAnswer {
  IdempotencyKey key;
  std::string digest;
  std::string answer;
};

namespace store {

class PROBEKIT_EXPORT KeyTable {
 public:
  static constexpr std::size_t kRunningMax = 4096;
  /// Of all that is kept, texts only.
  static constexpr std::size_t kBytesMax = 512 * 1024 * 1024;

  KeyTable() = default;
  explicit KeyTable(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// *Errors*: limit_reached when too many run, or no more answers can be kept.
  Expected<KeyState> claim(const IdempotencyKey& key);
  /// Nothing unless it runs.
  void release(const IdempotencyKey& key);
  /// Ends a claim with the batch it made or went into; kept until that is forgotten.
  void answer(KeyAnswer answer, BatchId batch);
  void forget(BatchId batch);

  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry {
    bool running = true;
    std::string digest;
    std::string answer;
    BatchId batch;
  };

  std::size_t bytes_max_ = kBytesMax;
  std::unordered_map<std::string, Entry> entries_;                               // by scope and key
  std::unordered_map<std::uint32_t, std::vector<const std::string*>> of_batch_;  // keys in entries_
  std::size_t running_ = 0;
  std::size_t bytes_ = 0;  // of answered ones
};

}  // namespace store
}  // namespace probekit
