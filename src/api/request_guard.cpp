// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/request_guard.hpp"

#include <arpa/inet.h>

#include <string>
#include <utility>

#include "base/text.hpp"

namespace probekit::api {
namespace {

/// The scheme's default port left out, in lower case.
std::string normalized(std::string_view authority, std::string_view port) {
  if (ends_with(authority, port)) authority.remove_suffix(port.size());
  return to_lower(authority);
}

/// A proxy that ends TLS says how its client came. No page can make a browser say so for it: the
/// header is not one that a request may carry to another origin unasked.
bool is_own_origin(std::string_view origin, std::string_view host, bool behind_tls) {
  const std::string_view scheme = behind_tls ? "https://" : "http://";
  const std::string_view port = behind_tls ? ":443" : ":80";
  return starts_with(origin, scheme) &&
         normalized(origin.substr(scheme.size()), port) == normalized(host, port);
}

std::optional<Problem> check_framing(const HttpRequest& request) {
  const std::size_t codings = request.count("Transfer-Encoding");
  const std::size_t lengths = request.count("Content-Length");
  // RFC 9112, 6.3: two opinions on where a request ends are how requests are smuggled.
  if (codings + lengths > 1) {
    return problem(400, "more than one of Content-Length and Transfer-Encoding");
  }
  if (codings == 1 && !equal_ignoring_case(*request.header("Transfer-Encoding"), "chunked")) {
    return problem(501, "the only Transfer-Encoding understood is chunked");
  }
  if (const std::string* coding = request.header("Content-Encoding")) {
    if (!equal_ignoring_case(*coding, "identity")) {
      return problem(415, "a Content-Encoding is not understood; send the body as it is");
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_loopback_address(std::string_view text) {
  const std::string address(text);
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_loopback_authority(std::string_view authority) {
  std::string_view host = authority;
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = parse_uint(host.substr(colon + 1));
    if (!port || *port > 65535) return false;
    host = host.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const std::string_view inner = host.substr(1, host.size() - 2);
    return inner.find(':') != std::string_view::npos && is_loopback_address(inner);
  }
  return equal_ignoring_case(host, "localhost") || is_loopback_address(host);
}

std::optional<Problem> guard(const HttpRequest& request, bool any_host) {
  if (auto refusal = check_framing(request)) return refusal;
  const std::size_t hosts = request.count("Host");
  if (hosts > 1 || (hosts == 0 && !request.http_1_0)) {
    return problem(400, "exactly one Host header is required");
  }
  const std::string host = hosts == 1 ? *request.header("Host") : std::string();
  if (!any_host && hosts == 1 && !is_loopback_authority(host)) {
    return problem(403, "the Host header must name a loopback address, as there are no tokens");
  }
  const std::string* const proto = request.header("X-Forwarded-Proto");
  const bool behind_tls = proto != nullptr && equal_ignoring_case(*proto, "https");
  for (const HttpHeader& header : request.headers) {
    if (!equal_ignoring_case(header.name, "Origin")) continue;
    if (hosts == 1 && is_own_origin(header.value, host, behind_tls)) continue;
    return problem(403, "requests of another origin are refused");
  }
  return std::nullopt;
}

Authorization authorize(const HttpRequest& request, const TokenSet* tokens) {
  Authorization result;
  if (tokens == nullptr) return result;
  const auto refuse = [&result](std::string detail, const char* challenge) {
    result.refusal = problem(401, std::move(detail));
    result.refusal->headers.push_back({"WWW-Authenticate", challenge});
  };
  // RFC 6750, 3: who brought no credentials is told no error code.
  constexpr char kRealm[] = "Bearer realm=\"probekit\"";
  constexpr char kInvalid[] = "Bearer realm=\"probekit\", error=\"invalid_token\"";
  const std::size_t count = request.count("Authorization");
  if (count == 0) {
    refuse("a token is required: send the header \"Authorization: Bearer TOKEN\"", kRealm);
    return result;
  }
  const std::string_view token = bearer_token(*request.header("Authorization"));
  if (count > 1 || token.empty()) {
    refuse("one Authorization header with a bearer token is required", kInvalid);
    return result;
  }
  if (auto grant = tokens->find(token)) {
    result.token_id = std::move(grant->id);
  } else {
    refuse("the token is not accepted", kInvalid);
  }
  return result;
}

}  // namespace probekit::api
