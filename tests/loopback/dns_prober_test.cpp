// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/dns_prober.hpp"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/dns_test_server.hpp"
#include "support/probe_bench.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using test::DnsTestAnswer;
using test::DnsTestQuery;
using test::DnsTestReply;
using test::DnsTestServer;
using test::ProbeBench;

using Replies = std::vector<DnsTestReply>;

// Answers by the first label of the name.
Replies scripted(const DnsTestQuery& query) {
  const std::string what = query.name.substr(0, query.name.find('.'));
  DnsTestAnswer answer(query);
  if (what == "good") return {answer.flag_aa().a("192.0.2.1", 300).a("192.0.2.2").opt()};
  if (what == "nxdomain") return {answer.rcode(3).soa(60).opt()};
  if (what == "servfail") return {answer.rcode(2).opt()};
  if (what == "refused") return {answer.rcode(5).opt()};
  if (what == "notimp") return {answer.rcode(4).opt()};
  if (what == "formerr") return {answer.rcode(1)};
  if (what == "formerr-opt") return {answer.rcode(1).opt()};
  if (what == "badvers") return {answer.opt(1)};
  if (what == "old") return {query.edns ? answer.rcode(1) : answer.a("192.0.2.7")};
  if (what == "empty") return {answer.soa(60).opt()};
  if (what == "alias") return {answer.cname("other.test").a("192.0.2.3").opt()};
  if (what == "tc")
    return {query.tcp ? answer.txt(std::string(3000, 'x')).opt() : answer.flag_tc()};
  if (what == "tc-drop") return query.tcp ? Replies{} : Replies{answer.flag_tc()};
  if (what == "tc-close") return {query.tcp ? DnsTestReply{} : DnsTestReply(answer.flag_tc())};
  if (what == "big") return {answer.txt(std::string(1000, 'y')).opt()};
  if (what == "huge") return {answer.txt(std::string(2500, 'z')).opt()};
  if (what == "drop") return {};
  if (what == "wrong-id") return {answer.id(static_cast<std::uint16_t>(~query.packet[0]))};
  if (what == "zero")
    return {DnsTestReply{}, DnsTestReply{answer.a("192.0.2.9").opt().packet(), 20ms}};
  if (what == "zero-only") return {DnsTestReply{}};
  if (what == "slow") return {DnsTestReply{answer.a("192.0.2.4").opt().packet(), 150ms}};
  if (what == "loop") {
    const std::size_t self = answer.packet().size() + 12;
    return {answer.record(5, std::string{'\xc0', static_cast<char>(self)})};
  }
  if (what == "echo") return {DnsTestReply{query.packet, 0ms}};
  if (what == "notify") {
    std::string packet = answer.a("192.0.2.1").opt().packet();
    packet[2] = static_cast<char>(packet[2] | 4 << 3);
    return {DnsTestReply{packet, 0ms}};
  }
  if (what == "hex") return {answer.record(65280, "\x01\x02").opt()};
  return {answer.rcode(3)};
}

struct Bench {
  DnsTestServer server{scripted};
  ProbeBench bench{make_dns_prober(), ProbeBench::environment()};

  std::string target(const std::string& what, const std::string& type = "A") const {
    return "dns:" + what + ".test/" + type + "@" + server.text();
  }
  ProbeResult probe(const std::string& what, const std::string& type = "A",
                    std::chrono::milliseconds timeout = 10s) {
    return bench.probe(target(what, type), timeout);
  }
};

}  // namespace

TEST_CASE("an answer passes, with all it said", "[dns_prober]") {
  Bench bench;
  const ProbeResult result = bench.probe("good");
  CHECK(result.verdict == Verdict::passed);
  CHECK_FALSE(result.failure);
  CHECK(result.address == bench.server.text());
  REQUIRE(result.dns);
  CHECK(result.dns->rcode == "NOERROR");
  CHECK(result.dns->flags == std::vector<std::string>{"aa", "rd", "ra"});
  CHECK(result.dns->server == bench.server.text());
  CHECK(result.dns->transport == "udp");
  REQUIRE(result.dns->answers.size() == 2);
  CHECK(result.dns->answers[0].name == "good.test.");
  CHECK(result.dns->answers[0].type == "A");
  CHECK(result.dns->answers[0].dns_class == "IN");
  CHECK(result.dns->answers[0].ttl == 300);
  CHECK(result.dns->answers[0].value == "192.0.2.1");
  CHECK(result.dns->additional.empty());
  REQUIRE(result.phases.size() == 1);
  CHECK(result.phases[0].name == "query_us");
  CHECK(result.phases[0].duration == result.duration);
  CHECK(result.started_at.time_since_epoch().count() > 0);

  const ProbeResult alias = bench.probe("alias");
  REQUIRE(alias.dns);
  REQUIRE(alias.dns->answers.size() == 2);
  CHECK(alias.dns->answers[0].value == "other.test.");
  CHECK(alias.dns->answers[1].name == "other.test.");
  CHECK(bench.probe("hex").dns->answers.at(0).value == "\\# 2 0102");
}

