// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/schedule_clock.hpp"

#include <cmath>

namespace probekit::store {

SteadyTime::duration ScheduleClock::offset(std::uint64_t ordinal) const {
  constexpr double kGoldenRatio = 0.6180339887498949;  // its fractional part
  double whole = 0;
  const double part = std::modf(phase_ + static_cast<double>(ordinal) * kGoldenRatio, &whole);
  return std::chrono::duration_cast<SteadyTime::duration>(
      part * std::chrono::duration<double, std::milli>(interval_));
}

SteadyTime ScheduleClock::first_after(SteadyTime now, std::uint64_t ordinal) const {
  const SteadyTime first = base_ + offset(ordinal);
  if (first > now) return first;
  return first + ((now - first) / interval_ + 1) * interval_;
}

void ScheduleClock::add(SteadyTime due) {
  order_.emplace(due, static_cast<std::uint32_t>(dues_.size()));
  dues_.push_back(due);
}

std::optional<SteadyTime> ScheduleClock::next() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

std::optional<ScheduleDue> ScheduleClock::due(SteadyTime now) const {
  if (order_.empty()) return std::nullopt;
  return due(now, order_.begin()->second);
}

std::optional<ScheduleDue> ScheduleClock::due(SteadyTime now, std::uint32_t target) const {
  const SteadyTime first = dues_[target];
  if (first > now) return std::nullopt;
  const auto passed = (now - first) / interval_;
  ScheduleDue due;
  due.target = target;
  due.at = first + passed * interval_;
  due.passed = static_cast<std::uint64_t>(passed);
  due.first = first;
  due.last = due.at - interval_;
  return due;
}

void ScheduleClock::pass(const ScheduleDue& due) {
  SteadyTime& next = dues_[due.target];
  order_.erase({next, due.target});
  next = due.at + interval_;
  order_.emplace(next, due.target);
}

}  // namespace probekit::store
