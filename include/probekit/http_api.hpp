// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master's HTTP API: batches in, results out, what runs and where it hurts. JSON, problem
/// details (RFC 9457), streams both ways with backpressure; one thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"

namespace probekit {

class Master;

struct HttpApiOptions {
  std::string host = "127.0.0.1";  ///< an IP address
  std::uint16_t port = 8766;       ///< 0 picks a free one
  // behaviour
  /// Any `Host` header is served, not only loopback names. Only behind something that checks.
  bool any_host = false;
  // limits
  std::size_t connections_max = 1024;
  std::size_t uploads_max = 16;
  std::size_t line_bytes_max = 64 * 1024;
  // timing
  std::chrono::seconds idle_timeout{60};  ///< a reader or writer without progress is dropped
  // injected
  std::shared_ptr<Log> log;
};

/// *Threads*: distinct objects; start() and stop() from one thread.
class PROBEKIT_EXPORT HttpApi {
 public:
  /// The master outlives the API. Throws std::invalid_argument.
  HttpApi(Master& master, HttpApiOptions options);
  ~HttpApi();
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

  /// Returns the URL. *Errors*: address_in_use, invalid_argument.
  Expected<std::string> start();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
