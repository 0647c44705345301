// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What may be said when a connection closes.

#include <string>
#include <string_view>

#include "probekit/export.hpp"
#include "probekit/transport.hpp"

namespace probekit {

/// Valid UTF-8 of at most 123 bytes, cut between characters (RFC 6455, 5.5.1).
PROBEKIT_EXPORT std::string close_text(std::string_view text);

/// False for the codes that only report: none and abnormal.
PROBEKIT_EXPORT bool may_be_sent(CloseCode code) noexcept;

}  // namespace probekit
