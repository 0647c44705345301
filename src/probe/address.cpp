// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "probekit/address_policy.hpp"

namespace probekit {
namespace {

Error refused(const char* message) { return Error{errc::invalid_argument, message}; }

bool read_ip(std::string_view text, bool v6, Address& out) noexcept {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  out.v6 = v6;
  return std::strlen(buffer) == text.size() &&
         ::inet_pton(v6 ? AF_INET6 : AF_INET, buffer, out.bytes.data()) == 1;
}

bool read_port(std::string_view text, std::uint16_t& out) noexcept {
  if (text.empty() || text.size() > 5) return false;
  std::uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
  }
  out = static_cast<std::uint16_t>(port);
  return port <= 65535;
}

}  // namespace

std::string Address::ip() const {
  char buffer[INET6_ADDRSTRLEN];
  const char* text = ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
  return text != nullptr ? text : "";
}

std::string Address::to_string() const {
  std::string out;
  if (v6) out += '[';
  out += ip();
  if (v6) out += ']';
  out += ':';
  out += std::to_string(port);
  return out;
}

Expected<Address> parse_address(std::string_view text, std::uint16_t port_default) {
  Address address;
  address.port = port_default;
  const std::size_t colon = text.find(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !read_ip(text.substr(1, end - 1), true, address)) {
      return refused("not an IPv6 address in brackets");
    }
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !read_port(rest.substr(1), address.port))) {
      return refused("the port is not a number from 0 to 65535");
    }
    return address;
  }
  if (colon == std::string_view::npos) {
    if (!read_ip(text, false, address)) return refused("not an IP address");
    return address;
  }
  if (text.find(':', colon + 1) != std::string_view::npos) {
    if (!read_ip(text, true, address)) return refused("not an IP address");
    return address;
  }
  if (!read_ip(text.substr(0, colon), false, address)) return refused("not an IP address");
  if (!read_port(text.substr(colon + 1), address.port)) {
    return refused("the port is not a number from 0 to 65535");
  }
  return address;
}

Expected<Address> address_of(const sockaddr* address) {
  Address out;
  if (address != nullptr && address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(out.bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
    out.port = ntohs(v4.sin_port);
    return out;
  }
  if (address != nullptr && address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::memcpy(out.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    out.v6 = true;
    out.port = ntohs(v6.sin6_port);
    return out;
  }
  return refused("neither an IPv4 nor an IPv6 address");
}

}  // namespace probekit
