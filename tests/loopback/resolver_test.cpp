// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/resolver.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
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

using Replies = std::vector<DnsTestReply>;

constexpr std::uint16_t kA = 1, kAaaa = 28;

struct Request final : ResolveRequest {
  void on_resolved(const ResolutionPtr& told) override {
    resolution = told;
    done = true;
  }
  ResolutionPtr resolution;
  std::atomic<bool> done{false};
};

// A resolver on a loop of its own.
class Bench {
 public:
  explicit Bench(std::vector<Address> servers, std::string hosts = "/nowhere") {
    thread_.run([&] {
      client_ = std::make_unique<DnsClient>(thread_.loop(), 16);
      ResolverOptions options;
      options.servers = std::move(servers);
      options.hosts = std::move(hosts);
      resolver_ = std::make_unique<Resolver>(thread_.loop(), *client_, options);
    });
  }
  ~Bench() {
    thread_.run([&] {
      for (const auto& request : requests_) resolver_->cancel(*request);
      resolver_.reset();
      client_.reset();
    });
  }

  // The bench keeps it.
  Request& start(const std::string& name,
                 std::chrono::milliseconds within = std::chrono::seconds(10)) {
    requests_.push_back(std::make_unique<Request>());
    Request& request = *requests_.back();
    thread_.run([&] {
      const SteadyTime deadline = thread_.loop().clock_now() + within;
      if (auto known = resolver_->resolve(request, name, deadline)) request.on_resolved(known);
    });
    return request;
  }
  void cancel(Request& request) {
    thread_.run([&] { resolver_->cancel(request); });
  }
  Resolution resolve(const std::string& name,
                     std::chrono::milliseconds within = std::chrono::seconds(10)) {
    const Request& request = start(name, within);
    test::run_until([&] { return request.done.load(); });
    return *request.resolution;
  }
  std::string text(const std::string& name) {
    std::string out;
    for (const Address& address : resolve(name).addresses) out += address.ip() + ' ';
    return out;
  }

 private:
  std::vector<std::unique_ptr<Request>> requests_;
  std::unique_ptr<DnsClient> client_;
  std::unique_ptr<Resolver> resolver_;
  test::LoopThread thread_;
};

}  // namespace

TEST_CASE("both families come, taking turns, IPv4 first", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) return {answer.a("192.0.2.1").a("192.0.2.2").a("192.0.2.3").opt()};
    return {answer.aaaa("2001:db8::1").opt()};
  });
  Bench bench({server.address()});
  CHECK(bench.text("name.test") == "192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3 ");
  // Known now; with and without its final dot.
  CHECK(bench.text("name.test.") == "192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3 ");
  CHECK(server.queries() == 2);
}

TEST_CASE("aliases are followed to the addresses", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) return {answer.cname("b.test").cname("C.test").a("192.0.2.5").opt()};
    return {answer.cname("b.test").opt()};
  });
  Bench bench({server.address()});
  CHECK(bench.text("a.test") == "192.0.2.5 ");
}

TEST_CASE("records of another name are not believed", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kAaaa) return {answer.opt()};
    std::string packet = answer.a("192.0.2.6").packet();
    packet += test::dns_wire_name("evil.test") + std::string("\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1", 14);
    packet[7] = 2;
    return {DnsTestReply{packet}};
  });
  Bench bench({server.address()});
  CHECK(bench.text("a.test") == "192.0.2.6 ");
}

TEST_CASE("a family that is late is not waited for", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) return {answer.a("192.0.2.1").opt()};
    return {};
  });
  Bench bench({server.address()});
  const auto before = system_clock()->steady_now();
  CHECK(bench.text("a.test") == "192.0.2.1 ");
  CHECK(system_clock()->steady_now() - before >= Resolver::kFamilyWait);
  CHECK(bench.text("a.test") == "192.0.2.1 ");
  CHECK(server.queries() == 2);
}

TEST_CASE("equal lookups in flight are one", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) answer.a("192.0.2.1");
    return {DnsTestReply{answer.opt().packet(), 50ms}};
  });
  Bench bench({server.address()});
  std::vector<Request*> requests;
  for (int i = 0; i < 50; ++i) requests.push_back(&bench.start("a.test"));
  bench.cancel(*requests[7]);
  for (const Request* request : requests) {
    if (request != requests[7]) test::run_until([&] { return request->done.load(); });
  }
  CHECK_FALSE(requests[7]->done);
  CHECK(server.queries() == 2);
}

