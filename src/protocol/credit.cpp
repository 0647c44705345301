// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/credit.hpp"

#include <algorithm>

namespace probekit::protocol {

void RecentCount::advance(SteadyTime now) {
  constexpr auto kSlot = std::chrono::nanoseconds{kSpan} / static_cast<std::int64_t>(kSlots);
  const std::int64_t slot = now.time_since_epoch() / kSlot;
  if (slot - slot_ >= static_cast<std::int64_t>(kSlots)) {
    slots_.fill(0);
    sum_ = 0;
    slot_ = slot;
  }
  while (slot_ < slot) {
    std::uint64_t& oldest = slots_[static_cast<std::size_t>(++slot_) % kSlots];
    sum_ -= oldest;
    oldest = 0;
  }
}

void RecentCount::add(SteadyTime now, std::uint64_t count) {
  advance(now);
  slots_[static_cast<std::size_t>(slot_) % kSlots] += count;
  sum_ += count;
}

std::uint64_t RecentCount::count(SteadyTime now) {
  advance(now);
  return sum_;
}

CreditGranter::CreditGranter(std::size_t concurrency, std::size_t queue)
    : concurrency_(concurrency), queue_(queue), window_high_(2 * concurrency_) {}

void CreditGranter::restart() {
  high_ = Class{};
  other_ = Class{};
}

bool CreditGranter::receive(bool high) {
  Class& one = high ? high_ : other_;
  return ++one.received <= one.granted;
}

std::uint64_t CreditGranter::window_other(std::uint64_t finished) const noexcept {
  return concurrency_ + std::clamp(finished, std::min(concurrency_, queue_), queue_);
}

void CreditGranter::update(std::uint64_t occupied_high, std::uint64_t occupied_other,
                           std::uint64_t finished) {
  high_.update(window_high_, occupied_high);
  other_.update(window_other(finished), occupied_other);
}

void CreditGranter::Class::update(std::uint64_t window, std::uint64_t occupied) {
  if (received + window > occupied) granted = std::max(granted, received + window - occupied);
}

bool CreditGranter::Class::worth_telling(std::uint64_t window) const noexcept {
  if (granted <= told) return false;
  return received >= told || (granted - told) * 8 >= window;
}

bool CreditGranter::worth_telling() const noexcept {
  return high_.worth_telling(window_high_) ||
         other_.worth_telling(concurrency_ + std::min(concurrency_, queue_));
}

Credit CreditGranter::tell() {
  high_.told = high_.granted;
  other_.told = other_.granted;
  return granted();
}

}  // namespace probekit::protocol
