// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What an attempt observed and the verdict on it. Plain values; distinct objects are independent.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// `none` only for tasks that ended without a result.
enum class Verdict : std::uint8_t { none, passed, failed };
enum class FailureKind : std::uint8_t {
  dns,
  connect,
  tls,
  timeout,
  protocol,
  assertion,
  denied,
  internal
};
constexpr std::size_t kFailureKinds = 8;

PROBEKIT_EXPORT std::string_view to_string(Verdict verdict) noexcept;
PROBEKIT_EXPORT std::string_view to_string(FailureKind kind) noexcept;
PROBEKIT_EXPORT std::optional<FailureKind> parse_failure_kind(std::string_view text) noexcept;

struct Failure {
  FailureKind kind = FailureKind::internal;
  std::string message;  ///< for people; names the phase, rule or rcode
};

// A master takes no more than these from an agent; so what passes them is left out, named in the
// member `sections_refused` or `phases_refused` of the result, wherever a result is encoded.
constexpr std::size_t kPhasesMax = 16;
constexpr std::size_t kPhaseNameBytesMax = 64;
constexpr std::size_t kResultSectionsMax = 16;
constexpr std::size_t kResultAddressBytesMax = 256;
/// No probe lasts longer; durations are encoded as 0 to this.
constexpr std::chrono::hours kResultDurationMax{24};

/// One step of a probe, named as in results ("dns_us"): UTF-8 that ends in `_us`, each once, at
/// most kPhasesMax. A step that did not happen is absent.
struct Phase {
  std::string name;
  std::chrono::microseconds duration{0};
};

struct HttpHop {
  std::string url;
  int status = 0;
  std::string address;
  std::vector<Phase> phases;
};

struct HttpResult {
  int status = 0;             ///< 0: no response; then absent in JSON
  std::string version;        ///< "1.0", "1.1", "2"
  std::string url;            ///< of the last hop
  std::vector<HttpHop> hops;  ///< in order; the last one is the final answer. Redirected: 2 or more
  std::uint64_t body_bytes = 0;
  bool truncated = false;  ///< the body went past the limit and was not read to its end
};

struct DnsRecord {
  std::string name;
  std::string type;
  std::string dns_class;
  std::uint32_t ttl = 0;
  std::string value;  ///< presentation form; unknown types as RFC 3597 hex
};

struct DnsResult {
  std::string rcode;               ///< "NOERROR", "NXDOMAIN", ...
  std::vector<std::string> flags;  ///< of "aa tc rd ra ad cd", those that are set
  std::string server;              ///< "192.0.2.1:53"
  std::string transport;           ///< "udp" or "tcp"
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> authority;
  std::vector<DnsRecord> additional;
};

/// Fields of a plugged-in kind: `name` becomes a member of the result line. At most
/// kResultSectionsMax, each once.
struct ResultSection {
  std::string name;  ///< `[A-Za-z0-9._-]{1,64}`, and no member's that results have anyway
  /// Valid JSON nested at most kSectionDepthMax, no key twice in an object, no number beyond a
  /// double's range; that of `tls` is an object.
  std::string json;
};

struct ProbeResult {
  Verdict verdict = Verdict::none;
  std::optional<Failure> failure;  ///< there when it failed, and only then
  std::string
      address;  ///< really connected to, "ip:port", IPv6 in brackets; empty: never connected
  SystemTime started_at{};
  std::chrono::microseconds duration{0};
  std::vector<Phase> phases;
  std::optional<HttpResult> http;
  std::optional<DnsResult> dns;
  std::vector<ResultSection> sections;
  bool suspect = false;  ///< the prober itself was late; do not trust the timings
};

PROBEKIT_EXPORT ProbeResult failed_result(FailureKind kind, std::string message);

/// One encoded result is at most this; a longer one loses its sections, then its records and hops,
/// and says so in its failure message or `truncated`.
constexpr std::size_t kResultBytesMax = 64 * 1024;

/// One line of a batch's results: how one accepted task ended.
struct TaskResult : ProbeResult {
  TaskState state = TaskState::done;  ///< done, expired or cancelled
  std::string task;                   ///< ids as text
  std::string batch;                  ///< empty for a run of a schedule
  std::string schedule;               ///< empty otherwise
  std::string target;
  std::string kind;
  std::string agent;
  std::uint32_t attempt = 0;
  std::optional<ExpiryReason> reason;  ///< expired only
  std::string diagnosis;               ///< expired only
  /// Not 0: it stands for so many runs that nobody looked at in time, due from `first` to `last`.
  std::uint64_t count = 0;
  std::optional<SystemTime> first;
  std::optional<SystemTime> last;
  std::optional<SystemTime> scheduled_at;
  std::vector<Label> labels;
};

/// The result object as one JSON line without its line end, the form of `probekit-probe --json`.
PROBEKIT_EXPORT std::string to_json(const ProbeSpec& spec, const ProbeResult& result);

/// Reads one result line. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<TaskResult> parse_result_line(std::string_view json);

}  // namespace probekit
