// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Names of hosts as they stand in targets: which are taken, in one place for URLs and DNS.

#include <string>
#include <string_view>

#include "probekit/error.hpp"

namespace probekit {

/// Checks a DNS name (RFC 1035 2.3.4: labels of 1 to 63, 253 in all, a final dot allowed): letters,
/// digits, `-`, `_`, `*`. *Errors*: invalid_argument, with what is wrong.
Expected<void> check_dns_name(std::string_view name);

/// The host of a URL, lower case: a DNS name without `*`, or an IPv4 address in dotted form.
/// *Errors*: invalid_argument, with what is wrong.
Expected<std::string> checked_host_name(std::string_view host);

}  // namespace probekit
