// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// Bearer tokens at both doors of a master: who is let in, under which name, and who no more.

#include <signal.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probekit/http_api.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/token_set.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"
#include "support/raw_agent.hpp"
#include "support/raw_http.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

std::shared_ptr<TokenSet> tokens_of(const std::string& text) {
  auto tokens = std::make_shared<TokenSet>();
  REQUIRE(tokens->assign(text, "tokens"));
  return tokens;
}

/// A master whose doors have locks.
struct World {
  explicit World(const std::string& agents, const std::string& api_clients)
      : agent_tokens(tokens_of(agents)), api_tokens(tokens_of(api_clients)) {
    MasterOptions options;
    options.agent_tokens = agent_tokens;
    options.resume_grace = 0ms;
    master.emplace(make_memory_store(), options);
    WebSocketListenerOptions listener;
    listener.port = 0;
    const auto listening = master->listen(make_websocket_listener(listener));
    REQUIRE(listening);
    agents_url = *listening;
    HttpApiOptions http;
    http.port = 0;
    http.tokens = api_tokens;
    api.emplace(*master, http);
    const auto url = api->start();
    REQUIRE(url);
    api_port = static_cast<std::uint16_t>(std::stoi(url->substr(url->rfind(':') + 1)));
  }

  std::unique_ptr<Connector> connector(const std::string& token) const {
    WebSocketConnectorOptions options;
    options.urls = {agents_url};
    options.token = token;
    return make_websocket_connector(options);
  }
  std::string handshake(const std::vector<RawHeader>& more) const {
    auto headers = RawWebSocket::good_headers();
    headers.insert(headers.end(), more.begin(), more.end());
    return RawWebSocket(port_of(agents_url)).request(headers);
  }
  RawReply request(const std::string& target, const std::string& headers,
                   const std::string& method = "GET", const std::string& body = {}) const {
    auto reply = RawHttp(api_port).request(method, target, headers, body);
    REQUIRE(reply);
    return *reply;
  }
  std::optional<AgentSnapshot> agent(const std::string& name) const {
    for (AgentSnapshot& one : master->agents()) {
      if (one.name == name) return std::move(one);
    }
    return std::nullopt;
  }

