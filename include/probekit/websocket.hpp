// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// WebSocket transport (RFC 6455, subprotocol `probekit.v1`), for masters and agents with a network
/// and usually nginx between them.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"
#include "probekit/transport.hpp"

namespace probekit {

struct WebSocketListenerOptions {
  std::string host = "127.0.0.1";  ///< an IP address
  std::uint16_t port = 8765;       ///< 0 picks a free one
  // limits
  std::size_t message_bytes_max = 1024 * 1024;  ///< larger ones end the connection with 1009
  std::size_t connections_max = 16384;          ///< further ones are closed at once
  /// Of these; 0: as many as connections_max. Behind nginx all agents have one address.
  std::size_t connections_per_address_max = 0;
  /// Of these, in their opening handshake; at it the oldest is closed for the newest, so that who
  /// says nothing keeps nobody out.
  std::size_t newcomers_max = 1024;
  std::chrono::milliseconds handshake_timeout{5000};
  std::chrono::milliseconds send_time_limit{20000};  ///< no progress for so long: closed `stalled`
  // injected
  std::shared_ptr<RandomSource> random;
  std::shared_ptr<Log> log;
};

struct WebSocketConnectorOptions {
  /// `ws://HOST[:PORT]/PATH` or `wss://...`; tried in random order. TLS is 1.2 at least, and the
  /// server's certificate must be valid for HOST.
  std::vector<std::string> urls;
  std::string ca_file;  ///< PEM, of the authorities that are trusted; empty: the system's
  std::string token;    ///< bearer token (RFC 6750) to come with; empty: none
  std::size_t message_bytes_max = 1024 * 1024;
  /// For the look-up, and all addresses it gives, each with its share.
  std::chrono::milliseconds handshake_timeout{10000};
  std::chrono::milliseconds send_time_limit{20000};
  std::size_t receive_buffer_bytes = 0;  ///< SO_RCVBUF; 0: the system's
  // injected
  std::shared_ptr<RandomSource> random;
  std::shared_ptr<Log> log;
};

/// Both throw std::invalid_argument naming the option that is wrong.
PROBEKIT_EXPORT std::unique_ptr<Listener> make_websocket_listener(WebSocketListenerOptions options);
PROBEKIT_EXPORT std::unique_ptr<Connector> make_websocket_connector(
    WebSocketConnectorOptions options);

}  // namespace probekit
