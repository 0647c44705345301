// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/http_prober.hpp"

#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/dns_test_server.hpp"
#include "support/http_test_server.hpp"
#include "support/https_test_server_openssl.hpp"
#include "support/probe_bench.hpp"
#include "support/run_until.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;
using test::DnsTestAnswer;
using test::DnsTestQuery;
using test::DnsTestReply;
using test::DnsTestServer;
using test::HttpsTestServer;
using test::HttpTestServer;
using test::ProbeBench;

using Replies = std::vector<DnsTestReply>;

// Answers each name with 127.0.0.1, or as its first label says.
Replies names(const DnsTestQuery& query) {
  DnsTestAnswer answer(query);
  const std::string what = query.name.substr(0, query.name.find('.'));
  if (what == "nowhere") return {answer.rcode(3).soa(30).opt()};
  if (what == "silent") return {};
  if (query.type != 1) return {answer.opt()};
  if (what == "private") return {answer.a("10.1.2.3").opt()};
  if (what == "mixed") return {answer.a("10.1.2.3").a("127.0.0.1").opt()};
  if (what == "second") return {answer.a("127.0.0.2").a("127.0.0.1").opt()};
  return {answer.a("127.0.0.1").opt()};
}

struct Bench {
  explicit Bench(HttpProberOptions options = {})
      : bench(make_http_prober(options), environment(dns)) {}

  static ProbeEnvironment environment(const DnsTestServer& dns) {
    ProbeEnvironment made = ProbeBench::environment();
    made.dns_servers = {dns.address()};
    return made;
  }
  ProbeResult get(const std::string& path, std::chrono::milliseconds timeout = 10s) {
    return bench.probe(server.url(path), timeout);
  }
  std::string named(const std::string& name, const std::string& path = "/ok") const {
    return "http://" + name + ':' + std::to_string(server.port()) + path;
  }

  DnsTestServer dns{names};
  HttpTestServer server;
  ProbeBench bench;
};

std::vector<std::string> phase_names(const std::vector<Phase>& phases) {
  std::vector<std::string> out;
  for (const Phase& phase : phases) out.push_back(phase.name);
  return out;
}

std::chrono::microseconds sum(const std::vector<Phase>& phases) {
  std::chrono::microseconds total{0};
  for (const Phase& phase : phases) total += phase.duration;
  return total;
}

void check_failure(const ProbeResult& result, FailureKind kind, const std::string& message) {
  CHECK(result.verdict == Verdict::failed);
  REQUIRE(result.failure);
  INFO(result.failure->message);
  CHECK(result.failure->kind == kind);
  CHECK(result.failure->message.find(message) != std::string::npos);
}

int threads_of_this_process() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/task");
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return count;
}

/// Counts the threads of this process all the time, itself among them.
class ThreadCensus {
 public:
  ThreadCensus() : thread_([this] { run(); }) {
    test::run_until([&] { return samples_ > 0; });
  }
  ~ThreadCensus() {
    ended_ = true;
    thread_.join();
  }
  int most() const { return most_; }
  int samples() const { return samples_; }

 private:
  void run() {
    while (!ended_) {
      most_ = std::max(most_.load(), threads_of_this_process());
      ++samples_;
      poll(nullptr, 0, 1);
    }
  }

  std::atomic<int> most_{0};
  std::atomic<int> samples_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a page passes, with phases that add up", "[http_prober]") {
  Bench bench;
  const ProbeResult result = bench.get("/ok");
  CHECK(result.verdict == Verdict::passed);
  CHECK_FALSE(result.failure);
  CHECK(result.address == "127.0.0.1:" + std::to_string(bench.server.port()));
  REQUIRE(result.http);
  CHECK(result.http->status == 200);
  CHECK(result.http->version == "1.1");
  CHECK(result.http->url == bench.server.url("/ok"));
  CHECK(result.http->body_bytes == 3);
  CHECK_FALSE(result.http->truncated);
  REQUIRE(result.http->hops.size() == 1);
  CHECK(result.http->hops[0].address == result.address);
  CHECK(phase_names(result.phases) ==
        std::vector<std::string>{"connect_us", "send_us", "first_byte_us", "receive_us"});
  CHECK(result.duration - sum(result.phases) < 1ms);
  CHECK(sum(result.phases) <= result.duration);