TEST_CASE("names that do not exist are known for a while", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.name == "empty.test") return {answer.soa(20).opt()};
    return {answer.rcode(3).soa(20).opt()};
  });
  Bench bench({server.address()});
  for (int i = 0; i < 2; ++i) {
    const Resolution none = bench.resolve("none.test");
    CHECK(none.addresses.empty());
    CHECK(none.failure == FailureKind::dns);
    CHECK(none.message == "NXDOMAIN from " + server.text());
    CHECK(bench.resolve("empty.test").message == "NOERROR, but no address, from " + server.text());
  }
  CHECK(server.queries() == 4);
}

TEST_CASE("a server that fails is passed over", "[resolver]") {
  DnsTestServer broken(
      [](const DnsTestQuery& query) -> Replies { return {DnsTestAnswer(query).rcode(2).opt()}; });
  const test::Fd closed = test::bound_socket(SOCK_STREAM, "127.0.0.1", 0);
  const Address nobody = *parse_address("127.0.0.1", test::port_of(closed));
  DnsTestServer silent([](const DnsTestQuery&) -> Replies { return {}; });
  DnsTestServer good([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) answer.a("192.0.2.1");
    return {answer.opt()};
  });
  CHECK(Bench({broken.address(), nobody, good.address()}).text("a.test") == "192.0.2.1 ");

  Bench slow({silent.address(), good.address()});
  CHECK_FALSE(slow.resolve("a.test", 1s).addresses.empty());
  CHECK(silent.queries() >= 2);

  Bench failing({broken.address(), nobody});
  const Resolution failed = failing.resolve("a.test");
  CHECK(failed.addresses.empty());
  CHECK(failed.failure == FailureKind::dns);
  CHECK_FALSE(failed.message.empty());
  const auto asked = broken.queries();
  failing.resolve("a.test");
  CHECK(broken.queries() == asked);  // RFC 9520: not asked again at once
}

TEST_CASE("a question that is sent back is no answer", "[resolver]") {
  DnsTestServer echo([](const DnsTestQuery& query) -> Replies {
    return {DnsTestReply{query.packet, 0ms}};
  });
  DnsTestServer good([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type == kA) return {answer.a("192.0.2.1").opt()};
    return {answer.opt()};
  });
  Bench alone({echo.address()});
  const Resolution failed = alone.resolve("name.test");
  CHECK(failed.failure == FailureKind::dns);
  CHECK(failed.message.find("no answer, but a question") != std::string::npos);
  Bench both({echo.address(), good.address()});
  CHECK(both.text("name.test") == "192.0.2.1 ");
}

TEST_CASE("a truncated answer is asked for again over TCP by the resolver", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery& query) -> Replies {
    DnsTestAnswer answer(query);
    if (query.type != kA) return {answer.opt()};
    if (!query.tcp) return {answer.flag_tc()};
    for (int i = 0; i < 100; ++i) answer.a("192.0.2." + std::to_string(i));
    return {answer.opt()};
  });
  Bench bench({server.address()});
  CHECK(bench.resolve("many.test").addresses.size() == 64);
  CHECK(server.tcp_queries() == 1);
}

TEST_CASE("hosts and localhost need no server", "[resolver]") {
  std::string path = "/tmp/probekit-hosts-XXXXXX";
  close(mkstemp(path.data()));
  std::ofstream(path) << "192.0.2.77 box.test\n2001:db8::77 box.test\n";
  std::atomic<int> asked{0};
  DnsTestServer server([&](const DnsTestQuery& query) -> Replies {
    ++asked;
    return {DnsTestAnswer(query).rcode(3)};
  });
  Bench bench({server.address()}, path);
  CHECK(bench.text("box.test") == "192.0.2.77 2001:db8::77 ");
  CHECK(bench.text("localhost") == "127.0.0.1 ::1 ");
  CHECK(bench.text("a.localhost") == "127.0.0.1 ::1 ");
  CHECK(asked == 0);
  CHECK(bench.text("notlocalhost").empty());
  CHECK(asked == 2);
  unlink(path.c_str());
}

TEST_CASE("a lookup nobody waits for ends", "[resolver]") {
  DnsTestServer server([](const DnsTestQuery&) -> Replies { return {}; });
  Bench bench({server.address()});
  Request& request = bench.start("a.test");
  bench.cancel(request);
  bench.cancel(request);
  CHECK_FALSE(request.done);
}

}  // namespace probekit
