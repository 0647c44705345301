// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/url.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/text.hpp"
#include "probe/host_name.hpp"
#include "probekit/address_policy.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

enum class Strictness { target, location };

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

std::uint16_t default_port(std::string_view scheme) noexcept {
  return scheme == "https" ? kHttpsPort : kHttpPort;
}

Expected<void> check_characters(std::string_view text, Strictness strictness) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return refused("a control character in the URL");
    if (byte == ' ' && strictness == Strictness::target) {
      return refused("a space in the URL; write %20");
    }
  }
  if (strictness == Strictness::target && !is_valid_utf8(text)) {
    return refused("the URL is not valid UTF-8");
  }
  return {};
}

/// Not allowed in path and query by RFC 3986 3.3 and 3.4, but written by people all the same.
/// `[`, `]` and a lone `%` stay, as servers read them.
bool needs_encoding(unsigned char byte) noexcept {
  switch (byte) {
    case ' ':
    case '"':
    case '<':
    case '>':
    case '\\':
    case '^':
    case '`':
    case '{':
    case '|':
    case '}':
      return true;
    default:
      return byte >= 0x80;
  }
}

std::string percent_encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto first = std::find_if(text.begin(), text.end(), [](char c) {
    return needs_encoding(static_cast<unsigned char>(c));
  });
  std::string out(text.begin(), first);
  for (auto at = first; at != text.end(); ++at) {
    const auto byte = static_cast<unsigned char>(*at);
    if (needs_encoding(byte)) {
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 0xFU];
    } else {
      out += *at;
    }
  }
  return out;
}

std::string_view without_fragment(std::string_view text) noexcept {
  return text.substr(0, text.find('#'));
}

struct Scheme {
  std::string name;  ///< lower case; empty when the text has none
  std::string_view rest;
};

/// RFC 3986 3.1.
Scheme split_scheme(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (c == ':' && i > 0) return {to_lower(text.substr(0, i)), text.substr(i + 1)};
    if (!letter && (!other || i == 0)) break;
  }
  return {{}, text};
}

Expected<std::uint16_t> parse_port(std::string_view text) {
  std::uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return refused("the port of the URL is not a number");
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
    if (port > 65535) return refused("the port of the URL is over 65535");
  }
  if (port == 0) return refused("port 0 in the URL");
  return static_cast<std::uint16_t>(port);
}

/// `text` stands after the scheme's colon and starts with "//".
Expected<Url> parse_hierarchy(std::string scheme, std::string_view text) {
  text = without_fragment(text);
  const std::size_t path_at = text.find_first_of("/?", 2);
  const std::string_view authority =
      text.substr(2, path_at == std::string_view::npos ? path_at : path_at - 2);
  const std::string_view rest =
      path_at == std::string_view::npos ? std::string_view{} : text.substr(path_at);

  if (authority.find('@') != std::string_view::npos) {
    return refused("user and password in a URL are refused");
  }
  Url url;
  url.scheme = std::move(scheme);
  url.port = default_port(url.scheme);

  std::string_view host = authority;
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return refused("the URL's IPv6 address has no closing ]");
    host = authority.substr(0, end + 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':') return refused("the URL's host is not understood");
    auto address = parse_address(host, 0);
    if (!address || !address->v6) return refused("the URL's host is not an IPv6 address");
    url.host = '[' + address->ip() + ']';
  } else {
    const std::size_t colon = authority.find(':');
    if (colon != std::string_view::npos) {
      host = authority.substr(0, colon);
      port = authority.substr(colon);
    }
    auto name = checked_host_name(host);
    if (!name) return refused("the URL's host: " + name.error().message());
    url.host = std::move(*name);
  }
  if (port.size() > 1) {
    auto number = parse_port(port.substr(1));
    if (!number) return number.error();
    url.port = *number;
  }

  url.target = percent_encoded(rest);
  if (url.target.empty() || url.target.front() != '/') url.target.insert(0, 1, '/');
  if (url.target.size() > kTargetBytesMax) return refused("the URL is longer than 8 KiB");
  return url;
}

/// RFC 3986 5.2.4, on the path alone.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = path.find('/', 1);
    const std::string_view segment = path.substr(0, end);
    const bool last = end == std::string_view::npos;
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") out.resize(out.empty() ? 0 : out.rfind('/'));
      if (last) out += '/';
    } else {
      out += segment;
    }
    path = last ? std::string_view{} : path.substr(end);
  }
  if (out.empty()) out = "/";
  return out;
}

void normalise_path(Url& url) {
  const std::size_t query = url.target.find('?');
  std::string path = remove_dot_segments(std::string_view{url.target}.substr(0, query));
  if (query != std::string::npos) path += url.target.substr(query);
  url.target = std::move(path);
}

}  // namespace

Expected<Url> parse_url(std::string_view text) {
  if (text.size() > kTargetBytesMax) return refused("the URL is longer than 8 KiB");
  if (auto fine = check_characters(text, Strictness::target); !fine) return fine.error();
  Scheme scheme = split_scheme(text);
  if ((scheme.name != "http" && scheme.name != "https") || scheme.rest.substr(0, 2) != "//") {
    return refused("a URL starts with http:// or https://");
  }
  return parse_hierarchy(std::move(scheme.name), scheme.rest);
}

Expected<Url> resolve_reference(const Url& base, std::string_view location) {
  location = trim(location);
  if (location.size() > kTargetBytesMax) return refused("the URL is longer than 8 KiB");
  if (auto fine = check_characters(location, Strictness::location); !fine) return fine.error();

  Scheme scheme = split_scheme(location);
  if (!scheme.name.empty() && scheme.name != "http" && scheme.name != "https") {
    return refused("a redirect to another scheme than http and https");
  }
  if (!scheme.name.empty() && scheme.rest.substr(0, 2) != "//") {
    return refused("a redirect to a URL without a host");
  }
  if (!scheme.name.empty() || location.substr(0, 2) == "//") {
    auto url =
        parse_hierarchy(scheme.name.empty() ? base.scheme : std::move(scheme.name), scheme.rest);
    if (url) normalise_path(*url);
    return url;
  }

  const std::string reference = percent_encoded(without_fragment(location));
  Url url = base;
  const std::string_view base_path = std::string_view{base.target}.substr(0, base.target.find('?'));
  if (reference.empty()) return url;
  if (reference.front() == '/') {
    url.target = reference;
  } else if (reference.front() == '?') {
    url.target = std::string{base_path} + reference;
  } else {
    url.target = std::string{base_path.substr(0, base_path.rfind('/') + 1)} + reference;
  }
  normalise_path(url);
  if (url.target.size() > kTargetBytesMax) return refused("the URL is longer than 8 KiB");
  return url;
}

std::string to_string(const Url& url) {
  std::string out;
  out.reserve(url.scheme.size() + url.host.size() + url.target.size() + 9);
  out += url.scheme;
  out += "://";
  out += url.host;
  if (url.port != default_port(url.scheme)) {
    out += ':';
    out += std::to_string(url.port);
  }
  out += url.target;
  return out;
}

std::string host_key(const Url& url) { return url.host + ':' + std::to_string(url.port); }

std::string_view bare_host(const Url& url) noexcept {
  const std::string_view host = url.host;
  return !host.empty() && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

}  // namespace probekit
