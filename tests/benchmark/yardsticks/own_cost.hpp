// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a yardstick prints at its end: one JSON line with what it did and what it cost.

#include <sys/resource.h>

#include <cstdint>
#include <cstdio>

namespace probekit::benchmark {

inline std::int64_t own_cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000LL + usage.ru_utime.tv_usec +
         usage.ru_stime.tv_usec;
}

/// `cpu_us`: spent on the `count` units, start-up excluded.
inline void print_cost(std::uint64_t count, std::uint64_t failed, std::int64_t cpu_us) {
  std::printf("{\"count\":%llu,\"failed\":%llu,\"cpu_us\":%lld}\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(failed),
              static_cast<long long>(cpu_us));
  std::fflush(stdout);
}

}  // namespace probekit::benchmark