  std::shared_ptr<TokenSet> agent_tokens;
  std::shared_ptr<TokenSet> api_tokens;
  std::optional<Master> master;
  std::string agents_url;
  std::optional<HttpApi> api;
  std::uint16_t api_port = 0;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << text;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("an agent's handshake is answered 401 unless its token is known", "[tokens][hostile]") {
  const World world("good\nother", "api");
  for (const auto& headers : std::vector<std::vector<RawHeader>>{
           {},
           {{"Authorization", "Bearer wrong"}},
           {{"Authorization", "Bearer goo"}},
           {{"Authorization", "Basic good"}},
           {{"Authorization", "Bearer api"}},
           {{"Authorization", "Bearer good"}, {"Authorization", "Bearer other"}}}) {
    const std::string head = world.handshake(headers);
    INFO(head);
    CHECK_THAT(head, Catch::Matchers::StartsWith("HTTP/1.1 401 "));
    CHECK_THAT(head, Contains("\r\nWWW-Authenticate: Bearer realm=\"probekit\"\r\n"));
  }
  CHECK_THAT(world.handshake({{"Authorization", "Bearer good"}}),
             Catch::Matchers::StartsWith("HTTP/1.1 101 "));
  // An Origin is a browser's, whatever it knows.
  CHECK_THAT(world.handshake({{"Authorization", "Bearer good"}, {"Origin", "http://a.example"}}),
             Catch::Matchers::StartsWith("HTTP/1.1 403 "));
}

TEST_CASE("an agent's name must fit its token, and the real owner is not disturbed",
          "[tokens][hostile]") {
  const World world("rome-token rome-*\nparis-token paris-*", "api");
  RawAgent owner(world.connector("paris-token"));
  owner.join("paris-1");
  const std::string session = world.agent("paris-1")->session;
  for (int i = 0; i < 3; ++i) {
    RawAgent stranger(world.connector("rome-token"));
    stranger.connect();
    stranger.say(RawAgent::hello("paris-1", "stranger"));
    const auto reject = stranger.wait_for<protocol::Reject>();
    CHECK(reject.reason == "name_not_allowed");
    CHECK_THAT(reject.detail, Contains("`paris-1`"));
    CHECK(reject.retry_after > 0ms);
    CHECK(stranger.wait_for_close().code == CloseCode::rejected);
  }
  CHECK_FALSE(owner.is_closed());
  CHECK(world.agent("paris-1")->session == session);
  CHECK(world.agent("paris-1")->connected);
  RawAgent honest(world.connector("rome-token"));
  honest.join("rome-7");
  CHECK(world.agent("rome-7")->connected);
}

TEST_CASE("a token that is taken out ends the sessions that came with it, and no others",
          "[tokens]") {
  const World world("stays\ngoes\nnarrows", "api");
  RawAgent one(world.connector("stays"));
  RawAgent two(world.connector("goes"));
  RawAgent three(world.connector("narrows"));
  RawAgent unnamed(world.connector("goes"));
  one.join("one");
  two.join("two");
  three.join("three");
  unnamed.connect();
  CHECK_FALSE(world.agent_tokens->assign("stays stays stays", "tokens"));
  REQUIRE(world.agent_tokens->assign("stays\nnarrows only-*", "tokens"));
  for (RawAgent* const agent : {&two, &three, &unnamed}) {
    const CloseReason reason = agent->wait_for_close();
    CHECK(reason.code == CloseCode::policy);
    CHECK_THAT(reason.text, Contains("token"));
  }
  CHECK_FALSE(world.agent("two")->connected);
  CHECK_THAT(world.agent("two")->last_disconnect->reason, Contains("token"));
  CHECK(world.agent("one")->connected);
  CHECK_FALSE(one.is_closed());
  CHECK_THAT(world.handshake({{"Authorization", "Bearer goes"}}),
             Catch::Matchers::StartsWith("HTTP/1.1 401 "));
}

TEST_CASE("the API answers 401 unless a token is known, and health to everyone",
          "[tokens][api][hostile]") {
  const World world("agent", "good\nother");
  const auto refused = [&](const std::string& headers) {
    const RawReply reply = world.request("/v1/status", headers);
    INFO(headers << reply.body);
    CHECK(reply.status == 401);
    CHECK(reply.header("content-type") == "application/problem+json");
    return reply.header("www-authenticate");
  };
  CHECK(refused("") == "Bearer realm=\"probekit\"");
  for (const char* headers : {"Authorization: Bearer wrong\r\n", "Authorization: Bearer agent\r\n",
                              "Authorization: Basic good\r\n", "Authorization:\r\n",
                              "Authorization: Bearer good\r\nAuthorization: Bearer other\r\n"}) {
    CHECK_THAT(refused(headers), Contains("error=\"invalid_token\""));
  }
  const std::string good = "Authorization: bearer good\r\n";
  CHECK(world.request("/v1/status", good).status == 200);
  CHECK(world.request("/healthz", "").status == 200);
  CHECK(world.request("/readyz", "").status == 200);
  // What there is, is nobody else's business.
  CHECK(world.request("/v1/nothing", "").status == 401);
  CHECK(world.request("/v1/nothing", good).status == 404);
  CHECK(world.request("/v1/batches", "Content-Type: text/plain\r\n", "POST", "http://a.example/\n")
            .status == 401);

  REQUIRE(world.api_tokens->assign("other", "tokens"));
  CHECK(world.request("/v1/status", good).status == 401);
  CHECK(world.request("/v1/status", "Authorization: Bearer other\r\n").status == 200);
}

TEST_CASE("with tokens any Host is served, and a foreign Origin never", "[tokens][api][hostile]") {
  const World world("agent", "good");
  const auto status = [&](const std::string& host, const std::string& headers) {
    RawHttp client(world.api_port);
    REQUIRE(client.send("GET /v1/status HTTP/1.1\r\nHost: " + host +
                        "\r\nAuthorization: Bearer good\r\n" + headers + "\r\n"));
    const auto reply = client.receive();
    REQUIRE(reply);
    return reply->status;
  };
  CHECK(status("probes.example", "") == 200);
  CHECK(status("probes.example", "Origin: http://probes.example\r\n") == 200);
  CHECK(status("probes.example", "Origin: http://evil.example\r\n") == 403);
  CHECK(status("probes.example", "Origin: https://probes.example\r\n") == 403);
  // Behind a proxy that ends TLS.
  const std::string tls = "X-Forwarded-Proto: https\r\n";
  CHECK(status("probes.example", tls + "Origin: https://probes.example\r\n") == 200);
  CHECK(status("probes.example:8443", tls + "Origin: https://probes.example:8443\r\n") == 200);
  CHECK(status("probes.example", tls + "Origin: https://evil.example\r\n") == 403);
  CHECK(status("probes.example", tls + "Origin: http://probes.example\r\n") == 403);
}

TEST_CASE("the programs come with tokens, and say once what is wrong with one",
          "[tokens][programs]") {
  const TemporaryFolder folder;
  const std::string agents = folder.path() + "/agents";
  const std::string clients = folder.path() + "/clients";
  const std::string own = folder.path() + "/own";
  const std::string wrong = folder.path() + "/wrong";
  const std::string list = folder.path() + "/list";
  write(agents, "# paris only\nagent-secret paris-*\n");
  write(clients, "client-secret\n");
  write(own, "agent-secret\n");
  write(wrong, "no-such-secret\n");
  const TargetSite site;
  write(list, site.url("/") + "\n");
  MasterProcess master(
      {"--agent-token-file", agents, "--api-token-file", clients, "--resume-grace", "0s"});
  AgentProcess paris("paris-1", master.agents_url(), {"--token-file", own});
  paris.wait_until_connected();
  AgentProcess bare("paris-2", master.agents_url());
  AgentProcess mistaken("paris-3", master.agents_url(), {"--token-file", wrong});
  run_until([&] {
    return count(bare.process().errors(), "HTTP 401") > 0 &&
           count(mistaken.process().errors(), "HTTP 401") > 0;
  });
  CHECK_THAT(bare.process().errors(), Contains("give one with --token-file"));
  CHECK_THAT(mistaken.process().errors(), Contains("does not accept the token of --token-file"));
  AgentProcess rome("rome-1", master.agents_url(), {"--token-file", own});
  run_until([&] { return count(rome.process().errors(), "`rome-1`") > 0; });

  const auto import = [&](std::vector<std::string> flags) {
    std::vector<std::string> command{program("probekit-import"), list, "--api", master.api_url()};
    command.insert(command.end(), flags.begin(), flags.end());
    Process process{command, folder.path()};
    const auto code = process.wait(20s);
    REQUIRE(code);
    return std::pair{*code, process.errors()};
  };
  const auto [refused, why] = import({});
  CHECK(refused == 1);
  CHECK_THAT(why, Contains("--token-file"));
  CHECK(import({"--token-file", clients}).first == 0);

  // A bad file leaves the old tokens, and the log names file and line.
  write(agents, "agent-secret paris-*\nagent-secret again\n");
  master.process().signal(SIGHUP);
  run_until([&] { return count(master.process().errors(), agents + ": line 2: ") > 0; });
  CHECK(paris.process().running());
  CHECK(count(master.process().errors(), "agent disconnected") == 0);

  // A good one ends who has no place in it.
  write(agents, "new-secret\n");
  write(clients, "new-client-secret\n");
  master.process().signal(SIGHUP);
  run_until([&] { return count(paris.process().errors(), "HTTP 401") > 0; });
  CHECK_THAT(master.process().errors(), Contains("its token is accepted no more"));
  write(own, "new-secret\n");
  AgentProcess next("tokyo-1", master.agents_url(), {"--token-file", own});
  next.wait_until_connected();
  CHECK(import({"--token-file", clients}).first == 0);
  write(own, "client-secret\n");
  CHECK(import({"--token-file", own}).first == 1);
  CHECK(count(bare.process().errors(), "HTTP 401") == 1);
  for (const char* secret : {"agent-secret", "client-secret", "no-such-secret"}) {
    CHECK_THAT(master.process().errors(), !Contains(secret));
    CHECK_THAT(mistaken.process().errors(), !Contains(secret));
  }
}
