// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_result.hpp"

#include <utility>

namespace probekit {

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::none:
      return "none";
    case Verdict::passed:
      return "passed";
    case Verdict::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::dns:
      return "dns";
    case FailureKind::connect:
      return "connect";
    case FailureKind::tls:
      return "tls";
    case FailureKind::timeout:
      return "timeout";
    case FailureKind::protocol:
      return "protocol";
    case FailureKind::assertion:
      return "assertion";
    case FailureKind::denied:
      return "denied";
    case FailureKind::internal:
      return "internal";
  }
  return "unknown";
}

std::optional<FailureKind> parse_failure_kind(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    const auto kind = static_cast<FailureKind>(i);
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

ProbeResult failed_result(FailureKind kind, std::string message) {
  ProbeResult result;
  result.verdict = Verdict::failed;
  result.failure = Failure{kind, std::move(message)};
  return result;
}

}  // namespace probekit
