// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// HOST:PORT of an address to listen on.

#include <cstdint>
#include <optional>
#include <probekit/error.hpp>
#include <string>
#include <string_view>

namespace examples {

struct HostPort {
  std::string host;  ///< a name or an IP address, without brackets
  std::uint16_t port = 0;
};

/// `NAME:PORT`, `192.0.2.1:PORT` or `[2001:db8::1]:PORT`.
std::optional<HostPort> parse_host_port(std::string_view text);

struct FoundHost {
  std::string ip;         ///< the one to listen on: of several the first IPv4 address
  bool loopback = false;  ///< all addresses of the host are
};

/// The addresses of a host. `localhost` is 127.0.0.1 whatever the system's tables say (RFC 6761,
/// 6.3). Blocks while the system looks the name up. *Errors*: connection_failed.
probekit::Expected<FoundHost> find_host(const std::string& host);

}  // namespace examples
