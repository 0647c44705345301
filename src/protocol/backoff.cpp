// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/backoff.hpp"

#include <algorithm>

namespace probekit::protocol {

std::chrono::milliseconds Backoff::next(std::chrono::milliseconds cap) {
  const auto bound = std::max(std::min(bound_, cap), std::chrono::milliseconds{1});
  bound_ = bound_ < max_ / 2 ? 2 * bound_ : max_;
  return std::chrono::milliseconds{
      static_cast<std::int64_t>(random_->below(static_cast<std::uint64_t>(bound.count()) + 1))};
}

}  // namespace probekit::protocol
