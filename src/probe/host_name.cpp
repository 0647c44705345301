// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/host_name.hpp"

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"
#include "probekit/address_policy.hpp"

namespace probekit {
namespace {

constexpr std::size_t kLabelBytes = 63;  // RFC 1035 2.3.4
constexpr std::size_t kNameBytes = 253;  // 255 on the wire: RFC 1035 2.3.4 with its length bytes

Error refused(const char* message) { return Error{errc::invalid_argument, message}; }

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '*';
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// What inet_aton(3) and browsers read as a part of an IPv4 address.
bool is_number(std::string_view label) noexcept {
  if (label.size() >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')) {
    return std::all_of(label.begin() + 2, label.end(), is_hex);
  }
  return !label.empty() && std::all_of(label.begin(), label.end(), is_digit);
}

}  // namespace

Expected<void> check_dns_name(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty()) return refused("the name is empty");
  if (name.size() > kNameBytes) return refused("the name is longer than 253 bytes");
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return refused("the name has an empty label");
      label = 0;
      continue;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {
      return refused("the name is not ASCII; write an internationalised name in its xn-- form");
    }
    if (!is_name_character(c)) return refused("the name has a character no host name has");
    if (++label > kLabelBytes) return refused("the name has a label longer than 63 bytes");
  }
  if (label == 0) return refused("the name has an empty label");
  return {};
}

Expected<std::string> checked_host_name(std::string_view host) {
  if (auto fine = check_dns_name(host); !fine) return fine.error();
  if (host.find('*') != std::string_view::npos) {
    return refused("the name has a character no host name has");
  }
  std::string_view last = host.back() == '.' ? host.substr(0, host.size() - 1) : host;
  last = last.substr(last.rfind('.') + 1);
  if (is_number(last)) {
    const auto address = parse_address(host, 0);
    if (!address) return refused("a number that is not an IPv4 address in dotted form");
  }
  return to_lower(host);
}

}  // namespace probekit
