// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/http_api.hpp"

#include <unistd.h>

#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/http_server.hpp"
#include "base/text.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/version.hpp"
#include "store/task_store.hpp"
#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/probe_bench.hpp"
#include "support/raw_agent.hpp"
#include "support/raw_http.hpp"
#include "support/run_until.hpp"
#include "support/stalling_store.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

/// The HTTP server alone. /now is answered at once; /never never, and it takes no body; /refused
/// gets 429 and `refusal` at the first byte of its body.
struct BareServer {
  explicit BareServer(std::size_t refusal_bytes = 3) : refusal(refusal_bytes, 'r') {
    api::HttpServerOptions options;
    options.idle_timeout = std::chrono::seconds(1);
    thread.run([&] {
      server = api::make_http_server(
          options, thread.loop(), [this](api::Exchange& exchange, const api::HttpRequest& request) {
            return std::make_shared<Reply>(*this, exchange, std::string(request.path()));
          });
      if (const auto bound = server->listen()) port = *bound;
    });
    REQUIRE(port != 0);
  }
  ~BareServer() {
    thread.run([&] { server.reset(); });
  }

  struct Reply final : api::Answer {
    Reply(BareServer& its_server, api::Exchange& its_exchange, std::string its_path)
        : its(its_server), exchange(its_exchange), path(std::move(its_path)) {}
    std::size_t on_body(std::string_view bytes) override {
      if (path == "/never") return 0;
      if (path == "/refused") exchange.respond({429, {{"X-Why", "full"}}, its.refusal});
      return bytes.size();
    }
    void on_body_end() override {
      if (path == "/now") exchange.respond({200, {}, "now"});
    }
    BareServer& its;
    api::Exchange& exchange;
    const std::string path;
  };

  const std::string refusal;
  std::unique_ptr<api::HttpServer> server;
  std::uint16_t port = 0;
  LoopThread thread;
};

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a batch goes in, is worked on and comes out over HTTP", "[api][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const RawReply created =
      world.request("POST", "/v1/batches?name=nightly+run&timeout_ms=500&deadline_ms=60000", kText,
                    "# list\nhttp://a.example/\nnonsense\ndns:b.example\n\nhttp://c.example/");
  REQUIRE(created.status == 201);
  const json::Value answer = created.json();
  const std::string id = text(answer, "id");
  CHECK(created.header("location") == "/v1/batches/" + id);
  CHECK(text(answer, "accepted") == "3");
  CHECK(text(answer, "rejected") == "1");
  REQUIRE(answer.find("errors")->as_array()->size() == 1);
  CHECK(text(answer.find("errors")->as_array()->front(), "line") == "3");
  CHECK(text(answer.find("errors")->as_array()->front(), "target") == "nonsense");

  json::Value batch = world.get("/v1/batches/" + id).json();
  CHECK(text(batch, "name") == "nightly run");
  CHECK(text(batch, "state") == "running");
  CHECK(text(batch, "queued") == "3");
  CHECK(batch.find("finished_at")->is_null());
  CHECK(parse_rfc3339(text(batch, "created_at")));

  CHECK(worker.work(10) == 3);
  batch = world.get("/v1/batches/" + id).json();
  CHECK(text(batch, "state") == "done");
  CHECK(text(batch, "done") == "3");
  CHECK(text(batch, "passed") == "2");
  CHECK(text(batch, "failed") == "1");

  const RawReply results = world.get("/v1/batches/" + id + "/results");
  CHECK(results.status == 200);
  CHECK(results.header("content-type") == "application/x-ndjson");
  CHECK(results.header("probekit-next-cursor").empty());
  CHECK(lines_of(results.body).size() == 3);
  const RawReply failed = world.get("/v1/batches/" + id + "/results?verdict=failed");
  REQUIRE(lines_of(failed.body).size() == 1);
  CHECK(parse_result_line(lines_of(failed.body).front()));

  const json::Value summary = world.get("/v1/batches/" + id + "/summary").json();
  CHECK(text(*summary.find("states"), "done") == "3");
  CHECK(text(*summary.find("verdicts"), "failed") == "1");
  CHECK(text(*summary.find("failures"), "connect") == "1");
  CHECK(text(*summary.find("agents"), "worker") == "3");
  CHECK(summary.find("phases")->find("connect_us")->find("p99"));

  const std::string second = world.import(1);
  const json::Value first_page = world.get("/v1/batches?limit=1").json();
  REQUIRE(first_page.find("items")->as_array()->size() == 1);
  CHECK(text(first_page.find("items")->as_array()->front(), "id") == second);
  const json::Value next_page =
      world.get("/v1/batches?limit=1&after=" + text(first_page, "next")).json();
  CHECK(text(next_page.find("items")->as_array()->front(), "id") == id);

  const json::Value cancelled = world.request("DELETE", "/v1/batches/" + second).json();
  CHECK(text(cancelled, "state") == "cancelled");
  CHECK(text(cancelled, "cancelled") == "1");
}

TEST_CASE("the three forms of an import mean the same", "[api][loopback]") {
  World world;
  const auto accepted = [&](const std::string& type, const std::string& body,
                            const std::string& query = {}) {
    const RawReply reply = world.request("POST", "/v1/batches" + query, type, body);
    INFO(reply.body);
    CHECK(reply.status == 201);
    return text(reply.json(), "accepted");
  };
  CHECK(accepted(kText, "http://a.example/\r\nhttp://b.example/") == "2");
  CHECK(accepted(kLines,
                 "{\"target\":\"http://a.example/\"}\n"
                 "{\"target\":\"http://b.example/\",\"agents\":{\"names\":[\"x\",\"y\"]}}") == "3");
  CHECK(accepted(kJson,
                 "{\"defaults\":{\"timeout_ms\":3},\"targets\":[\"http://a.example/\","
                 "{\"target\":\"http://b.example/\"}]}") == "2");
  CHECK(accepted(kText, "http://a.example/\nhttp://b.example/", "?agents=name:x,name:y") == "4");
  CHECK(world.status("ledger", "accepted") == 11);
}

