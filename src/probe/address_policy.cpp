// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/address_policy.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>

namespace probekit {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr int kMappedBits = 96;

struct SpecialRange {
  const char* prefix;
  int bits;  // of the family's own length
  const char* what;
};

// The IANA special-purpose address registries (RFC 6890, with later entries), those that are not
// globally reachable, and what is not unicast.
constexpr SpecialRange kSpecialV4[] = {
    {"0.0.0.0", 8, "this network"},
    {"10.0.0.0", 8, "private"},
    {"100.64.0.0", 10, "shared by a carrier"},
    {"127.0.0.0", 8, "loopback"},
    {"169.254.0.0", 16, "link-local"},
    {"172.16.0.0", 12, "private"},
    {"192.0.0.0", 24, "protocol assignments"},
    {"192.0.2.0", 24, "documentation"},
    {"192.88.99.0", 24, "6to4 relay"},
    {"192.168.0.0", 16, "private"},
    {"198.18.0.0", 15, "benchmarking"},
    {"198.51.100.0", 24, "documentation"},
    {"203.0.113.0", 24, "documentation"},
    {"224.0.0.0", 4, "multicast"},
    {"240.0.0.0", 4, "reserved"},
    {"255.255.255.255", 32, "broadcast"},
};

constexpr SpecialRange kSpecialV6[] = {
    {"::", 128, "unspecified"},
    {"::1", 128, "loopback"},
    {"64:ff9b:1::", 48, "local translation"},
    {"100::", 64, "discard"},
    {"2001::", 23, "protocol assignments"},
    {"2001:db8::", 32, "documentation"},
    {"3fff::", 20, "documentation"},
    {"5f00::", 16, "segment routing"},
    {"fc00::", 7, "unique local"},
    {"fe80::", 10, "link-local"},
    {"fec0::", 10, "site-local"},
    {"ff00::", 8, "multicast"},
};

struct BuiltinRule {
  Bytes prefix;
  int bits;
  std::string cidr;
  std::string name;
};

bool matches(const Bytes& bytes, const Bytes& prefix, int bits) noexcept {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(whole),
                  bytes.begin())) {
    return false;
  }
  const int rest = bits % 8;
  return rest == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

bool is_mapped(const Bytes& bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; }) &&
         bytes[10] == 0xFF && bytes[11] == 0xFF;
}

/// IPv4 under ::ffff:0:0/96 (RFC 4291 2.5.5.2).
Bytes in_v6(const Address& address) noexcept {
  if (address.v6) return address.bytes;
  Bytes out{};
  out[10] = out[11] = 0xFF;
  std::copy_n(address.bytes.begin(), 4, out.begin() + 12);
  return out;
}

Address v4_at(const Bytes& bytes, std::size_t at, std::uint8_t mask) noexcept {
  Address out;
  for (std::size_t i = 0; i < 4; ++i) {
    out.bytes[i] = static_cast<std::uint8_t>(bytes[at + i] ^ mask);
  }
  return out;
}

/// The IPv4 address that packets to this IPv6 address end at.
std::optional<Address> carried_v4(const Bytes& bytes) noexcept {
  constexpr Bytes kNat64{0x00, 0x64, 0xFF, 0x9B};  // RFC 6052 2.1
  constexpr Bytes k6to4{0x20, 0x02};               // RFC 3056 2
  constexpr Bytes kTeredo{0x20, 0x01};             // RFC 4380 4
  if (matches(bytes, kNat64, 96)) return v4_at(bytes, 12, 0);
  if (matches(bytes, k6to4, 16)) return v4_at(bytes, 2, 0);
  if (matches(bytes, kTeredo, 32)) return v4_at(bytes, 12, 0xFF);
  return std::nullopt;
}

void append_builtin(std::vector<BuiltinRule>& rules, const SpecialRange& range, int extra_bits) {
  auto address = parse_address(range.prefix, 0);
  const std::string cidr = std::string{range.prefix} + '/' + std::to_string(range.bits);
  rules.push_back({in_v6(*address), range.bits + extra_bits, cidr, cidr + " (" + range.what + ')'});
}

const std::vector<BuiltinRule>& builtin_rules() {
  static const std::vector<BuiltinRule> rules = [] {
    std::vector<BuiltinRule> out;
    for (const SpecialRange& range : kSpecialV4) append_builtin(out, range, kMappedBits);
    for (const SpecialRange& range : kSpecialV6) append_builtin(out, range, 0);
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.bits > b.bits; });
    return out;
  }();
  return rules;
}

/// 2000::/3 is all of global unicast (RFC 4291 2.4); 64:ff9b::/96 is judged by what it carries.
bool is_global_v6(const Bytes& bytes) noexcept {
  return (bytes[0] & 0xE0U) == 0x20 || carried_v4(bytes).has_value();
}

AddressDecision denied(const Address& address, std::string rule, const std::string& way_out) {
  AddressDecision decision;
  decision.allowed = false;
  decision.message =
      "connecting to " + address.ip() + " is denied by " + rule + "; " + way_out + " allows it";
  decision.rule = std::move(rule);
  return decision;
}

