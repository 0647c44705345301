// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How a master and its agents reach each other: connections that carry whole messages in order,
/// and say exactly how many bytes they still hold. WebSocket (websocket.hpp) and memory
/// (MemoryNetwork) implement it, and one suite of tests holds both to it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Close codes of RFC 6455, 7.4.1, and probekit's own of 4000 to 4999.
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  none = 1005,      ///< the peer's close frame had no code; never sent
  abnormal = 1006,  ///< the connection went away without a closing handshake; never sent
  policy = 1008,
  too_large = 1009,
  internal = 1011,
  rejected = 4000,    ///< after a `reject` message
  accounting = 4001,  ///< counts of both sides differ
  replaced = 4002,    ///< the same agent has a newer connection
  silent = 4003,      ///< no hello, or no byte, for too long
  stalled = 4004,     ///< no progress in sending for too long
};

/// Why a connection ended.
struct CloseReason {
  CloseCode code = CloseCode::abnormal;
  bool local = false;     ///< this side asked for it
  std::string text;       ///< ours, or the peer's (untrusted)
  std::error_code error;  ///< of the socket, if any
};

/// What a connection measures of itself; what a transport cannot know stays 0.
struct ConnectionFacts {
  std::string peer;                           ///< "127.0.0.1:43210", or "memory"
  std::string local;                          ///< its own address; empty: none
  bool measured = false;                      ///< the kernel told what is said to be of TCP below
  std::size_t unsent_bytes = 0;               ///< handed to send() and not yet to the kernel
  std::size_t send_queue_bytes = 0;           ///< in the kernel, not acknowledged (SIOCOUTQ)
  std::size_t recv_queue_bytes = 0;           ///< in the kernel, not read (SIOCINQ)
  std::uint64_t bytes_received = 0;           ///< by the kernel (tcpi_bytes_received)
  std::uint64_t bytes_acked = 0;              ///< by the peer's kernel (tcpi_bytes_acked)
  std::chrono::microseconds rtt{0};           ///< tcpi_rtt
  std::uint32_t retransmits = 0;              ///< tcpi_total_retrans
  std::uint32_t peer_window_bytes = 0;        ///< tcpi_snd_wnd
  std::chrono::microseconds rwnd_limited{0};  ///< time limited by the peer's window
  std::uint32_t not_sent_bytes = 0;           ///< tcpi_notsent_bytes
  /// How long bytes of Send-Q could not be sent, as that window is closed; 0: it is not.
  std::chrono::milliseconds window_closed{0};
};

/// Hears of one connection, on the loop's thread.
class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;
  /// One whole message; its text may be moved from. Never empty.
  virtual void on_message(std::string message) = 0;
  /// send_room() became non-zero after it was zero.
  virtual void on_writable() = 0;
  /// Once, and nothing after it.
  virtual void on_closed(const CloseReason& reason) = 0;
};

/// *Threads*: the loop's only. Destroying it aborts it, without a callback.
class PROBEKIT_EXPORT Connection {
 public:
  /// At most this is in the transport's hands; more waits with the sender, where it can be
  /// overtaken. One message over it may go when nothing else is held.
  static constexpr std::size_t kSendRoom = 64 * 1024;

  virtual ~Connection() = default;

  /// Starts reading. Nothing is reported before. The observer lives as long as the connection.
  virtual void start(ConnectionObserver& observer) = 0;
  /// Bytes send() may be given now; kSendRoom when nothing is held.
  virtual std::size_t send_room() const noexcept = 0;
  /// Sends one whole binary message. Never fails: trouble is told by on_closed. After close(),
  /// it is dropped.
  virtual void send(std::string message) = 0;
  /// Sends what is held, then closes with this code and text (at most 123 bytes of UTF-8). The
  /// closing handshake is bounded by 5 s. on_closed follows. Idempotent.
  virtual void close(CloseCode code, std::string_view text) = 0;
  /// Ends at once; on_closed follows, not inside this call.
  virtual void abort(CloseCode code, std::string_view text) = 0;

  virtual ConnectionFacts facts() const = 0;

  /// The bearer token a newcomer brought, empty for none; nothing when the transport asks for none,
  /// as that of one process does not.
  virtual std::optional<std::string> token() const = 0;

  /// How long it was from its arrival until it was handed over: so much less is left to say hello.
  virtual std::chrono::milliseconds opening_time() const { return {}; }
};

/// Hears of arrivals, on the loop's thread.
class AcceptObserver {
 public:
  virtual ~AcceptObserver() = default;
  virtual void on_connection(std::unique_ptr<Connection> connection) = 0;
  /// Asked first, with the token a newcomer brings, if any. False: 401.
  virtual bool authorizes(std::string_view token) = 0;
  /// True while a newcomer may enter; asked before the opening handshake is answered. False: 429
  /// with `Retry-After` of this many seconds.
  virtual bool admits(std::chrono::seconds& retry_after) = 0;
  /// A newcomer was closed before its opening handshake was done: it took too long, or its place
  /// was needed.
  virtual void on_dropped() {}
};

/// *Threads*: start() and stop() on the loop's thread, or before the loop runs.
class PROBEKIT_EXPORT Listener {
 public:
  virtual ~Listener() = default;
  /// Begins to accept. Returns the URL agents connect to, with the real port.
  /// *Errors*: address_in_use, invalid_argument.
  virtual Expected<std::string> start(EventLoop& loop, AcceptObserver& observer) = 0;
  /// Accepts no more; open connections go on. Idempotent.
  virtual void stop() = 0;
};

/// Opens connections, one attempt at a time. *Threads*: the loop's.
class PROBEKIT_EXPORT Connector {
 public:
  using Done = std::function<void(Expected<std::unique_ptr<Connection>>)>;

  virtual ~Connector() = default;
  /// Tries the next master (in random order) once; `done` runs once, not inside this call, unless
  /// cancel() came first. *Errors*: connection_failed, handshake_failed (the text tells the HTTP
  /// status), unauthorized (the token is missing or not accepted), timed_out. The retry's delay a
  /// server asked for is in retry_after().
  virtual void connect(EventLoop& loop, Done done) = 0;
  virtual void cancel() = 0;
  /// The URL of the last attempt.
  virtual std::string url() const = 0;
  /// What the last refusal asked for; 0: nothing.
  virtual std::chrono::seconds retry_after() const = 0;
};

/// Master and agents in one process. Listener and connectors may outlive the network.
/// *Threads*: safe to share.
class PROBEKIT_EXPORT MemoryNetwork {
 public:
  MemoryNetwork();
  ~MemoryNetwork();
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  /// One listener at a time.
  std::unique_ptr<Listener> listener();
  std::unique_ptr<Connector> connector();
  /// Breaks every open connection, as a cut cable would.
  void cut();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace probekit