TEST_CASE("status, health and agents are told", "[api][loopback]") {
  World world;
  const json::Value status = world.get("/v1/status").json();
  CHECK(text(status, "store") == "memory");
  CHECK(text(status, "version") == std::string(version()));
  CHECK(status.find("loop_lags")->find("api")->find("max_us"));
  CHECK(status.find("diagnosis")->find("verdict"));
  CHECK(text(*status.find("api"), "connections") == "1");
  CHECK(world.get("/healthz").status == 200);
  CHECK(world.get("/readyz").status == 200);
  const json::Value agents = world.get("/v1/agents").json();
  CHECK(agents.find("items")->as_array()->empty());
  CHECK(agents.find("next")->is_null());
  CHECK(world.get("/v1/agents/nobody").status == 404);
  CHECK(world.request("POST", "/v1/agents/nobody/drain").status == 404);
  CHECK(world.request("DELETE", "/v1/agents/nobody/drain").status == 404);
}

TEST_CASE("what cannot be done is refused with a problem that says why", "[api][loopback]") {
  World world;
  const std::string id = world.import(1);
  struct Refusal {
    const char* method;
    std::string target;
    std::string headers;
    std::string body;
    int status;
    const char* detail;  // contained in it
  };
  const std::string url = "http://a.example/";
  const std::string spec = R"({"target":"http://a.example/"})";
  const std::vector<Refusal> refusals = {
      {"GET", "/nothing", "", "", 404, "nothing"},
      {"GET", "/v1/batches/nope", "", "", 404, "no such batch"},
      {"GET", "/v1/batches/nope/results", "", "", 404, "no such batch"},
      {"GET", "/v1/probes/" + id, "", "", 404, "no such probe"},
      {"PUT", "/v1/batches", "", "", 405, "GET, HEAD, POST"},
      {"POST", "/v1/batches", "", url, 415, "Content-Type"},
      {"POST", "/v1/batches", "Content-Type: text/html\r\n", url, 415, "text/plain"},
      {"POST", "/v1/batches?timeout_ms=0", kText, url, 400, "timeout_ms"},
      {"POST", "/v1/batches?timeout_ms=120001", kText, url, 400, "1 to 120000"},
      {"POST", "/v1/batches?timeout_ms=5000&deadline_ms=6999", kText, url, 400, "7000"},
      {"POST", "/v1/batches?kind=gopher", kText, url, 400, "http, dns"},
      {"POST", "/v1/batches?priority=urgent", kText, url, 400, "priority"},
      {"POST", "/v1/batches?agents=every", kText, url, 400, "agents"},
      {"POST", "/v1/batches?agents=tag:a", kText, url, 400, "agents"},
      {"POST", "/v1/batches?colour=red", kText, url, 400, "colour"},
      {"POST", "/v1/batches?name=" + std::string(257, 'n'), kText, url, 400, "name"},
      {"POST", "/v1/batches", kText, "", 400, "no target"},
      {"POST", "/v1/batches", kText, "# nothing\n\n", 400, "no target"},
      {"POST", "/v1/batches", kText, "example.com\n", 400, "every target was rejected"},
      {"POST", "/v1/batches", kJson, "[]", 400, "object"},
      {"POST", "/v1/batches", kJson, "{\"targets\":[]}", 400, "no target"},
      {"POST", "/v1/batches", kText + "Content-Encoding: gzip\r\n", url, 415, "Content-Encoding"},
      {"GET", "/v1/batches/" + id + "/results?limit=0", "", "", 400, "1 to 10000"},
      {"GET", "/v1/batches/" + id + "/results?limit=10001", "", "", 400, "1 to 10000"},
      {"GET", "/v1/batches/" + id + "/results?wait_ms=50001", "", "", 400, "50000"},
      {"GET", "/v1/batches/" + id + "/results?verdict=none", "", "", 400, "passed, failed"},
      {"GET", "/v1/batches/" + id + "/results?after=nonsense", "", "", 400, "cursor"},
      {"GET", "/v1/batches/" + id + "/results?from=1", "", "", 400, "from"},
      {"GET", "/v1/batches?limit=1001", "", "", 400, "limit"},
      {"GET", "/v1/status?x=1", "", "", 400, "x"},
      {"GET", "/v1/masters?x=1", "", "", 400, "x"},
      {"POST", "/v1/probes", "", spec, 415, "application/json"},
      {"POST", "/v1/probes", kJson, "", 400, ""},
      {"POST", "/v1/probes", kJson, "{}", 400, "target"},
      {"POST", "/v1/probes", kJson, R"({"target":"http://a.example/","wait_ms":50001})", 400,
       "wait_ms"},
      {"POST", "/v1/probes", kJson, R"({"target":"http://a.example/","agents":"every"})", 400,
       "agents"},
      {"POST", "/v1/probes", kJson, R"({"target":"http://a.example/","x":1})", 400, "x"},
      {"POST", "/v1/probes", kJson, std::string(65537, ' '), 413, "64 KiB"},
      {"POST", "/v1/probes", kJson, spec, 503, "agent"},
      {"GET", "/v1/status", "Host: example.com\r\n", "", 403, "loopback"},
      {"GET", "/v1/status", "Origin: http://example.com\r\n", "", 403, "origin"},
      {"POST", "/v1/batches", "Host: example.com\r\n" + kText, url, 403, "loopback"},
  };
  RawHttp connection(world.port);
  for (const Refusal& refusal : refusals) {
    INFO(refusal.method << ' ' << refusal.target << ' ' << refusal.headers);
    const auto reply =
        connection.request(refusal.method, refusal.target, refusal.headers, refusal.body);
    REQUIRE(reply);
    INFO(reply->body);
    CHECK(reply->status == refusal.status);
    CHECK(reply->header("content-type") == "application/problem+json");
    const json::Value problem = reply->json();
    CHECK(text(problem, "status") == std::to_string(refusal.status));
    CHECK_FALSE(text(problem, "title").empty());
    CHECK(text(problem, "detail").find(refusal.detail) != std::string::npos);
    if (refusal.status == 405) CHECK_FALSE(reply->header("allow").empty());
    if (refusal.status == 503) CHECK(text(problem, "title") == "no_agent");
  }
  CHECK(world.status("ledger", "accepted") == 1);
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->size() == 1);
}

