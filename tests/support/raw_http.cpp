// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/raw_http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "base/text.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"

namespace probekit::test {

std::string RawReply::header(const std::string& name) const {
  const auto at = headers.find(name);
  return at == headers.end() ? std::string() : at->second;
}

json::Value RawReply::json() const {
  INFO("the body: " << body.substr(0, 1000));
  auto value = json::Value::parse(body);
  REQUIRE(value);
  return std::move(*value);
}

RawHttp::RawHttp(std::uint16_t port, int receive_buffer) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to the API");
  }
}

RawHttp::~RawHttp() { close(fd_); }

std::size_t RawHttp::send_some(std::string_view bytes) {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

bool RawHttp::send(std::string_view bytes, std::chrono::milliseconds patience) {
  const SteadyTime end = system_clock()->steady_now() + patience;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (system_clock()->steady_now() >= end) return false;
    pollfd wait{fd_, POLLOUT, 0};
    poll(&wait, 1, 50);
  }
  return true;
}

bool RawHttp::fill(std::chrono::milliseconds patience) {
  pollfd wait{fd_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return false;
  char bytes[65536];
  const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::optional<std::string> RawHttp::take(std::size_t size) {
  while (buffer_.size() < size) {
    if (!fill(kPatience)) return std::nullopt;
  }
  std::string taken = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return taken;
}

std::optional<std::string> RawHttp::take_line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill(kPatience)) return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::optional<RawReply> RawHttp::receive(bool head) {
  RawReply reply;
  const auto status = take_line();
  if (!status || status->size() < 12) return std::nullopt;
  reply.status = std::atoi(status->c_str() + 9);
  for (;;) {
    const auto line = take_line();
    if (!line) return std::nullopt;
    if (line->empty()) break;
    const std::size_t colon = std::min(line->find(':'), line->size() - 1);
    reply.headers[to_lower(line->substr(0, colon))] = std::string(trim(line->substr(colon + 1)));
  }
  if (head || reply.status == 100) return reply;
  if (reply.header("transfer-encoding") == "chunked") {
    for (;;) {
      const auto size = take_line();
      if (!size) return std::nullopt;
      const auto count = static_cast<std::size_t>(std::strtoul(size->c_str(), nullptr, 16));
      const auto bytes = take(count + 2);
      if (!bytes) return std::nullopt;
      if (count == 0) return reply;
      reply.body.append(*bytes, 0, count);
    }
  }
  const std::string length = reply.header("content-length");
  if (!length.empty()) {
    auto body = take(std::strtoul(length.c_str(), nullptr, 10));
    if (!body) return std::nullopt;
    reply.body = std::move(*body);
    return reply;
  }
  while (fill(kPatience)) {
  }
  reply.body = std::move(buffer_);
  return reply;
}

bool RawHttp::readable(std::chrono::milliseconds patience) {
  pollfd wait{fd_, POLLIN, 0};
  return !buffer_.empty() || poll(&wait, 1, static_cast<int>(patience.count())) > 0;
}

bool RawHttp::closed(std::chrono::milliseconds patience) {
  const SteadyTime end = system_clock()->steady_now() + patience;
  char bytes[65536];
  while (system_clock()->steady_now() < end) {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, 50) <= 0) continue;
    if (recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
  }
  return false;
}

void RawHttp::half_close() { shutdown(fd_, SHUT_WR); }

std::optional<RawReply> RawHttp::request(std::string_view method, std::string_view target,
                                         std::string_view headers, std::string_view body) {
  std::string all(headers);
  if (!body.empty() || method == "POST") {
    all += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  send(request_head(method, target, all) + std::string(body));
  return receive(method == "HEAD");
}

std::string request_head(std::string_view method, std::string_view target,
                         std::string_view headers) {
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  if (headers.find("Host:") == std::string_view::npos) head += "Host: localhost\r\n";
  head.append(headers).append("\r\n");
  return head;
}

std::string chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

}  // namespace probekit::test
