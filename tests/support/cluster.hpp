// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The real programs: a master process and agent processes, with flags of the test's choice.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/api_client_curl.hpp"
#include "support/process.hpp"

namespace probekit::test {

/// Path of one of the programs built beside the tests.
std::string program(const std::string& name);

class MasterProcess {
 public:
  /// Free ports, and the flags given.
  explicit MasterProcess(std::vector<std::string> flags = {});
  /// Kills it, and starts another with the same flags and ports.
  void kill_and_restart();
  /// By SIGTERM, then likewise; its exit code. Fails the test when it does not end in time.
  int end_and_restart(std::chrono::milliseconds timeout = std::chrono::seconds(40));

  std::uint16_t agents_port() const noexcept { return agents_port_; }
  const std::string& agents_url() const noexcept { return agents_url_; }
  const std::string& api_url() const noexcept { return api_url_; }
  const ApiClient& api() const noexcept { return *api_; }
  Process& process() noexcept { return *process_; }

  /// The object of /v1/agents/NAME.
  json::Value agent(const std::string& name) const;
  void wait_for_agents(std::size_t count) const;

 private:
  void start(std::uint16_t agents_port, std::uint16_t api_port);

  TemporaryFolder folder_;
  std::vector<std::string> flags_;
  std::unique_ptr<Process> process_;
  std::string agents_url_;
  std::string api_url_;
  std::uint16_t agents_port_ = 0;
  std::unique_ptr<ApiClient> api_;
};

class AgentProcess {
 public:
  /// Loopback targets allowed, and the flags given; `environment` is `NAME=VALUE` of its own.
  AgentProcess(const std::string& name, const std::string& master_url,
               std::vector<std::string> flags = {},
               const std::vector<std::string>& environment = {});

  Process& process() noexcept { return *process_; }
  /// Until it was welcomed once more.
  void wait_until_connected(std::chrono::milliseconds timeout = std::chrono::seconds(15));

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Process> process_;
};

}  // namespace probekit::test