TEST_CASE("a refused import tells the errors of its lines", "[api][loopback]") {
  World world;
  const RawReply reply = world.request("POST", "/v1/batches", kText, "a\nb\n");
  CHECK(reply.status == 400);
  CHECK(text(reply.json(), "accepted") == "0");
  CHECK(text(reply.json(), "rejected") == "2");
  CHECK(reply.json().find("errors")->as_array()->size() == 2);
}

TEST_CASE("pages of results follow each other without a gap", "[api][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const std::string id = world.import(25);
  const std::string path = "/v1/batches/" + id + "/results?limit=4";
  std::vector<std::string> seen;
  std::vector<std::string> pages;
  std::string after;
  worker.work(10);
  for (bool last = false; !last;) {
    const RawReply page = world.get(path + "&after=" + after);
    const auto lines = lines_of(page.body);
    if (lines.size() < 4 && worker.work(10) > 0) {
      // The growing end: the same cursor goes on.
      CHECK_FALSE(page.header("probekit-next-cursor").empty());
    }
    if (lines.size() == 4) {
      pages.push_back(page.body);
      CHECK(world.get(path + "&after=" + after).body == page.body);
    }
    seen.insert(seen.end(), lines.begin(), lines.end());
    after = page.header("probekit-next-cursor");
    last = after.empty();
  }
  CHECK(seen.size() == 25);
  CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 25);
  CHECK(world.get(path).body == pages.front());
}

TEST_CASE("an empty page at the growing end waits for lines", "[api][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const std::string id = world.import(2);
  const std::string path = "/v1/batches/" + id + "/results";

  const RawReply at_once = world.get(path);
  CHECK(at_once.body.empty());
  CHECK_FALSE(at_once.header("probekit-next-cursor").empty());
  const RawReply in_vain = world.get(path + "?wait_ms=50");
  CHECK(in_vain.body.empty());
  CHECK_FALSE(in_vain.header("probekit-next-cursor").empty());

  RawHttp waiting(world.port);
  waiting.send(request_head("GET", path + "?wait_ms=50000", ""));
  RawHttp filtered(world.port);
  filtered.send(request_head("GET", path + "?wait_ms=50000&verdict=failed", ""));
  run_until([&] { return world.status("api", "connections") == 3; });
  worker.work(1);
  const auto reply = waiting.receive();
  REQUIRE(reply);
  CHECK(lines_of(reply->body).size() == 1);
  // The other one hears of the end of the batch, which has no failure.
  worker.work(1);
  const auto none = filtered.receive();
  REQUIRE(none);
  CHECK(none->body.empty());
  CHECK(none->header("probekit-next-cursor").empty());
}

TEST_CASE("a long page is streamed in slices and comes out whole", "[api][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const std::string id = world.import(3000);
  worker.work(3000, "\"address\":\"" + std::string(2000, 'a') + "\",");
  const RawReply page = world.get("/v1/batches/" + id + "/results?limit=2500");
  CHECK(page.header("transfer-encoding") == "chunked");
  const auto lines = lines_of(page.body);
  REQUIRE(lines.size() == 2500);
  std::set<std::string> tasks;
  for (const std::string& line : lines) {
    const auto value = json::Value::parse(line);
    REQUIRE(value);
    tasks.insert(text(*value, "task"));
  }
  CHECK(tasks.size() == 2500);
  const RawReply rest = world.get(
      "/v1/batches/" + id + "/results?limit=2500&after=" + page.header("probekit-next-cursor"));
  CHECK(lines_of(rest.body).size() == 500);
}

TEST_CASE("a long upload in chunks needs little memory", "[api][loopback]") {
  World world;
  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n"));
  std::string comments;
  while (comments.size() < 100'000) comments += "# a line that is read and skipped again\n";
  REQUIRE(client.send(chunk(comments)));
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 200; ++i) REQUIRE(client.send(chunk(comments)));
  REQUIRE(client.send(chunk("http://a.example/\n") + chunk("bad") + "0\r\n\r\n"));
  const auto reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 201);
  const auto lines =
      static_cast<std::uint64_t>(201 * std::count(comments.begin(), comments.end(), '\n'));
  CHECK(text(reply->json().find("errors")->as_array()->front(), "line") ==
        std::to_string(lines + 2));
  CHECK(resident_bytes() < before + 8 * 1024 * 1024);
}

