// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// Strangers at both doors of a master: many, slow, silent, or on another's page. Whoever is honest
// is served meanwhile, and what the strangers cost is counted.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probekit/http_api.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/raw_agent.hpp"
#include "support/raw_http.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

constexpr int kStrangers = 1000;
constexpr int kTooMany = 1100;  // either port has 1,024 places for those who say nothing

struct World {
  explicit World(MasterOptions options = {}, WebSocketListenerOptions listener = {},
                 HttpApiOptions http = {}) {
    // Both ends of every connection are in this process.
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    master.emplace(make_memory_store(), options);
    listener.port = 0;
    const auto listening = master->listen(make_websocket_listener(listener));
    REQUIRE(listening);
    agents_url = *listening;
    http.port = 0;
    api.emplace(*master, http);
    const auto url = api->start();
    REQUIRE(url);
    api_port = static_cast<std::uint16_t>(std::stoi(url->substr(url->rfind(':') + 1)));
  }

  std::unique_ptr<Connector> connector() const {
    WebSocketConnectorOptions options;
    options.urls = {agents_url};
    return make_websocket_connector(options);
  }
  RawReply get(const std::string& target) const {
    auto reply = RawHttp(api_port).request("GET", target);
    REQUIRE(reply);
    return *reply;
  }
  std::uint64_t status(const char* part, const char* member) const {
    return *get("/v1/status").json().find(part)->find(member)->as_uint64();
  }
  // An agent comes, is welcomed and leaves; someone asks what there is.
  void serve_the_honest(const std::string& name) const {
    const auto begun = std::chrono::steady_clock::now();
    RawAgent agent(connector());
    agent.join(name);
    CHECK(get("/v1/agents/" + name).status == 200);
    CHECK(std::chrono::steady_clock::now() - begun < 2s);
  }

  std::optional<Master> master;
  std::string agents_url;
  std::optional<HttpApi> api;
  std::uint16_t api_port = 0;
};

// How strangers begin, in turn. They say no more, or trickle.
struct Opening {
  std::string said;
  bool trickles = false;
};
const std::vector<Opening> kSlowHeads{
    {"", false}, {"GET /ws HTTP/1.1\r\nHost: a\r\nUpgr", false}, {"", true}};

class Strangers {
 public:
  Strangers(std::uint16_t port, int count, std::vector<Opening> openings = kSlowHeads)
      : openings_(std::move(openings)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      REQUIRE(fd >= 0);
      sockets_.push_back(fd);
      REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
      say(fd, opening(sockets_.size() - 1).said);
    }
  }
  ~Strangers() {
    for (const int fd : sockets_) close(fd);
  }
  Strangers(const Strangers&) = delete;
  Strangers& operator=(const Strangers&) = delete;

  void trickle() {
    static const std::string kHead = "GET /ws HTTP/1.1\r\nX: " + std::string(1000, 'x');
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (opening(i).trickles) say(sockets_[i], kHead.substr(said_, 1));
    }
    said_ = (said_ + 1) % kHead.size();
  }
  std::size_t open() const {
    std::size_t open = 0;
    for (const int fd : sockets_) {
      char bytes[512];
      ssize_t got = 0;
      do {
        got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      } while (got > 0);
      if (got < 0 && errno == EAGAIN) ++open;
    }
    return open;
  }

 private:
  static void say(int fd, const std::string& text) {
    static_cast<void>(send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  const Opening& opening(std::size_t i) const { return openings_[i % openings_.size()]; }

  std::vector<Opening> openings_;
  std::vector<int> sockets_;
  std::size_t said_ = 0;
};

}  // namespace

TEST_CASE("a thousand slow strangers at the agents' port keep nobody out and are dropped",
          "[hostile][websocket]") {
  WebSocketListenerOptions listener;
  listener.handshake_timeout = 3s;
  const World world({}, listener);
  RawAgent resident(world.connector());
  resident.join("resident");
  Strangers strangers(port_of(world.agents_url), kStrangers);
  int rounds = 0;
  run_until(
      [&] {
        strangers.trickle();
        if (rounds < 5) world.serve_the_honest("guest-" + std::to_string(rounds));
        ++rounds;
        return strangers.open() == 0;
      },
      30s);
  CHECK(rounds >= 5);
  CHECK_FALSE(resident.is_closed());
  run_until([&] { return world.status("newcomers", "dropped") == kStrangers; });
}

