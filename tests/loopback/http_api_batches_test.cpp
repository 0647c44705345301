// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Open batches.

#include <string>

#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/raw_agent.hpp"
#include "support/run_until.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

std::string open_batch(const World& world) {
  const RawReply reply = world.request("POST", "/v1/batches?open=true");
  REQUIRE(reply.status == 201);
  CHECK(text(reply.json(), "accepted") == "0");
  return reply.header("location");
}

}  // namespace

TEST_CASE("an open batch takes more over HTTP until it is closed", "[api][open][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const RawReply created =
      world.request("POST", "/v1/batches?open=true&name=feed", kText, "http://a.example/\nx\n");
  REQUIRE(created.status == 201);
  const std::string path = created.header("location");
  CHECK(text(world.get(path).json(), "state") == "open");
  // It is worked on meanwhile.
  CHECK(worker.work(10) == 1);

  const RawReply added = world.request(
      "POST", path + "/targets?timeout_ms=300", kLines,
      "{\"target\":\"http://b.example/\"}\n{\"target\":\"http://c.example/\"}\n{}\n{\"a\":1}\n");
  CHECK(added.status == 201);
  CHECK(added.header("location") == path);
  CHECK(text(added.json(), "id") == text(created.json(), "id"));
  CHECK(text(added.json(), "accepted") == "2");
  CHECK(text(added.json(), "rejected") == "2");
  CHECK(text(added.json().find("errors")->as_array()->front(), "line") == "3");
  const RawReply third =
      world.request("POST", path + "/targets", kJson,
                    R"({"defaults":{"kind":"dns"},"targets":["dns:d.example"]})");
  CHECK(third.status == 201);

  json::Value batch = world.get(path).json();
  CHECK(text(batch, "state") == "open");
  CHECK(text(batch, "name") == "feed");
  CHECK(text(batch, "accepted") == "4");
  CHECK(text(batch, "rejected") == "3");
  CHECK(text(batch, "done") == "1");
  CHECK(worker.work(10) == 3);

  // All has ended, and more may come: no page is the last one.
  CHECK(text(world.get(path).json(), "state") == "open");
  const RawReply page = world.get(path + "/results");
  CHECK(lines_of(page.body).size() == 4);
  CHECK_FALSE(page.header("probekit-next-cursor").empty());

  RawHttp waiting(world.port);
  waiting.send(request_head(
      "GET", path + "/results?wait_ms=50000&after=" + page.header("probekit-next-cursor"), ""));
  run_until([&] { return world.status("api", "connections") == 2; });
  const RawReply closed = world.request("POST", path + "/close", kText, "a body that is ignored");
  CHECK(closed.status == 200);
  CHECK(text(closed.json(), "state") == "done");
  // Whoever waits for lines hears that there are none.
  const auto last = waiting.receive();
  REQUIRE(last);
  CHECK(last->body.empty());
  CHECK(last->header("probekit-next-cursor").empty());
  CHECK(world.request("POST", path + "/close").status == 200);
}

TEST_CASE("an empty upload opens a batch, and adds nothing to one", "[api][open][loopback]") {
  World world;
  const std::string path = open_batch(world);
  CHECK(world.request("POST", "/v1/batches?open=true", kText, "").status == 201);
  CHECK(world.request("POST", "/v1/batches?open=true", kLines, "\n\n").status == 201);
  CHECK(world.request("POST", "/v1/batches?open=true", kJson, R"({"targets":[]})").status == 201);
  // What `curl -d ''` says of nothing.
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  CHECK(world.request("POST", "/v1/batches?open=true", form).status == 201);
  CHECK(world.request("POST", "/v1/batches?open=true", form, "a=b").status == 415);
  CHECK(world.request("POST", "/v1/batches?open=false", kText, "").status == 400);
  CHECK(world.request("POST", "/v1/batches?open=true", "", "http://a.example/").status == 415);
  CHECK(world.request("POST", "/v1/batches?open=true", kText, "nonsense").status == 400);
  for (const char* body : {"", "# nothing\n", "nonsense\n"}) {
    const RawReply reply = world.request("POST", path + "/targets", kText, body);
    CHECK(reply.status == 400);
    CHECK(text(reply.json(), "accepted") == "0");
  }
  CHECK(world.request("POST", path + "/targets").status == 415);
  CHECK(text(world.get(path).json(), "rejected") == "0");
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->size() == 5);
}

