// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/tcp_socket.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <limits>

namespace probekit {

namespace {

void set_tcp_option(int descriptor, int option, unsigned value) {
  // A kernel without the option costs precision, not correctness.
  static_cast<void>(::setsockopt(descriptor, IPPROTO_TCP, option, &value, sizeof value));
}

std::size_t queue_bytes(int descriptor, unsigned long request) {
  int bytes = 0;
  if (::ioctl(descriptor, request, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::size_t>(bytes);
}

// Fields the running kernel does not know stay 0; `size` is how much it told.
tcp_info read_tcp_info(int descriptor, socklen_t& size) {
  tcp_info info{};
  size = sizeof info;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) return info;
  size = 0;
  return tcp_info{};
}

// A window of 0 is a closed one; a kernel before 5.4 does not tell.
constexpr socklen_t kKnowsWindow =
    offsetof(tcp_info, tcpi_snd_wnd) + sizeof(tcp_info::tcpi_snd_wnd);

std::string text_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    if (::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size()) == nullptr) return {};
    return std::string(text.data()) + ':' + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size()) == nullptr) return {};
    return '[' + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return {};
}

}  // namespace

void tune_tcp_socket(int descriptor, std::chrono::milliseconds send_time_limit) {
  set_tcp_option(descriptor, TCP_NODELAY, 1);
  set_tcp_option(descriptor, TCP_NOTSENT_LOWAT, static_cast<unsigned>(Connection::kSendRoom));
  // Well after our own deadline, which explains itself.
  const auto timeout = 2 * send_time_limit + std::chrono::seconds(10);
  if (timeout.count() < std::numeric_limits<int>::max()) {
    set_tcp_option(descriptor, TCP_USER_TIMEOUT, static_cast<unsigned>(timeout.count()));
  }
}

void read_tcp_facts(int descriptor, ConnectionFacts& facts) {
  if (descriptor < 0) return;
  facts.send_queue_bytes = queue_bytes(descriptor, SIOCOUTQ);
  facts.recv_queue_bytes = queue_bytes(descriptor, SIOCINQ);
  socklen_t size = 0;
  const tcp_info info = read_tcp_info(descriptor, size);
  facts.measured = size > 0;
  facts.bytes_received = info.tcpi_bytes_received;
  facts.bytes_acked = info.tcpi_bytes_acked;
  facts.rtt = std::chrono::microseconds(info.tcpi_rtt);
  facts.retransmits = info.tcpi_total_retrans;
  facts.peer_window_bytes =
      size >= kKnowsWindow ? info.tcpi_snd_wnd : std::numeric_limits<std::uint32_t>::max();
  // What probes a closed window carries no data.
  if (facts.peer_window_bytes == 0 && facts.send_queue_bytes > 0)
    facts.window_closed = std::chrono::milliseconds(info.tcpi_last_data_sent);
  facts.rwnd_limited = std::chrono::microseconds(info.tcpi_rwnd_limited);
  facts.not_sent_bytes = info.tcpi_notsent_bytes;
}

std::string tcp_peer(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return text_of(address);
}

std::string tcp_local(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return text_of(address);
}

TcpProgress read_tcp_progress(int descriptor) {
  if (descriptor < 0) return {};
  socklen_t size = 0;
  return {queue_bytes(descriptor, SIOCOUTQ), read_tcp_info(descriptor, size).tcpi_bytes_acked};
}

}  // namespace probekit
