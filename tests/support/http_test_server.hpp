// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An HTTP server on loopback that misbehaves as its path says.
///
///     /ok                 200, a body of 3 bytes
///     /status/CODE        that status
///     /redirect/N         N redirects (relative ones), then /ok
///     /loop               redirects to itself
///     /to/URL             302 to URL, as it stands
///     /to-with-body/URL   the same with a long body that never ends
///     /slow-headers/MS    waits, then as /ok
///     /slow-body/MS       headers at once, the body after the wait
///     /hang               never answers
///     /hang-body          headers, then nothing
///     /close              ends the connection without an answer
///     /reset              resets it
///     /reset-body         resets it in the body
///     /garbage            something else than HTTP
///     /short              a body shorter than its Content-Length
///     /body/BYTES         a body of that size, with Content-Length
///     /chunked/BYTES      the same in chunks
///     /headers/BYTES      header lines of 100 bytes, so many bytes in all
///     /long-header/BYTES  one header line of that size
///     /http10             200 as HTTP/1.0

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "probekit/clock.hpp"
#include "support/server_thread.hpp"

namespace probekit::test {

class HttpTestServer {
 public:
  explicit HttpTestServer(const std::string& ip = "127.0.0.1");
  ~HttpTestServer() { thread_.stop(); }

  std::uint16_t port() const noexcept { return port_; }
  /// "http://127.0.0.1:PORT" + path
  std::string url(const std::string& path) const;
  std::uint64_t requests() const noexcept { return requests_.load(); }
  std::uint64_t connections() const noexcept { return accepted_.load(); }
  /// The last request as it came.
  std::string last_request() const;

 private:
  enum class End { close, reset, hold };
  struct Step {
    std::chrono::milliseconds delay{0};
    std::string bytes;
  };
  struct Connection {
    Fd fd;
    std::string in;
    std::vector<Step> steps;
    End end = End::close;
    SteadyTime next_at{};
    std::size_t sent = 0;  // of the first step
    bool answering = false;
  };
  PollThread::Wait round(const std::vector<pollfd>& ready);
  void answer(Connection& connection);
  bool advance(Connection& connection);  // false: it is over

  Fd listener_;
  std::string ip_;
  std::uint16_t port_ = 0;
  std::vector<Connection> connections_;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> accepted_{0};
  mutable std::mutex mutex_;
  std::string last_request_;  // under mutex_
  PollThread thread_;         // last: it ends first
};

/// A port where connecting neither succeeds nor fails: its queue is full and nobody accepts.
class SilentPort {
 public:
  explicit SilentPort(const std::string& ip = "127.0.0.1", std::uint16_t port = 0);
  std::uint16_t port() const noexcept { return port_; }

 private:
  Fd listener_;
  std::uint16_t port_ = 0;
  std::vector<Fd> fillers_;
};

}  // namespace probekit::test
