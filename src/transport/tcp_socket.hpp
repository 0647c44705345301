// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What Linux tells of a TCP socket, and the options every connection gets. Apart from the files
/// that use Asio, because <linux/tcp.h> and <netinet/tcp.h> cannot be included together.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "probekit/export.hpp"
#include "probekit/transport.hpp"

namespace probekit {

/// Sends small messages at once (TCP_NODELAY), lets at most Connection::kSendRoom unsent bytes wait
/// in the kernel (TCP_NOTSENT_LOWAT), and bounds how long the kernel goes on for a peer that
/// acknowledges nothing after the connection was closed here (TCP_USER_TIMEOUT).
PROBEKIT_EXPORT void tune_tcp_socket(int descriptor, std::chrono::milliseconds send_time_limit);

/// Everything but `peer`, `local` and `unsent_bytes`. A descriptor of -1 changes nothing.
PROBEKIT_EXPORT void read_tcp_facts(int descriptor, ConnectionFacts& facts);

/// `127.0.0.1:43210`, `[::1]:43210`; empty when not connected.
PROBEKIT_EXPORT std::string tcp_peer(int descriptor);
/// The same of its own end.
PROBEKIT_EXPORT std::string tcp_local(int descriptor);

struct TcpProgress {
  std::size_t unacked_bytes = 0;  ///< SIOCOUTQ
  std::uint64_t acked_bytes = 0;  ///< tcpi_bytes_acked
};
PROBEKIT_EXPORT TcpProgress read_tcp_progress(int descriptor);

}  // namespace probekit
