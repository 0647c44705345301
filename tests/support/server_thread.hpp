// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the test servers share: a thread that polls descriptors until told to stop, and sockets on
/// loopback.

#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace probekit::test {

/// A descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    const int taken = other.release();
    reset();
    fd_ = taken;
    return *this;
  }
  int get() const noexcept { return fd_; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// A socket of `type` (SOCK_STREAM, SOCK_DGRAM) bound to `ip`; port 0 picks one. Non-blocking.
/// Throws std::system_error.
Fd bound_socket(int type, const std::string& ip, std::uint16_t port);
std::uint16_t port_of(const Fd& socket);

/// Calls `round` on a thread of its own: it gives what to poll, is called again with what is ready
/// or after the time it gave has passed.
class PollThread {
 public:
  struct Wait {
    std::vector<pollfd> fds;
    std::chrono::milliseconds timeout{1000};
  };
  PollThread() = default;
  ~PollThread() { stop(); }
  void start(std::function<Wait(const std::vector<pollfd>& ready)> round);
  void stop();

 private:
  std::atomic<bool> stopping_{false};
  Fd wake_read_, wake_write_;
  std::thread thread_;
};

}  // namespace probekit::test