  const ProbeResult named = bench.bench.probe(bench.named("a.test"));
  CHECK(named.verdict == Verdict::passed);
  CHECK(phase_names(named.phases).front() == "dns_us");
  CHECK(named.duration - sum(named.phases) < 1ms);
  CHECK(named.address == result.address);
  CHECK(bench.server.last_request().find("Host: a.test:") != std::string::npos);
  CHECK(bench.server.last_request().find("User-Agent: probekit/") != std::string::npos);
  CHECK(bench.server.last_request().find("Accept-Encoding") == std::string::npos);
}

TEST_CASE("each probe has a connection of its own", "[http_prober]") {
  Bench bench;
  for (int i = 0; i < 5; ++i) CHECK(bench.get("/ok").verdict == Verdict::passed);
  CHECK(bench.server.connections() == 5);
}

TEST_CASE("the final status decides", "[http_prober]") {
  Bench bench;
  for (const int status : {200, 204, 299, 300, 304, 399}) {
    CAPTURE(status);
    CHECK(bench.get("/status/" + std::to_string(status)).verdict == Verdict::passed);
  }
  for (const int status : {400, 404, 500, 503, 599}) {
    CAPTURE(status);
    const ProbeResult result = bench.get("/status/" + std::to_string(status));
    check_failure(result, FailureKind::assertion, "status " + std::to_string(status));
    CHECK(result.http->status == status);
  }
  // A redirect that leads nowhere is an answer like others.
  CHECK(bench.get("/status/302").verdict == Verdict::passed);
  CHECK(bench.get("/http10").http->version == "1.0");
}

TEST_CASE("redirects are followed hop by hop", "[http_prober]") {
  Bench bench;
  const ProbeResult result = bench.get("/redirect/3");
  CHECK(result.verdict == Verdict::passed);
  REQUIRE(result.http->hops.size() == 4);
  CHECK(result.http->hops[0].status == 302);
  CHECK(result.http->hops[1].url == bench.server.url("/redirect/2"));
  CHECK(result.http->hops[3].url == bench.server.url("/ok"));
  CHECK(result.http->hops[3].status == 200);
  CHECK(result.http->url == bench.server.url("/ok"));
  CHECK(result.http->body_bytes == 3);
  for (const HttpHop& hop : result.http->hops) CHECK_FALSE(hop.phases.empty());
  CHECK(sum(result.phases) == sum(result.http->hops[3].phases));
  CHECK(sum(result.phases) < result.duration);

  const ProbeResult body = bench.get("/to-with-body/" + bench.named("b.test"));
  CHECK(body.verdict == Verdict::passed);
  CHECK(body.http->hops.at(1).url == bench.named("b.test"));
}

TEST_CASE("loops of redirects end", "[http_prober]") {
  HttpProberOptions options;
  options.redirects_max = 4;
  Bench bench(options);
  const ProbeResult loop = bench.get("/loop");
  check_failure(loop, FailureKind::protocol, "more than 4 redirects");
  CHECK(loop.http->hops.size() == 5);
  CHECK(bench.get("/redirect/4").verdict == Verdict::passed);
  check_failure(bench.get("/redirect/5"), FailureKind::protocol, "more than 4 redirects");
}

TEST_CASE("redirects to what cannot be probed fail", "[http_prober]") {
  Bench bench;
  check_failure(bench.get("/to/ftp://a.test/"), FailureKind::protocol, "cannot be followed");
  const ProbeResult secret = bench.get("/to/http://user:secret@a.test/");
  check_failure(secret, FailureKind::protocol, "cannot be followed");
  CHECK(secret.failure->message.find("secret") == std::string::npos);
}

