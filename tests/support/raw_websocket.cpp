// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/raw_websocket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "probekit/clock.hpp"

namespace probekit::test {

namespace {

constexpr std::array<unsigned char, 4> kMask{0x12, 0x34, 0x56, 0x78};

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

std::uint16_t RawFrame::close_code() const {
  if (payload.size() < 2) return 1005;
  return static_cast<std::uint16_t>(big_endian(std::string_view(payload).substr(0, 2)));
}

std::string RawFrame::close_text() const { return payload.size() < 2 ? "" : payload.substr(2); }

RawWebSocket::RawWebSocket(std::uint16_t port, int receive_buffer_bytes) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) throw_errno("socket");
  if (receive_buffer_bytes > 0) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(descriptor_);
    errno = error;
    throw_errno("connect");
  }
}

RawWebSocket::~RawWebSocket() { ::close(descriptor_); }

std::vector<RawHeader> RawWebSocket::good_headers() {
  return {{"Host", "127.0.0.1"},           {"Upgrade", "websocket"},
          {"Connection", "Upgrade"},       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
          {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Protocol", "probekit.v1"}};
}

std::string RawWebSocket::request(const std::vector<RawHeader>& headers, const std::string& path) {
  std::string text = "GET " + path + " HTTP/1.1\r\n";
  for (const RawHeader& header : headers) text += header.name + ": " + header.value + "\r\n";
  send_bytes(text + "\r\n");
  return read_until("\r\n\r\n");
}

bool RawWebSocket::open() { return request(good_headers()).compare(0, 13, "HTTP/1.1 101 ") == 0; }

bool RawWebSocket::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawWebSocket::send_frame_head(RawOpcode opcode, std::uint64_t payload_bytes, bool fin,
                                   bool masked) {
  std::string head;
  head += static_cast<char>((fin ? 0x80U : 0U) | static_cast<unsigned>(opcode));
  const unsigned mask_bit = masked ? 0x80U : 0U;
  int length_bytes = 0;
  if (payload_bytes < 126) {
    head += static_cast<char>(mask_bit | static_cast<unsigned>(payload_bytes));
  } else if (payload_bytes < 65536) {
    head += static_cast<char>(mask_bit | 126U);
    length_bytes = 2;
  } else {
    head += static_cast<char>(mask_bit | 127U);
    length_bytes = 8;
  }
  for (int i = length_bytes - 1; i >= 0; --i) {
    head += static_cast<char>(payload_bytes >> (8U * static_cast<unsigned>(i)) & 0xFFU);
  }
  if (masked) head.append(reinterpret_cast<const char*>(kMask.data()), kMask.size());
  return send_bytes(head);
}

bool RawWebSocket::send_frame(RawOpcode opcode, std::string_view payload, bool fin, bool masked) {
  if (!send_frame_head(opcode, payload.size(), fin, masked)) return false;
  std::string bytes(payload);
  if (masked) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ kMask[i % 4]);
    }
  }
  return send_bytes(bytes);
}

bool RawWebSocket::fill(std::chrono::milliseconds timeout) {
  if (ended_ || timeout.count() < 0) return false;
  pollfd ready{descriptor_, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(timeout.count())) <= 0) return false;
  std::array<char, 64 * 1024> bytes;
  const ssize_t got = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  return true;
}

namespace {

std::chrono::milliseconds left_until(SteadyTime end) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(end - system_clock()->steady_now());
}

}  // namespace

std::optional<RawFrame> RawWebSocket::read_frame(std::chrono::milliseconds timeout) {
  const SteadyTime end = system_clock()->steady_now() + timeout;
  for (;;) {
    if (buffer_.size() >= 2) {
      const auto first = static_cast<unsigned char>(buffer_[0]);
      const auto second = static_cast<unsigned char>(buffer_[1]);
      std::uint64_t length = second & 0x7FU;
      std::size_t head = 2;
      if (length == 126) head = 4;
      if (length == 127) head = 10;
      const bool masked = (second & 0x80U) != 0;
      const std::size_t mask_at = head;
      if (masked) head += 4;
      if (buffer_.size() >= head) {
        if (mask_at > 2) length = big_endian(std::string_view(buffer_).substr(2, mask_at - 2));
        if (buffer_.size() - head >= length) {
          RawFrame frame;
          frame.opcode = first & 0x0FU;
          frame.fin = (first & 0x80U) != 0;
          frame.masked = masked;
          frame.payload = buffer_.substr(head, static_cast<std::size_t>(length));
          buffer_.erase(0, head + static_cast<std::size_t>(length));
          return frame;
        }
      }
    }
    if (!fill(left_until(end))) return std::nullopt;
  }
}

std::string RawWebSocket::read_until(std::string_view end, std::chrono::milliseconds timeout) {
  const SteadyTime deadline = system_clock()->steady_now() + timeout;
  for (;;) {
    const std::size_t found = buffer_.find(end);
    if (found != std::string::npos || !fill(left_until(deadline))) {
      const std::size_t size = std::min(
          buffer_.size(), found == std::string::npos ? std::string::npos : found + end.size());
      std::string text = buffer_.substr(0, size);
      buffer_.erase(0, size);
      return text;
    }
  }
}

bool RawWebSocket::wait_end(std::chrono::milliseconds timeout) {
  const SteadyTime end = system_clock()->steady_now() + timeout;
  while (!ended_ && fill(left_until(end))) buffer_.clear();
  return ended_;
}

std::uint16_t RawWebSocket::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

}  // namespace probekit::test