TEST_CASE("while the store stands still, an upload waits and nothing grows", "[api][loopback]") {
  World world;
  const std::string target = "http://a-rather-long-name.example/" + std::string(1000, 'p') + "\n";
  std::string piece;
  for (int i = 0; i < 100; ++i) piece += target;
  world.store->stall(StallingStore::Stall::completions);
  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n"));
  const std::size_t before = resident_bytes();
  std::size_t pieces = 0;
  while (pieces < 400 && client.send(chunk(piece), std::chrono::milliseconds(300))) ++pieces;
  CHECK(pieces < 400);  // 40 MB would have been taken
  CHECK(resident_bytes() < before + 8 * 1024 * 1024);
  world.store->go_on();
  // The piece that was cut off cannot be taken up again; what counts is that the server reads on.
  std::size_t more = 0;
  run_until([&] { return (more += client.send_some(piece)) > 1'000'000; });
}

TEST_CASE("an upload that breaks off leaves nothing", "[api][loopback]") {
  World world;
  const std::string targets = [] {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "http://h" + std::to_string(i) + ".example/\n";
    return text;
  }();
  {
    RawHttp client(world.port);
    client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n"));
    REQUIRE(client.send(chunk(targets)));
    run_until([&] { return world.status("api", "uploads") == 1; });
  }
  run_until([&] { return world.status("api", "uploads") == 0; });
  CHECK(world.status("ledger", "accepted") == 0);
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->empty());
}

TEST_CASE("a client that leaves right behind its last bytes is noticed", "[api][loopback]") {
  World world;
  for (int i = 0; i < 100; ++i) {
    RawHttp client(world.port);
    client.send(request_head("POST", "/v1/batches", kText + "Content-Length: 1000\r\n") + "http");
    if (i % 2 == 0) client.half_close();
  }
  run_until([&] { return world.status("api", "connections") == 1; });
  CHECK(world.status("api", "uploads") == 0);
}

TEST_CASE("a full store refuses an upload whole and says when to come again", "[api][loopback]") {
  StoreOptions store;
  store.queued_max = 10'000;
  World world({}, store);
  std::string body;
  for (int i = 0; i < 60'000; ++i) body += "http://h" + std::to_string(i) + ".example/path\n";
  RawHttp client(world.port);
  const auto reply = client.request("POST", "/v1/batches", kText, body);
  REQUIRE(reply);
  CHECK(reply->status == 429);
  CHECK(text(reply->json(), "title") == "store_full");
  CHECK_FALSE(reply->header("retry-after").empty());
  CHECK(world.status("ledger", "accepted") == 0);
  // The room was given back, and the connection goes on.
  body.resize(body.find("h9000."));
  body.resize(body.rfind('\n'));
  const auto smaller = client.request("POST", "/v1/batches", kText, body);
  REQUIRE(smaller);
  CHECK(smaller->status == 201);
  CHECK(text(smaller->json(), "accepted") == "9000");
}

TEST_CASE("more uploads at once than allowed are told to wait", "[api][loopback]") {
  HttpApiOptions options;
  options.uploads_max = 2;
  World world(options);
  {
    RawHttp first(world.port);
    RawHttp second(world.port);
    const std::string head =
        request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n");
    first.send(head);
    second.send(head);
    run_until([&] { return world.status("api", "uploads") == 2; });
    const RawReply refused = world.request("POST", "/v1/batches", kText, "http://a.example/");
    CHECK(refused.status == 429);
    CHECK_FALSE(refused.header("retry-after").empty());
    first.send(chunk("http://a.example/") + "0\r\n\r\n");
    REQUIRE(first.receive());
    CHECK(world.request("POST", "/v1/batches", kText, "http://a.example/").status == 201);
  }
  run_until([&] { return world.status("api", "uploads") == 0; });
}

TEST_CASE("an upload that hardly moves makes room for another", "[api][loopback]") {
  HttpApiOptions options;
  options.uploads_max = 2;
  options.idle_timeout = std::chrono::seconds(2);
  World world(options);
  const std::string head =
      request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n");
  RawHttp quick(world.port);
  RawHttp slow(world.port);
  quick.send(head);
  slow.send(head + chunk("http://slow.example/\n"));
  run_until([&] { return world.status("api", "uploads") == 2; });
  CHECK(world.request("POST", "/v1/batches", kText, "http://a.example/").status == 429);
  const std::string comment = '#' + std::string(2500, 'c') + '\n';
  for (int i = 0; i < 6; ++i) {
    REQUIRE(quick.send(chunk(comment)));
    REQUIRE(slow.send(chunk("#\n")));
    // Nothing is answered before the end, so this is a wait.
    REQUIRE_FALSE(slow.closed(std::chrono::milliseconds(400)));
  }
  CHECK(world.request("POST", "/v1/batches", kText, "http://a.example/").status == 201);
  CHECK(world.status("api", "uploads") == 1);
  slow.send("0\r\n\r\n");
  const auto ended = slow.receive();
  REQUIRE(ended);
  CHECK(ended->status == 408);
  quick.send(chunk("http://quick.example/\n") + "0\r\n\r\n");
  const auto accepted = quick.receive();
  REQUIRE(accepted);
  CHECK(accepted->status == 201);
}

TEST_CASE("a target in absolute form names the host", "[api][loopback]") {
  const World world;
  CHECK(world.get("http://localhost:1/healthz").status == 200);
  CHECK(world.get("HTTP://127.0.0.1").status == 200);
  CHECK(world.get("http://localhost?x=1").status == 400);  // the page takes no parameter
  CHECK(world.get("http://evil.example/healthz").status == 403);
  CHECK(world.get("ftp://localhost/healthz").status == 404);
}

TEST_CASE("an upload that goes on after it was refused is answered", "[api][loopback]") {
  SECTION("with the problem") {
    HttpApiOptions options;
    options.idle_timeout = std::chrono::seconds(1);
    StoreOptions store;
    store.queued_max = 100;
    World world(options, store);
    RawHttp client(world.port);
    client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n"));
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += "http://h" + std::to_string(i) + ".example/\n";
    const SteadyTime end = system_clock()->steady_now() + std::chrono::seconds(20);
    while (!client.readable(std::chrono::milliseconds(10)) && client.send(chunk(lines)) &&
           system_clock()->steady_now() < end) {
    }
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->status == 429);
    CHECK(text(reply->json(), "title") == "store_full");
    CHECK_FALSE(reply->header("retry-after").empty());
    CHECK(reply->header("connection") == "close");
    CHECK(client.closed());
    client.half_close();
    run_until([&] { return world.status("api", "uploads") == 0; });
    CHECK(world.status("ledger", "accepted") == 0);
  }
  const std::string head = request_head("POST", "/refused", "Transfer-Encoding: chunked\r\n");
  SECTION("though nothing more comes") {
    BareServer server;
    RawHttp client(server.port);
    client.send(head + chunk("x"));
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->status == 429);
    CHECK(reply->header("x-why") == "full");
    CHECK(client.closed());
  }
  SECTION("though the answer is long, and the request ends meanwhile") {
    BareServer server(16 * 1024 * 1024);
    RawHttp client(server.port);
    client.send(head + chunk("x"));
    REQUIRE(client.readable(RawHttp::kPatience));
    client.send(chunk("y") + "0\r\n\r\n");
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->body == server.refusal);
    CHECK(client.closed());
  }
  SECTION("once, when the request ends in time") {
    BareServer server;
    RawHttp client(server.port);
    client.send(head + chunk("x") + "0\r\n\r\n");
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->status == 429);
    CHECK(reply->header("connection").empty());
    const auto next = client.request("GET", "/now");
    REQUIRE(next);
    CHECK(next->status == 200);
  }
  SECTION("or cut, when the answer is not read") {
    BareServer server(8 * 1024 * 1024);
    RawHttp client(server.port, 4096);
    client.send(head + chunk("x"));
    run_until([&] {
      std::size_t open = 0;
      server.thread.run([&] { open = server.server->connections(); });
      return open == 0;
    });
    CHECK_FALSE(client.receive());
  }
}