TEST_CASE("a thousand slow strangers at the API keep nobody out and are dropped",
          "[hostile][api]") {
  HttpApiOptions http;
  http.idle_timeout = 3s;
  const World world({}, {}, http);
  Strangers strangers(world.api_port, kStrangers);
  int rounds = 0;
  run_until(
      [&] {
        strangers.trickle();
        if (rounds < 5) world.serve_the_honest("guest-" + std::to_string(rounds));
        ++rounds;
        return strangers.open() == 0;
      },
      30s);
  CHECK(rounds >= 5);
  CHECK(world.status("api", "dropped") == kStrangers);
  run_until([&] { return world.status("api", "connections") == 1; });
}

TEST_CASE("more slow strangers than there are places shut nobody out", "[hostile][api]") {
  const World world;  // nobody is dropped for the time it takes
  const std::string host = "HTTP/1.1\r\nHost: localhost\r\n";
  const std::string long_body = host + "Content-Length: 1000000\r\n\r\n";
  const std::vector<std::vector<Opening>> kinds{
      kSlowHeads,
      // Refused, and asked without leave to: their bodies are read by nobody.
      {{"POST /nothing " + long_body, true}, {"GET /healthz " + long_body, true}},
      // Served, and gone quiet.
      {{"GET /healthz " + host + "\r\n", false}, {"HEAD / " + host + "\r\nGET / HT", false}},
  };
  // Someone who was here before them and waits for an answer keeps the place.
  RawHttp resident(world.api_port);
  const auto batch =
      RawHttp(world.api_port)
          .request("POST", "/v1/batches", "Content-Type: text/plain\r\n", "http://a.example/\n");
  REQUIRE(batch);
  resident.send(request_head("GET", batch->header("location") + "/results?wait_ms=50000", ""));
  for (const auto& openings : kinds) {
    INFO("who begins with " << openings.back().said);
    std::vector<std::unique_ptr<Strangers>> crowd;
    for (int round = 0; round < 3; ++round) {
      crowd.push_back(std::make_unique<Strangers>(world.api_port, kTooMany, openings));
      crowd.back()->trickle();
      for (int i = 0; i < 3; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        CHECK(world.get("/v1/status").status == 200);
        CHECK(std::chrono::steady_clock::now() - begun < 1s);
      }
      world.serve_the_honest("guest");
    }
  }
  CHECK(world.status("api", "connections") <= 1024);
  CHECK(world.status("api", "dropped") >= 3 * (3 * kTooMany - 1024));
  CHECK_FALSE(resident.readable(0ms));
}

TEST_CASE("more slow strangers than there are places shut no agent out", "[hostile][websocket]") {
  const World world;
  RawAgent resident(world.connector());
  resident.join("resident");
  const Strangers strangers(port_of(world.agents_url), kTooMany);
  for (int i = 0; i < 3; ++i) world.serve_the_honest("guest-" + std::to_string(i));
  CHECK_FALSE(resident.is_closed());
  CHECK(world.status("newcomers", "dropped") >= kTooMany - 1024);
}

TEST_CASE("at the bound of newcomers the oldest makes room for the newest",
          "[hostile][websocket]") {
  WebSocketListenerOptions listener;
  listener.newcomers_max = 4;
  listener.handshake_timeout = 60s;
  const World world({}, listener);
  std::vector<std::unique_ptr<RawWebSocket>> silent;
  for (int i = 0; i < 4; ++i) {
    silent.push_back(std::make_unique<RawWebSocket>(port_of(world.agents_url)));
  }
  RawWebSocket honest(port_of(world.agents_url));
  CHECK(honest.open());
  CHECK(silent[0]->wait_end());
  CHECK_FALSE(silent[1]->wait_end(50ms));
  CHECK(world.status("newcomers", "dropped") == 1);
}

TEST_CASE("who opens and never says hello makes room for agents that do", "[hostile][websocket]") {
  MasterOptions options;
  options.newcomers_max = 4;
  options.time_to_first_message = 1h;
  const World world(options);
  std::vector<std::unique_ptr<RawWebSocket>> silent;
  for (int i = 0; i < 4; ++i) {
    silent.push_back(std::make_unique<RawWebSocket>(port_of(world.agents_url)));
    REQUIRE(silent.back()->open());
  }
  world.serve_the_honest("one");
  CHECK(silent[0]->wait_end());
  CHECK_FALSE(silent[1]->wait_end(50ms));
  CHECK(world.status("newcomers", "dropped") == 1);
  // Agents that said it do not count.
  RawAgent two(world.connector());
  two.join("two");
  for (int i = 0; i < 6; ++i) world.serve_the_honest("three");
  CHECK_FALSE(two.is_closed());
}

