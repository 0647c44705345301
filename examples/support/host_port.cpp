// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "host_port.hpp"

#include <netdb.h>
#include <strings.h>
#include <sys/socket.h>

#include <charconv>
#include <probekit/address_policy.hpp>

namespace examples {
namespace {

constexpr std::size_t kNameBytesMax = 253;

bool is_loopback(const probekit::Address& address) {
  return address.v6 ? address.ip() == "::1" : address.bytes[0] == 127;
}

}  // namespace

std::optional<HostPort> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  HostPort parsed;
  const std::string_view port = text.substr(colon + 1);
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc{} || rest != port.data() + port.size()) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  if (!host.empty() && host.front() == '[') {
    const auto address = probekit::parse_address(host, 0);
    if (!address) return std::nullopt;
    parsed.host = address->ip();
    return parsed;
  }
  if (host.empty() || host.size() > kNameBytesMax ||
      host.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") !=
          std::string_view::npos)
    return std::nullopt;
  parsed.host = host;
  return parsed;
}

probekit::Expected<FoundHost> find_host(const std::string& host) {
  if (strcasecmp(host.c_str(), "localhost") == 0) return FoundHost{"127.0.0.1", true};
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &wanted, &list);
  if (code != 0)
    return probekit::Error{probekit::errc::connection_failed,
                           "'" + host + "' has no address: " + gai_strerror(code)};
  FoundHost found;
  found.loopback = true;
  bool found_v4 = false;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = probekit::address_of(entry->ai_addr);
    if (!address) continue;
    if (found.ip.empty() || (!found_v4 && !address->v6)) found.ip = address->ip();
    found_v4 = found_v4 || !address->v6;
    found.loopback = found.loopback && is_loopback(*address);
  }
  freeaddrinfo(list);
  if (found.ip.empty())
    return probekit::Error{probekit::errc::connection_failed, "'" + host + "' has no address"};
  return found;
}

}  // namespace examples