TEST_CASE("clients that stand still are dropped", "[api][loopback]") {
  HttpApiOptions options;
  options.idle_timeout = std::chrono::seconds(1);
  World world(options);
  StoreWorker worker(*world.store);
  const std::string id = world.import(6000);
  worker.work(6000, "\"address\":\"" + std::string(4000, 'a') + "\",");

  SECTION("in the middle of a request's head") {
    RawHttp client(world.port);
    client.send("GET /v1/status HTTP/1.1\r\nHost: local");
    CHECK(client.closed());
  }
  SECTION("though they send a head byte by byte") {
    RawHttp client(world.port);
    const SteadyTime end = system_clock()->steady_now() + std::chrono::seconds(10);
    const std::string head = request_head("GET", "/", "X: " + std::string(10'000, 'x') + "\r\n");
    std::size_t sent = 0;
    while (sent < head.size() && client.send(head.substr(sent++, 1)) &&
           !client.closed(std::chrono::milliseconds(100)) && system_clock()->steady_now() < end) {
    }
    CHECK(system_clock()->steady_now() < end);
    CHECK(sent < head.size());
  }
  SECTION("in the middle of an upload") {
    RawHttp client(world.port);
    client.send(request_head("POST", "/v1/batches", kText + "Content-Length: 1000\r\n") + "http");
    CHECK(client.closed());
    CHECK(world.status("api", "uploads") == 0);
  }
  SECTION("between requests") {
    RawHttp client(world.port);
    REQUIRE(client.request("GET", "/healthz"));
    CHECK(client.closed());
  }
  SECTION("without reading a response") {
    RawHttp client(world.port, 4096);
    client.send(request_head("GET", "/v1/batches/" + id + "/results?limit=6000", ""));
    run_until([&] { return world.status("api", "connections") == 2; });
    run_until([&] { return world.status("api", "connections") == 1; });
    CHECK_FALSE(client.receive());
  }
}

TEST_CASE("a client that moves is not dropped, however slowly it does", "[api][loopback]") {
  HttpApiOptions options;
  options.idle_timeout = std::chrono::seconds(1);
  World world(options);
  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: chunked\r\n"));
  for (int i = 0; i < 8; ++i) {
    REQUIRE(client.send(chunk("http://a.example/\n")));
    // Nothing is answered before the end, so this is a wait.
    REQUIRE_FALSE(client.closed(std::chrono::milliseconds(400)));
  }
  client.send("0\r\n\r\n");
  const auto reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 201);
  CHECK(text(reply->json(), "accepted") == "8");
}

TEST_CASE("a client that leaves while it waits is let go", "[api][loopback]") {
  World world;
  const std::string id = world.import(1);
  {
    RawHttp client(world.port);
    client.send(request_head("GET", "/v1/batches/" + id + "/results?wait_ms=50000", ""));
    run_until([&] { return world.status("api", "connections") == 2; });
  }
  run_until([&] { return world.status("api", "connections") == 1; });

  // One that only says that it has nothing more to send gets what there is.
  RawHttp client(world.port);
  client.send(request_head("GET", "/v1/batches/" + id + "/results?wait_ms=50000", ""));
  client.half_close();
  const auto reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK_FALSE(reply->header("probekit-next-cursor").empty());
}

TEST_CASE("a connection too many is answered, not left waiting", "[api][loopback]") {
  HttpApiOptions options;
  options.connections_max = 3;
  World world(options);
  std::vector<std::unique_ptr<RawHttp>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawHttp>(world.port));
    // Asked for its body, so that it is known not to be between two requests: those make room.
    const std::string upload = kText + "Expect: 100-continue\r\nContent-Length: 17\r\n";
    REQUIRE(clients.back()->send(request_head("POST", "/v1/batches", upload)));
    const auto wanted = clients.back()->receive();
    REQUIRE(wanted);
    REQUIRE(wanted->status == 100);
  }
  RawHttp crowded(world.port);
  const auto reply = crowded.receive();
  REQUIRE(reply);
  CHECK(reply->status == 503);
  CHECK(reply->header("content-type") == "application/problem+json");
  CHECK_FALSE(reply->header("retry-after").empty());
  CHECK(crowded.closed());
  clients.pop_back();
  run_until([&] {
    const auto answer = RawHttp(world.port).request("GET", "/healthz");
    return answer && answer->status == 200;
  });
}

