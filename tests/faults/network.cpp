// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/network.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "support/catch.hpp"
#include "support/process.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

constexpr char kOwn[] = "/proc/thread-self/ns/net";
constexpr char kCable[] = "cable";

int open_own() {
  const int fd = open(kOwn, O_RDONLY | O_CLOEXEC);
  if (fd < 0) FAIL(kOwn << ": " << std::strerror(errno));
  return fd;
}

void enter(int fd) {
  if (setns(fd, CLONE_NEWNET) != 0) FAIL("setns: " << std::strerror(errno));
}

// A table "faults" whose only chain drops of what arrives over the cable what `match` says, and
// counts it.
void drop_arriving(const NetworkNamespace& space, const std::vector<std::string>& match) {
  space.run({"nft", "add", "table", "inet", "faults"});
  space.run({"nft", "add", "chain", "inet", "faults", "arriving",
             "{ type filter hook input priority 0 ; }"});
  std::vector<std::string> rule{"nft",    "add",      "rule",    "inet",
                                "faults", "arriving", "iifname", kCable};
  rule.insert(rule.end(), match.begin(), match.end());
  rule.insert(rule.end(), {"counter", "drop"});
  space.run(std::move(rule));
}

// What the counters of that table say; 0 when there is none.
std::size_t dropped_at(const NetworkNamespace& space) {
  const auto table = space.run({"nft", "list", "ruleset"});
  const auto at = table.find("packets ");
  return at == std::string::npos ? 0 : std::stoul(table.substr(at + 8));
}

void attach(const NetworkNamespace& space, const std::string& address) {
  space.run({"ip", "address", "add", address + "/24", "dev", kCable});
  // Packets as a network carries them, not the kernel's bundles of forty: each can be lost.
  space.run({"ip", "link", "set", kCable, "gso_max_segs", "1", "up"});
}

}  // namespace

NetworkNamespace::NetworkNamespace() {
  const int before = open_own();
  if (unshare(CLONE_NEWNET) != 0)
    FAIL("unshare(CLONE_NEWNET): " << std::strerror(errno)
                                   << ": faults of a network need the rights of root");
  fd_ = open_own();
  enter(before);
  close(before);
  run({"ip", "link", "set", "lo", "up"});
}

NetworkNamespace::~NetworkNamespace() { close(fd_); }

NetworkNamespace::Inside::Inside(const NetworkNamespace& space) : before_(open_own()) {
  enter(space.fd_);
}

NetworkNamespace::Inside::~Inside() {
  // Where it came from is there, and the rights are too.
  setns(before_, CLONE_NEWNET);
  close(before_);
}

std::string NetworkNamespace::run(std::vector<std::string> command) const {
  std::string words;
  for (const auto& word : command) words += (words.empty() ? "" : " ") + word;
  const TemporaryFolder folder;
  const Inside inside{*this};
  Process process{std::move(command), folder.path()};
  std::string output;
  while (const auto line = process.read_line(10s)) output += *line + '\n';
  const auto code = process.wait(10s);
  if (code == 127) FAIL("not installed: " << words.substr(0, words.find(' ')));
  if (code != 0) FAIL(words << ": " << code.value_or(-1) << ": " << process.errors());
  return output;
}

std::string NetworkNamespace::path() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

Network::Network() {
  master_side_.run({"ip", "link", "add", kCable, "type", "veth", "peer", "name", kCable, "netns",
                    agent_side_.path()});
  attach(master_side_, master_address());
  attach(agent_side_, "10.77.0.2");
}

void Network::cut_to_master() const { drop_arriving(master_side_, {}); }
void Network::cut_to_agent() const { drop_arriving(agent_side_, {}); }

void Network::lose(int percent) const {
  for (const auto* side : {&master_side_, &agent_side_})
    drop_arriving(*side, {"numgen", "random", "mod", "100", "<", std::to_string(percent)});
}

void Network::narrow(const std::string& rate) const {
  for (const auto* side : {&master_side_, &agent_side_})
    side->run({"tc", "qdisc", "add", "dev", kCable, "root", "tbf", "rate", rate, "burst", "3000",
               "latency", "1s"});
}

std::size_t Network::dropped() const { return dropped_at(master_side_) + dropped_at(agent_side_); }

void Network::heal() const {
  for (const auto* side : {&master_side_, &agent_side_}) side->run({"nft", "flush", "ruleset"});
}

}  // namespace probekit::test
