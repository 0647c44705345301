// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One c-ares channel on a ProbeLoop: questions to one server over one transport. It knows no
/// time: whoever asks gives up by abandon(). DnsClient keeps channels; nothing else uses them.
/// *Threads*: the loop's.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/event_loop.hpp"
#include "resolver/dns_query.hpp"

struct ares_channeldata;
struct sockaddr;
struct iovec;

namespace probekit {

class DnsChannel;

/// Told what a channel did.
class DnsChannelUser {
 public:
  /// May ask more, but not destroy the channel.
  virtual void on_reply(DnsChannel& channel, DnsQuery& query, const DnsReply& reply) = 0;
  /// After each round of replies and each abandon(); nothing follows, so that the channel may be
  /// destroyed here.
  virtual void on_round(DnsChannel& channel) = 0;

 protected:
  ~DnsChannelUser() = default;
};

class DnsChannel {
 public:
  /// Questions that may wait on one UDP socket: with Linux's default receive buffer the answers to
  /// about 250 fit before the kernel drops them.
  static constexpr std::size_t kUdpQueriesMax = 150;
  /// A TCP question has a connection of its own, so that no other one's end takes it along.
  static constexpr std::size_t kTcpQueriesMax = 1;
  /// After so many questions in a row the socket, and with it the source port, is given a rest.
  static constexpr std::size_t kQuestionsPerSocket = 4096;
  static constexpr std::size_t kAbandonedMax = 1000;
  /// What a UDP answer may measure: with EDNS (no fragments on usual paths) and without.
  static constexpr std::uint16_t kUdpBytesEdns = 1232;
  static constexpr std::uint16_t kUdpBytesPlain = 512;

  /// Null when c-ares has no memory or no randomness.
  static std::unique_ptr<DnsChannel> make(ProbeLoop& loop, DnsChannelUser& user,
                                          const Address& server, bool tcp, bool edns);
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  /// The reply may come inside this call; then it is never an answer.
  void ask(DnsQuery& query, const char* name, std::uint16_t type);
  /// No reply for `query` follows.
  void abandon(DnsQuery& query);

  bool tcp() const noexcept { return tcp_; }
  bool edns() const noexcept { return edns_; }
  /// c-ares stopped using EDNS on this channel, for good, after one server's FORMERR.
  bool edns_lost() const noexcept { return edns_lost_; }
  std::size_t live() const noexcept { return live_; }
  bool idle() const noexcept { return live_ == 0 && !in_call_; }
  bool has_room() const noexcept { return live_ < (tcp_ ? kTcpQueriesMax : kUdpQueriesMax); }
  bool tired() const noexcept {
    return asked_on_socket_ >= kQuestionsPerSocket || abandoned_ >= kAbandonedMax;
  }

  // Kept by DnsClient.
  void* endpoint = nullptr;
  std::uint64_t used_at = 0;
  bool retired = false;

 private:
  struct Slot;
  struct Calls;  // what c-ares calls

  DnsChannel(ProbeLoop& loop, DnsChannelUser& user, bool tcp, bool edns);
  void on_event(int fd, unsigned events);
  void finish_round();
  void deliver(Slot& slot, int status, std::string_view packet);

  ProbeLoop& loop_;
  DnsChannelUser& user_;
  ares_channeldata* channel_ = nullptr;
  const bool tcp_;
  const bool edns_;
  bool edns_lost_ = false;
  bool in_call_ = false;
  int os_error_ = 0;           // of the last system call of this round that failed
  unsigned packets_left_ = 0;  // to be read in this round
  std::size_t live_ = 0;
  std::size_t abandoned_ = 0;
  std::size_t asked_on_socket_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  Slot* free_slots_ = nullptr;
};

}  // namespace probekit