TEST_CASE("addresses that are not allowed are never connected to", "[http_prober][guard]") {
  Bench bench;
  const ProbeResult literal = bench.bench.probe("http://10.1.2.3/");
  check_failure(literal, FailureKind::denied, "10.0.0.0/8");
  CHECK(literal.failure->message.find("--allow") != std::string::npos);
  CHECK(literal.address.empty());

  check_failure(bench.bench.probe("http://private.test/"), FailureKind::denied, "10.0.0.0/8");
  check_failure(bench.bench.probe("http://[::1]/"), FailureKind::denied, "::1");
  check_failure(bench.bench.probe("http://[::ffff:10.0.0.1]/"), FailureKind::denied, "10.0.0.0/8");

  const ProbeResult redirected = bench.get("/to/http://169.254.169.254/latest");
  check_failure(redirected, FailureKind::denied, "169.254.0.0/16");
  CHECK(redirected.http->hops.size() == 2);
  CHECK(redirected.http->hops[1].address.empty());
  check_failure(bench.get("/to/http://private.test/"), FailureKind::denied, "10.0.0.0/8");

  // What is allowed among a name's addresses is used.
  CHECK(bench.bench.probe(bench.named("mixed.test")).verdict == Verdict::passed);
}

TEST_CASE("names that do not resolve fail as dns", "[http_prober]") {
  Bench bench;
  const ProbeResult result = bench.bench.probe("http://nowhere.test/");
  check_failure(result, FailureKind::dns, "NXDOMAIN");
  CHECK(phase_names(result.phases) == std::vector<std::string>{"dns_us"});
  CHECK(result.address.empty());
  CHECK(result.http->status == 0);
}

TEST_CASE("connections that fail say how", "[http_prober]") {
  Bench bench;
  const test::Fd closed = test::bound_socket(SOCK_STREAM, "127.0.0.1", 0);
  const std::string nobody = "127.0.0.1:" + std::to_string(test::port_of(closed));
  const ProbeResult refused = bench.bench.probe("http://" + nobody + "/");
  check_failure(refused, FailureKind::connect, "connecting to " + nobody + ": Connection refused");
  CHECK(refused.address.empty());
  CHECK(phase_names(refused.phases) == std::vector<std::string>{"connect_us"});
  // The library's memory of that error does not reach the next probe.
  CHECK(bench.get("/ok").verdict == Verdict::passed);
  check_failure(bench.get("/close"), FailureKind::protocol, "ended without an answer");
}

TEST_CASE("the next address is tried, at once when refused", "[http_prober]") {
  Bench bench;
  // 127.0.0.2 is refused: the server listens on 127.0.0.1 alone.
  const ProbeResult result = bench.bench.probe(bench.named("second.test"));
  CHECK(result.verdict == Verdict::passed);
  CHECK(result.address == "127.0.0.1:" + std::to_string(bench.server.port()));
  CHECK(result.duration < 5s);

  // When it is silent, it gets its share of the time.
  const test::SilentPort silent("127.0.0.2", bench.server.port());
  const ProbeResult shared = bench.bench.probe(bench.named("second.test"), 2s);
  CHECK(shared.verdict == Verdict::passed);
  CHECK(shared.duration >= 900ms);
  CHECK(shared.duration < 2s);
}

TEST_CASE("broken answers are the target's fault", "[http_prober]") {
  Bench bench;
  check_failure(bench.get("/garbage"), FailureKind::protocol, "not HTTP");
  check_failure(bench.get("/reset"), FailureKind::protocol, "");
  const ProbeResult broken = bench.get("/reset-body");
  check_failure(broken, FailureKind::protocol, "");
  CHECK(broken.http->status == 200);
  check_failure(bench.get("/short"), FailureKind::protocol, "ended early");
}

TEST_CASE("a timeout names the phase it struck", "[http_prober]") {
  Bench bench;
  const test::SilentPort silent;
  const std::string here = "127.0.0.1:" + std::to_string(silent.port());
  const std::map<std::string, std::string> cases = {
      {"http://silent.test/", "while resolving the name"},
      {"http://" + here + "/", "while connecting"},
      {"https://127.0.0.1:" + std::to_string(bench.server.port()) + "/",
       "during the TLS handshake"},
      {bench.server.url("/hang"), "while waiting for the first byte"},
      {bench.server.url("/hang-body"), "while receiving the response"},
  };
  for (const auto& [target, phrase] : cases) {
    CAPTURE(target);
    const ProbeResult result = bench.bench.probe(target, 150ms);
    check_failure(result, FailureKind::timeout, "timeout after 150 ms " + phrase);
    CHECK(result.duration >= 150ms);
    CHECK(result.duration < 2s);
    CHECK(result.duration - sum(result.phases) < 1ms);
  }
  check_failure(bench.get("/slow-headers/2000", 100ms), FailureKind::timeout, "first byte");
  CHECK(bench.get("/slow-headers/100").verdict == Verdict::passed);
  const ProbeResult slow = bench.get("/slow-body/100");
  CHECK(slow.verdict == Verdict::passed);
  CHECK(slow.phases.back().duration >= 90ms);
  // One time for all hops.
  const ProbeResult late = bench.get("/to/" + bench.server.url("/hang"), 150ms);
  check_failure(late, FailureKind::timeout, "first byte, after 1 redirects");
}

