// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How tasks ended since the store began, forgotten batches included. Plain data; counting does not
/// allocate but at the first result of a kind. *Threads*: one at a time.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration_buckets.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/task.hpp"

namespace probekit {

struct KindCounters {
  std::string kind;
  std::uint64_t passed = 0;
  std::array<std::uint64_t, kFailureKinds> failed{};
  DurationBuckets durations;
};

struct ResultCounters {
  /// Kinds come out of specs that were checked, so they are few; what is beyond counts as "other".
  static constexpr std::size_t kKindsMax = 32;

  void add_result(std::string_view kind, std::optional<FailureKind> failure,
                  std::chrono::microseconds duration) {
    KindCounters& counters = of(kind);
    ++(failure ? counters.failed[static_cast<std::size_t>(*failure)] : counters.passed);
    counters.durations.record(duration);
  }
  void add_expiry(ExpiryReason reason) noexcept { ++expired[static_cast<std::size_t>(reason)]; }

  std::vector<KindCounters> kinds;         ///< in order of appearance
  std::array<std::uint64_t, 4> expired{};  ///< by ExpiryReason

 private:
  KindCounters& of(std::string_view kind) {
    for (KindCounters& known : kinds) {
      if (known.kind == kind) return known;
    }
    if (kinds.size() == kKindsMax) return kinds.back();
    KindCounters& added = kinds.emplace_back();
    added.kind = kinds.size() == kKindsMax ? "other" : kind;
    return added;
  }
};

}  // namespace probekit
