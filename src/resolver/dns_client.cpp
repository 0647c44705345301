// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/dns_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>

#include "resolver/dns_message.hpp"

namespace probekit {
namespace {

constexpr std::chrono::minutes kPlainFor{10};
// Servers remembered without a channel; only whether they know EDNS is lost beyond it.
constexpr std::size_t kEndpointsMax = 4096;

unsigned byte_at(std::string_view packet, std::size_t at) {
  return static_cast<unsigned char>(packet[at]);
}

// The server did not understand EDNS: FORMERR, and no OPT of its own (RFC 6891 7).
bool rejects_edns(std::string_view packet) {
  return packet.size() >= 12 &&
         (byte_at(packet, 3) & 15U) == static_cast<unsigned>(DnsRcode::formerr) &&
         byte_at(packet, 10) == 0 && byte_at(packet, 11) == 0;
}

}  // namespace

std::size_t DnsClient::KeyHash::operator()(const Key& key) const noexcept {
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof key.bytes);
  std::memcpy(halves, key.bytes.data(), sizeof halves);
  std::uint64_t mixed = halves[0] * 0x9e3779b97f4a7c15U ^ halves[1];
  mixed = (mixed ^ (std::uint64_t{key.port} << 2 | (key.v6 ? 2U : 0U) | (key.tcp ? 1U : 0U))) *
          0xbf58476d1ce4e5b9U;
  return static_cast<std::size_t>(mixed ^ mixed >> 31);
}

DnsClient::DnsClient(ProbeLoop& loop, std::size_t channels_max)
    : loop_(loop),
      channels_max_(std::clamp<std::size_t>(channels_max, 1, 1024)),
      self_(std::make_shared<DnsClient*>(this)) {}

DnsClient::~DnsClient() { *self_ = nullptr; }

void DnsClient::later(void (DnsClient::*what)()) {
  loop_.post([self = self_, what] {
    if (*self != nullptr) (**self.*what)();
  });
}

void DnsClient::ask(DnsQuery& query, const Address& server, bool tcp, std::string_view name,
                    std::uint16_t type) {
  query.tcp_ = tcp;
  query.type_ = type;
  query.server_ = server;
  query.name_ = name;
  query.asked_plain_ = false;
  if (!place(query)) {
    query.state_ = DnsQuery::State::waiting;
    waiting_.push_back(&query);
  }
}

void DnsClient::abandon(DnsQuery& query) {
  switch (std::exchange(query.state_, DnsQuery::State::idle)) {
    case DnsQuery::State::idle:
      return;
    case DnsQuery::State::waiting:
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &query));
      return;
    case DnsQuery::State::deferred:
      for (Deferred& entry : deferred_) {
        if (entry.query == &query) entry.query = nullptr;
      }
      return;
    case DnsQuery::State::asked:
      query.channel_->abandon(query);
      return;
  }
}

DnsClient::Endpoint& DnsClient::endpoint_of(const Address& server, bool tcp) {
  Key key;
  key.bytes = server.bytes;
  key.port = server.port;
  key.v6 = server.v6;
  key.tcp = tcp;
  return endpoints_[key];
}

DnsChannel* DnsClient::channel_for(const DnsQuery& query) {
  Endpoint& endpoint = endpoint_of(query.server_, query.tcp_);
  if (endpoint.plain && loop_.now() >= endpoint.plain_until) {
    endpoint.plain = false;
    for (DnsChannel* channel : endpoint.channels) channel->retired = true;
  }
  const bool edns = !endpoint.plain && !query.asked_plain_;
  DnsChannel* second_best = nullptr;
  for (DnsChannel* channel : endpoint.channels) {
    if (channel->retired || !channel->has_room() || channel->edns() != edns) continue;
    if (!channel->tired()) return channel;
    second_best = channel;
  }
  if (channels_.size() >= channels_max_) {
    DnsChannel* oldest = nullptr;
    for (const auto& channel : channels_) {
      if (!channel->idle()) continue;
      if (oldest == nullptr || channel->used_at < oldest->used_at) oldest = channel.get();
    }
    if (oldest == nullptr || oldest == second_best) return second_best;
    drop(*oldest);
  }
  auto made = DnsChannel::make(loop_, *this, query.server_, query.tcp_, edns);
  if (!made) return second_best;
  DnsChannel* const channel = made.get();
  channel->endpoint = &endpoint;
  endpoint.channels.push_back(channel);
  channels_.push_back(std::move(made));
  if (endpoints_.size() > kEndpointsMax) sweep();
  return channel;
}

