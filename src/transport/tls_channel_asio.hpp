// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// TLS over a connected TCP socket, with the operations of an Asio stream. On the loop's thread
/// only.

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/tls_context.hpp"

namespace probekit {

/// Handlers run as Asio's do, never inside the call; whoever starts something keeps the channel and
/// its socket until then. A peer that ends without saying so (close_notify) is at its end all the
/// same: a WebSocket has a closing handshake of its own.
class TlsChannel {
 public:
  using Done = std::function<void(const asio::error_code&)>;
  using Moved = std::function<void(const asio::error_code&, std::size_t)>;

  virtual ~TlsChannel() = default;

  virtual void handshake(Done done) = 0;
  virtual bool established() const noexcept = 0;
  /// Why the handshake failed, for a person; empty when it did not, or the network is to blame.
  virtual const std::string& fault() const noexcept = 0;
  virtual void read_some(std::vector<asio::mutable_buffer> buffers, Moved moved) = 0;
  /// Done when the kernel has every byte of the records that hold what was moved.
  virtual void write_some(std::vector<asio::const_buffer> buffers, Moved moved) = 0;
  /// Says close_notify if the kernel has room for it. `keep` lives as long as the attempt.
  virtual void say_end(std::shared_ptr<void> keep) = 0;
};

/// `socket` outlives the channel. `peer`: the name or address its certificate must have; empty: a
/// server's side, which asks for none.
std::unique_ptr<TlsChannel> make_tls_channel(asio::ip::tcp::socket& socket,
                                             std::shared_ptr<TlsContext> context,
                                             const std::string& peer);

}  // namespace probekit
