// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The guard: which addresses a prober may connect to. It judges the address really connected to,
/// at every hop, so a name that resolves elsewhere later gains nothing.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

struct sockaddr;

namespace probekit {

/// An IP address with a port, IPv4 or IPv6.
struct Address {
  std::array<std::uint8_t, 16> bytes{};  ///< IPv4 in the first four
  bool v6 = false;
  std::uint16_t port = 0;

  /// "192.0.2.1:80", "[2001:db8::1]:443"
  PROBEKIT_EXPORT std::string to_string() const;
  /// Without the port.
  PROBEKIT_EXPORT std::string ip() const;
};

/// Reads "IP", "IP:PORT" or "[IP6]:PORT". *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<Address> parse_address(std::string_view text, std::uint16_t port_default);
/// AF_INET or AF_INET6 only. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<Address> address_of(const sockaddr* address);

struct AddressDecision {
  bool allowed = true;
  std::string rule;  ///< what decided, such as "127.0.0.0/8 (loopback)"
  /// The sentence of a failure: names the rule and the flag that would allow it. Empty if allowed.
  std::string message;
};

/// Rules by prefix: of those given here the longest match decides, on a tie deny. Where none
/// matches only public unicast addresses are allowed (IANA special-purpose registries, RFC 6890),
/// so `allow("0.0.0.0/0")` allows every IPv4 address. IPv6 rules do not match IPv4 addresses.
/// IPv4 inside IPv6 is judged as that IPv4 address: alone when mapped (::ffff:0:0/96), besides
/// the IPv6 address for NAT64 (64:ff9b::/96), 6to4 (2002::/16) and Teredo (2001::/32).
/// *Threads*: safe to share while nothing is added.
class PROBEKIT_EXPORT AddressPolicy {
 public:
  /// Only public addresses.
  AddressPolicy();
  /// Everything, for a tool whose user names the target.
  static AddressPolicy allow_all();

  /// "10.0.0.0/8", "::1", ...: bits of the address past its prefix must be 0. *Errors*:
  /// invalid_argument, nothing changed.
  Expected<void> try_allow(std::string_view cidr);
  Expected<void> try_deny(std::string_view cidr);
  /// The same for constants in code; throws std::invalid_argument.
  void allow(std::string_view cidr);
  void deny(std::string_view cidr);

  AddressDecision judge(const Address& address) const;
  bool allows(const Address& address) const;

 private:
  struct Rule {
    std::array<std::uint8_t, 16> prefix{};
    int bits = 0;  ///< of 128; IPv4 rules live under ::ffff:0:0/96
    bool allow = false;
    std::string name;
  };
  Expected<void> add(std::string_view cidr, bool allow);
  AddressDecision judge_one(const Address& address) const;

  std::vector<Rule> rules_;  ///< longest first, on a tie deny first
};

}  // namespace probekit
