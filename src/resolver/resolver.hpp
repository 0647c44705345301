// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Names to addresses: hosts(5), a cache, then A and AAAA at once from the configured servers.
/// One lookup serves all who want the same name. *Threads*: the loop's.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"
#include "resolver/dns_client.hpp"
#include "resolver/resolver_cache.hpp"
#include "resolver/system_files.hpp"

namespace probekit {

struct ResolverOptions {
  std::vector<Address> servers;  ///< empty: those of `resolv_conf`, or 127.0.0.1 without any
  std::string hosts = "/etc/hosts";
  std::string resolv_conf = "/etc/resolv.conf";
  std::size_t cache_entries_max = 10'000;
};

/// Someone who waits for a name; cancel before it is destroyed.
class ResolveRequest {
 public:
  ResolveRequest() = default;
  ResolveRequest(const ResolveRequest&) = delete;
  ResolveRequest& operator=(const ResolveRequest&) = delete;
  virtual void on_resolved(const ResolutionPtr& resolution) = 0;

 protected:
  ~ResolveRequest() = default;

 private:
  friend class Resolver;
  void* lookup_ = nullptr;
};

class PROBEKIT_EXPORT Resolver {
 public:
  /// How long addresses of one family wait for the other's (RFC 8305 3).
  static constexpr std::chrono::milliseconds kFamilyWait{50};
  /// The longest a server is waited for while another try is left.
  static constexpr std::chrono::milliseconds kTryMax{2000};

  /// The client outlives the resolver.
  Resolver(ProbeLoop& loop, DnsClient& client, ResolverOptions options);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Resolves an absolute name in lower case. Returns what is known at once; else null, and the
  /// request is told later. Tries every server twice (two to six tries), sharing out the time to
  /// `deadline` between them, and the last try has no end: the caller cancels. IPv4 addresses come
  /// first, the families taking turns; search domains are not applied. Failures of the servers are
  /// kept for 1 s (RFC 9520 3.2).
  ResolutionPtr resolve(ResolveRequest& request, std::string_view name, SteadyTime deadline);
  /// The request is told nothing more. Does nothing for one that does not wait.
  void cancel(ResolveRequest& request);

 private:
  struct Lookup;

  void look_at_hosts();
  ResolutionPtr from_system(std::string_view name);
  void finish(Lookup& lookup, ResolutionPtr resolution);

  ProbeLoop& loop_;
  DnsClient& client_;
  NameServers name_servers_;
  WatchedFile hosts_file_;
  std::unordered_map<std::string, ResolutionPtr> hosts_;
  ResolverCache cache_;
  std::string name_;  // of the call, kept for its memory
  std::unordered_map<std::string, std::unique_ptr<Lookup>> lookups_;
};

/// Both lists in turns, the first one's first.
PROBEKIT_EXPORT std::vector<Address> interleave(const std::vector<Address>& first,
                                                const std::vector<Address>& second);

}  // namespace probekit
