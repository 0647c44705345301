// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Targets of kind `dns`: `dns:NAME[/TYPE][@SERVER[:PORT]]`. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/address_policy.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// The types a target may ask for. Values are those of the IANA registry (RFC 1035, 3596, 2782,
/// 8659), as they stand on the wire.
enum class DnsType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  caa = 257,
};

/// "A", "AAAA", ...
PROBEKIT_EXPORT std::string_view to_string(DnsType type) noexcept;

/// One question, and whom to ask.
struct DnsTarget {
  std::string name;  ///< lower case, without the final dot; "." for the root
  DnsType type = DnsType::a;
  std::optional<Address> server;  ///< port 53 where none was given; empty: the configured ones
};

/// Reads a target. The type is A where none is given. An IP address with `/PTR` becomes its name
/// under in-addr.arpa or ip6.arpa. A server is an IP address, IPv6 with a port in brackets. Names
/// follow RFC 1035 2.3.4 (labels of 63, 253 in all); letters, digits, `-`, `_` and `*` only, an
/// internationalised one in its `xn--` form. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<DnsTarget> parse_dns_target(std::string_view text);

/// "dns:example.com/MX@192.0.2.1:53"; reads back as the same.
PROBEKIT_EXPORT std::string to_string(const DnsTarget& target);

}  // namespace probekit
