// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/key_table.hpp"

#include <utility>

namespace probekit::store {
namespace {

/// A byte 0 is in neither: scopes and keys come from HTTP.
std::string name_of(const IdempotencyKey& key) { return key.scope + '\0' + key.key; }

}  // namespace

Expected<KeyState> KeyTable::claim(const IdempotencyKey& key) {
  std::string name = name_of(key);
  const auto known = entries_.find(name);
  if (known != entries_.end()) {
    const Entry& entry = known->second;
    if (entry.running) return KeyState{KeyState::Kind::running, {}, {}, {}};
    return KeyState{KeyState::Kind::answered, entry.digest, entry.answer, entry.batch};
  }
  if (running_ >= kRunningMax) {
    return Error{errc::limit_reached, "too many requests with an Idempotency-Key run at once"};
  }
  if (bytes_ >= bytes_max_) {
    return Error{errc::limit_reached,
                 "no room for more Idempotency-Keys until batches are forgotten"};
  }
  entries_.emplace(std::move(name), Entry{});
  ++running_;
  return KeyState{};
}

void KeyTable::release(const IdempotencyKey& key) {
  const auto known = entries_.find(name_of(key));
  if (known == entries_.end() || !known->second.running) return;
  entries_.erase(known);
  --running_;
}

void KeyTable::answer(KeyAnswer answer, BatchId batch) {
  const auto [known, fresh] = entries_.try_emplace(name_of(answer.key));
  Entry& entry = known->second;
  if (!fresh && !entry.running) return;
  if (!fresh) --running_;
  entry = Entry{false, std::move(answer.digest), std::move(answer.answer), batch};
  bytes_ += known->first.size() + entry.digest.size() + entry.answer.size();
  of_batch_[batch.value].push_back(&known->first);
}

void KeyTable::forget(BatchId batch) {
  const auto found = of_batch_.find(batch.value);
  if (found == of_batch_.end()) return;
  for (const std::string* const name : found->second) {
    const auto known = entries_.find(*name);
    bytes_ -= name->size() + known->second.digest.size() + known->second.answer.size();
    entries_.erase(known);
  }
  of_batch_.erase(found);
}

}  // namespace probekit::store
