// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace probekit {
namespace {

constexpr std::size_t kPartsLog2 = 5;
constexpr std::size_t kParts = std::size_t{1} << kPartsLog2;

// Values below kParts have a part each; above, the octave and the next five bits.
std::size_t index_of(std::uint64_t value) {
  if (value < kParts) return static_cast<std::size_t>(value);
  const auto top_bit = static_cast<std::size_t>(63 - __builtin_clzll(value));
  const std::size_t shift = top_bit - kPartsLog2;
  return (shift + 1) * kParts + static_cast<std::size_t>(value >> shift) - kParts;
}

std::uint64_t lowest_of(std::size_t index) {
  if (index < kParts) return index;
  const std::size_t shift = index / kParts - 1;
  return static_cast<std::uint64_t>(kParts + index % kParts) << shift;
}

std::uint64_t middle_of(std::size_t index) {
  const std::uint64_t lowest = lowest_of(index);
  return lowest + (lowest_of(index + 1) - lowest) / 2;
}

}  // namespace

std::uint64_t& Histogram::part(std::size_t index) {
  const std::size_t octave = index / kParts * kParts;
  if (parts_.empty()) first_ = octave;
  if (octave < first_) {
    parts_.insert(parts_.begin(), first_ - octave, 0);
    first_ = octave;
  }
  if (octave + kParts > first_ + parts_.size()) parts_.resize(octave + kParts - first_, 0);
  return parts_[index - first_];
}

void Histogram::record(std::uint64_t microseconds) {
  const std::uint64_t value = std::min(microseconds, kValueMax);
  ++part(index_of(value));
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += value;
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  part(other.first_);
  part(other.first_ + other.parts_.size() - 1);
  for (std::size_t i = 0; i < other.parts_.size(); ++i) {
    parts_[other.first_ - first_ + i] += other.parts_[i];
  }
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::clear() { *this = Histogram(); }

std::uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted =
      std::ceil(std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_));
  const std::uint64_t rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  if (rank == count_) return max_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    seen += parts_[i];
    if (seen >= rank) return std::clamp(middle_of(first_ + i), min_, max_);
  }
  return max_;
}

}  // namespace probekit
