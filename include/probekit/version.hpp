// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The version of the headers and of the library linked.

#include <string_view>

#include "probekit/export.hpp"

namespace probekit {

constexpr int kVersionMajor = 0;
constexpr int kVersionMinor = 1;
constexpr int kVersionPatch = 0;

/// Of the library linked: "0.1.0".
PROBEKIT_EXPORT std::string_view version() noexcept;

}  // namespace probekit
