// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/local_failures.hpp"

#include <cerrno>
#include <cstdint>

namespace probekit {

bool count_local_failure(LocalFailures& failures, int os_error) noexcept {
  switch (os_error) {
    case EADDRNOTAVAIL:
    case EADDRINUSE:
      ++failures.ports;
      return true;
    case EMFILE:
    case ENFILE:
      ++failures.descriptors;
      return true;
    case ENOBUFS:
    case ENOMEM:
      ++failures.memory;
      return true;
    default:
      return false;
  }
}

LocalFailures failures_since(const LocalFailures& now, const LocalFailures& before) noexcept {
  const auto since = [](std::uint64_t later, std::uint64_t earlier) {
    return later >= earlier ? later - earlier : later;
  };
  return {since(now.ports, before.ports), since(now.descriptors, before.descriptors),
          since(now.memory, before.memory)};
}

}  // namespace probekit
