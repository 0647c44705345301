// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A listener that speaks TLS itself, so that the client's side can be held to the contract of
/// transports. In production a proxy ends TLS.

#include <memory>

#include "probekit/export.hpp"
#include "probekit/websocket.hpp"
#include "transport/tls_context.hpp"

namespace probekit {

/// `tls` null: without.
PROBEKIT_EXPORT std::unique_ptr<Listener> make_websocket_listener(WebSocketListenerOptions options,
                                                                  std::shared_ptr<TlsContext> tls);

}  // namespace probekit
