// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_result.hpp"

#include <chrono>
#include <string>

#include "json/json_value.hpp"
#include "json/json_writer.hpp"
#include "probe/result_json.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::microseconds;

const SystemTime kStarted{microseconds{1'767'323'045'678'901}};  // 2026-01-02T03:04:05.678901Z

std::string wire(const ProbeResult& result) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  append_result_fields(writer, result);
  writer.end_object();
  return out;
}

ProbeResult http_result() {
  ProbeResult result;
  result.verdict = Verdict::passed;
  result.address = "192.0.2.1:443";
  result.started_at = kStarted;
  result.duration = microseconds{1234};
  result.phases = {{"dns_us", microseconds{1}}, {"connect_us", microseconds{0}}};
  HttpResult http;
  http.status = 200;
  http.version = "1.1";
  http.url = "https://a/";
  http.hops.push_back({"http://a/", 301, "192.0.2.1:80", {{"dns_us", microseconds{9}}}});
  http.hops.push_back({"https://a/", 200, "192.0.2.1:443", {}});
  http.body_bytes = 38;
  result.http = http;
  result.sections.push_back({"extra", R"([1,"x"])"});
  result.sections.push_back({"tls", R"({"version":"1.3"})"});
  return result;
}

DnsRecord record(std::size_t value_bytes) {
  return {"example.com", "TXT", "IN", 60, std::string(value_bytes, 'x')};
}

TEST_CASE("the prober's fields are written in the order of the result line", "[probe][result]") {
  CHECK(wire(http_result()) ==
        R"({"address":"192.0.2.1:443","verdict":"passed","failure":null,)"
        R"("started_at_us":1767323045678901,"duration_us":1234,)"
        R"("phases":{"dns_us":1,"connect_us":0},)"
        R"("http":{"status":200,"version":"1.1","url":"https://a/","hops":[)"
        R"({"url":"http://a/","status":301,"address":"192.0.2.1:80","phases":{"dns_us":9}},)"
        R"({"url":"https://a/","status":200,"address":"192.0.2.1:443"}],)"
        R"("body_bytes":38,"truncated":false},)"
        R"("tls":{"version":"1.3"},"extra":[1,"x"],"suspect":false})");
}

TEST_CASE("what does not apply is absent; only failure is null", "[probe][result]") {
  ProbeResult result = failed_result(FailureKind::connect, "connection refused");
  CHECK(wire(result) ==
        R"({"verdict":"failed","failure":{"kind":"connect","message":"connection refused"},)"
        R"("started_at_us":0,"duration_us":0,"suspect":false})");
  result.http.emplace();
  CHECK(wire(result).find("status") == std::string::npos);
}

TEST_CASE("a DNS result has its three sections", "[probe][result]") {
  ProbeResult result;
  result.verdict = Verdict::passed;
  DnsResult dns;
  dns.rcode = "NOERROR";
  dns.flags = {"rd", "ra"};
  dns.server = "192.0.2.1:53";
  dns.transport = "udp";
  dns.answers.push_back(record(2));
  result.dns = dns;
  CHECK(wire(result).find(
            R"("dns":{"rcode":"NOERROR","flags":["rd","ra"],"server":"192.0.2.1:53",)"
            R"("transport":"udp","answers":[{"name":"example.com","type":"TXT","class":"IN",)"
            R"("ttl":60,"value":"xx"}],"authority":[],"additional":[]})") != std::string::npos);
}

TEST_CASE("a result line says when in RFC 3339 and carries the labels", "[probe][result]") {
  ProbeSpec spec;
  spec.kind = "http";
  spec.target = "http://a/";
  spec.labels = {{"team", "x"}};
  const std::string line = to_json(spec, http_result());
  CHECK(line.find(R"({"state":"done","kind":"http","target":"http://a/","address")") == 0);
  CHECK(line.find(R"("started_at":"2026-01-02T03:04:05.678901Z")") != std::string::npos);
  CHECK(line.find("started_at_us") == std::string::npos);
  CHECK(line.find(R"("labels":{"team":"x"},"suspect":false})") != std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
}

TEST_CASE("a result line reads back as what was written", "[probe][result]") {
  ProbeSpec spec;
  spec.kind = "http";
  spec.target = "http://a/";
  spec.labels = {{"team", "x"}};
  ProbeResult result = http_result();
  result.verdict = Verdict::failed;
  result.failure = Failure{FailureKind::assertion, "status 404 \"\\\n"};
  result.suspect = true;
  DnsResult dns;
  dns.rcode = "NOERROR";
  dns.flags = {"aa"};
  dns.authority = {record(3)};
  result.dns = dns;
  const std::string line = to_json(spec, result);
  const auto read = parse_result_line(line);
  if (!read) FAIL(read.error().message());
  CHECK(to_json(spec, *read) == line);
  CHECK(read->state == TaskState::done);
  CHECK(read->labels == spec.labels);
  CHECK(read->started_at == kStarted);
  CHECK(read->failure->kind == FailureKind::assertion);
}

TEST_CASE("lines of tasks without a result are read", "[probe][result]") {
  const auto expired = parse_result_line(
      R"({"state":"expired","task":"b1.7","target":"http://a/","reason":"agent_lost",)"
      R"("attempts":5,"diagnosis":"lost"})");
  REQUIRE(expired);
  CHECK(expired->state == TaskState::expired);
  CHECK(expired->reason == ExpiryReason::agent_lost);
  CHECK(expired->attempt == 5);
  CHECK(expired->verdict == Verdict::none);
  CHECK(expired->diagnosis == "lost");
  const auto cancelled = parse_result_line(R"({"state":"cancelled","task":"t","target":"x"})");
  REQUIRE(cancelled);
  CHECK(cancelled->state == TaskState::cancelled);
}

TEST_CASE("the master's own fields of a line are read", "[probe][result]") {
  const auto line = parse_result_line(
      R"({"state":"done","task":"t1","batch":"b","schedule":"s","attempt":2,"agent":"here",)"
      R"("kind":"http","target":"http://a/","verdict":"passed","failure":null,)"
      R"("scheduled_at":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:04:05.678901Z",)"
      R"("duration_us":5,"phases":{},"labels":{},"suspect":false,"added":"later"})");
  REQUIRE(line);
  CHECK(line->batch == "b");
  CHECK(line->attempt == 2);
  CHECK(line->agent == "here");
  REQUIRE(line->scheduled_at);
  CHECK(kStarted - *line->scheduled_at == microseconds{678'901});
  REQUIRE(line->sections.size() == 1);
  CHECK(line->sections[0].json == "\"later\"");
}

TEST_CASE("broken lines are refused with the field at fault", "[probe][result]") {
  const char* const cases[][2] = {
      {"", ""},
      {"[]", "a result is a JSON object"},
      {"{}", "state: missing"},
      {R"({"state":"lost"})", "state: unknown"},
      {R"({"state":"done","verdict":"maybe"})", "verdict: unknown"},
      {R"({"state":"done","verdict":7})", "verdict: not a string"},
      {R"({"state":"done","duration_us":"x"})", "duration_us: not an integer in range"},
      {R"({"state":"done","attempt":-1})", "attempt: not an integer in range"},
      {R"({"state":"done","attempt":4294967296})", "attempt: not an integer in range"},
      {R"({"state":"done","failure":{"kind":"bad"}})", "failure.kind: unknown"},
      {R"({"state":"done","failure":"x"})", "failure: not an object"},
      {R"({"state":"done","phases":{"a":"b"}})", "phases.a: not an integer"},
      {R"({"state":"done","phases":[]})", "phases: not an object"},
      {R"({"state":"done","http":{"hops":{}}})", "http.hops: not a list"},
      {R"({"state":"done","http":{"hops":[{"status":"x"}]}})",
       "http.hops.status: not an integer in range"},
      {R"({"state":"done","dns":{"answers":[{"ttl":-1}]}})",
       "dns.answers.ttl: not an integer in range"},
      {R"({"state":"done","dns":{"flags":[1]}})", "dns.flags: not a list of strings"},
      {R"({"state":"done","started_at":"yesterday"})", "started_at: not a time as in RFC 3339"},
      {R"({"state":"done","suspect":1})", "suspect: not true or false"},
      {R"({"state":"done","labels":{"a":1}})", "labels.a: not a string"},
      {R"({"state":"expired","reason":"bored"})", "reason: unknown"},
  };
  for (const auto& [line, message] : cases) {
    CAPTURE(line);
    const auto read = parse_result_line(line);
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == errc::invalid_argument);
    if (*message != '\0') CHECK(read.error().message() == message);
  }
}

TEST_CASE("sections that would break the line are named, not written", "[probe][result]") {
  ProbeResult result;
  result.verdict = Verdict::passed;
  result.sections = {{"good", "{}"}, {"broken", "{"},  {"two", "1,\"x\":2"}, {"verdict", "1"},
                     {"good", "[]"}, {"labels", "{}"}, {"a b", "1"},         {"empty", ""}};
  const std::string text = wire(result);
  REQUIRE(json::Value::parse(text));
  CHECK(text.find(R"("good":{},"sections_refused":["broken","two","verdict","good","labels",)"
                  R"("a b","empty"],"suspect")") != std::string::npos);
}

TEST_CASE("text that is not UTF-8 does not break the line", "[probe][result]") {
  ProbeResult result = failed_result(FailureKind::protocol, "\xFF\xC0\"\x01");
  result.http.emplace().url = "http://a/\x80";
  CHECK(json::Value::parse(wire(result)));
}

TEST_CASE("a result of just the limit is left alone", "[probe][result]") {
  ProbeResult result;
  result.verdict = Verdict::passed;
  result.sections.push_back({"s", "\"" + std::string(kResultBytesMax - 400, 'x') + "\""});
  ProbeResult same = result;
  shrink_to_fit(same);
  CHECK(same.sections.size() == 1);
  CHECK(wire(result).size() > kResultBytesMax - 400);
}

TEST_CASE("a result over the limit loses its sections first and says so", "[probe][result]") {
  ProbeResult result = failed_result(FailureKind::assertion, "no");
  result.sections.push_back({"s", "\"" + std::string(kResultBytesMax, 'x') + "\""});
  std::string text = wire(result);
  CHECK(text.size() <= kResultBytesMax);
  CHECK(text.find("\"s\":") == std::string::npos);
  CHECK(text.find("no (detail left out: the result was over 64 KiB)") != std::string::npos);

  result = http_result();
  result.sections.push_back({"s", "\"" + std::string(kResultBytesMax, 'x') + "\""});
  text = wire(result);
  CHECK(text.find(R"("truncated":true)") != std::string::npos);
  CHECK(text.find(R"("status":301)") != std::string::npos);

  ProbeResult plain;
  plain.verdict = Verdict::passed;
  plain.sections = result.sections;
  text = wire(plain);
  CHECK(text.find(R"("truncated":true,"suspect")") != std::string::npos);
}

TEST_CASE("then its records, then its hops but the last", "[probe][result]") {
  ProbeResult result;
  result.verdict = Verdict::passed;
  DnsResult dns;
  dns.rcode = "NOERROR";
  dns.answers.assign(10, record(1000));
  dns.authority.assign(100, record(1000));
  dns.additional.assign(10, record(1000));
  result.dns = dns;
  shrink_to_fit(result);
  CHECK(result.dns->answers.size() == 10);
  CHECK(result.dns->authority.empty());
  CHECK(result.dns->additional.empty());
  CHECK(wire(result).size() <= kResultBytesMax);
  CHECK(wire(result).find(R"("truncated":true)") != std::string::npos);

  ProbeResult redirected = http_result();
  redirected.http->hops.assign(10, {"http://a/" + std::string(8000, 'x'), 302, "a", {}});
  redirected.http->hops.back().status = 200;
  const std::string text = wire(redirected);
  CHECK(text.size() <= kResultBytesMax);
  const auto value = json::Value::parse(text);
  REQUIRE(value);
  CHECK(value->find("http")->find("hops")->as_array()->size() == 1);
  CHECK(*value->find("http")->find("hops")->as_array()->front().find("status")->as_int64() == 200);
}

TEST_CASE("however large its texts, a result fits", "[probe][result]") {
  const std::string huge(200'000, '\x01');  // six bytes each when escaped
  ProbeResult result = failed_result(FailureKind::protocol, huge);
  result.address = huge;
  for (int i = 0; i < 5000; ++i) {
    result.phases.push_back({std::to_string(i) + huge.substr(0, 100), microseconds{1}});
  }
  result.http.emplace().url = huge;
  result.http->version = huge;
  result.http->hops.assign(3, {huge, 200, huge, result.phases});
  DnsResult dns;
  dns.rcode = dns.server = dns.transport = huge;
  dns.flags.assign(1000, huge.substr(0, 1000));
  dns.answers.assign(10, {huge, huge, huge, 1, huge});
  result.dns = dns;
  const std::string text = wire(result);
  CHECK(text.size() <= kResultBytesMax);
  CHECK(json::Value::parse(text));
  CHECK(text.find("... (detail left out") != std::string::npos);
}

TEST_CASE("failure kinds are read by their names", "[probe][result]") {
  for (std::size_t i = 0; i < kFailureKinds; ++i) {
    const auto kind = static_cast<FailureKind>(i);
    CHECK(parse_failure_kind(to_string(kind)) == kind);
  }
  CHECK_FALSE(parse_failure_kind("unknown"));
  CHECK_FALSE(parse_failure_kind(""));
}

}  // namespace
}  // namespace probekit
