// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/dns_test_server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace probekit::test {
namespace {

constexpr std::size_t kAnswerCount = 6, kAuthorityCount = 8, kAdditionalCount = 10;

unsigned byte_at(const std::string& bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 255), static_cast<char>(value & 255)};
}

std::string u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xffff); }

// Where the question ends; 0 for a packet that is not one question.
std::size_t read_question(DnsTestQuery& query) {
  const std::string& packet = query.packet;
  if (packet.size() < 17) return 0;
  std::size_t at = 12;
  while (at < packet.size() && byte_at(packet, at) != 0) {
    const std::size_t length = byte_at(packet, at);
    if (length > 63 || at + length + 1 >= packet.size()) return 0;
    if (!query.name.empty()) query.name += '.';
    for (std::size_t i = at + 1; i <= at + length; ++i) {
      const char c = packet[i];
      query.name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    at += length + 1;
  }
  if (at + 5 > packet.size()) return 0;
  query.type = static_cast<std::uint16_t>(byte_at(packet, at + 1) << 8 | byte_at(packet, at + 2));
  query.edns = byte_at(packet, 11) != 0;
  return at + 5;
}

}  // namespace

std::string dns_wire_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    out += static_cast<char>(label.size());
    out += label;
    name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  }
  return out += '\0';
}

DnsTestAnswer::DnsTestAnswer(const DnsTestQuery& query) : owner_("\xc0\x0c") {
  DnsTestQuery copy = query;
  copy.name.clear();
  packet_ = query.packet.substr(0, read_question(copy));
  packet_[2] = static_cast<char>(0x80 | (packet_[2] & 1));
  packet_[3] = static_cast<char>(0x80);
  for (std::size_t i = kAnswerCount; i < 12; ++i) packet_[i] = 0;
}

DnsTestAnswer& DnsTestAnswer::rcode(unsigned rcode) {
  packet_[3] = static_cast<char>((byte_at(packet_, 3) & 0xf0U) | rcode);
  return *this;
}

DnsTestAnswer& DnsTestAnswer::id(std::uint16_t id) {
  packet_.replace(0, 2, u16(id));
  return *this;
}

DnsTestAnswer& DnsTestAnswer::flag_tc() {
  packet_[2] = static_cast<char>(byte_at(packet_, 2) | 2U);
  return *this;
}

DnsTestAnswer& DnsTestAnswer::flag_aa() {
  packet_[2] = static_cast<char>(byte_at(packet_, 2) | 4U);
  return *this;
}

DnsTestAnswer& DnsTestAnswer::add(std::size_t count_at, std::uint16_t type, std::uint16_t dns_class,
                                  std::uint32_t ttl, std::string_view rdata,
                                  std::string_view owner) {
  const unsigned count = byte_at(packet_, count_at) << 8 | byte_at(packet_, count_at + 1);
  packet_.replace(count_at, 2, u16(count + 1));
  packet_ += owner;
  packet_ += u16(type) + u16(dns_class) + u32(ttl) + u16(static_cast<unsigned>(rdata.size()));
  packet_ += rdata;
  return *this;
}

DnsTestAnswer& DnsTestAnswer::record(std::uint16_t type, std::string_view rdata,
                                     std::uint32_t ttl) {
  return add(kAnswerCount, type, 1, ttl, rdata, owner_);
}

DnsTestAnswer& DnsTestAnswer::a(std::string_view ip, std::uint32_t ttl) {
  char bytes[4];
  inet_pton(AF_INET, std::string(ip).c_str(), bytes);
  return record(1, {bytes, sizeof bytes}, ttl);
}

DnsTestAnswer& DnsTestAnswer::aaaa(std::string_view ip, std::uint32_t ttl) {
  char bytes[16];
  inet_pton(AF_INET6, std::string(ip).c_str(), bytes);
  return record(28, {bytes, sizeof bytes}, ttl);
}

DnsTestAnswer& DnsTestAnswer::txt(std::string_view text, std::uint32_t ttl) {
  std::string rdata;
  do {
    const std::string_view piece = text.substr(0, 255);
    rdata += static_cast<char>(piece.size());
    rdata += piece;
    text.remove_prefix(piece.size());
  } while (!text.empty());
  return record(16, rdata, ttl);
}

DnsTestAnswer& DnsTestAnswer::cname(std::string_view name, std::uint32_t ttl) {
  const std::string wire = dns_wire_name(name);
  record(5, wire, ttl);
  owner_ = u16(static_cast<unsigned>(0xc000 | (packet_.size() - wire.size())));
  return *this;
}