TEST_CASE("a connection serves one request after the other", "[api][loopback]") {
  World world;
  const std::string id = world.import(1);
  RawHttp client(world.port);
  // Three at once; the second waits a little.
  client.send(request_head("GET", "/healthz", "") +
              request_head("GET", "/v1/batches/" + id + "/results?wait_ms=20", "") +
              request_head("GET", "/v1/batches/" + id, ""));
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->status == 200);
  }
  const auto head = client.request("HEAD", "/v1/status");
  REQUIRE(head);
  CHECK(head->status == 200);
  CHECK(head->header("content-type") == "application/json");
  const auto again = client.request("GET", "/v1/status");
  REQUIRE(again);
  CHECK(again->status == 200);
}

TEST_CASE("a body is asked for only when it is wanted", "[api][loopback]") {
  World world;
  const std::string expect = kText + "Expect: 100-continue\r\nContent-Length: 17\r\n";
  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/batches", expect));
  auto reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 100);
  client.send("http://a.example/");
  reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 201);

  RawHttp refused(world.port);
  refused.send(request_head("POST", "/v1/batches?open=no", expect));
  reply = refused.receive();
  REQUIRE(reply);
  CHECK(reply->status == 400);
}

// By the library, before a request becomes ours: docs/api.md lists these.
TEST_CASE("what is not HTTP is refused with a status", "[api][loopback]") {
  World world;
  const std::string post = "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\n";
  const std::string many = std::string(100'000, 'x');
  const std::vector<std::pair<int, std::string>> cases = {
      {400, "GET / HTTP/x\r\nHost: localhost\r\n\r\n"},
      {400, post + "Content-Length: x\r\n\r\n"},
      {400, post + kText + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"},
      {413, post + "Content-Length: 99999999999999999999999\r\n\r\n"},
      {414, "GET /" + many + " HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {431, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + many + "\r\n\r\n"},
      {505, "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n"},
  };
  for (const auto& [status, bytes] : cases) {
    INFO(status << ' ' << bytes.substr(0, 100));
    RawHttp client(world.port);
    client.send(bytes, std::chrono::milliseconds(500));
    const auto reply = client.receive();
    REQUIRE(reply);
    CHECK(reply->status == status);
    CHECK(reply->header("content-type").empty());
    CHECK(client.closed());
  }
}

TEST_CASE("hostile bytes harm nobody but their sender", "[api][loopback]") {
  World world;
  std::string rubbish;
  std::uint32_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 1664525U + 1013904223U;
    rubbish += static_cast<char>(state >> 24);
  }
  for (const std::string& bytes :
       {rubbish, std::string("\x16\x03\x01\x02\x00\x01"), "GET " + std::string(200'000, 'a'),
        request_head("GET", "/v1/status", "X: " + std::string(200'000, 'x') + "\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                    "chunked\r\n\r\nzz\r\n"),
        std::string("POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                    "gzip\r\n\r\nzz\r\n")}) {
    INFO(bytes.substr(0, 100));
    RawHttp client(world.port);
    client.send(bytes, std::chrono::milliseconds(500));
    client.half_close();
    CHECK(client.closed());
  }
  const std::string nested(60'000, '[');
  for (const std::string& body :
       {std::string(1'000'000, 'x'), std::string("http://a.example/\xFF\n"), nested,
        std::string("{\"target\":\"http://a.example/\",\"timeout_ms\":0.") + std::string(20, '0') +
            "1e-2147483639}",
        rubbish}) {
    for (const std::string& type : {kText, kLines, kJson}) {
      const RawReply reply = world.request("POST", "/v1/batches", type, body);
      CHECK(reply.status == 400);
      reply.json();
    }
    const RawReply probe = world.request("POST", "/v1/probes", kJson, body);
    CHECK((probe.status == 400 || probe.status == 413));
  }
  CHECK(world.status("ledger", "accepted") == 0);
  run_until([&] { return world.status("api", "connections") == 1; });
}

TEST_CASE("a draining master takes nothing new and still answers", "[api][loopback]") {
  World world;
  const std::string id = world.import(1);
  world.master.drain(std::chrono::seconds(1), [](Expected<void>) {});
  run_until([&] { return world.get("/readyz").status == 503; });
  const RawReply reply = world.request("POST", "/v1/batches", kText, "http://a.example/");
  CHECK(reply.status == 503);
  CHECK(text(reply.json(), "title") == "draining");
  CHECK(world.get("/v1/batches/" + id).status == 200);
}

TEST_CASE("a probe is answered with its result", "[api][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  run_until([&] { return world.agents() == 1; });
  const std::string spec = R"({"target":"http://a.example/","labels":{"k":"v"}})";

  RawHttp client(world.port);
  client.send(request_head("POST", "/v1/probes",
                           kJson + "Content-Length: " + std::to_string(spec.size()) + "\r\n") +
              spec);
  const auto tasks = agent.wait_for_tasks(1);
  agent.pass(tasks);
  const auto reply = client.receive();
  REQUIRE(reply);
  CHECK(reply->status == 200);
  const json::Value probe = reply->json();
  CHECK(text(probe, "state") == "done");
  CHECK(text(probe, "accepted") == "1");
  CHECK(text(probe, "passed") == "1");
  REQUIRE(probe.find("results")->as_array()->size() == 1);
  const json::Value& result = probe.find("results")->as_array()->front();
  CHECK(text(result, "verdict") == "passed");
  CHECK(text(result, "target") == "http://a.example/");
  CHECK(text(*result.find("labels"), "k") == "v");

  // It is seen at its own place alone.
  const std::string id = text(probe, "id");
  CHECK(world.get("/v1/probes/" + id).body == reply->body);
  CHECK(world.get("/v1/batches/" + id).status == 404);
  CHECK(world.get("/v1/batches/" + id + "/results").status == 404);
  CHECK(world.request("DELETE", "/v1/batches/" + id).status == 404);
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->empty());
}

TEST_CASE("a probe whose wait ran out is told so and asked for again", "[api][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  agent.grant(8, 100);
  run_until([&] { return world.agents() == 1; });
  const RawReply reply = world.request(
      "POST", "/v1/probes", kJson,
      R"({"target":"http://a.example/","wait_ms":10,"agents":{"names":["here","away"]}})");
  CHECK(reply.status == 202);
  const json::Value probe = reply.json();
  CHECK(text(probe, "state") == "running");
  CHECK(text(probe, "accepted") == "2");
  CHECK(probe.find("results")->as_array()->empty());

  const std::string path = "/v1/probes/" + text(probe, "id");
  agent.pass(agent.wait_for_tasks(1));
  run_until([&] { return text(world.get(path).json(), "done") == "1"; });
  CHECK(world.get(path + "?wait_ms=10").json().find("results")->as_array()->size() == 1);
  RawHttp client(world.port);
  client.send(request_head("GET", path + "?wait_ms=50000", ""));
  run_until([&] { return world.status("api", "connections") == 2; });
  RawAgent other(world.network.connector());
  other.join("away");
  other.grant(8, 100);
  other.pass(other.wait_for_tasks(1));
  const auto done = client.receive();
  REQUIRE(done);
  CHECK(done->status == 200);
  CHECK(text(done->json(), "state") == "done");
  CHECK(done->json().find("results")->as_array()->size() == 2);
}

TEST_CASE("a scraper that leaves while its probe is committed leaves no probe behind",
          "[api][loopback]") {
  World world;
  RawAgent agent(world.network.connector());
  agent.join("here");
  run_until([&] { return world.agents() == 1; });
  RawHttp scraper(world.port);
  world.store->stall(StallingStore::Stall::calls);
  scraper.send(request_head("GET", "/probe?target=http://a.example/", ""));
  run_until([&] { return world.store->held() > 0; });
  // While what was held happens, further calls queue behind it. Once the API has answered twice it
  // has heard what the store told it before, and made its next call.
  const auto api_went_on = [&world] {
    for (int i = 0; i < 2; ++i) REQUIRE(world.get("/healthz").status == 200);
  };
  bool left = false;
  world.store->batch({}, [&](const auto&) {
    api_went_on();  // it asked to append
    world.store->batch({}, [&](const auto&) {
      api_went_on();  // it asked to commit
      scraper.half_close();
      CHECK(scraper.receive()->status == 504);
      left = scraper.closed();
    });
  });
  world.store->go_on();
  CHECK(left);
  run_until([&] { return world.status("ledger", "cancelled") == 1; });
}

TEST_CASE("an agent is shown, drained and taken back", "[api][loopback]") {
  World world;
  {
    RawAgent agent(world.network.connector());
    agent.join("here");
    agent.grant(8, 100);
    run_until([&] { return world.get("/v1/agents/here").status == 200; });
    const json::Value shown = world.get("/v1/agents/here").json();
    CHECK(text(shown, "name") == "here");
    CHECK(text(shown, "connected") == "true");
    CHECK(shown.find("connection")->find("rtt_us"));
    CHECK(shown.find("diagnosis")->find("text"));
    CHECK(shown.find("last_disconnect")->is_null());
    const json::Value list = world.get("/v1/agents").json();
    REQUIRE(list.find("items")->as_array()->size() == 1);

    const RawReply drained = world.request("POST", "/v1/agents/here/drain");
    CHECK(drained.status == 200);
    CHECK(text(drained.json(), "draining") == "true");
    const std::string spec = R"({"target":"http://a.example/","wait_ms":0})";
    CHECK(world.request("POST", "/v1/probes", kJson, spec).status == 503);
    const RawReply back = world.request("DELETE", "/v1/agents/here/drain");
    CHECK(back.status == 200);
    CHECK(text(back.json(), "draining") == "false");
    CHECK(world.request("POST", "/v1/probes", kJson, spec).status == 202);
  }
  run_until([&] { return text(world.get("/v1/agents/here").json(), "connected") == "false"; });
  CHECK(world.get("/v1/agents/here").json().find("last_disconnect")->find("reason"));
}

TEST_CASE("agents are listed a page at a time, by a part of the name and by health",
          "[api][loopback]") {
  World world;
  const auto names = [&](const std::string& query) {
    const json::Value list = world.get("/v1/agents" + query).json();
    std::string found;
    for (const json::Value& agent : *list.find("items")->as_array()) {
      found += text(agent, "name") + ' ';
    }
    return found + text(list, "next") + ' ' + text(list, "total");
  };
  std::vector<std::unique_ptr<RawAgent>> agents;
  for (const char* name : {"oslo-2", "rome-1", "oslo-1"}) {
    agents.push_back(std::make_unique<RawAgent>(world.network.connector()));
    agents.back()->join(name);
  }
  run_until([&] { return world.agents() == 3; });
  CHECK(names("") == "oslo-1 oslo-2 rome-1 null 3");
  CHECK(names("?limit=2") == "oslo-1 oslo-2 oslo-2 3");
  CHECK(names("?limit=2&after=oslo-2") == "rome-1 null 3");
  CHECK(names("?name=lo-&limit=1") == "oslo-1 oslo-1 2");
  CHECK(names("?healthy=false") == "null 0");

  agents.pop_back();
  run_until([&] { return world.agents() == 2; });
  CHECK(names("?healthy=false") == "oslo-1 null 1");
  CHECK(names("?healthy=true") == "oslo-2 rome-1 null 2");
  CHECK(names("?healthy=true&name=oslo") == "oslo-2 null 1");
  CHECK(world.get("/v1/agents?healthy=perhaps").status == 400);
}

TEST_CASE("of a thousand agents each is listed once, page by page", "[api][loopback]") {
  constexpr std::size_t kAgents = 1000;
  World world;
  for (std::size_t i = 0; i < kAgents; ++i) {
    RawAgent(world.network.connector()).join("agent-" + std::to_string(i));
  }
  run_until([&] { return world.agents() == 0; });
  std::set<std::string> seen;
  std::string after;
  do {
    const json::Value list = world.get("/v1/agents?after=" + after).json();
    CHECK(text(list, "total") == std::to_string(kAgents));
    CHECK(list.find("items")->as_array()->size() == 100);
    for (const json::Value& agent : *list.find("items")->as_array()) {
      CHECK(seen.insert(text(agent, "name")).second);
    }
    after = list.find("next")->is_null() ? "" : text(list, "next");
  } while (!after.empty());
  CHECK(seen.size() == kAgents);
}

TEST_CASE("the API stops with clients in every state", "[api][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  const std::string id = world.import(3000);
  worker.work(2999, "\"address\":\"" + std::string(4000, 'a') + "\",");
  RawHttp idle(world.port);
  RawHttp waiting(world.port);
  const std::string last =
      world.get("/v1/batches/" + id + "/results?limit=3000").header("probekit-next-cursor");
  waiting.send(
      request_head("GET", "/v1/batches/" + id + "/results?wait_ms=50000&after=" + last, ""));
  RawHttp uploading(world.port);
  uploading.send(request_head("POST", "/v1/batches", kText + "Content-Length: 1000\r\n") + "http");
  RawHttp reading(world.port, 4096);
  reading.send(request_head("GET", "/v1/batches/" + id + "/results?limit=3000", ""));
  run_until([&] { return world.status("api", "connections") == 5; });
  world.api.reset();
  CHECK(idle.closed());
  CHECK(waiting.closed());
  CHECK(uploading.closed());
  CHECK_FALSE(reading.receive());
  const auto ledger = world.master.status().ledger;
  CHECK(ledger.accepted == 3000);
}

TEST_CASE("the API stops while requests come", "[api][loopback]") {
  BareServer server;
  RawHttp client(server.port);
  const auto first = client.request("GET", "/now");
  REQUIRE(first);
  CHECK(first->status == 200);
  std::string last;
  SECTION("that wait for their answer") { last = request_head("GET", "/never", ""); }
  SECTION("that wait for room") {
    last = request_head("POST", "/never", "Content-Length: 10\r\n") + "0123456789";
  }
  // In the server's socket, and not seen by its loop, when it closes.
  server.thread.run([&] {
    client.send(last);
    server.server->close();
  });
  CHECK(client.closed());
}

TEST_CASE("API options that make no sense are refused by name", "[api][loopback]") {
  Master master{make_memory_store()};
  HttpApiOptions options;
  options.host = "0.0.0.0";
  CHECK_THROWS_WITH(HttpApi(master, options), Catch::Contains("HttpApiOptions::host"));
  options.host = "localhost";
  CHECK_THROWS_WITH(HttpApi(master, options), Catch::Contains("HttpApiOptions::host"));
  options.host = "127.0.0.1";
  options.idle_timeout = std::chrono::seconds(0);
  CHECK_THROWS_WITH(HttpApi(master, options), Catch::Contains("HttpApiOptions::idle_timeout"));
}

TEST_CASE("a port that is taken is told", "[api][loopback]") {
  World world;
  HttpApiOptions options;
  options.port = world.port;
  HttpApi second(world.master, options);
  const auto url = second.start();
  REQUIRE_FALSE(url);
  CHECK(url.error().code() == errc::address_in_use);
}