TEST_CASE("each rcode but NOERROR fails and is named", "[dns_prober]") {
  Bench bench;
  for (const auto& [what, rcode] : std::map<std::string, std::string>{{"nxdomain", "NXDOMAIN"},
                                                                      {"servfail", "SERVFAIL"},
                                                                      {"refused", "REFUSED"},
                                                                      {"notimp", "NOTIMP"},
                                                                      {"formerr", "FORMERR"},
                                                                      {"formerr-opt", "FORMERR"},
                                                                      {"badvers", "BADVERS"}}) {
    CAPTURE(what);
    const ProbeResult result = bench.probe(what);
    CHECK(result.verdict == Verdict::failed);
    REQUIRE(result.failure);
    CHECK(result.failure->kind == FailureKind::dns);
    CHECK(result.failure->message == "rcode " + rcode);
    REQUIRE(result.dns);
    CHECK(result.dns->rcode == rcode);
  }
  const ProbeResult none = bench.probe("nxdomain");
  REQUIRE(none.dns->authority.size() == 1);
  CHECK(none.dns->authority[0].type == "SOA");
  CHECK(bench.probe("empty").verdict == Verdict::passed);
}

TEST_CASE("a truncated answer is asked for again over TCP", "[dns_prober]") {
  Bench bench;
  const ProbeResult result = bench.probe("tc", "TXT");
  CHECK(result.verdict == Verdict::passed);
  CHECK(result.dns->transport == "tcp");
  CHECK(result.dns->answers.at(0).value.size() > 3000);
  CHECK(bench.server.tcp_queries() == 1);
  CHECK(bench.server.queries() == 2);

  const ProbeResult dropped = bench.probe("tc-drop", "A", 200ms);
  REQUIRE(dropped.failure);
  CHECK(dropped.failure->kind == FailureKind::timeout);
  CHECK(dropped.failure->message == "timeout after 200 ms while waiting for the answer over TCP");

  const ProbeResult closed = bench.probe("tc-close");
  REQUIRE(closed.failure);
  CHECK(closed.failure->kind == FailureKind::protocol);
}

TEST_CASE("answers over 512 bytes come by UDP, over 1232 by TCP", "[dns_prober]") {
  Bench bench;
  const ProbeResult big = bench.probe("big", "TXT");
  CHECK(big.verdict == Verdict::passed);
  CHECK(big.dns->transport == "udp");
  // A server that sends more than it was told fits.
  const ProbeResult huge = bench.probe("huge", "TXT");
  CHECK(huge.verdict == Verdict::passed);
  CHECK(huge.dns->transport == "tcp");
  CHECK(huge.dns->answers.at(0).value.size() > 2500);
}

TEST_CASE("one server's FORMERR turns EDNS off for it and for no other", "[dns_prober]") {
  Bench bench;
  std::vector<std::string> many(100, bench.target("old"));
  for (const ProbeResult& result : bench.bench.probe_all(many, 50, 10s)) {
    REQUIRE(result.verdict == Verdict::passed);
  }
  std::atomic<int> with_edns{0};
  DnsTestServer other([&](const DnsTestQuery& query) -> Replies {
    if (query.edns) ++with_edns;
    return {DnsTestAnswer(query).a("192.0.2.1").opt()};
  });
  CHECK(bench.bench.probe("dns:x.test@" + other.text()).verdict == Verdict::passed);
  CHECK(with_edns == 1);
}

TEST_CASE("silence, wrong ids and empty packets end in a timeout", "[dns_prober]") {
  Bench bench;
  for (const std::string what : {"drop", "wrong-id", "zero-only"}) {
    CAPTURE(what);
    const ProbeResult result = bench.probe(what, "A", 150ms);
    REQUIRE(result.failure);
    CHECK(result.failure->kind == FailureKind::timeout);
    CHECK(result.failure->message == "timeout after 150 ms while waiting for the answer over UDP");
    CHECK(result.duration >= 150ms);
    CHECK_FALSE(result.dns);
  }
  CHECK(bench.probe("zero").verdict == Verdict::passed);
  CHECK(bench.probe("slow").verdict == Verdict::passed);
  CHECK(bench.probe("slow", "A", 50ms).failure->kind == FailureKind::timeout);
}