DnsTestAnswer& DnsTestAnswer::soa(std::uint32_t minimum, std::uint32_t ttl) {
  const std::string rdata = dns_wire_name("ns.test") + dns_wire_name("root.test") + u32(1) +
                            u32(2) + u32(3) + u32(4) + u32(minimum);
  return add(kAuthorityCount, 6, 1, ttl, rdata, "\xc0\x0c");
}

DnsTestAnswer& DnsTestAnswer::opt(unsigned rcode_high) {
  return add(kAdditionalCount, 41, 1232, rcode_high << 24, "", std::string_view("\0", 1));
}

DnsTestServer::DnsTestServer(Script script) : script_(std::move(script)) {
  for (int left = 20;; --left) {
    tcp_ = bound_socket(SOCK_STREAM, "127.0.0.1", 0);
    try {
      udp_ = bound_socket(SOCK_DGRAM, "127.0.0.1", port_of(tcp_));
      break;
    } catch (const std::exception&) {
      if (left == 0) throw;
    }
  }
  listen(tcp_.get(), 128);
  address_ = *parse_address("127.0.0.1", port_of(tcp_));
  thread_.start([this](const std::vector<pollfd>& ready) { return round(ready); });
}

PollThread::Wait DnsTestServer::round(const std::vector<pollfd>& ready) {
  for (const pollfd& entry : ready) {
    if (entry.revents == 0) continue;
    if (entry.fd == udp_.get()) {
      char buffer[4096];
      sockaddr_storage from{};
      socklen_t from_size = sizeof from;
      ssize_t got = 0;
      while ((got = recvfrom(udp_.get(), buffer, sizeof buffer, 0,
                             reinterpret_cast<sockaddr*>(&from), &from_size)) >= 0) {
        answer({buffer, static_cast<std::size_t>(got)}, -1,
               {reinterpret_cast<const char*>(&from), from_size});
      }
    } else if (entry.fd == tcp_.get()) {
      for (int fd = 0;
           (fd = accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        connections_.push_back({Fd(fd), {}});
      }
    } else {
      const auto at = std::find_if(connections_.begin(), connections_.end(),
                                   [&](const auto& c) { return c.fd.get() == entry.fd; });
      if (at == connections_.end()) continue;
      char buffer[4096];
      const ssize_t got = recv(entry.fd, buffer, sizeof buffer, 0);
      if (got <= 0) {
        pending_.erase(std::remove_if(pending_.begin(), pending_.end(),
                                      [&](const auto& p) { return p.tcp_fd == entry.fd; }),
                       pending_.end());
        connections_.erase(at);
        continue;
      }
      at->in.append(buffer, static_cast<std::size_t>(got));
      while (at->in.size() >= 2) {
        const std::size_t size = byte_at(at->in, 0) << 8 | byte_at(at->in, 1);
        if (at->in.size() < 2 + size) break;
        const std::string packet = at->in.substr(2, size);
        at->in.erase(0, 2 + size);
        answer(packet, entry.fd, {});
      }
    }
  }
  send_due();
  PollThread::Wait wait;
  wait.fds.push_back({udp_.get(), POLLIN, 0});
  wait.fds.push_back({tcp_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) {
    wait.fds.push_back({connection.fd.get(), POLLIN, 0});
  }
  if (!pending_.empty()) wait.timeout = std::chrono::milliseconds(1);
  return wait;
}

void DnsTestServer::answer(const std::string& packet, int tcp_fd, const std::string& peer) {
  DnsTestQuery query;
  query.packet = packet;
  query.tcp = tcp_fd >= 0;
  if (read_question(query) == 0) return;
  ++queries_;
  if (query.tcp) ++tcp_queries_;
  const SteadyTime now = system_clock()->steady_now();
  for (DnsTestReply& reply : script_(query)) {
    pending_.push_back({now + reply.delay, std::move(reply.packet), tcp_fd, peer});
  }
  send_due();
}

void DnsTestServer::send_due() {
  if (pending_.empty()) return;
  const SteadyTime now = system_clock()->steady_now();
  std::vector<Pending> due;
  const auto later = std::stable_partition(pending_.begin(), pending_.end(),
                                           [&](const auto& p) { return p.due <= now; });
  std::move(pending_.begin(), later, std::back_inserter(due));
  pending_.erase(pending_.begin(), later);
  for (const Pending& one : due) {
    if (one.tcp_fd < 0) {
      sendto(udp_.get(), one.packet.data(), one.packet.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(one.peer.data()),
             static_cast<socklen_t>(one.peer.size()));
    } else if (one.packet.empty()) {
      shutdown(one.tcp_fd, SHUT_RDWR);
    } else {
      const std::string framed = u16(static_cast<unsigned>(one.packet.size())) + one.packet;
      send(one.tcp_fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
}

}  // namespace probekit::test
