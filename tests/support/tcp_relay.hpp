// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A TCP relay on loopback whose connections a test can cut, hold up, slow down or keep waiting, as
/// a network would.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace probekit::test {

class TcpRelay {
 public:
  explicit TcpRelay(std::uint16_t upstream_port);
  /// Each byte, and each end, arrives so much later than it came, in both directions.
  TcpRelay(std::uint16_t upstream_port, std::chrono::milliseconds delay);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;

  std::uint16_t port() const noexcept;
  /// Resets every open connection, both sides. New ones are welcome.
  void cut();
  /// While held nothing is read of any connection, and nothing passed on.
  void hold(bool held);
  /// Bytes a second that each direction of each connection may pass; 0: as many as there are.
  void limit(std::size_t bytes_per_second);
  std::uint64_t connections() const noexcept;
  std::uint64_t bytes() const noexcept;  ///< relayed so far, both ways

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit::test
