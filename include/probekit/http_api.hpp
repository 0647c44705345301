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
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"
#include "probekit/probe_module.hpp"
#include "probekit/token_set.hpp"

namespace probekit {

class Master;

/// Without tokens anyone who reaches the port may do anything: so, unless `insecure`, only loopback
/// is listened on, and there requests whose `Host` is not loopback are answered 403. With tokens a
/// request that brings none of them is answered 401, but for `/healthz`, `/readyz` and the page at
/// `/`, which tell nothing. A foreign `Origin` is always answered 403.
struct HttpApiOptions {
  std::string host = "127.0.0.1";  ///< an IP address; without tokens of loopback unless `insecure`
  std::uint16_t port = 8766;       ///< 0 picks a free one
  // behaviour
  std::shared_ptr<const TokenSet> tokens;  ///< bearer tokens; null: none is asked for
  bool insecure = false;                   ///< without tokens, too, any address may be listened on
  /// Of `GET /probe`, beside builtin_probe_modules(); of the same name the first counts.
  std::vector<ProbeModule> modules;
  // limits
  /// 1 to 65536. For one more, one that asks for nothing is closed, the oldest newcomer first; when
  /// there is none it is answered 503 and closed. Each needs at most 64 KiB, and 200 KiB more
  /// while it reads results, 2 MiB more while it uploads or reads the metrics (which 8 may at
  /// once), 32 MiB more while it puts a schedule, which counts as an upload.
  std::size_t connections_max = 1024;
  std::size_t uploads_max = 16;  ///< at once, at least 1; one more is answered 429
  /// Of an import, 256 bytes to 1 MiB; a longer line is rejected, the others are not.
  std::size_t line_bytes_max = 64 * 1024;
  // timing
  /// 1 s to 1 day. A client that moved no byte for so long although one was due is dropped, and
  /// so is one whose request's head is not complete by then.
  std::chrono::seconds idle_timeout{60};
  // injected
  std::shared_ptr<Log> log;  ///< null: the master's
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
  /// Grows ten times a second at least while its thread's loop turns: for watchdogs. Waits for
  /// nothing. From any thread, but not while start() or stop() runs.
  std::uint64_t loop_turns() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
