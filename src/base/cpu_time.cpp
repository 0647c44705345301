// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/cpu_time.hpp"

#include <cstdint>
#include <ctime>

namespace probekit {

std::chrono::microseconds process_cpu_time() noexcept {
  return std::chrono::microseconds{
      static_cast<std::int64_t>(static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC)};
}

std::chrono::microseconds thread_cpu_time() noexcept {
  timespec time{};
  if (::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return std::chrono::microseconds{0};
  return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_nsec / 1000};
}

}  // namespace probekit