bool DnsClient::place(DnsQuery& query) {
  DnsChannel* channel = channel_for(query);
  if (channel == nullptr) {
    if (!channels_.empty()) return false;
    // Not one channel could be made, so none will become free.
    DnsReply reply;
    reply.outcome = DnsOutcome::agent_fault;
    reply.os_error = ENOMEM;
    reply.tcp = query.tcp_;
    defer(query, reply);
    return true;
  }
  channel->used_at = ++use_count_;
  query.state_ = DnsQuery::State::asked;
  const bool nested = std::exchange(asking_, true);
  channel->ask(query, query.name_.c_str(), query.type_);
  asking_ = nested;
  return true;
}

void DnsClient::place_waiting() {
  for (std::size_t i = 0; i < waiting_.size();) {
    DnsQuery* query = waiting_[i];
    if (!place(*query)) {
      ++i;
      continue;
    }
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void DnsClient::on_reply(DnsChannel& channel, DnsQuery& query, const DnsReply& reply) {
  if (asking_) {
    defer(query, reply);
    return;
  }
  query.state_ = DnsQuery::State::idle;
  if (channel.edns() && reply.outcome == DnsOutcome::answered && rejects_edns(reply.packet)) {
    no_edns(*static_cast<Endpoint*>(channel.endpoint));
    if (!query.asked_plain_) {
      query.asked_plain_ = true;
      if (!place(query)) {
        query.state_ = DnsQuery::State::waiting;
        waiting_.push_back(&query);
      }
      return;
    }
  }
  query.on_reply(reply);
}

void DnsClient::on_round(DnsChannel& channel) {
  auto& endpoint = *static_cast<Endpoint*>(channel.endpoint);
  if (channel.edns_lost() && !channel.retired) no_edns(endpoint);
  if (channel.retired && channel.idle()) later(&DnsClient::sweep);
  if (!waiting_.empty()) place_waiting();  // last: it may take this channel's place
}

void DnsClient::no_edns(Endpoint& endpoint) {
  endpoint.plain = true;
  endpoint.plain_until = loop_.now() + kPlainFor;
  for (DnsChannel* channel : endpoint.channels) {
    if (channel->edns()) channel->retired = true;
  }
}

void DnsClient::drop(DnsChannel& channel) {
  auto& siblings = static_cast<Endpoint*>(channel.endpoint)->channels;
  siblings.erase(std::find(siblings.begin(), siblings.end(), &channel));
  const auto at = std::find_if(channels_.begin(), channels_.end(),
                               [&](const auto& owned) { return owned.get() == &channel; });
  std::swap(*at, channels_.back());
  channels_.pop_back();
}

// Forgets retired channels that are idle, and servers without channels when there are too many.
void DnsClient::sweep() {
  for (std::size_t i = 0; i < channels_.size();) {
    if (channels_[i]->retired && channels_[i]->idle()) {
      drop(*channels_[i]);
    } else {
      ++i;
    }
  }
  if (endpoints_.size() <= kEndpointsMax) return;
  for (auto it = endpoints_.begin(); it != endpoints_.end();) {
    it = it->second.channels.empty() ? endpoints_.erase(it) : std::next(it);
  }
}

void DnsClient::defer(DnsQuery& query, const DnsReply& reply) {
  query.state_ = DnsQuery::State::deferred;
  deferred_.push_back({&query, reply});
  deferred_.back().reply.packet = {};
  if (std::exchange(deferred_posted_, true)) return;
  later(&DnsClient::deliver_deferred);
}

void DnsClient::deliver_deferred() {
  deferred_posted_ = false;
  const auto alive = self_;
  // By index and emptied as they go: a reply may abandon others, ask again, or destroy this.
  for (std::size_t left = deferred_.size(); left > 0; --left) {
    const Deferred entry = deferred_.front();
    deferred_.erase(deferred_.begin());
    if (entry.query == nullptr) continue;
    entry.query->state_ = DnsQuery::State::idle;
    entry.query->on_reply(entry.reply);
    if (*alive == nullptr) return;
  }
}

}  // namespace probekit
