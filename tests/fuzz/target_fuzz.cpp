// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Targets, URLs, redirects, addresses and rules on them: what is understood is written in a form
// that is understood as the same. Input: lines, the second one a `Location` from the first.

#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"
#include "probe/dns_target.hpp"
#include "probe/host_name.hpp"
#include "probe/url.hpp"
#include "probekit/address_policy.hpp"

namespace {

using namespace probekit;
using fuzz::require;

void check_url(const Url& url) {
  const std::string text = to_string(url);
  require(url.scheme == "http" || url.scheme == "https", "a scheme is one of two");
  require(!url.host.empty() && to_lower(url.host) == url.host, "a host is in lower case");
  require(url.port != 0, "a port is not 0");
  require(!url.target.empty() && url.target.front() == '/', "a path begins with a slash");
  require(url.target.size() <= kTargetBytesMax, "a path is bounded");
  for (const char c : text) require(c > ' ' && c <= '~', "a URL is printable ASCII");
  require(text.find('#') == std::string::npos, "a fragment is not kept");
  require(text.find('@') >= text.find('/', 8), "nobody is named before the host");
  require(!bare_host(url).empty() && host_key(url).size() > url.host.size(), "a host has a key");
  const auto again = parse_url(text);
  require(again ? *again == url : text.size() > kTargetBytesMax, "a URL reads back as the same");
}

void check_redirect(const Url& base, std::string_view location) {
  const auto url = resolve_reference(base, location);
  if (!url) {
    require(url.error().code() == errc::invalid_argument, "a refusal is the server's");
    return;
  }
  check_url(*url);
  if (*url == base) return;  // as an empty location leads to
  const std::string path = url->target.substr(0, url->target.find('?'));
  require(path.find("/./") == std::string::npos && path.find("/../") == std::string::npos,
          "a path has no dot segments");
  const auto again = resolve_reference(base, to_string(*url));
  require(again ? *again == *url : to_string(*url).size() > kTargetBytesMax,
          "where a redirect leads is absolute");
}

void check_dns(std::string_view text) {
  const auto target = parse_dns_target(text);
  if (!target) return;
  require(target->name.size() <= 253 && to_lower(target->name) == target->name,
          "a name is short and in lower case");
  require(target->name == "." || check_dns_name(target->name).has_value(), "a name is a name");
  const std::string written = to_string(*target);
  const auto again = parse_dns_target(written);
  require(again && again->name == target->name && again->type == target->type &&
              again->server.has_value() == target->server.has_value() &&
              to_string(*again) == written,
          "a DNS target reads back as the same");
}

void check_address(std::string_view text) {
  AddressPolicy policy;
  AddressPolicy open = AddressPolicy::allow_all();
  const bool rule = policy.try_allow(text).has_value();
  require(open.try_deny(text).has_value() == rule, "a rule is one either way");
  const auto address = parse_address(text, 443);
  if (!address) return;
  const auto again = parse_address(address->to_string(), 0);
  require(again && again->bytes == address->bytes && again->v6 == address->v6 &&
              again->port == address->port,
          "an address reads back as the same");
  const AddressDecision decision = policy.judge(*address);
  require(decision.allowed == policy.allows(*address), "a judgement is one");
  require(decision.allowed == decision.message.empty(), "a denial says why");
  require(!rule || decision.allowed || address->v6, "an allowed IPv4 address is allowed");
  require(!rule || !open.allows(*address), "a denied address is denied");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  const std::string_view text = fuzz::take_part(rest, '\n');
  const auto url = parse_url(text);
  if (url) {
    check_url(*url);
    check_redirect(*url, rest);
  }
  check_dns(text);
  check_address(text);
  const auto kind = check_target(text, ProbeOptions{}, fuzz::kinds());
  if (kind) {
    require(text.size() <= kTargetBytesMax, "a target has its size");
    require((*kind)->name != "http" || url, "an http target is a URL");
    if ((*kind)->host_key) (*kind)->host_key(text);
  } else {
    require(kind.error().code() == errc::invalid_argument, "a refusal is the caller's");
    require(kind.error().message().size() <= 2 * kTargetBytesMax, "a refusal is bounded");
  }
  return 0;
}
