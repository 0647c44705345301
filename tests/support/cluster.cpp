// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/cluster.hpp"

#include <signal.h>

#include "support/run_until.hpp"

namespace probekit::test {
namespace {

std::uint16_t port_of(const std::string& url) {
  const auto colon = url.find(':', url.find("//"));
  return static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1)));
}

std::vector<std::string> joined(std::vector<std::string> command, std::vector<std::string>& more) {
  for (auto& flag : more) command.push_back(std::move(flag));
  return command;
}

}  // namespace

std::string program(const std::string& name) { return std::string{PROBEKIT_BIN_DIR} + "/" + name; }

MasterProcess::MasterProcess(std::vector<std::string> flags) : flags_(std::move(flags)) {
  start(0, 0);
}

void MasterProcess::kill_and_restart() {
  process_->signal(SIGKILL);
  process_->wait(std::chrono::seconds(10));
  start(agents_port_, port_of(api_url_));
}

int MasterProcess::end_and_restart(std::chrono::milliseconds timeout) {
  process_->signal(SIGTERM);
  const auto code = process_->wait(timeout);
  if (!code) FAIL("the master does not end; stderr:\n" << process_->errors());
  start(agents_port_, port_of(api_url_));
  return *code;
}

void MasterProcess::start(std::uint16_t agents_port, std::uint16_t api_port) {
  std::vector<std::string> flags = flags_;
  process_ = std::make_unique<Process>(
      joined({program("probekit-master"), "--agents", "127.0.0.1:" + std::to_string(agents_port),
              "--api", "127.0.0.1:" + std::to_string(api_port), "--name", "test-master"},
             flags),
      folder_.path());
  agents_url_ = process_->expect_line("agents: ");
  api_url_ = process_->expect_line("api: ");
  agents_port_ = port_of(agents_url_);
  api_ = std::make_unique<ApiClient>(api_url_);
}

json::Value MasterProcess::agent(const std::string& name) const {
  const auto answer = api_->get("/v1/agents/" + name);
  if (answer.status != 200) FAIL("agent " << name << ": " << answer.status << ' ' << answer.body);
  return answer.json();
}

void MasterProcess::wait_for_agents(std::size_t count) const {
  run_until([&] {
    const auto answer = api_->get("/v1/agents").json();
    std::size_t connected = 0;
    for (const auto& agent : *answer.find("items")->as_array())
      if (agent.find("connected")->as_bool().value_or(false)) ++connected;
    return connected == count;
  });
}

AgentProcess::AgentProcess(const std::string& name, const std::string& master_url,
                           std::vector<std::string> flags,
                           const std::vector<std::string>& environment) {
  std::vector<std::string> command;
  if (!environment.empty()) {
    command = environment;
    command.insert(command.begin(), "/usr/bin/env");
  }
  for (const auto& word :
       {program("probekit-agent"), std::string{"--name"}, name, std::string{"--master"}, master_url,
        std::string{"--allow"}, std::string{"127.0.0.0/8"}})
    command.push_back(word);
  process_ = std::make_unique<Process>(joined(std::move(command), flags), folder_.path());
}

void AgentProcess::wait_until_connected(std::chrono::milliseconds timeout) {
  process_->expect_line("connected: ", timeout);
}

}  // namespace probekit::test
