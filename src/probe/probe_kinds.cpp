// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/text.hpp"
#include "json/json_value.hpp"
#include "probe/dns_target.hpp"
#include "probe/url.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {
namespace {

constexpr std::size_t kHintBytesMax = 256;

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

/// What was probably meant by a target without a scheme; empty: no idea.
std::string with_scheme(std::string_view target) {
  if (target.size() > kHintBytesMax || target.find("://") != std::string_view::npos) return {};
  std::string guess = "https://" + std::string{target};
  if (target.find('/') == std::string_view::npos) guess += '/';
  return parse_url(guess) ? guess : std::string{};
}

Expected<void> check_http_target(std::string_view target) {
  const auto url = parse_url(target);
  if (url) return {};
  const std::string guess = with_scheme(target);
  return guess.empty() ? url.error() : refused("write " + guess);
}

Expected<void> check_dns_target(std::string_view target) {
  if (const auto parsed = parse_dns_target(target); !parsed) return parsed.error();
  return {};
}

std::string http_host_key(std::string_view target) {
  const auto url = parse_url(target);
  return url ? host_key(*url) : std::string{};
}

/// A server named by the target is somebody's; the operator's own resolvers have no limit.
std::string dns_host_key(std::string_view target) {
  const auto parsed = parse_dns_target(target);
  return parsed && parsed->server ? parsed->server->to_string() : std::string{};
}

/// A section of a kind that has no fields.
Expected<void> check_empty_section(std::string_view text) {
  const auto value = json::Value::parse(text);
  if (!value) return value.error();
  if (value->as_object() == nullptr) return refused("not an object");
  if (value->as_object()->empty()) return {};
  return refused(value->as_object()->front().name + ": unknown field");
}

ProbeKind http_kind() {
  ProbeKind kind;
  kind.name = "http";
  kind.schemes = {"http", "https"};
  kind.check_target = check_http_target;
  kind.check_section = check_empty_section;
  kind.host_key = http_host_key;
  return kind;
}

ProbeKind dns_kind() {
  ProbeKind kind;
  kind.name = "dns";
  kind.schemes = {"dns"};
  kind.check_target = check_dns_target;
  kind.check_section = check_empty_section;
  kind.host_key = dns_host_key;
  return kind;
}

std::string schemes_of(const std::vector<ProbeKind>& kinds) {
  std::string out;
  for (const ProbeKind& kind : kinds) {
    for (const std::string& scheme : kind.schemes) {
      if (!out.empty()) out += ", ";
      out += scheme + ':';
    }
  }
  return out;
}

}  // namespace

ProbeKinds::ProbeKinds() : kinds_{http_kind(), dns_kind()} {}

void ProbeKinds::add(ProbeKind kind) {
  const auto same = std::find_if(kinds_.begin(), kinds_.end(),
                                 [&](const ProbeKind& known) { return known.name == kind.name; });
  if (same != kinds_.end()) {
    *same = std::move(kind);
  } else {
    kinds_.push_back(std::move(kind));
  }
}

const ProbeKind* ProbeKinds::find(std::string_view name) const noexcept {
  for (const ProbeKind& kind : kinds_) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

const ProbeKind* ProbeKinds::find_scheme(std::string_view target) const noexcept {
  const std::size_t colon = target.find(':');
  if (colon == std::string_view::npos) return nullptr;
  const std::string_view scheme = target.substr(0, colon);
  for (const ProbeKind& kind : kinds_) {
    for (const std::string& known : kind.schemes) {
      if (equal_ignoring_case(known, scheme)) return &kind;
    }
  }
  return nullptr;
}

Expected<const ProbeKind*> check_target(std::string_view target, const ProbeOptions& options,
                                        const ProbeKinds& kinds) {
  if (target.empty()) return refused("target: missing");
  if (target.size() > kTargetBytesMax) return refused("target: longer than 8 KiB");
  const ProbeKind* kind = nullptr;
  if (options.kind.empty()) {
    kind = kinds.find_scheme(target);
    if (kind == nullptr) {
      if (equal_ignoring_case(target.substr(0, 4), "tcp:")) {
        return refused("target: kind tcp is not supported yet");
      }
      const std::string guess = with_scheme(target);
      return refused("target: " + (guess.empty() ? "starts with none of " + schemes_of(kinds.all())
                                                 : "write " + guess));
    }
  } else {
    kind = kinds.find(options.kind);
    if (kind == nullptr) {
      if (options.kind == "tcp") return refused("kind: tcp is not supported yet");
      return refused("kind: unknown");
    }
  }
  if (kind->check_target) {
    if (auto fine = kind->check_target(target); !fine) {
      return refused("target: " + fine.error().message());
    }
  }
  return kind;
}

}  // namespace probekit
