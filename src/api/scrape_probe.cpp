// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/scrape_probe.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include "api/metrics_text.hpp"
#include "base/text.hpp"
#include "probe/url.hpp"
#include "probekit/address_policy.hpp"

namespace probekit::api {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kOffset{500};
constexpr milliseconds kAnswerTime{100};

/// Of all hops, in seconds; 0 for what did not happen.
double phase_seconds(const std::vector<HttpHop>& hops, std::string_view name) {
  microseconds sum{0};
  for (const HttpHop& hop : hops) {
    for (const Phase& phase : hop.phases) {
      if (phase.name == name) sum += phase.duration;
    }
  }
  return seconds_of(sum.count());
}

/// FNV-1a of 32 bits over the address's bytes.
std::uint64_t address_hash(const Address& address) {
  std::uint32_t hash = 2166136261U;
  for (std::size_t i = 0; i < (address.v6 ? 16U : 4U); ++i) {
    hash = (hash ^ address.bytes[i]) * 16777619U;
  }
  return hash;
}

/// Of the target itself, before any redirect.
std::optional<Address> address_of_target(const TaskResult& result) {
  std::string text = result.address;
  if (result.dns) text = result.dns->server;
  if (result.http && !result.http->hops.empty()) {
    const HttpHop& first = result.http->hops.front();
    text = first.address;
    const auto url = parse_url(first.url);
    if (text.empty() && url) text = bare_host(*url);  // never connected; it may name an address
  }
  auto address = parse_address(text, 0);
  if (!address) return std::nullopt;
  return *address;
}

void write_address(MetricsText& text, const TaskResult& result) {
  const auto address = address_of_target(result);
  if (!address) return;
  text.gauge("probe_ip_addr_hash",
             "Specifies the hash of IP address. It's useful to detect if the IP address changes.")
      .sample(address_hash(*address));
  text.gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6")
      .sample(std::uint64_t{address->v6 ? 6U : 4U});
}

void write_duration(MetricsText& text, const TaskResult& result) {
  text.gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds")
      .sample(seconds_of(result.duration.count()));
}

bool used_tls(const HttpResult& http) {
  return http.status != 0 && starts_with(http.url, "https:");
}

void write_http(MetricsText& text, const TaskResult& result) {
  const HttpResult& http = *result.http;
  const std::vector<HttpHop> first(http.hops.begin(), http.hops.begin() + !http.hops.empty());
  text.gauge("probe_dns_lookup_time_seconds",
             "Returns the time taken for probe dns lookup in seconds")
      .sample(phase_seconds(first, "dns_us"));
  write_duration(text, result);
  text.gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex")
      .sample(std::uint64_t{0});
  text.gauge("probe_http_duration_seconds",
             "Duration of http request by phase, summed over all redirects");
  if (!result.failure || result.failure->kind != FailureKind::dns) {
    text.sample({{"phase", "connect"}}, phase_seconds(http.hops, "connect_us"))
        .sample({{"phase", "processing"}},
                phase_seconds(http.hops, "send_us") + phase_seconds(http.hops, "first_byte_us"));
  }
  text.sample({{"phase", "resolve"}}, phase_seconds(http.hops, "dns_us"));
  if (!result.failure || result.failure->kind != FailureKind::dns) {
    text.sample({{"phase", "tls"}}, phase_seconds(http.hops, "tls_us"))
        .sample({{"phase", "transfer"}}, phase_seconds(http.hops, "receive_us"));
  }
  text.gauge("probe_http_redirects", "The number of redirects")
      .sample(std::uint64_t{http.hops.size() - (http.hops.empty() ? 0U : 1U)});
  text.gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect")
      .sample(std::uint64_t{used_tls(http) ? 1U : 0U});
  text.gauge("probe_http_status_code", "Response HTTP status code")
      .sample(static_cast<std::uint64_t>(std::max(http.status, 0)));
  if (!http.truncated) {
    text.gauge("probe_http_uncompressed_body_length", "Length of uncompressed response body")
        .sample(http.body_bytes);
  }
  double version = 0;
  std::from_chars(http.version.data(), http.version.data() + http.version.size(), version);
  text.gauge("probe_http_version", "Returns the version of HTTP of the probe response")
      .sample(version);
}

/// The third number of "mname rname serial refresh retry expire minimum".
std::optional<std::uint64_t> serial_of(const DnsResult& dns) {
  for (const DnsRecord& record : dns.answers) {
    if (record.type != "SOA") continue;
    const std::string_view value = record.value;
    std::size_t begin = 0;
    for (int i = 0; i < 2; ++i) begin = std::min(value.find(' ', begin), value.size() - 1) + 1;
    return parse_uint(value.substr(begin, value.find(' ', begin) - begin));
  }
  return std::nullopt;
}

void write_dns(MetricsText& text, const TaskResult& result) {
  const DnsResult dns = result.dns.value_or(DnsResult{});  // none: no answer
  const bool answered = !dns.rcode.empty();
  const auto count = [&text](std::string_view name, std::string_view help,
                             const std::vector<DnsRecord>& records) {
    text.gauge(name, help).sample(std::uint64_t{records.size()});
  };
  count("probe_dns_additional_rrs",
        "Returns number of entries in the additional resource record list", dns.additional);
  count("probe_dns_answer_rrs", "Returns number of entries in the answer resource record list",
        dns.answers);
  count("probe_dns_authority_rrs",
        "Returns number of entries in the authority resource record list", dns.authority);
  // A query without an answer lasted as long as its probe. Servers are addresses.
  const auto query = std::find_if(result.phases.begin(), result.phases.end(),
                                  [](const Phase& phase) { return phase.name == "query_us"; });
  text.gauge("probe_dns_duration_seconds", "Duration of DNS request by phase")
      .sample(
          {{"phase", "request"}},
          seconds_of((query != result.phases.end() ? query->duration : result.duration).count()))
      .sample({{"phase", "resolve"}}, std::uint64_t{0});
  text.gauge("probe_dns_lookup_time_seconds",
             "Returns the time taken for probe dns lookup in seconds")
      .sample(std::uint64_t{0});
  text.gauge("probe_dns_query_succeeded",
             "Displays whether or not the query was executed successfully")
      .sample(std::uint64_t{answered ? 1U : 0U});
  if (const auto serial = serial_of(dns)) {
    text.gauge("probe_dns_serial", "Returns the serial number of the zone").sample(*serial);
  }
  write_duration(text, result);
}

}  // namespace