std::string allow_flag(const Address& address) {
  return "--allow " + address.ip() + (address.v6 ? "/128" : "/32");
}

}  // namespace

AddressPolicy::AddressPolicy() = default;

AddressPolicy AddressPolicy::allow_all() {
  AddressPolicy policy;
  policy.allow("0.0.0.0/0");
  policy.allow("::/0");
  return policy;
}

Expected<void> AddressPolicy::add(std::string_view cidr, bool allow) {
  const auto refused = [&](const char* why) {
    return Error{errc::invalid_argument, "'" + std::string{cidr.substr(0, 64)} + "' " + why};
  };
  const std::size_t slash = cidr.find('/');
  const std::string_view ip = cidr.substr(0, slash);
  // A lone IPv6 address has several colons, IPv4 none; one colon would be a port.
  const bool port_like =
      !ip.empty() &&
      (ip.front() == '[' || (ip.find(':') != ip.npos && ip.find(':') == ip.rfind(':')));
  const auto address = parse_address(ip, 0);
  if (!address || port_like) return refused("is not ADDRESS/BITS, such as 10.0.0.0/8 or fd00::/8");

  const int bits_max = address->v6 ? 128 : 32;
  int bits = bits_max;
  if (slash != std::string_view::npos) {
    const std::string_view text = cidr.substr(slash + 1);
    bits = 0;
    if (text.empty() || text.size() > 3) return refused("has no prefix length after its /");
    for (const char c : text) {
      if (c < '0' || c > '9') return refused("has a prefix length that is not a number");
      bits = bits * 10 + (c - '0');
    }
    if (bits > bits_max) return refused("has a prefix longer than its address");
  }

  Rule rule;
  rule.prefix = in_v6(*address);
  rule.bits = bits + (address->v6 ? 0 : kMappedBits);
  rule.allow = allow;
  for (int i = rule.bits; i < 128; ++i) {
    const auto byte = static_cast<std::size_t>(i / 8);
    if (((rule.prefix[byte] >> (7 - i % 8)) & 1U) != 0) {
      return refused("has bits set past its prefix");
    }
  }
  rule.name = (allow ? "--allow " : "--deny ") + address->ip() + '/' + std::to_string(bits);
  const auto before = [](const Rule& a, const Rule& b) {
    return a.bits != b.bits ? a.bits > b.bits : a.allow < b.allow;
  };
  rules_.insert(std::upper_bound(rules_.begin(), rules_.end(), rule, before), std::move(rule));
  return {};
}

Expected<void> AddressPolicy::try_allow(std::string_view cidr) { return add(cidr, true); }

Expected<void> AddressPolicy::try_deny(std::string_view cidr) { return add(cidr, false); }

void AddressPolicy::allow(std::string_view cidr) {
  if (auto done = add(cidr, true); !done) throw std::invalid_argument(done.error().message());
}

void AddressPolicy::deny(std::string_view cidr) {
  if (auto done = add(cidr, false); !done) throw std::invalid_argument(done.error().message());
}

AddressDecision AddressPolicy::judge_one(const Address& address) const {
  const Bytes bytes = in_v6(address);
  const bool v4 = is_mapped(bytes);
  const Address shown = v4 ? v4_at(bytes, 12, 0) : address;
  for (const Rule& rule : rules_) {
    if (v4 && rule.bits < kMappedBits) break;  // sorted: the rest is IPv6's
    if (!matches(bytes, rule.prefix, rule.bits)) continue;
    if (rule.allow) return {true, rule.name, {}};
    const int host_bits = v4 ? rule.bits - kMappedBits : rule.bits;
    const std::string way_out = host_bits == (v4 ? 32 : 128)
                                    ? "only leaving that flag out"
                                    : "a longer prefix such as " + allow_flag(shown);
    return denied(shown, rule.name, way_out);
  }
  for (const BuiltinRule& rule : builtin_rules()) {
    if (v4 && rule.bits < kMappedBits) break;
    if (matches(bytes, rule.prefix, rule.bits)) {
      return denied(shown, rule.name, "--allow " + rule.cidr);
    }
  }
  if (!v4 && !is_global_v6(bytes)) {
    return denied(shown, "::/0 (not global unicast)", allow_flag(shown));
  }
  return {true, v4 ? "0.0.0.0/0 (public)" : "2000::/3 (public)", {}};
}

AddressDecision AddressPolicy::judge(const Address& address) const {
  AddressDecision decision = judge_one(address);
  if (!decision.allowed || !address.v6) return decision;
  if (const auto carried = carried_v4(address.bytes)) {
    AddressDecision inner = judge_one(*carried);
    if (!inner.allowed) {
      inner.message = address.ip() + " carries an IPv4 address: " + inner.message;
      return inner;
    }
  }
  return decision;
}

bool AddressPolicy::allows(const Address& address) const { return judge(address).allowed; }

}  // namespace probekit
