// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A network of two real namespaces joined by a cable that a test can spoil. They have no name: the
/// kernel removes them with the last process in them, also when the test is killed.
/// Whatever is missing (rights, ip, nft, tc) fails the test that asks for it.

#include <optional>
#include <string>
#include <vector>

namespace probekit::test {

class NetworkNamespace {
 public:
  /// Loopback is up.
  NetworkNamespace();
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  /// While it lives, sockets this thread makes and processes it starts are in the namespace, and
  /// stay there.
  class Inside {
   public:
    explicit Inside(const NetworkNamespace& space);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int before_;
  };

  /// Runs a command inside and returns its output; fails the test, with what it said, unless it
  /// ends with 0.
  std::string run(std::vector<std::string> command) const;
  /// A name of it for ip(8).
  std::string path() const;

 private:
  int fd_ = -1;
};

class Network {
 public:
  Network();

  const NetworkNamespace& master_side() const noexcept { return master_side_; }
  const NetworkNamespace& agent_side() const noexcept { return agent_side_; }
  static std::string master_address() { return "10.77.0.1"; }

  /// Nothing arrives, and nobody is told.
  void cut_to_master() const;
  void cut_to_agent() const;
  /// This share of packets, each way.
  void lose(int percent) const;
  /// Each way, in tc(8)'s words: "64kbit".
  void narrow(const std::string& rate) const;
  /// Packets that were lost until now by any of the first three.
  std::size_t dropped() const;
  /// As it was at first; what narrow() did stays.
  void heal() const;

 private:
  NetworkNamespace master_side_;
  NetworkNamespace agent_side_;
};

}  // namespace probekit::test
