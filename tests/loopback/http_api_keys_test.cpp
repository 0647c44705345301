// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Idempotency-Key.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "probekit/token_set.hpp"
#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/raw_agent.hpp"
#include "support/run_until.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

const std::string kUrl = "http://a.example/\n";

std::string key(const std::string& value) { return "Idempotency-Key: " + value + "\r\n"; }

std::string detail(const RawReply& reply) { return text(reply.json(), "detail"); }

}  // namespace

TEST_CASE("an import that is sent again is answered and not done again", "[api][key][loopback]") {
  World world;
  const std::string body = kUrl + "nonsense\n";
  const RawReply first = world.request("POST", "/v1/batches?name=x", kText + key("order-1"), body);
  REQUIRE(first.status == 201);
  const RawReply again = world.request("POST", "/v1/batches?name=x", kText + key("order-1"), body);
  CHECK(again.status == 200);
  CHECK(again.body == first.body);
  CHECK(again.header("location") == first.header("location"));
  CHECK(world.status("ledger", "accepted") == 1);

  // Also in other pieces, and when nothing new is taken.
  world.master.drain(std::chrono::seconds(1), [](Expected<void>) {});
  run_until([&] { return world.get("/readyz").status == 503; });
  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/batches?name=x",
                           kText + key("order-1") + "Transfer-Encoding: chunked\r\n") +
              chunk(body.substr(0, 5)) + chunk(body.substr(5)) + "0\r\n\r\n");
  const auto in_pieces = client.receive();
  REQUIRE(in_pieces);
  CHECK(in_pieces->status == 200);
  CHECK(in_pieces->body == first.body);
  CHECK(world.request("POST", "/v1/batches", kText + key("order-2"), body).status == 503);
}

TEST_CASE("a key that came with another request is refused", "[api][key][loopback]") {
  World world;
  REQUIRE(world.request("POST", "/v1/batches?name=x", kText + key("k"), kUrl).status == 201);
  const std::vector<std::pair<std::string, std::string>> others = {
      {"/v1/batches?name=x", "http://b.example/\n"},
      {"/v1/batches?name=x", "http://a.example/"},
      {"/v1/batches?name=y", kUrl},
      {"/v1/batches", kUrl},
  };
  for (const auto& [path, body] : others) {
    const RawReply reply = world.request("POST", path, kText + key("k"), body);
    INFO(path << ' ' << body);
    CHECK(reply.status == 422);
    CHECK(detail(reply).find("Idempotency-Key") != std::string::npos);
  }
  CHECK(world.request("POST", "/v1/batches?name=x", kLines + key("k"), kUrl).status == 422);
  CHECK(world.status("ledger", "accepted") == 1);
  // Another key, or none, is another request.
  CHECK(world.request("POST", "/v1/batches?name=x", kText + key("K"), kUrl).status == 201);
  CHECK(world.request("POST", "/v1/batches?name=x", kText, kUrl).status == 201);
}

TEST_CASE("while the first request with a key runs, others wait", "[api][key][loopback]") {
  World world;
  RawHttp first(world.port);
  first.send(
      request_head("POST", "/v1/batches", kText + key("k") + "Transfer-Encoding: chunked\r\n"));
  first.send(chunk(kUrl));
  run_until([&] { return world.status("api", "uploads") == 1; });
  RawReply refused;
  run_until([&] {
    refused = world.request("POST", "/v1/batches", kText + key("k"), "http://b.example/\nx\n");
    return refused.status == 409;
  });
  CHECK_FALSE(refused.header("retry-after").empty());
  first.send("0\r\n\r\n");
  const auto reply = first.receive();
  REQUIRE(reply);
  CHECK(reply->status == 201);
  CHECK(world.request("POST", "/v1/batches", kText + key("k"), kUrl).status == 200);
  CHECK(world.status("ledger", "accepted") == 1);
}

