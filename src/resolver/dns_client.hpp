// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Asks DNS servers: channels for each server and transport, as many as the questions in flight
/// need, kept while they are used. *Threads*: the loop's.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"
#include "resolver/dns_channel_cares.hpp"
#include "resolver/dns_query.hpp"

namespace probekit {

class PROBEKIT_EXPORT DnsClient final : private DnsChannelUser {
 public:
  /// At most `channels_max` channels (1 to 1024, about 75 KiB each). When each of them is busy
  /// with another server, further questions wait for one, in order.
  DnsClient(ProbeLoop& loop, std::size_t channels_max);
  /// Ends what is asked, without replies.
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  /// Asks `server` once, with recursion desired and EDNS; without EDNS again when it does not
  /// know that (and from then on for ten minutes). There is no timeout: abandon() is. `query` must
  /// not be under way.
  void ask(DnsQuery& query, const Address& server, bool tcp, std::string_view name,
           std::uint16_t type);
  /// No reply follows. Does nothing for one that is not under way.
  void abandon(DnsQuery& query);

  std::size_t channels() const noexcept { return channels_.size(); }

 private:
  struct Endpoint {
    std::vector<DnsChannel*> channels;
    bool plain = false;  // no EDNS
    SteadyTime plain_until{};
  };
  struct Key {
    std::array<std::uint8_t, 16> bytes{};
    std::uint16_t port = 0;
    bool v6 = false;
    bool tcp = false;
    bool operator==(const Key& other) const noexcept {
      return bytes == other.bytes && port == other.port && v6 == other.v6 && tcp == other.tcp;
    }
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Deferred {
    DnsQuery* query;  // null: abandoned since
    DnsReply reply;
  };

  void on_reply(DnsChannel& channel, DnsQuery& query, const DnsReply& reply) override;
  void on_round(DnsChannel& channel) override;
  Endpoint& endpoint_of(const Address& server, bool tcp);
  DnsChannel* channel_for(const DnsQuery& query);
  bool place(DnsQuery& query);
  void place_waiting();
  void defer(DnsQuery& query, const DnsReply& reply);
  void deliver_deferred();
  void no_edns(Endpoint& endpoint);
  void drop(DnsChannel& channel);
  void sweep();
  void later(void (DnsClient::*what)());

  ProbeLoop& loop_;
  const std::size_t channels_max_;
  std::unordered_map<Key, Endpoint, KeyHash> endpoints_;
  std::vector<std::unique_ptr<DnsChannel>> channels_;
  std::vector<DnsQuery*> waiting_;
  std::vector<Deferred> deferred_;
  bool deferred_posted_ = false;
  bool asking_ = false;
  std::uint64_t use_count_ = 0;
  std::shared_ptr<DnsClient*> self_;  // null inside once destroyed: for what was posted
};

}  // namespace probekit
