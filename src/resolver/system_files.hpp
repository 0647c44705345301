// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the system knows about names: hosts(5) and the name servers of resolv.conf(5).

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// Addresses by lower-case name, each name's in the order of the file; port 0. Lines that make no
/// sense are skipped.
using HostsTable = std::unordered_map<std::string, std::vector<Address>>;
PROBEKIT_EXPORT HostsTable parse_hosts(std::string_view text);

/// The first three `nameserver` lines, port 53. `search` and `ndots` are not read: targets are
/// absolute names. Scoped IPv6 addresses (fe80::1%eth0) are skipped.
PROBEKIT_EXPORT std::vector<Address> parse_name_servers(std::string_view text);

/// A small text file that others may change: looked at once a second at most, read again when its
/// time, size or identity is another. Reads 1 MiB at most.
class PROBEKIT_EXPORT WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}

  /// The whole text on the first call and after each change, empty for a file that is not there;
  /// nothing while it is the same.
  std::optional<std::string> changed(SteadyTime now);

 private:
  struct Stamp {
    long long seconds = -1, nanoseconds = 0, size = 0, inode = 0;
    bool operator==(const Stamp& other) const noexcept {
      return seconds == other.seconds && nanoseconds == other.nanoseconds && size == other.size &&
             inode == other.inode;
    }
  };

  std::string path_;
  bool looked_ = false;
  SteadyTime next_look_{};
  Stamp stamp_;
};

/// Whom to ask: the configured servers, or those of a resolv.conf(5), or 127.0.0.1.
class PROBEKIT_EXPORT NameServers {
 public:
  /// `configured` may be empty; only then the file counts.
  NameServers(std::vector<Address> configured, std::string resolv_conf);

  /// Never empty. Valid until the next call.
  const std::vector<Address>& at(SteadyTime now);

 private:
  const bool fixed_;
  std::vector<Address> servers_;
  WatchedFile file_;
};

}  // namespace probekit