TEST_CASE("a request that came to nothing leaves its key unused", "[api][key][loopback]") {
  World world;
  SECTION("refused") {
    CHECK(world.request("POST", "/v1/batches", kText + key("k"), "nonsense\n").status == 400);
    CHECK(world.request("POST", "/v1/probes", kJson + key("k"), "{}").status == 400);
    CHECK(world.request("POST", "/v1/probes", kJson + key("k"), R"({"target":"http://a.example/"})")
              .status == 503);
  }
  SECTION("broken off") {
    RawHttp client(world.port);
    client.send(
        request_head("POST", "/v1/batches", kText + key("k") + "Transfer-Encoding: chunked\r\n"));
    client.send(chunk("http://other.example/\n"));
    run_until([&] { return world.status("api", "uploads") == 1; });
  }
  run_until([&] { return world.status("api", "uploads") == 0; });
  CHECK(world.request("POST", "/v1/batches", kText + key("k"), kUrl).status == 201);
  CHECK(world.status("ledger", "accepted") == 1);
}

TEST_CASE("a key is 1 to 255 visible ASCII characters, once", "[api][key][loopback]") {
  World world;
  for (const std::string& headers :
       {key(""), key("a b"), key(std::string(256, 'k')), key("\xC3\xA9"), key("a") + key("b")}) {
    for (const char* path : {"/v1/batches", "/v1/probes"}) {
      const RawReply reply = world.request(
          "POST", path, (path == std::string("/v1/probes") ? kJson : kText) + headers, kUrl);
      INFO(headers);
      CHECK(reply.status == 400);
      CHECK(detail(reply).find("Idempotency-Key") == 0);
    }
  }
  std::string all;
  for (char c = '!'; c <= '~'; ++c) all += c;
  CHECK(world.request("POST", "/v1/batches", kText + key(all), kUrl).status == 201);
  CHECK(world.request("POST", "/v1/batches", kText + key(std::string(255, 'k')), kUrl).status ==
        201);
  // Calls that take no work know nothing of it.
  CHECK(world.request("GET", "/v1/status", key("")).status == 200);
}

TEST_CASE("a key belongs to its path", "[api][key][loopback]") {
  World world;
  const RawReply one = world.request("POST", "/v1/batches?open=true", kText + key("k"), kUrl);
  const RawReply two = world.request("POST", "/v1/batches?open=true", kText + key("l"), kUrl);
  REQUIRE(one.status == 201);
  REQUIRE(two.status == 201);
  const std::string first = one.header("location") + "/targets";
  const std::string second = two.header("location") + "/targets";
  const RawReply added = world.request("POST", first, kText + key("k"), kUrl + kUrl);
  CHECK(added.status == 201);
  CHECK(world.request("POST", second, kText + key("k"), kUrl).status == 201);
  const RawReply again = world.request("POST", first, kText + key("k"), kUrl + kUrl);
  CHECK(again.status == 200);
  CHECK(again.body == added.body);
  CHECK(world.request("POST", first, kText + key("k"), kUrl).status == 422);
  CHECK(world.status("ledger", "accepted") == 5);
  // Closed meanwhile: what was taken was taken.
  CHECK(world.request("POST", one.header("location") + "/close").status == 200);
  CHECK(world.request("POST", first, kText + key("k"), kUrl + kUrl).status == 200);
  CHECK(world.request("POST", first, kText + key("m"), kUrl + kUrl).status == 409);
}

TEST_CASE("a probe that is sent again is answered as it is now", "[api][key][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  run_until([&] { return world.agents() == 1; });
  const std::string spec = R"({"target":"http://a.example/"})";
  const std::string headers = kJson + key("p");

  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/probes",
                           headers + "Content-Length: " + std::to_string(spec.size()) + "\r\n") +
              spec);
  const auto tasks = agent.wait_for_tasks(1);
  // The first one waits for its result: it still runs.
  CHECK(world.request("POST", "/v1/probes", headers, spec).status == 409);
  agent.pass(tasks);
  const auto first = client.receive();
  REQUIRE(first);
  CHECK(first->status == 200);
  const RawReply again = world.request("POST", "/v1/probes", headers, spec);
  CHECK(again.status == 200);
  CHECK(again.body == first->body);
  CHECK(world.request("POST", "/v1/probes", headers, R"({"target":"http://b.example/"})").status ==
        422);

  // One whose wait ran out, and whose client asks again.
  const std::string hasty = R"({"target":"http://c.example/","wait_ms":0})";
  const RawReply early = world.request("POST", "/v1/probes", kJson + key("q"), hasty);
  CHECK(early.status == 202);
  agent.pass(agent.wait_for_tasks(1));
  run_until([&] {
    const RawReply now = world.request("POST", "/v1/probes", kJson + key("q"), hasty);
    REQUIRE(now.status == 200);
    CHECK(text(now.json(), "id") == text(early.json(), "id"));
    return text(now.json(), "state") == "done";
  });
  CHECK(world.status("ledger", "accepted") == 2);
}

TEST_CASE("a key belongs to the token it came with", "[api][key][tokens][loopback]") {
  auto tokens = std::make_shared<TokenSet>();
  REQUIRE(tokens->assign("first\nsecond\n", "test"));
  HttpApiOptions options;
  options.tokens = tokens;
  World world(options);
  const auto send = [&](const std::string& token, const std::string& body) {
    return world
        .request("POST", "/v1/batches",
                 kText + key("k") + "Authorization: Bearer " + token + "\r\n", body)
        .status;
  };
  CHECK(send("first", kUrl) == 201);
  CHECK(send("second", "http://b.example/") == 201);
  CHECK(send("first", kUrl) == 200);
  CHECK(send("second", kUrl) == 422);
}