Expected<std::string> scrape_target(const ProbeModule& module, const std::string& target) {
  if (module.options.kind == "http") {
    if (starts_with(target, "http://") || starts_with(target, "https://")) return target;
    return "http://" + target;
  }
  if (module.options.kind != "dns") return target;
  if (module.query_name.empty()) return starts_with(target, "dns:") ? target : "dns:" + target;
  const auto server = parse_address(target, 53);
  if (!server) {
    return Error{
        errc::invalid_argument,
        "target: with this module it is a DNS server, IP[:PORT]: " + server.error().message()};
  }
  return "dns:" + module.query_name + '/' + module.query_type + '@' + server->to_string();
}

Expected<ScrapeTimes> scrape_times(const ProbeModule& module, const std::string* header) {
  ScrapeTimes times;
  if (!header) {
    times.timeout = module.timeout.value_or(kTimeoutDefault);
    times.wait = times.timeout + kOffset;
    return times;
  }
  double seconds = 0;
  const char* const end = header->data() + header->size();
  const auto read = std::from_chars(header->data(), end, seconds);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(seconds) || seconds < 0.002) {
    return Error{errc::invalid_argument,
                 "X-Prometheus-Scrape-Timeout-Seconds: not a number of at least 0.002"};
  }
  constexpr milliseconds kMost = kTimeoutMax + kOffset;
  const milliseconds given{
      static_cast<std::int64_t>(std::min(seconds * 1e3, static_cast<double>(kMost.count())))};
  const milliseconds offset = std::min(kOffset, given / 2);
  times.timeout = std::min(given - offset, module.timeout.value_or(kTimeoutMax));
  times.wait = given - std::min(kAnswerTime, offset / 5);
  return times;
}

bool scrape_succeeded(const ProbeModule& module, const TaskResult& result) {
  // Our own judgement of a complete answer may be another than the module's.
  const auto judged = [&result](FailureKind by) {
    return !result.failure || result.failure->kind == by;
  };
  if (result.http && judged(FailureKind::assertion)) {
    const HttpResult& http = *result.http;
    const std::vector<int>& valid = module.valid_status_codes;
    const bool fine = valid.empty()
                          ? http.status >= 200 && http.status <= 299
                          : std::find(valid.begin(), valid.end(), http.status) != valid.end();
    return fine && !(used_tls(http) ? module.fail_if_ssl : module.fail_if_not_ssl);
  }
  if (result.dns && !result.dns->rcode.empty() && judged(FailureKind::dns)) {
    const std::vector<std::string>& valid = module.valid_rcodes;
    return valid.empty() ? result.dns->rcode == "NOERROR"
                         : std::find(valid.begin(), valid.end(), result.dns->rcode) != valid.end();
  }
  return result.verdict == Verdict::passed;
}

void write_scrape(std::string& out, const ProbeModule& module, const TaskResult& result) {
  MetricsText text(out);
  if (result.http) {
    write_http(text, result);
  } else if (module.options.kind == "dns") {
    write_dns(text, result);
  } else {
    write_duration(text, result);
  }
  write_address(text, result);
  text.gauge("probe_success", "Displays whether or not the probe was a success")
      .sample(std::uint64_t{scrape_succeeded(module, result) ? 1U : 0U});
  text.gauge("probekit_probe_info", "1; the agent that probed, and the kind of failure.")
      .sample({{"agent", result.agent},
               {"failure", result.failure ? to_string(result.failure->kind) : std::string_view{}}},
              std::uint64_t{1});
  text.gauge("probekit_probe_suspect",
             "1 when the agent itself was late: do not trust the durations.")
      .sample(std::uint64_t{result.suspect ? 1U : 0U});
}

}  // namespace probekit::api
