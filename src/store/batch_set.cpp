// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/batch_set.hpp"

namespace probekit::store {
namespace {

std::uint32_t word_of(BatchId id) { return id.value / 64; }
std::uint64_t bit_of(BatchId id) { return std::uint64_t{1} << id.value % 64; }

}  // namespace

void BatchSet::insert(BatchId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::uint32_t word = word_of(id);
  if (words_.empty()) first_ = word;
  for (; word < first_; --first_) words_.push_front(0);
  if (word - first_ >= words_.size()) words_.resize(word - first_ + 1);
  words_[word - first_] |= bit_of(id);
}

void BatchSet::erase(BatchId id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!has(id)) return;
  words_[word_of(id) - first_] &= ~bit_of(id);
  for (; !words_.empty() && words_.front() == 0; ++first_) words_.pop_front();
}

bool BatchSet::contains(BatchId id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return has(id);
}

bool BatchSet::has(BatchId id) const noexcept {
  const std::uint32_t word = word_of(id);
  if (word < first_ || word - first_ >= words_.size()) return false;
  return (words_[word - first_] & bit_of(id)) != 0;
}

}  // namespace probekit::store
