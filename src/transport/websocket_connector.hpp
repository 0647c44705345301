// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The WebSocket connector with another resolver than the system's.

#include <memory>

#include "probekit/export.hpp"
#include "probekit/websocket.hpp"
#include "transport/name_lookup.hpp"

namespace probekit {

PROBEKIT_EXPORT std::unique_ptr<Connector> make_websocket_connector(
    WebSocketConnectorOptions options, LookUp look_up);

}  // namespace probekit
