// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/scrape_probe.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::api;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

ProbeModule module_of(const std::string& json) {
  auto modules = parse_probe_modules(R"({"m":)" + json + '}', ProbeKinds{});
  REQUIRE(modules);
  return modules->front();
}
const char kDnsModule[] =
    R"({"prober":"dns","dns":{"query_name":"www.example.com","query_type":"A"}})";

std::string target_of(const ProbeModule& module, const std::string& target) {
  const auto made = scrape_target(module, target);
  return made ? *made : "refused: " + made.error().message();
}

ScrapeTimes times_of(const ProbeModule& module, const std::string& header) {
  const auto times = scrape_times(module, &header);
  REQUIRE(times);
  return *times;
}

TaskResult http_result(int status, std::optional<FailureKind> failure) {
  TaskResult result;
  result.state = TaskState::done;
  result.agent = "here";
  result.verdict = failure ? Verdict::failed : Verdict::passed;
  if (failure) result.failure = Failure{*failure, "why"};
  result.duration = 1500us;
  result.http.emplace();
  result.http->status = status;
  result.http->version = status == 0 ? "" : "1.1";
  result.http->url = "http://127.0.0.1/b";
  result.http->body_bytes = 19;
  result.http->hops = {
      {"http://127.0.0.1/a", 302, "127.0.0.1:80", {{"connect_us", 10us}, {"first_byte_us", 200us}}},
      {"http://127.0.0.1/b",
       status,
       "127.0.0.2:80",
       {{"dns_us", 7us},
        {"connect_us", 20us},
        {"send_us", 1us},
        {"first_byte_us", 300us},
        {"receive_us", 40us}}}};
  return result;
}

std::string text_of(const ProbeModule& module, const TaskResult& result) {
  std::string out;
  write_scrape(out, module, result);
  return out;
}

}  // namespace

TEST_CASE("a module makes a target of what the scrape names", "[scrape]") {
  const ProbeModule http = module_of(R"({"prober":"http"})");
  CHECK(target_of(http, "example.com") == "http://example.com");
  CHECK(target_of(http, "127.0.0.1:80/x") == "http://127.0.0.1:80/x");
  CHECK(target_of(http, "http://example.com/") == "http://example.com/");
  CHECK(target_of(http, "https://example.com/") == "https://example.com/");

  const ProbeModule dns = module_of(kDnsModule);
  CHECK(target_of(dns, "192.0.2.1") == "dns:www.example.com/A@192.0.2.1:53");
  CHECK(target_of(dns, "192.0.2.1:5353") == "dns:www.example.com/A@192.0.2.1:5353");
  CHECK(target_of(dns, "[2001:db8::1]:53") == "dns:www.example.com/A@[2001:db8::1]:53");
  CHECK_THAT(target_of(dns, "dns.example"), Contains("it is a DNS server, IP[:PORT]"));

  const ProbeModule question = module_of(R"({"prober":"dns"})");
  CHECK(target_of(question, "example.com/MX") == "dns:example.com/MX");
  CHECK(target_of(question, "dns:example.com@192.0.2.1") == "dns:example.com@192.0.2.1");
}

TEST_CASE("the scraper's timeout bounds the probe's, and the module's does", "[scrape]") {
  const ProbeModule free = module_of(R"({"prober":"http"})");
  const ProbeModule bound = module_of(R"({"prober":"http","timeout_ms":3000})");
  CHECK(times_of(free, "10").timeout == 9500ms);
  CHECK(times_of(free, "10").wait == 9900ms);
  CHECK(times_of(bound, "10").timeout == 3000ms);
  CHECK(times_of(bound, "10").wait == 9900ms);
  CHECK(times_of(bound, "2.5").timeout == 2000ms);
  CHECK(times_of(free, "0.5").timeout == 250ms);
  CHECK(times_of(free, "0.5").wait == 450ms);
  CHECK(times_of(free, "100000").timeout == kTimeoutMax);
  CHECK(times_of(free, "0.002").timeout == 1ms);
  CHECK(scrape_times(free, nullptr)->timeout == kTimeoutDefault);
  CHECK(scrape_times(bound, nullptr)->timeout == 3000ms);
  for (const std::string wrong : {"", "x", "10s", "-1", "0", "nan", "inf", "0.001"}) {
    CAPTURE(wrong);
    CHECK_FALSE(scrape_times(free, &wrong));
  }
}

TEST_CASE("the module judges a complete answer, nothing excuses another", "[scrape]") {
  const ProbeModule usual = module_of(R"({"prober":"http"})");
  const ProbeModule wants = module_of(R"({"prober":"http","http":{"valid_status_codes":[404]}})");
  const ProbeModule tls = module_of(R"({"prober":"http","http":{"fail_if_not_ssl":true}})");
  const ProbeModule no_tls = module_of(R"({"prober":"http","http":{"fail_if_ssl":true}})");
  CHECK(scrape_succeeded(usual, http_result(204, std::nullopt)));
  CHECK_FALSE(scrape_succeeded(usual, http_result(304, std::nullopt)));  // ours passes, a 3xx
  CHECK_FALSE(scrape_succeeded(usual, http_result(404, FailureKind::assertion)));
  CHECK(scrape_succeeded(wants, http_result(404, FailureKind::assertion)));
  CHECK_FALSE(scrape_succeeded(wants, http_result(200, std::nullopt)));
  CHECK_FALSE(scrape_succeeded(wants, http_result(404, FailureKind::timeout)));
  CHECK_FALSE(scrape_succeeded(usual, http_result(200, FailureKind::protocol)));
  CHECK_FALSE(scrape_succeeded(tls, http_result(200, std::nullopt)));
  CHECK(scrape_succeeded(no_tls, http_result(200, std::nullopt)));
  TaskResult secure = http_result(200, std::nullopt);
  secure.http->url = "https://127.0.0.1/b";
  CHECK(scrape_succeeded(tls, secure));
  CHECK_FALSE(scrape_succeeded(no_tls, secure));

  TaskResult dns;
  dns.verdict = Verdict::failed;
  dns.failure = Failure{FailureKind::dns, "NXDOMAIN"};
  dns.dns.emplace();
  dns.dns->rcode = "NXDOMAIN";
  CHECK_FALSE(scrape_succeeded(module_of(kDnsModule), dns));
  const ProbeModule either =
      module_of(R"({"prober":"dns","dns":{"valid_rcodes":["NOERROR","NXDOMAIN"]}})");
  CHECK(scrape_succeeded(either, dns));
  dns.failure->kind = FailureKind::timeout;
  CHECK_FALSE(scrape_succeeded(either, dns));
}