TEST_CASE("a broken message is the server's fault", "[dns_prober]") {
  Bench bench;
  const ProbeResult result = bench.probe("loop");
  REQUIRE(result.failure);
  CHECK(result.failure->kind == FailureKind::protocol);
  CHECK(result.failure->message.find("loops") != std::string::npos);

  const ProbeResult echo = bench.probe("echo");
  CHECK(echo.verdict == Verdict::failed);
  REQUIRE(echo.failure);
  CHECK(echo.failure->kind == FailureKind::protocol);
  CHECK(echo.failure->message.find("no answer, but a question") != std::string::npos);
  const ProbeResult notify = bench.probe("notify");
  CHECK(notify.verdict == Verdict::failed);
  REQUIRE(notify.failure);
  CHECK(notify.failure->kind == FailureKind::protocol);
}

TEST_CASE("a server where nothing listens is a failed connection", "[dns_prober]") {
  Bench bench;
  const test::Fd closed = test::bound_socket(SOCK_STREAM, "127.0.0.1", 0);
  const ProbeResult result =
      bench.bench.probe("dns:x.test@127.0.0.1:" + std::to_string(test::port_of(closed)));
  REQUIRE(result.failure);
  CHECK(result.failure->kind == FailureKind::connect);
  CHECK(result.failure->message == "connection refused");
}

TEST_CASE("a target's own server is judged, the configured one is not", "[dns_prober][guard]") {
  DnsTestServer server(scripted);
  ProbeEnvironment environment = ProbeBench::environment();
  environment.address_policy = AddressPolicy();
  environment.dns_servers = {server.address()};
  ProbeBench bench(make_dns_prober(), environment);
  CHECK(bench.probe("dns:good.test").verdict == Verdict::passed);
  const ProbeResult denied = bench.probe("dns:good.test@" + server.text());
  REQUIRE(denied.failure);
  CHECK(denied.failure->kind == FailureKind::denied);
  CHECK(denied.failure->message.find("127.0.0.0/8") != std::string::npos);
  CHECK(denied.failure->message.find("--allow") != std::string::npos);
  CHECK(denied.address.empty());
  CHECK(server.queries() == 1);
}

TEST_CASE("a cancelled query never answers, nor do those of a destroyed runner", "[dns_prober]") {
  Bench bench;
  const auto cancelled = bench.bench.start(bench.target("slow"), 10s);
  bench.bench.cancel(cancelled);
  bench.bench.cancel(cancelled);
  CHECK(bench.probe("slow").verdict == Verdict::passed);
  CHECK(bench.bench.results() == 0);
  for (int i = 0; i < 20; ++i) {
    bench.bench.start(bench.target(i % 2 == 0 ? "drop" : "tc-drop"), 10s);
  }
  bench.bench.destroy_runner();
  CHECK(bench.bench.results() == 0);
}

TEST_CASE("names that c-ares keeps to itself fail as dns", "[dns_prober]") {
  Bench bench;
  const ProbeResult result = bench.bench.probe("dns:hidden.onion@" + bench.server.text());
  REQUIRE(result.failure);
  CHECK(result.failure->kind == FailureKind::dns);
}

// More than one socket may have in flight, less than the server's own socket can hold.
TEST_CASE("five thousand queries meet no false timeout", "[dns_prober]") {
  Bench bench;
  std::vector<std::string> targets;
  for (int i = 0; i < 5000; ++i) {
    targets.push_back("dns:good.n" + std::to_string(i) + ".test@" + bench.server.text());
  }
  std::size_t passed = 0;
  for (const ProbeResult& result : bench.bench.probe_all(targets, 160, 5s)) {
    if (result.verdict == Verdict::passed) ++passed;
  }
  CHECK(passed == targets.size());
}

TEST_CASE("many servers at once do not wait for each other", "[dns_prober]") {
  std::vector<std::unique_ptr<DnsTestServer>> servers;
  std::vector<std::string> targets;
  for (int i = 0; i < 40; ++i) {
    servers.push_back(std::make_unique<DnsTestServer>(scripted));
    for (int n = 0; n < 5; ++n) targets.push_back("dns:good.test@" + servers.back()->text());
  }
  ProbeEnvironment environment = ProbeBench::environment();
  environment.concurrency = 1;  // fewer channels than servers: they take turns
  ProbeBench bench(make_dns_prober(), environment);
  for (const ProbeResult& result : bench.probe_all(targets, 100, 5s)) {
    CHECK(result.verdict == Verdict::passed);
  }
}

}  // namespace probekit
