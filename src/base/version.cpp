// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/version.hpp"

namespace probekit {

namespace {

static_assert(kVersionMajor == 0 && kVersionMinor == 1 && kVersionPatch == 0,
              "kVersion is to be changed with them");
constexpr std::string_view kVersion = "0.1.0";

}  // namespace

std::string_view version() noexcept { return kVersion; }

}  // namespace probekit
