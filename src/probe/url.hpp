// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A strict reader of http and https URLs (RFC 3986), for targets and redirects. What it does not
/// understand it refuses: a prober must not guess which host was meant. Plain values.

#include <cstdint>
#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// An absolute http or https URL, ready for a request. The fragment is not kept: it never leaves
/// the client (RFC 9110 7.1).
struct Url {
  std::string scheme;      ///< "http" or "https"
  std::string host;        ///< lower case; an IPv6 address in brackets, in its shortest form
  std::uint16_t port = 0;  ///< the scheme's default where the URL has none; never 0
  std::string target;      ///< path and query, "/" at least

  friend bool operator==(const Url& a, const Url& b) noexcept {
    return a.scheme == b.scheme && a.host == b.host && a.port == b.port && a.target == b.target;
  }
};

/// Reads an absolute URL of at most kTargetBytesMax bytes. Refused: user and password, spaces,
/// control characters, invalid UTF-8, host names that are not ASCII (an internationalised one is
/// written in its `xn--` form), numeric hosts that are not an address in dotted form (`127.1`,
/// `0x7f000001`), port 0. Characters that RFC 3986 does not allow in path and query are
/// percent-encoded, UTF-8 too. *Errors*: invalid_argument; the message never repeats the URL.
PROBEKIT_EXPORT Expected<Url> parse_url(std::string_view text);

/// Where a `Location` leads from `base` (RFC 3986 5.2; RFC 9110 10.2.2), its dot segments removed.
/// As servers send them: white space around it is skipped, and spaces and bytes that are not UTF-8
/// are percent-encoded. An empty one, or a fragment alone, is `base`. *Errors*: as parse_url(), and
/// for other schemes than http and https.
PROBEKIT_EXPORT Expected<Url> resolve_reference(const Url& base, std::string_view location);

/// The URL as text; the port is left out where it is the scheme's default.
PROBEKIT_EXPORT std::string to_string(const Url& url);

/// "host:port", with the port always: what a per-host limit counts.
PROBEKIT_EXPORT std::string host_key(const Url& url);

/// The host without the brackets of an IPv6 address.
PROBEKIT_EXPORT std::string_view bare_host(const Url& url) noexcept;

}  // namespace probekit