TEST_CASE("a batch that is not open takes nothing more", "[api][open][loopback]") {
  World world;
  const std::string url = "http://a.example/";
  const auto refused = [&](const std::string& path) {
    const RawReply reply = world.request("POST", path + "/targets", kText, url);
    CHECK(reply.status == 409);
    CHECK(text(reply.json(), "title") == "batch_closed");
  };
  refused("/v1/batches/" + world.import(1));
  const std::string closed = open_batch(world);
  REQUIRE(world.request("POST", closed + "/close").status == 200);
  refused(closed);
  const std::string cancelled = open_batch(world);
  REQUIRE(world.request("DELETE", cancelled).status == 200);
  refused(cancelled);
  CHECK(text(world.get(cancelled).json(), "state") == "cancelled");
  CHECK(world.status("ledger", "accepted") == 1);
}

TEST_CASE("more for a batch is refused as an import is", "[api][open][loopback]") {
  World world;
  const std::string path = open_batch(world);
  const std::string url = "http://a.example/";
  CHECK(world.request("POST", "/v1/batches/nope/targets", kText, url).status == 404);
  CHECK(world.request("POST", "/v1/batches/nope/close").status == 404);
  CHECK(world.request("GET", path + "/targets").status == 405);
  CHECK(world.request("GET", path + "/close").status == 405);
  CHECK(world.request("POST", path + "/targets", "Content-Type: text/html\r\n", url).status == 415);
  for (const char* query : {"name=x", "open=true", "timeout_ms=0", "agents=nobody", "x=1"}) {
    CHECK(world.request("POST", path + "/targets?" + query, kText, url).status == 400);
  }
  CHECK(world.request("POST", path + "/close?x=1").status == 400);

  // A probe has a batch of its own, which is not seen.
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  run_until([&] { return world.agents() == 1; });
  const RawReply probe =
      world.request("POST", "/v1/probes", kJson, R"({"target":"http://a.example/","wait_ms":0})");
  REQUIRE(probe.status == 202);
  const std::string hidden = "/v1/batches/" + text(probe.json(), "id");
  CHECK(world.request("POST", hidden + "/targets", kText, url).status == 404);
  CHECK(world.request("POST", hidden + "/close").status == 404);

  world.master.drain(std::chrono::seconds(1), [](Expected<void>) {});
  run_until([&] { return world.get("/readyz").status == 503; });
  CHECK(world.request("POST", path + "/targets", kText, url).status == 503);
}

TEST_CASE("an upload to an open batch that breaks off leaves nothing", "[api][open][loopback]") {
  World world;
  const std::string path = open_batch(world);
  std::string targets;
  for (int i = 0; i < 5000; ++i) targets += "http://h" + std::to_string(i) + ".example/\n";
  {
    RawHttp client(world.port);
    client.send(request_head("POST", path + "/targets", kText + "Transfer-Encoding: chunked\r\n"));
    REQUIRE(client.send(chunk(targets)));
    run_until([&] { return world.status("api", "uploads") == 1; });
  }
  run_until([&] { return world.status("api", "uploads") == 0; });
  CHECK(text(world.get(path).json(), "accepted") == "0");
  CHECK(text(world.get(path).json(), "state") == "open");
  CHECK(world.request("POST", path + "/targets", kText, targets).status == 201);
  CHECK(text(world.get(path).json(), "accepted") == "5000");
}

TEST_CASE("a batch is closed while an upload to it runs", "[api][open][loopback]") {
  World world;
  const std::string path = open_batch(world);
  RawHttp client(world.port);
  client.send(request_head("POST", path + "/targets", kText + "Transfer-Encoding: chunked\r\n"));
  REQUIRE(client.send(chunk("http://a.example/\n")));
  run_until([&] { return world.status("api", "uploads") == 1; });
  CHECK(world.request("POST", path + "/close").status == 200);
  client.send("0\r\n\r\n");
  const auto reply = client.receive();
  REQUIRE(reply);
  // Whole or not at all, and as it is said.
  const std::string accepted = text(world.get(path).json(), "accepted");
  CHECK((reply->status == 201 || reply->status == 409));
  CHECK(accepted == (reply->status == 201 ? "1" : "0"));
}
