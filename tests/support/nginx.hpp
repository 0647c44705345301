// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A real nginx between agents and a master, configured as operators do, with short timeouts so
/// that what takes a minute in production shows in seconds.

#include <cstdint>
#include <memory>
#include <string>

#include "support/process.hpp"

namespace probekit::test {

struct NginxOptions {
  std::uint16_t upstream_port = 0;  ///< the master's agents port
  bool strip_path = false;       ///< `proxy_pass http://upstream/;`: the master sees another path
  int send_timeout_seconds = 5;  ///< send_timeout and proxy_send_timeout
  std::string address = "127.0.0.1";  ///< to listen on
  std::string main{};                 ///< directives before any block, as nginx.conf has them
  std::string locations{};            ///< more of them, as nginx.conf has them
};

/// docs/nginx.conf as it is shipped, filled in.
struct ShippedNginxOptions {
  std::string server_name = "localhost";
  std::string certificate;
  std::string key;
  std::uint16_t agents_port = 0;  ///< the master's
  std::uint16_t api_port = 0;
};

class ShippedNginx {
 public:
  explicit ShippedNginx(const ShippedNginxOptions& options);
  ~ShippedNginx();

  std::uint16_t agents_port() const noexcept { return agents_port_; }
  std::uint16_t api_port() const noexcept { return api_port_; }
  std::string errors() const;

 private:
  TemporaryFolder folder_;
  std::uint16_t agents_port_;
  std::uint16_t api_port_;
  std::unique_ptr<Process> process_;
};

class Nginx {
 public:
  explicit Nginx(const NginxOptions& options);
  ~Nginx();

  std::uint16_t port() const noexcept { return port_; }
  /// "ws://127.0.0.1:PORT/ws"
  std::string url() const;
  /// What it logged as errors.
  std::string errors() const;
  void reload();
  /// By SIGKILL, and its workers too, which would go on alone.
  void kill();
  /// By SIGTERM: it ends its connections.
  void stop();
  /// Again, on the same port, after kill() or stop().
  void start();
  pid_t pid() const noexcept { return process_->pid(); }

 private:
  std::string address_;
  TemporaryFolder folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

}  // namespace probekit::test
