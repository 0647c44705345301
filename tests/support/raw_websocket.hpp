// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A WebSocket client made by hand from a blocking socket, for tests that speak as no honest client
/// would. Used on one thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace probekit::test {

enum class RawOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

struct RawFrame {
  std::uint8_t opcode = 0;
  bool fin = false;
  bool masked = false;
  std::string payload;
  /// Of a close frame: its code, 1005 without one.
  std::uint16_t close_code() const;
  std::string close_text() const;
};

struct RawHeader {
  std::string name;
  std::string value;
};

class RawWebSocket {
 public:
  /// Connects to 127.0.0.1. `receive_buffer_bytes` 0: the system's.
  explicit RawWebSocket(std::uint16_t port, int receive_buffer_bytes = 0);
  ~RawWebSocket();
  RawWebSocket(const RawWebSocket&) = delete;
  RawWebSocket& operator=(const RawWebSocket&) = delete;

  /// What an agent sends to open; change, add or remove from it.
  static std::vector<RawHeader> good_headers();
  /// Sends `GET path HTTP/1.1` with these headers and returns the answer's head, from its status
  /// line to the empty line; empty when the connection ended first.
  std::string request(const std::vector<RawHeader>& headers, const std::string& path = "/ws");
  /// request() with good_headers(); false unless answered by 101.
  bool open();

  /// These return false when the connection ended before all was written.
  bool send_bytes(std::string_view bytes);
  bool send_frame(RawOpcode opcode, std::string_view payload, bool fin = true, bool masked = true);
  /// Only the head of a frame that claims so many bytes.
  bool send_frame_head(RawOpcode opcode, std::uint64_t payload_bytes, bool fin = true,
                       bool masked = true);

  /// Nothing when the time is up or the connection ended.
  std::optional<RawFrame> read_frame(std::chrono::milliseconds timeout = std::chrono::seconds(10));
  /// Up to and with `end`, or what came before the connection ended or the time was up.
  std::string read_until(std::string_view end,
                         std::chrono::milliseconds timeout = std::chrono::seconds(10));
  /// True once the other side ended the connection; reads and drops what comes before.
  bool wait_end(std::chrono::milliseconds timeout = std::chrono::seconds(10));

  int descriptor() const noexcept { return descriptor_; }
  std::uint16_t local_port() const;

 private:
  bool fill(std::chrono::milliseconds timeout);

  int descriptor_ = -1;
  bool ended_ = false;
  std::string buffer_;
};

/// The port in "ws://HOST:PORT/...".
std::uint16_t port_of(const std::string& url);

}  // namespace probekit::test
