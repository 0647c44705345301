// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One WebSocket over one TCP connection (RFC 6455), with or without TLS, from the first handshake
/// to the last byte.
/// The seam behind which the WebSocket library hides: connections, the listener and the connector
/// are written against it. On the loop's thread only.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/log.hpp"
#include "probekit/transport.hpp"
#include "transport/tls_context.hpp"

namespace probekit {

inline constexpr std::string_view kSubprotocol = "probekit.v1";

struct WebSocketStreamOptions {
  std::size_t message_bytes_max = 0;
  std::chrono::milliseconds handshake_timeout{0};  ///< 0: the owner keeps the time
  std::shared_ptr<RandomSource> random;            ///< for masking keys; not null
  std::shared_ptr<Log> log;                        ///< may be null
  std::string token;                               ///< that a client brings; empty: none
  std::shared_ptr<TlsContext> tls;                 ///< null: no TLS
};

/// What a server says to a well-formed opening handshake.
struct HandshakeAnswer {
  int status = 101;
  std::string reason;  ///< for the one refused: the reason phrase and the body
  std::chrono::seconds retry_after{0};
};

/// How a stream ended.
struct WebSocketStreamEnd {
  CloseReason reason;
  bool opened = false;
  bool timed_out = false;   ///< the opening handshake
  int http_status = 0;      ///< of the answer a client got; 0: none
  std::string http_reason;  ///< untrusted
  std::string tls_fault;    ///< why TLS was not agreed on; empty: it was, or the network's fault
  std::chrono::seconds retry_after{0};
};

/// Hears of one stream, never inside a call to it but for on_written(). May let go of the stream in
/// any of these. Must not throw.
class WebSocketStreamOwner {
 public:
  /// Servers only. Everything about the request is right; may it enter? `authorization`: of its
  /// header, or empty.
  virtual HandshakeAnswer on_request(const std::string& authorization) = 0;
  /// The opening handshake is done. Messages wait for resume(), but for those that came with it.
  virtual void on_open() = 0;
  virtual void on_message(std::string message) = 0;
  /// held_bytes() fell. Only takes note: it may come from within send().
  virtual void on_written() = 0;
  /// Once, and nothing after it. The socket is still open: its facts can be read.
  virtual void on_ended(const WebSocketStreamEnd& end) = 0;

 protected:
  ~WebSocketStreamOwner() = default;
};

class WebSocketStream {
 public:
  virtual ~WebSocketStream() = default;

  /// Null: nobody is told any more.
  virtual void set_owner(WebSocketStreamOwner* owner) = 0;
  /// Begins the opening handshake.
  virtual void begin() = 0;
  /// Reads on after on_open(); once, not inside it.
  virtual void resume() = 0;
  /// One binary message.
  virtual void send(std::string message) = 0;
  /// Payload bytes given to send() and not yet to the kernel.
  virtual std::size_t held_bytes() const noexcept = 0;
  /// Begins the closing handshake, behind everything held. Ends within 5 s.
  virtual void close(CloseCode code, std::string_view text) = 0;
  /// Closes the socket at once and discards what is under way. The owner is not told.
  virtual void abort() = 0;
  /// -1 when closed.
  virtual int descriptor() const noexcept = 0;
};

/// Both take over `descriptor`, a connected TCP socket, and keep `ticket` until it is closed.
std::shared_ptr<WebSocketStream> make_server_stream(EventLoop& loop, int descriptor,
                                                    const WebSocketStreamOptions& options,
                                                    std::shared_ptr<void> ticket);
/// `host` as in a URL: an IPv6 address in brackets.
std::shared_ptr<WebSocketStream> make_client_stream(EventLoop& loop, int descriptor,
                                                    const WebSocketStreamOptions& options,
                                                    const std::string& host, std::uint16_t port,
                                                    const std::string& resource);

}  // namespace probekit
