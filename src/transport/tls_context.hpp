// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What one side of TLS brings to each of its connections: whom it trusts, or who it is. Read once.

#include <memory>
#include <string>

#include "probekit/export.hpp"

namespace probekit {

struct TlsContext;

/// TLS 1.2 at least; the peer's certificate must lead to one of the authorities of `ca_file` (PEM),
/// or, when that is empty, of the system's. Throws std::invalid_argument saying what is wrong with
/// the file.
PROBEKIT_EXPORT std::shared_ptr<TlsContext> make_tls_client_context(const std::string& ca_file);

/// For tests of the client side: in production a proxy ends TLS. Nothing bounds the handshake.
/// Throws std::invalid_argument.
PROBEKIT_EXPORT std::shared_ptr<TlsContext> make_tls_server_context(
    const std::string& certificate_file, const std::string& key_file);

}  // namespace probekit
