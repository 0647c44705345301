// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What each of libcurl's codes means for a probe.

#include <string_view>

#include "probekit/probe_result.hpp"

namespace probekit {

struct CurlFault {
  FailureKind kind;
  std::string_view what;  ///< our words for it; never empty
};

/// Of a CURLcode but CURLE_OK. A code that this build does not know is `internal`.
CurlFault curl_fault(int code) noexcept;

/// Whether an errno of socket(2) or connect(2) is for lack of means here: ports, descriptors,
/// memory. Then the target is not to blame.
bool is_agent_fault(int os_error) noexcept;

}  // namespace probekit
