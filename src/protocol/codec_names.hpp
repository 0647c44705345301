// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Words of probekit.v1 in the order of their enumerators, for both directions of the codec.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace probekit::protocol {

inline constexpr std::array<std::string_view, 7> kReturnedNames{
    "overdrawn", "draining", "cancelled", "expired", "unsupported", "host_busy", "unwanted"};
inline constexpr std::array<std::string_view, 3> kHeldNames{"queued", "running", "finished"};

template <std::size_t n>
std::optional<std::size_t> place_of(const std::array<std::string_view, n>& names,
                                    std::string_view name) {
  const auto* const found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace probekit::protocol
