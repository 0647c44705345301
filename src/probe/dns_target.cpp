// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/dns_target.hpp"

#include <cstddef>
#include <utility>

#include "base/text.hpp"
#include "probe/host_name.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::string_view kScheme = "dns:";

struct NamedType {
  DnsType type;
  std::string_view name;
};

constexpr NamedType kTypes[] = {
    {DnsType::a, "A"},     {DnsType::aaaa, "AAAA"}, {DnsType::cname, "CNAME"},
    {DnsType::mx, "MX"},   {DnsType::ns, "NS"},     {DnsType::txt, "TXT"},
    {DnsType::soa, "SOA"}, {DnsType::srv, "SRV"},   {DnsType::ptr, "PTR"},
    {DnsType::caa, "CAA"},
};

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

std::optional<DnsType> parse_type(std::string_view text) {
  for (const NamedType& known : kTypes) {
    if (equal_ignoring_case(known.name, text)) return known.type;
  }
  return std::nullopt;
}

/// RFC 1035 3.5, RFC 3596 2.5.
std::string reverse_name(const Address& address) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  if (!address.v6) {
    for (std::size_t i = 4; i-- > 0;) out += std::to_string(address.bytes[i]) + '.';
    return out + "in-addr.arpa";
  }
  for (std::size_t i = 16; i-- > 0;) {
    out += kDigits[address.bytes[i] & 0xFU];
    out += '.';
    out += kDigits[address.bytes[i] >> 4U];
    out += '.';
  }
  return out + "ip6.arpa";
}

/// An IP address without a port, IPv6 with or without brackets; IPv4 also with the dot that ends
/// a name: no top-level domain is a number (RFC 3696 2).
std::optional<Address> plain_ip(std::string_view text) {
  if (text.empty() || (text.front() == '[' && text.back() != ']')) return {};
  // Nearly all are names, and a refusal costs a text: so what cannot be one is not tried.
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    if (text.back() == '.') text.remove_suffix(1);
    if (text.empty() || text.back() < '0' || text.back() > '9') return {};
  } else if (text.rfind(':') == colon) {
    return {};
  }
  auto address = parse_address(text, 0);
  if (!address) return {};
  return *address;
}

}  // namespace

std::string_view to_string(DnsType type) noexcept {
  for (const NamedType& known : kTypes) {
    if (known.type == type) return known.name;
  }
  return "?";
}

Expected<DnsTarget> parse_dns_target(std::string_view text) {
  if (text.size() > kTargetBytesMax) return refused("the target is longer than 8 KiB");
  if (!equal_ignoring_case(text.substr(0, kScheme.size()), kScheme)) {
    return refused("a DNS target is written dns:NAME[/TYPE][@SERVER[:PORT]]");
  }
  text.remove_prefix(kScheme.size());
  if (text.substr(0, 2) == "//") {
    return refused("a DNS target has no slashes in front: write dns:NAME[/TYPE][@SERVER[:PORT]]");
  }

  DnsTarget target;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view server_text = text.substr(at + 1);
    auto server = parse_address(server_text, kDnsPort);
    if (!server) {
      return refused(
          "the server of a DNS target is an IP address, with a port as IP:PORT or "
          "[IPV6]:PORT");
    }
    if (server->port == 0) return refused("the server of a DNS target has port 0");
    target.server = *server;
    text = text.substr(0, at);
  }
  bool typed = false;
  if (const std::size_t slash = text.rfind('/'); slash != std::string_view::npos) {
    const auto type = parse_type(text.substr(slash + 1));
    if (!type) {
      return refused(
          "the type of a DNS target is one of A, AAAA, CNAME, MX, NS, TXT, SOA, SRV, PTR, CAA");
    }
    target.type = *type;
    typed = true;
    text = text.substr(0, slash);
  }

  if (const auto address = plain_ip(text)) {
    if (!typed || target.type != DnsType::ptr) {
      return refused("an IP address is looked up as dns:ADDRESS/PTR");
    }
    target.name = reverse_name(*address);
    return target;
  }
  if (text == ".") {
    target.name = ".";
    return target;
  }
  if (auto fine = check_dns_name(text); !fine) {
    return refused("the name of the DNS target: " + fine.error().message());
  }
  target.name = to_lower(text);
  if (target.name.back() == '.') target.name.pop_back();
  return target;
}

std::string to_string(const DnsTarget& target) {
  std::string out{kScheme};
  out += target.name;
  out += '/';
  out += to_string(target.type);
  if (target.server) {
    out += '@';
    out += target.server->to_string();
  }
  return out;
}

}  // namespace probekit
