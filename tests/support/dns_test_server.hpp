// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A DNS server on loopback, UDP and TCP on one port, that answers as its script says.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "support/server_thread.hpp"

namespace probekit::test {

/// A question as it arrived.
struct DnsTestQuery {
  std::string packet;
  std::string name;  ///< lower case, without the final dot
  std::uint16_t type = 0;
  bool tcp = false;
  bool edns = false;
};

/// One packet to send back, after `delay`. An empty one is a UDP packet of 0 bytes; over TCP it
/// ends the connection.
struct DnsTestReply {
  std::string packet;
  std::chrono::milliseconds delay{0};
};

/// Makes answers by hand: starts with the header and question of a query. Not thread safe.
class DnsTestAnswer {
 public:
  explicit DnsTestAnswer(const DnsTestQuery& query);

  DnsTestAnswer& rcode(unsigned rcode);
  DnsTestAnswer& id(std::uint16_t id);
  DnsTestAnswer& flag_tc();
  DnsTestAnswer& flag_aa();
  /// Records of the question's name, in the answer section.
  DnsTestAnswer& a(std::string_view ip, std::uint32_t ttl = 60);
  DnsTestAnswer& aaaa(std::string_view ip, std::uint32_t ttl = 60);
  DnsTestAnswer& txt(std::string_view text, std::uint32_t ttl = 60);
  DnsTestAnswer& record(std::uint16_t type, std::string_view rdata, std::uint32_t ttl = 60);
  /// A CNAME from the question's name to `name`, then records of that name.
  DnsTestAnswer& cname(std::string_view name, std::uint32_t ttl = 60);
  /// In the authority section; after all answers.
  DnsTestAnswer& soa(std::uint32_t minimum, std::uint32_t ttl = 60);
  /// After all others.
  DnsTestAnswer& opt(unsigned rcode_high = 0);

  operator DnsTestReply() const { return {packet_, std::chrono::milliseconds(0)}; }
  const std::string& packet() const { return packet_; }

 private:
  DnsTestAnswer& add(std::size_t count_at, std::uint16_t type, std::uint16_t dns_class,
                     std::uint32_t ttl, std::string_view rdata, std::string_view owner);

  std::string packet_;
  std::string owner_;  // compressed: of the question, or of the last CNAME
};

/// "a.example" as it stands on the wire.
std::string dns_wire_name(std::string_view name);

class DnsTestServer {
 public:
  /// Replies to one query; none: it is dropped. Called on the server's thread.
  using Script = std::function<std::vector<DnsTestReply>(const DnsTestQuery&)>;

  explicit DnsTestServer(Script script);
  ~DnsTestServer() { thread_.stop(); }

  Address address() const { return address_; }
  /// "127.0.0.1:5353", as it stands in a target.
  std::string text() const { return address_.to_string(); }
  std::uint64_t queries() const { return queries_.load(); }
  std::uint64_t tcp_queries() const { return tcp_queries_.load(); }

 private:
  struct Connection {
    Fd fd;
    std::string in;
  };
  struct Pending {
    SteadyTime due;
    std::string packet;
    int tcp_fd;        // -1: UDP
    std::string peer;  // sockaddr of a UDP peer
  };
  PollThread::Wait round(const std::vector<pollfd>& ready);
  void answer(const std::string& packet, int tcp_fd, const std::string& peer);
  void send_due();

  Script script_;
  Fd udp_, tcp_;
  Address address_;
  std::vector<Connection> connections_;
  std::vector<Pending> pending_;
  std::atomic<std::uint64_t> queries_{0};
  std::atomic<std::uint64_t> tcp_queries_{0};
  PollThread thread_;  // last: it ends first
};

}  // namespace probekit::test