TEST_CASE("the time to say hello begins with the connection, not with its handshake's end",
          "[hostile][websocket]") {
  MasterOptions options;
  options.time_to_first_message = 2s;
  const World world(options);
  const auto begun = std::chrono::steady_clock::now();
  const auto passed = [begun] { return std::chrono::steady_clock::now() - begun; };
  RawWebSocket slow(port_of(world.agents_url));
  run_until([&] { return passed() >= 1500ms; });
  REQUIRE(slow.open());
  const auto closing = slow.read_frame();
  REQUIRE(closing);
  CHECK(closing->close_code() == static_cast<std::uint16_t>(CloseCode::silent));
  CHECK(passed() >= 1900ms);
  CHECK(passed() < 3s);
}

TEST_CASE("handshakes beyond the rate are answered 429 and when to come again",
          "[hostile][websocket]") {
  MasterOptions options;
  options.handshakes_per_second = 2;
  const World world(options);
  std::string last;
  int deferred = 0;
  for (int i = 0; i < 20; ++i) {
    last = RawWebSocket(port_of(world.agents_url)).request(RawWebSocket::good_headers());
    if (last.compare(0, 12, "HTTP/1.1 429") != 0) continue;
    ++deferred;
    CHECK_THAT(last, Contains("\r\nRetry-After: "));
  }
  CHECK(deferred >= 15);
  CHECK(world.status("newcomers", "deferred") == static_cast<std::uint64_t>(deferred));
}

TEST_CASE("a page of another origin does nothing on loopback", "[hostile][api]") {
  const World world;
  for (const char* origin : {"http://evil.example", "https://evil.example", "null",
                             "http://127.0.0.1", "http://localhost:8766"}) {
    INFO(origin);
    // What a browser sends for a form or a fetch() that needs no leave: POST of text/plain.
    const auto reply =
        RawHttp(world.api_port)
            .request("POST", "/v1/batches",
                     std::string("Origin: ") + origin + "\r\nContent-Type: text/plain\r\n",
                     "http://victim.example/\n");
    REQUIRE(reply);
    CHECK(reply->status == 403);
    CHECK(reply->header("access-control-allow-origin").empty());
    // What it asks before anything else.
    const auto preflight = RawHttp(world.api_port)
                               .request("OPTIONS", "/v1/batches",
                                        std::string("Origin: ") + origin +
                                            "\r\nAccess-Control-Request-Method: POST\r\n");
    REQUIRE(preflight);
    CHECK(preflight->status == 403);
    CHECK(preflight->header("access-control-allow-origin").empty());
    auto headers = RawWebSocket::good_headers();
    headers.push_back({"Origin", origin});
    CHECK_THAT(RawWebSocket(port_of(world.agents_url)).request(headers),
               StartsWith("HTTP/1.1 403 "));
  }
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->empty());
}

TEST_CASE("a name that was made to point at loopback is not served, insecure or not",
          "[hostile][api]") {
  HttpApiOptions http;
  const auto status = [&http] {
    const World world({}, {}, http);
    const std::string rebound = "evil.example:" + std::to_string(world.api_port);
    const auto reply = RawHttp(world.api_port)
                           .request("GET", "/v1/status",
                                    "Host: " + rebound + "\r\nOrigin: http://" + rebound + "\r\n");
    REQUIRE(reply);
    return reply->status;
  };
  CHECK(status() == 403);
  http.insecure = true;
  CHECK(status() == 403);
  // Whoever serves other hosts is called by other names. This address stands for them: it is
  // loopback all the same.
  http.host = "::ffff:127.0.0.1";
  CHECK(status() == 200);
}

TEST_CASE("proxies write the upgrade headers in many ways, and all of them open",
          "[websocket][hostile]") {
  const World world;
  const auto status = [&](const std::string& upgrade, const std::string& connection) {
    auto headers = RawWebSocket::good_headers();
    for (RawHeader& header : headers) {
      if (header.name == "Upgrade") header.value = upgrade;
      if (header.name == "Connection") header.value = connection;
    }
    return RawWebSocket(port_of(world.agents_url)).request(headers).substr(9, 3);
  };
  for (const char* connection : {"Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade",
                                 "Upgrade,keep-alive", " upgrade , close"}) {
    INFO(connection);
    CHECK(status("websocket", connection) == "101");
    CHECK(status("WebSocket", connection) == "101");
  }
  CHECK(status("h2c, websocket", "Upgrade") == "101");
  for (const char* connection : {"keep-alive", "close", "upgraded", ""}) {
    INFO(connection);
    CHECK(status("websocket", connection) == "426");
  }
  CHECK(status("websockets", "Upgrade") == "426");
  CHECK(status("", "Upgrade") == "426");
}