TEST_CASE("bodies are counted up to a limit", "[http_prober]") {
  HttpProberOptions options;
  options.body_bytes_max = 10'000;
  Bench bench(options);
  for (const std::string kind : {"/body/", "/chunked/"}) {
    CAPTURE(kind);
    const ProbeResult just = bench.get(kind + "10000");
    CHECK(just.http->body_bytes == 10'000);
    CHECK_FALSE(just.http->truncated);
    const ProbeResult over = bench.get(kind + "5000000");
    CHECK(over.verdict == Verdict::passed);
    CHECK(over.http->body_bytes == 10'000);
    CHECK(over.http->truncated);
  }
}

TEST_CASE("headers have a limit", "[http_prober]") {
  Bench bench;
  CHECK(bench.get("/headers/60000").verdict == Verdict::passed);
  check_failure(bench.get("/headers/70000"), FailureKind::protocol, "headers are over 65536");
  check_failure(bench.get("/long-header/70000"), FailureKind::protocol, "headers are over 65536");
  check_failure(bench.get("/long-header/900000"), FailureKind::protocol, "headers are over 65536");
}

TEST_CASE("certificates are verified, chain and name", "[http_prober][tls]") {
  const test::TestAuthority authority, other;
  const HttpsTestServer good(authority, {});
  const HttpsTestServer by_ip(authority, {"127.0.0.1", false});
  const HttpsTestServer expired(authority, {"localhost", true});
  const HttpsTestServer misnamed(authority, {"elsewhere.test", false});
  const HttpsTestServer unknown(other, {});
  HttpProberOptions options;
  options.ca_file = authority.file();
  Bench bench(options);

  const ProbeResult passed = bench.bench.probe(good.url("localhost", "/"));
  CHECK(passed.verdict == Verdict::passed);
  CHECK(phase_names(passed.phases) == std::vector<std::string>{"dns_us", "connect_us", "tls_us",
                                                               "send_us", "first_byte_us",
                                                               "receive_us"});
  CHECK(passed.duration - sum(passed.phases) < 1ms);
  CHECK(bench.bench.probe(by_ip.url("127.0.0.1", "/")).verdict == Verdict::passed);

  for (const auto& [server, why] : std::vector<std::pair<const HttpsTestServer*, std::string>>{
           {&expired, "expired"}, {&misnamed, "name"}, {&unknown, "issuer"}}) {
    CAPTURE(why);
    const ProbeResult result = bench.bench.probe(server->url("localhost", "/"));
    check_failure(result, FailureKind::tls, why);
    CHECK(phase_names(result.phases) == std::vector<std::string>{"dns_us", "connect_us", "tls_us"});
    CHECK(result.phases[1].duration < result.duration);
    CHECK_FALSE(result.address.empty());
  }
  // The system's bundle does not know the test's authority.
  Bench system;
  check_failure(system.bench.probe(good.url("localhost", "/")), FailureKind::tls, "certificate");
  // Plain HTTP where TLS is spoken, and the other way round.
  check_failure(bench.bench.probe("http://127.0.0.1:" + std::to_string(good.port()) + "/"),
                FailureKind::protocol, "");
  check_failure(
      bench.bench.probe("https://127.0.0.1:" + std::to_string(bench.server.port()) + "/close", 2s),
      FailureKind::timeout, "TLS");
}

TEST_CASE("the CA bundle is read once a runner, not once a probe", "[http_prober][tls]") {
  const test::TestAuthority authority;
  const HttpsTestServer server(authority, {});
  HttpProberOptions options;
  options.ca_file = authority.file();
  Bench bench(options);
  const test::Fd watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  REQUIRE(inotify_add_watch(watch.get(), authority.file().c_str(), IN_OPEN) >= 0);
  // Equal events in a row become one, so they are taken after each probe.
  const auto opened = [&] {
    char buffer[4096];
    return read(watch.get(), buffer, sizeof buffer) > 0;
  };
  int opens = 0;
  for (int i = 0; i < 20; ++i) {
    CHECK(bench.bench.probe(server.url("localhost", "/")).verdict == Verdict::passed);
    opens += opened() ? 1 : 0;
  }
  CHECK(opens == 1);
}

TEST_CASE("five thousand names start no thread", "[http_prober]") {
  Bench bench;
  bench.get("/ok");
  std::vector<std::string> targets;
  for (int i = 0; i < 5000; ++i) targets.push_back(bench.named("n" + std::to_string(i) + ".test"));
  const int before = threads_of_this_process() + 1;
  const ThreadCensus census;
  std::size_t passed = 0;
  for (const ProbeResult& result : bench.bench.probe_all(targets, 64, 60s)) {
    passed += result.verdict == Verdict::passed ? 1U : 0U;
  }
  CHECK(passed == targets.size());
  CHECK(census.samples() > 50);
  CHECK(census.most() == before);
}

TEST_CASE("what runs can be cancelled, and a runner destroyed", "[http_prober]") {
  Bench bench;
  const test::SilentPort silent;
  const std::vector<std::string> targets = {
      bench.server.url("/hang"),
      bench.server.url("/hang-body"),
      "http://silent.test/",
      "http://127.0.0.1:" + std::to_string(silent.port()) + "/",
      "https://127.0.0.1:" + std::to_string(bench.server.port()) + "/",
      bench.named("second.test", "/hang"),
  };
  for (const std::string& target : targets) {
    const auto probe = bench.bench.start(target, 10s);
    bench.bench.cancel(probe);
    bench.bench.cancel(probe);
  }
  CHECK(bench.get("/ok").verdict == Verdict::passed);
  const auto requests = bench.server.requests();
  for (const std::string& target : targets) bench.bench.start(target, 10s);
  test::run_until([&] { return bench.server.requests() >= requests + 3; });
  const auto probe = bench.bench.start(targets[1], 10s);
  test::run_until([&] { return bench.server.requests() >= requests + 4; });
  bench.bench.cancel(probe);
  bench.bench.destroy_runner();
  CHECK(bench.bench.results() == 0);
}

TEST_CASE("no descriptor left is the agent's fault", "[http_prober]") {
  Bench bench;
  REQUIRE(bench.get("/ok").verdict == Verdict::passed);
  std::vector<test::Fd> taken;
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit low{256, limit.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  for (int fd = 0; (fd = dup(0)) >= 0;) taken.emplace_back(fd);
  const ProbeResult result = bench.get("/ok");
  taken.clear();
  setrlimit(RLIMIT_NOFILE, &limit);
  check_failure(result, FailureKind::internal, "Too many open files");
  CHECK(bench.get("/ok").verdict == Verdict::passed);
}

TEST_CASE("proxies of the environment are not used", "[http_prober]") {
  setenv("http_proxy", "http://127.0.0.1:9", 1);
  Bench bench;
  const ProbeResult result = bench.get("/ok");
  unsetenv("http_proxy");
  CHECK(result.verdict == Verdict::passed);
}

TEST_CASE("options out of range are refused by name", "[http_prober]") {
  HttpProberOptions options;
  options.redirects_max = 101;
  CHECK_THROWS_WITH(make_http_prober(options), Catch::Contains("redirects_max"));
  options = {};
  options.header_bytes_max = 10;
  CHECK_THROWS_WITH(make_http_prober(options), Catch::Contains("header_bytes_max"));
  options = {};
  options.ca_file = "/nowhere/ca.pem";
  CHECK_THROWS_AS(make_http_prober(options), std::invalid_argument);
  options = {};
  options.user_agent = "a\r\nX: y";
  CHECK_THROWS_WITH(make_http_prober(options), Catch::Contains("user_agent"));
  CHECK(make_http_prober()->kind().name == "http");
}

}  // namespace probekit