TEST_CASE("phases are summed over redirects, the address is the target's own", "[scrape]") {
  const std::string text = text_of(module_of(R"({"prober":"http"})"), http_result(200, {}));
  for (const char* line : {
           "probe_dns_lookup_time_seconds 0\n",
           "probe_duration_seconds 0.0015\n",
           "probe_failed_due_to_regex 0\n",
           "probe_http_duration_seconds{phase=\"connect\"} 0.00003\n",
           "probe_http_duration_seconds{phase=\"resolve\"} 0.000007\n",
           "probe_http_duration_seconds{phase=\"tls\"} 0\n",
           "probe_http_duration_seconds{phase=\"transfer\"} 0.00004\n",
           "probe_http_redirects 1\n",
           "probe_http_ssl 0\n",
           "probe_http_status_code 200\n",
           "probe_http_uncompressed_body_length 19\n",
           "probe_http_version 1.1\n",
           "probe_ip_addr_hash 3668918509\n",  // as blackbox_exporter writes of 127.0.0.1
           "probe_ip_protocol 4\n",
           "probe_success 1\n",
           "probekit_probe_info{agent=\"here\"} 1\n",
           "probekit_probe_suspect 0\n",
       }) {
    CHECK_THAT(text, Contains(line));
  }
}

TEST_CASE("what is not known is left out", "[scrape]") {
  const ProbeModule http = module_of(R"({"prober":"http"})");
  TaskResult cut = http_result(200, std::nullopt);
  cut.http->truncated = true;
  CHECK_THAT(text_of(http, cut), !Contains("probe_http_uncompressed_body_length"));

  TaskResult lost = http_result(0, FailureKind::dns);
  lost.http->hops = {{"http://nowhere.invalid/", 0, "", {{"dns_us", 500us}}}};
  const std::string text = text_of(http, lost);
  CHECK_THAT(text, Contains("probe_http_duration_seconds{phase=\"resolve\"} 0.0005\n"));
  CHECK_THAT(text, !Contains("phase=\"connect\""));
  CHECK_THAT(text, !Contains("probe_ip_"));
  CHECK_THAT(text, Contains("probe_http_version 0\n"));
  CHECK_THAT(text, Contains("probe_success 0\n"));
  CHECK_THAT(text, Contains("probekit_probe_info{agent=\"here\",failure=\"dns\"} 1\n"));

  lost.http->hops = {{"http://[::1]:1/", 0, "", {}}};  // never connected, but it names its address
  CHECK_THAT(text_of(http, lost), Contains("probe_ip_protocol 6\n"));
}

TEST_CASE("a DNS answer is counted, and the zone's serial found", "[scrape]") {
  TaskResult result;
  result.verdict = Verdict::passed;
  result.duration = 400us;
  result.phases = {{"query_us", 390us}};
  result.dns.emplace();
  result.dns->rcode = "NOERROR";
  result.dns->server = "192.0.2.1:53";
  result.dns->answers = {
      {"example.com", "SOA", "IN", 60, "ns.example.com. host.example.com. 2024 1 2 3 4"}};
  result.dns->authority.resize(2);
  const ProbeModule module = module_of(kDnsModule);
  const std::string text = text_of(module, result);
  for (const char* line : {
           "probe_dns_additional_rrs 0\n",
           "probe_dns_answer_rrs 1\n",
           "probe_dns_authority_rrs 2\n",
           "probe_dns_duration_seconds{phase=\"request\"} 0.00039\n",
           "probe_dns_lookup_time_seconds 0\n",
           "probe_dns_query_succeeded 1\n",
           "probe_dns_serial 2024\n",
           "probe_ip_protocol 4\n",
           "probe_success 1\n",
       }) {
    CHECK_THAT(text, Contains(line));
  }
  TaskResult silence = result;
  silence.dns.reset();
  silence.phases.clear();
  silence.address = "192.0.2.1:53";
  silence.failure = Failure{FailureKind::timeout, "no answer"};
  silence.verdict = Verdict::failed;
  const std::string without = text_of(module, silence);
  CHECK_THAT(without, Contains("probe_dns_answer_rrs 0\n"));
  CHECK_THAT(without, Contains("probe_dns_duration_seconds{phase=\"request\"} 0.0004\n"));
  CHECK_THAT(without, Contains("probe_dns_query_succeeded 0\n"));
  CHECK_THAT(without, Contains("probe_success 0\n"));

  for (const char* broken : {"", "a", "a b", "a b ", "a b x 1", " "}) {
    result.dns->answers.front().value = broken;
    CHECK_THAT(text_of(module, result), !Contains("probe_dns_serial"));
  }
}
