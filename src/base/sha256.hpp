// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// SHA-256 (FIPS 180-4), for what is compared or kept without keeping the text itself. Pure.

#include <array>
#include <cstdint>
#include <string_view>

#include "probekit/export.hpp"

namespace probekit {

using Sha256 = std::array<unsigned char, 32>;

PROBEKIT_EXPORT Sha256 sha256(std::string_view text);

}  // namespace probekit
