// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// docs/api.md, row by row: the first cell of each row of its tables is the name of a check below,
// which makes the API do what the row says, or names the test that does. A row without a check
// fails, and so does a check without a row. Verdicts of diagnosis must stand in its test.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/problem.hpp"
#include "base/text.hpp"
#include "json/json_writer.hpp"
#include "probe/result_json.hpp"
#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/raw_agent.hpp"
#include "support/run_until.hpp"
#include "support/table_rows.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

const std::filesystem::path kRoot = PROBEKIT_SOURCE_DIR;
const std::string kUrl = "http://a.example/";
const std::string kHourly = R"({"interval_ms":3600000,"target":"http://a.example/"})";

/// A master with one agent, whose tasks nobody runs.
struct Served {
  Served() : agent(world.network.connector()) {
    agent.join("here");
    agent.grant(8, 100);
    run_until([&] { return world.agents() == 1; });
  }

  RawReply post(const std::string& path, const std::string& type, const std::string& body) {
    return world.request("POST", path, type, body);
  }
  RawReply import(const std::string& query, const std::string& body) {
    return post("/v1/batches" + query, kText, body);
  }
  RawReply import_spec(const std::string& members) {
    return post("/v1/batches", kLines, R"({"target":"http://a.example/",)" + members + "}");
  }
  RawReply put(const std::string& body) {
    return world.request("PUT", "/v1/schedules/s", kJson, body);
  }
  std::string probe() {
    return text(post("/v1/probes", kJson, R"({"target":"http://a.example/","wait_ms":0})").json(),
                "id");
  }

  World world;
  RawAgent agent;
};

void refused(const RawReply& reply, const std::string& status_and_title) {
  INFO(reply.body);
  CHECK(std::to_string(reply.status) + ' ' + text(reply.json(), "title") == status_and_title);
}

std::string accepted(const RawReply& reply) {
  INFO(reply.body);
  CHECK(reply.status == 201);
  return text(reply.json(), "accepted");
}

/// The first error an import tells of its lines.
std::string error_of(const RawReply& reply) {
  INFO(reply.body);
  CHECK(reply.status == 400);
  return text(reply.json().find("errors")->as_array()->front(), "detail");
}

using Check = std::function<void(Served&)>;
using Checks = std::map<std::string, Check>;

/// That test does it.
Check elsewhere(const std::string& file, const std::string& test) {
  return [file, test](Served&) {
    INFO(file << " has no test \"" << test << '"');
    CHECK(has_test(kRoot / "tests" / file, test));
  };
}

/// 200 and a list.
Check lists(const std::string& path) {
  return [path](Served& it) {
    const RawReply reply = it.world.get(path);
    CHECK(reply.status == 200);
    CHECK(reply.json().find("items")->is_array());
    CHECK(reply.json().find("next"));
    CHECK(it.world.get(path + "?limit=1000").status == 200);
    refused(it.world.get(path + "?limit=1001"), "400 Bad Request");
  };
}

Check answers(const std::string& path, const std::string& member) {
  return [path, member](Served& it) {
    const RawReply reply = it.world.get(path);
    CHECK(reply.status == 200);
    CHECK(reply.json().find(member));
  };
}

Checks calls() {
  return {
      {"POST /v1/probes",
       [](Served& it) {
         const RawReply reply =
             it.post("/v1/probes", kJson, R"({"target":"http://a.example/","wait_ms":0})");
         CHECK(reply.status == 202);
         CHECK(reply.json().find("results")->is_array());
       }},
      {"GET /v1/probes/{id}",
       [](Served& it) { answers("/v1/probes/" + it.probe() + "?wait_ms=1", "results")(it); }},
      {"POST /v1/batches",
       [](Served& it) {
         const RawReply reply = it.import("", kUrl);
         CHECK(accepted(reply) == "1");
         CHECK(reply.header("location") == "/v1/batches/" + text(reply.json(), "id"));
       }},
      {"GET /v1/batches", lists("/v1/batches")},
      {"GET /v1/batches/{id}",
       [](Served& it) { answers("/v1/batches/" + it.world.import(1), "eta_ms")(it); }},
      {"DELETE /v1/batches/{id}",
       [](Served& it) {
         const RawReply reply = it.world.request("DELETE", "/v1/batches/" + it.world.import(1));
         CHECK(reply.status == 200);
         CHECK(reply.json().find("cancelled"));
       }},
      {"POST /v1/batches/{id}/targets",
       [](Served& it) {
         const RawReply batch = it.import("?open=true", kUrl + '\n' + kUrl);
         const RawReply more = it.post(batch.header("location") + "/targets", kText, kUrl);
         CHECK(accepted(more) == "1");
       }},
      {"POST /v1/batches/{id}/close",
       [](Served& it) {
         const std::string path = it.import("?open=true", "").header("location") + "/close";
         CHECK(text(it.post(path, "", "").json(), "state") == "done");
         CHECK(it.post(path, "", "").status == 200);
       }},
      {"GET /v1/batches/{id}/results",
       [](Served& it) {
         const RawReply reply = it.world.get("/v1/batches/" + it.world.import(1) + "/results");
         CHECK(reply.status == 200);
         CHECK(reply.header("content-type") == "application/x-ndjson");
       }},
      {"GET /v1/batches/{id}/summary",
       [](Served& it) { answers("/v1/batches/" + it.world.import(1) + "/summary", "phases")(it); }},
      {"GET /v1/agents", lists("/v1/agents")},
      {"GET /v1/agents/{name}", answers("/v1/agents/here", "diagnosis")},
      {"POST /v1/agents/{name}/drain",
       [](Served& it) {
         CHECK(text(it.post("/v1/agents/here/drain", "", "").json(), "draining") == "true");
       }},
      {"DELETE /v1/agents/{name}/drain",
       [](Served& it) {
         CHECK(text(it.world.request("DELETE", "/v1/agents/here/drain").json(), "draining") ==
               "false");
       }},
      {"GET /v1/masters",
       [](Served& it) {
         lists("/v1/masters")(it);
         const json::Value masters = it.world.get("/v1/masters").json();
         const json::Value& only = masters.find("items")->as_array()->front();
         CHECK(text(only, "this") == "true");
         CHECK(text(only, "agents_connected") == "1");
         CHECK(text(only, "name") == text(it.world.get("/v1/status").json(), "name"));
       }},
      {"GET /v1/status", answers("/v1/status", "ledger")},
      {"GET /metrics",
       [](Served& it) {
         const RawReply reply = it.world.get("/metrics");
         CHECK(reply.status == 200);
         CHECK(starts_with(reply.header("content-type"), "text/plain; version=0.0.4"));
       }},
      {"GET /probe", elsewhere("loopback/prometheus_test.cpp",
                               "the same scrapes at either exporter see the same")},
      {"PUT /v1/schedules/{name}",
       [](Served& it) {
         CHECK(it.put(kHourly).status == 201);
         CHECK(it.put(kHourly).status == 200);
       }},
      {"GET /v1/schedules/{name}",
       [](Served& it) {
         it.put(kHourly);
         answers("/v1/schedules/s", "next_at")(it);
       }},
      {"DELETE /v1/schedules/{name}",
       [](Served& it) {
         it.put(kHourly);
         CHECK(it.world.request("DELETE", "/v1/schedules/s").status == 200);
         CHECK(it.world.get("/v1/schedules/s").status == 404);
       }},
      {"GET /v1/schedules", lists("/v1/schedules")},
      {"GET /v1/schedules/{name}/results",
       [](Served& it) {
         it.put(kHourly);
         const RawReply reply = it.world.get("/v1/schedules/s/results");
         CHECK(reply.status == 200);
         CHECK_FALSE(reply.header("probekit-next-cursor").empty());
       }},
      {"GET /",
       [](Served& it) {
         const RawReply reply = it.world.get("/");
         CHECK(reply.status == 200);
         CHECK(starts_with(reply.header("content-type"), "text/html"));
         CHECK_FALSE(reply.header("etag").empty());
       }},
      {"GET /healthz", answers("/healthz", "status")},
      {"GET /readyz",
       [](Served& it) {
         answers("/readyz", "status")(it);
         World draining;
         draining.master.drain(std::chrono::seconds(10), [](const auto&) {});
         refused(draining.get("/readyz"), "503 draining");
       }},
  };
}

Checks parameters() {
  return {
      {"after",
       [](Served& it) {
         it.world.import(1);
         it.world.import(1);
         const json::Value page = it.world.get("/v1/batches?limit=1").json();
         const json::Value next =
             it.world.get("/v1/batches?limit=1&after=" + text(page, "next")).json();
         CHECK(text(page.find("items")->as_array()->front(), "id") !=
               text(next.find("items")->as_array()->front(), "id"));
         refused(it.world.get("/v1/batches?after=nonsense"), "400 Bad Request");
       }},
      {"limit",
       [](Served&) {
         const World world;
         const std::string id = world.import(1001);
         StoreWorker(*world.store).work(1001);
         const std::string results = "/v1/batches/" + id + "/results";
         CHECK(lines_of(world.get(results).body).size() == 1000);
         CHECK(lines_of(world.get(results + "?limit=7").body).size() == 7);
         for (int i = 0; i < 100; ++i) world.import(1);
         CHECK(world.get("/v1/batches").json().find("items")->as_array()->size() == 100);
       }},
      {"verdict", elsewhere("loopback/http_api_test.cpp",
                            "a batch goes in, is worked on and comes out over HTTP")},
      {"wait_ms",
       elsewhere("loopback/http_api_test.cpp", "an empty page at the growing end waits for lines")},
      {"kind",
       [](Served& it) {
         CHECK(accepted(it.import("?kind=dns", "dns:a.example")) == "1");
         refused(it.import("?kind=dns", kUrl), "400 Bad Request");
         refused(it.import("?kind=gopher", kUrl), "400 Bad Request");
       }},
      {"timeout_ms",
       [](Served& it) {
         CHECK(accepted(it.import("?timeout_ms=120000", kUrl)) == "1");
         refused(it.import("?timeout_ms=120001", kUrl), "400 Bad Request");
         refused(it.import("?timeout_ms=0", kUrl), "400 Bad Request");
       }},
      {"deadline_ms",
       [](Served& it) {
         CHECK(accepted(it.import("?timeout_ms=5&deadline_ms=2005", kUrl)) == "1");
         refused(it.import("?timeout_ms=5&deadline_ms=2004", kUrl), "400 Bad Request");
       }},
      {"agents",
       [](Served& it) {
         CHECK(accepted(it.import("?agents=name:x,name:y", kUrl)) == "2");
         refused(it.import("?agents=nobody", kUrl), "400 Bad Request");
       }},
      {"priority",
       [](Served& it) {
         CHECK(accepted(it.import("?priority=high", kUrl)) == "1");
         refused(it.import("?priority=urgent", kUrl), "400 Bad Request");
       }},
      {"name",
       [](Served& it) {
         const RawReply named = it.import("?name=a+b", kUrl);
         CHECK(text(it.world.get(named.header("location")).json(), "name") == "a b");
       }},
      {"healthy",
       [](Served& it) {
         CHECK(text(it.world.get("/v1/agents?healthy=true").json(), "total") == "1");
         CHECK(text(it.world.get("/v1/agents?healthy=false").json(), "total") == "0");
         CHECK(text(it.world.get("/v1/agents?name=her").json(), "total") == "1");
         refused(it.world.get("/v1/agents?healthy=1"), "400 Bad Request");
       }},
      {"target", elsewhere("loopback/prometheus_test.cpp",
                           "a probe that cannot be is refused, and says why")},
      {"module", elsewhere("loopback/prometheus_test.cpp",
                           "a probe that cannot be is refused, and says why")},
      {"open",
       [](Served& it) {
         const RawReply open = it.import("?open=true", kUrl);
         CHECK(text(it.world.get(open.header("location")).json(), "state") == "open");
         const RawReply whole = it.import("?open=false", kUrl);
         CHECK(text(it.world.get(whole.header("location")).json(), "state") == "running");
         refused(it.import("?open=1", kUrl), "400 Bad Request");
       }},
  };
}

Checks refusals() {
  const auto made = [](errc code, const std::string& status_and_title) {
    return [code, status_and_title](Served&) {
      const api::Problem problem = api::problem(Error(code, ""));
      CHECK(std::to_string(problem.status) + ' ' + problem.title == status_and_title);
    };
  };
  return {
      {"400 Bad Request",
       [](Served& it) {
         refused(it.import("", "nonsense"), "400 Bad Request");
         refused(it.post("/v1/batches", kText + "Idempotency-Key: a b\r\n", kUrl),
                 "400 Bad Request");
         refused(it.world.request("GET", "/v1/status", "Host: localhost\r\nHost: localhost\r\n"),
                 "400 Bad Request");
       }},
      {"401 Unauthorized",
       elsewhere("loopback/tokens_test.cpp",
                 "the API answers 401 unless a token is known, and health to everyone")},
      {"403 Forbidden",
       [](Served& it) {
         refused(it.world.request("GET", "/v1/status", "Origin: http://example.com\r\n"),
                 "403 Forbidden");
         refused(it.world.request("GET", "/v1/status", "Host: example.com\r\n"), "403 Forbidden");
       }},
      {"404 Not Found",
       [](Served& it) {
         for (const char* path : {"/nothing", "/v1/batches/nope", "/v1/probes/nope",
                                  "/v1/agents/nope", "/v1/schedules/nope"}) {
           refused(it.world.get(path), "404 Not Found");
         }
       }},
      {"405 Method Not Allowed",
       [](Served& it) {
         const RawReply reply = it.world.request("DELETE", "/v1/status");
         refused(reply, "405 Method Not Allowed");
         CHECK(reply.header("allow") == "GET, HEAD");
       }},
      {"408 Request Timeout", elsewhere("loopback/http_api_test.cpp",
                                        "an upload that hardly moves makes room for another")},
      {"409 batch_closed",
       [](Served& it) {
         refused(it.post("/v1/batches/" + it.world.import(1) + "/targets", kText, kUrl),
                 "409 batch_closed");
       }},
      {"409 Conflict", elsewhere("loopback/http_api_keys_test.cpp",
                                 "while the first request with a key runs, others wait")},
      {"413 Content Too Large",
       [](Served& it) {
         refused(it.post("/v1/probes", kJson, std::string(65537, ' ')), "413 Content Too Large");
       }},
      {"415 Unsupported Media Type",
       [](Served& it) {
         refused(it.post("/v1/batches", kText + "Content-Encoding: gzip\r\n", kUrl),
                 "415 Unsupported Media Type");
         for (const char* path : {"/v1/batches", "/v1/probes"}) {
           refused(it.post(path, "Content-Type: text/html\r\n", kUrl),
                   "415 Unsupported Media Type");
         }
       }},
      {"422 Unprocessable Content",
       [](Served& it) {
         const std::string headers = kText + "Idempotency-Key: k\r\n";
         CHECK(accepted(it.post("/v1/batches", headers, kUrl)) == "1");
         refused(it.post("/v1/batches", headers, "dns:a.example"), "422 Unprocessable Content");
       }},
      {"429 store_full", elsewhere("loopback/http_api_test.cpp",
                                   "a full store refuses an upload whole and says when to come "
                                   "again")},
      {"429 Too Many Requests", elsewhere("loopback/http_api_test.cpp",
                                          "more uploads at once than allowed are told to wait")},
      {"501 Not Implemented",
       [](Served& it) {
         RawHttp client(it.world.port);
         client.send(request_head("POST", "/v1/batches", kText + "Transfer-Encoding: gzip\r\n"));
         const auto reply = client.receive();
         REQUIRE(reply);
         refused(*reply, "501 Not Implemented");
       }},
      {"503 no_agent",
       [](Served& it) {
         const RawReply reply = it.post(
             "/v1/probes", kJson, R"({"target":"http://a.example/","agents":{"names":["away"]}})");
         refused(reply, "503 no_agent");
         CHECK_FALSE(reply.header("retry-after").empty());
       }},
      {"503 draining", elsewhere("loopback/http_api_test.cpp",
                                 "a draining master takes nothing new and still "
                                 "answers")},
      {"503 store_failed", made(errc::store_failed, "503 store_failed")},
      {"503 Service Unavailable",
       [made](Served& it) {
         made(errc::closed, "503 Service Unavailable")(it);
         elsewhere("loopback/http_api_test.cpp",
                   "a connection too many is answered, not left waiting")(it);
       }},
      {"504 Gateway Timeout",
       [](Served& it) {
         refused(it.world.request("GET", "/probe?target=http://a.example/",
                                  "X-Prometheus-Scrape-Timeout-Seconds: 0.6\r\n"),
                 "504 Gateway Timeout");
       }},
  };
}

Checks limits() {
  const auto padded = [](std::size_t size) {
    const std::string head = R"({"target":"http://a.example/"})";
    return head + std::string(size - head.size(), ' ');
  };
  return {
      {"line of an import",
       [](Served& it) {
         const std::string whole = std::string(65536, '#');
         CHECK(accepted(it.import("", whole + '\n' + kUrl)) == "1");
         const RawReply reply = it.import("", '#' + whole + '\n' + kUrl);
         CHECK(accepted(reply) == "1");
         CHECK(text(reply.json(), "rejected") == "1");
       }},
      {"target",
       [](Served& it) {
         const std::string longest = kUrl + std::string(8192 - kUrl.size(), 'p');
         CHECK(accepted(it.import("", longest)) == "1");
         CHECK(error_of(it.import("", longest + "p")).find("longer than 8 KiB") !=
               std::string::npos);
       }},
      {"spec",
       [padded](Served& it) {
         CHECK(it.post("/v1/probes", kJson, padded(65537)).status == 413);
         const std::string spec =
             R"({"target":"http://a.example/","labels":{"a":")" + std::string(65536, 'x') + "\"}}";
         CHECK(error_of(it.post("/v1/batches", kJson, R"({"targets":[)" + spec + "]}"))
                   .find("longer than 65536 bytes") == 0);
       }},
      {"labels",
       [](Served& it) {
         const auto labels = [](std::size_t count, std::size_t bytes) {
           std::string out = "\"labels\":{";
           for (std::size_t i = 0; i < count; ++i) {
             const std::string key = "k" + std::to_string(i);
             out += (i == 0 ? "\"" : ",\"") + key + "\":\"" + std::string(bytes - key.size(), 'v') +
                    '"';
           }
           return out + '}';
         };
         CHECK(accepted(it.import_spec(labels(16, 256))) == "1");
         CHECK(error_of(it.import_spec(labels(17, 10))).find("labels: ") == 0);
         CHECK(error_of(it.import_spec(labels(1, 257))).find("labels: ") == 0);
       }},
      {"errors told of an import",
       [](Served& it) {
         std::string lines = kUrl + '\n';
         for (int i = 0; i < 101; ++i) lines += "x\n";
         const RawReply reply = it.import("", lines);
         CHECK(text(reply.json(), "rejected") == "101");
         CHECK(reply.json().find("errors")->as_array()->size() == 100);
       }},
      {"targets in front of \"defaults\"",
       elsewhere("unit/import_parser_test.cpp",
                 "targets before their defaults are kept, up to a limit")},
      {"name of a batch",
       [](Served& it) {
         CHECK(accepted(it.import("?name=" + std::string(256, 'n'), kUrl)) == "1");
         refused(it.import("?name=" + std::string(257, 'n'), kUrl), "400 Bad Request");
       }},
      {"agents in a selector",
       [](Served& it) {
         std::string names = "name:n0";
         for (int i = 1; i < 256; ++i) names += ",name:n" + std::to_string(i);
         CHECK(accepted(it.import("?agents=" + names, kUrl)) == "256");
         refused(it.import("?agents=" + names + ",name:more", kUrl), "400 Bad Request");
         refused(it.import("?agents=any*257", kUrl), "400 Bad Request");
       }},
      {"tags in a selector",
       [](Served& it) {
         std::string tags = "tag:t0=1";
         for (int i = 1; i < 16; ++i) tags += ",tag:t" + std::to_string(i) + "=1";
         CHECK(accepted(it.import("?agents=" + tags, kUrl)) == "1");
         refused(it.import("?agents=" + tags + ",tag:more=1", kUrl), "400 Bad Request");
       }},
      {"different sets of tags with tasks waiting",
       elsewhere("unit/task_table_selectors_test.cpp",
                 "sets of tags in use are limited, and their end makes room")},
      {"different names of agents with tasks waiting",
       elsewhere("unit/task_table_selectors_test.cpp",
                 "names in use are limited, and their end makes room")},
      {"Idempotency-Key", elsewhere("loopback/http_api_keys_test.cpp",
                                    "a key is 1 to 255 visible ASCII characters, once")},
      {"wait_ms",
       [](Served& it) {
         const std::string path = "/v1/batches/" + it.world.import(1) + "/results?wait_ms=";
         refused(it.world.get(path + "50001"), "400 Bad Request");
         refused(it.world.get("/v1/probes/" + it.probe() + "?wait_ms=50001"), "400 Bad Request");
         refused(it.post("/v1/probes", kJson, R"({"target":"http://a.example/","wait_ms":50001})"),
                 "400 Bad Request");
       }},
      {"lines of a page",
       [](Served& it) {
         const std::string path = "/v1/batches/" + it.world.import(1) + "/results?limit=";
         CHECK(it.world.get(path + "10000").status == 200);
         refused(it.world.get(path + "10001"), "400 Bad Request");
         refused(it.world.get(path + "0"), "400 Bad Request");
       }},
      {"items of a list", lists("/v1/batches")},
      {"whole schedules being answered",
       elsewhere("loopback/http_api_schedules_test.cpp",
                 "whole schedules that nobody reads are sent to a few at a time")},
      {"body of a schedule", elsewhere("loopback/http_api_schedules_test.cpp",
                                       "a schedule's body is refused with the path of its fault")},
      {"targets of a schedule",
       elsewhere("unit/schedule_body_test.cpp", "a schedule's limits are refused by name")},
      {"schedules",
       elsewhere("unit/task_table_schedules_test.cpp",
                 "schedules are listed by name, and their number and targets are limited")},
      {"interval of a schedule", elsewhere("unit/schedule_body_test.cpp",
                                           "what is wrong with a schedule is told with its "
                                           "path")},
      {"connections", elsewhere("loopback/http_api_test.cpp",
                                "a connection too many is answered, not left waiting")},
      {"uploads at once", elsewhere("loopback/http_api_test.cpp",
                                    "more uploads at once than allowed are told to wait")},
      {"client without progress",
       elsewhere("loopback/http_api_test.cpp", "clients that stand still are dropped")},
      {"tasks not ended", elsewhere("loopback/http_api_test.cpp",
                                    "a full store refuses an upload whole and says when to come "
                                    "again")},
      {"batches open at once",
       elsewhere("unit/task_table_open_test.cpp", "batches open at once are limited")},
      {"requests with an Idempotency-Key that run",
       elsewhere("unit/key_table_test.cpp",
                 "keys that run, and what is kept of others, are bounded")},
      {"kept keys and their answers",
       elsewhere("unit/key_table_test.cpp",
                 "keys that run, and what is kept of others, are bounded")},
      {"open batch without an upload",
       elsewhere("unit/task_table_open_test.cpp",
                 "an open batch without an upload for an hour closes itself")},
  };
}

Checks fields() {
  return {
      {"target",
       [](Served& it) {
         CHECK(accepted(it.import("", kUrl)) == "1");
         CHECK(accepted(it.import("", "dns:a.example/MX@192.0.2.1:53")) == "1");
         for (const char* type :
              {"A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "PTR", "CAA"}) {
           CHECK(accepted(it.import("", std::string("dns:a.example/") + type)) == "1");
         }
         refused(it.import("", "dns:a.example/ANY"), "400 Bad Request");
         CHECK(error_of(it.import("", "http://me:secret@a.example/")).find("secret") ==
               std::string::npos);
       }},
      {"kind",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("kind":"http")")) == "1");
         CHECK(error_of(it.import_spec(R"("kind":"tcp")")).find("kind: ") == 0);
       }},
      {"timeout_ms",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("timeout_ms":1)")) == "1");
         CHECK(error_of(it.import_spec(R"("timeout_ms":120001)")) ==
               "timeout_ms: not an integer from 1 to 120000");
       }},
      {"deadline_ms",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("timeout_ms":5,"deadline_ms":2005)")) == "1");
         CHECK(error_of(it.import_spec(R"("timeout_ms":5,"deadline_ms":2004)"))
                   .find("deadline_ms: ") == 0);
       }},
      {"priority",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("priority":"normal")")) == "1");
         CHECK(error_of(it.import_spec(R"("priority":1)")).find("priority: ") == 0);
       }},
      {"labels",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("labels":{"a":"b"})")) == "1");
         CHECK(error_of(it.import_spec(R"("labels":{"a":1})")).find("labels.a: ") == 0);
       }},
      {"http",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("http":{})")) == "1");
         CHECK(error_of(it.import_spec(R"("http":{"x":1})")).find("http.x: ") == 0);
       }},
      {"dns",
       [](Served& it) { CHECK(error_of(it.import_spec(R"("dns":{})")).find("dns: ") == 0); }},
      {"agents",
       [](Served& it) {
         CHECK(accepted(it.import_spec(R"("agents":{"names":["x","y"]})")) == "2");
         CHECK(error_of(it.import_spec(R"("agents":7)")).find("agents: ") == 0);
       }},
  };
}

Checks schedule_fields() {
  const auto wrong = [](const std::string& body, const std::string& field) {
    return [body, field](Served& it) {
      const RawReply reply = it.put(body);
      refused(reply, "400 Bad Request");
      CHECK(text(reply.json(), "detail").find(field) == 0);
    };
  };
  return {
      {"interval_ms",
       wrong(R"({"interval_ms":999,"target":"http://a.example/"})", "interval_ms: ")},
      {"target", wrong(R"({"interval_ms":1000,"target":"x"})", "target: ")},
      {"targets", wrong(R"({"interval_ms":1000,"targets":["x"]})", "targets[0]: ")},
      {"agents",
       wrong(R"({"interval_ms":1000,"target":"http://a.example/","agents":1})", "agents: ")},
      {"enabled",
       wrong(R"({"interval_ms":1000,"target":"http://a.example/","enabled":1})", "enabled: ")},
  };
}

Checks selectors() {
  // The agent is called "here" and has no tags.
  const auto both = [](const std::string& query, const std::string& json,
                       const std::string& tasks) {
    return [query, json, tasks](Served& it) {
      CHECK(accepted(it.import("?agents=" + query, kUrl)) == tasks);
      CHECK(accepted(it.import_spec("\"agents\":" + json)) == tasks);
    };
  };
  return {
      {"any", both("any", R"("any")", "1")},
      {"any*3", both("any*3", R"({"count":3})", "3")},
      {"all", both("all", R"("all")", "1")},
      {"tag:a=1,tag:b=2", both("tag:a=1,tag:b=2", R"({"tags":{"a":"1","b":"2"}})", "1")},
      {"tag:a=1*3", both("tag:a=1*3", R"({"tags":{"a":"1"},"count":3})", "3")},
      {"name:x,name:y", both("name:x,name:y", R"({"names":["x","y"]})", "2")},
  };
}

Checks failures() {
  const std::string http = "loopback/http_prober_test.cpp";
  return {
      {"dns", elsewhere(http, "names that do not resolve fail as dns")},
      {"connect", elsewhere(http, "connections that fail say how")},
      {"tls", elsewhere(http, "certificates are verified, chain and name")},
      {"timeout", elsewhere(http, "a timeout names the phase it struck")},
      {"protocol", elsewhere(http, "broken answers are the target's fault")},
      {"assertion", elsewhere(http, "the final status decides")},
      {"denied", elsewhere(http, "addresses that are not allowed are never connected to")},
      {"internal", elsewhere(http, "no descriptor left is the agent's fault")},
  };
}

Checks reasons() {
  return {
      {"no_agent", elsewhere("unit/task_table_selectors_test.cpp",
                             "a task nobody fits blocks nobody and ends with no_agent")},
      {"deadline", elsewhere("unit/task_table_test.cpp",
                             "a task expires when an attempt fits no more, in tick and in lease")},
      {"agent_lost", elsewhere("unit/task_table_test.cpp",
                               "after attempts_max agents lost with it in hand a task expires")},
      {"missed", elsewhere("unit/task_table_schedules_test.cpp",
                           "a run still waiting when its next is due is missed, and says so")},
  };
}

/// The value at `path`, such as "http.status"; null: there is none.
const json::Value* at_path(const json::Value& value, const std::string& path) {
  const std::size_t dot = path.find('.');
  const json::Value* const member = value.find(path.substr(0, dot));
  return member == nullptr || dot == std::string::npos ? member
                                                       : at_path(*member, path.substr(dot + 1));
}

/// All that probers of both kinds tell.
json::Value full_result() {
  ProbeResult result;
  result.verdict = Verdict::passed;
  result.address = "192.0.2.1:80";
  result.phases = {{"dns_us", {}}};
  result.http.emplace();
  result.http->status = 200;
  result.http->version = "1.1";
  result.dns.emplace();
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  append_result_line_fields(writer, result, {{"team", "web"}});
  writer.end_object();
  return std::move(*json::Value::parse(out));
}

Checks result_fields() {
  Checks checks{
      {"schedule", elsewhere("loopback/http_api_schedules_test.cpp",
                             "a schedule's results come as they are recorded, without an end")},
      {"phases.query_us",
       elsewhere("loopback/dns_prober_test.cpp", "an answer passes, with all it said")},
  };
  for (const char* phase :
       {"dns_us", "connect_us", "tls_us", "send_us", "first_byte_us", "receive_us"}) {
    checks[std::string("phases.") + phase] =
        elsewhere("loopback/http_prober_test.cpp", "a page passes, with phases that add up");
  }
  for (const char* field :
       {"address",         "verdict",        "failure",       "started_at",     "duration_us",
        "phases",          "http.status",    "http.version",  "http.url",       "http.hops",
        "http.body_bytes", "http.truncated", "dns.rcode",     "dns.flags",      "dns.server",
        "dns.transport",   "dns.answers",    "dns.authority", "dns.additional", "labels",
        "suspect"}) {
    checks[field] = [field](Served&) { CHECK(at_path(full_result(), field) != nullptr); };
  }
  for (const char* field :
       {"state", "task", "batch", "attempt", "agent", "kind", "target", "scheduled_at"}) {
    checks[field] = [field](Served&) {
      const World world;
      const std::string id = world.import(1);
      StoreWorker(*world.store).work(1);
      const RawReply reply = world.get("/v1/batches/" + id + "/results");
      CHECK(json::Value::parse(lines_of(reply.body).front())->find(field) != nullptr);
    };
  }
  return checks;
}

/// These members, and no others but `more`.
Checks members(const std::string& path, const std::vector<std::string>& names,
               const std::vector<std::string>& more) {
  Checks checks;
  for (const std::string& name : names) {
    checks[name] = [=](Served& it) {
      const std::string id = it.world.import(1);
      const json::Value value =
          it.world.get(path.empty() ? "/v1/batches/" + id + "/summary" : path).json();
      CHECK(value.find(name) != nullptr);
      CHECK(value.as_object()->size() == names.size() + more.size());
    };
  }
  return checks;
}

Checks connection_members() {
  Checks checks;
  for (const char* name : {"peer", "rtt_us", "recv_queue_bytes", "send_queue_bytes", "unsent_bytes",
                           "retransmits", "last_received_ms", "stalled_ms", "peer_window_bytes",
                           "rwnd_limited_us", "not_sent_bytes", "direct", "agent"}) {
    checks[name] = [name](Served& it) {
      const json::Value agent = it.world.get("/v1/agents/here").json();
      CHECK(agent.find("connection")->find(name) != nullptr);
      CHECK(agent.find("connection")->as_object()->size() == 13);
    };
  }
  return checks;
}

Checks absences() {
  return {
      {"kind tcp",
       [](Served& it) {
         CHECK(error_of(it.import_spec(R"("kind":"tcp")")).find("kind: ") == 0);
         CHECK(error_of(it.import("", "tcp:a.example:1")).find("tcp") != std::string::npos);
         refused(it.import("?kind=tcp", kUrl), "400 Bad Request");
       }},
      {"--store postgres:CONNINFO", elsewhere("loopback/programs_test.cpp",
                                              "bad usage ends with 2 and one line that names the "
                                              "flag")},
      {"other masters of one store",
       [](Served& it) {
         CHECK(it.world.get("/v1/masters").json().find("items")->as_array()->size() == 1);
       }},
      {"tls in results", [](Served&) { CHECK(full_result().find("tls") == nullptr); }},
  };
}

/// Whether the test of diagnosis says so.
bool is_named(const std::string& verdict) {
  return content_of(kRoot / "tests/unit/diagnosis_test.cpp").find("::" + verdict) !=
         std::string::npos;
}

}  // namespace

TEST_CASE("every row of the reference of the HTTP API holds", "[api][reference][loopback]") {
  std::map<std::string, Checks> tables = {
      {"call", calls()},
      {"parameter", parameters()},
      {"status and title", refusals()},
      {"limit", limits()},
      {"field", fields()},
      {"schedule field", schedule_fields()},
      {"selector", selectors()},
      {"failure", failures()},
      {"reason", reasons()},
      {"result field", result_fields()},
      {"not yet", absences()},
      {"summary member",
       members("", {"accepted", "states", "reasons", "verdicts", "failures", "agents", "phases"},
               {"id", "name", "state"})},
      {"status member",
       members("/v1/status",
               {"version", "name", "store", "store_id", "store_trouble", "draining", "ledger",
                "agents_connected", "limits", "api", "newcomers", "loop_lags", "store_latency",
                "loop_cpu", "agents_diagnosed", "results", "diagnosis"},
               {})},
      {"agent member", members("/v1/agents/here",
                               {"name",
                                "instance",
                                "tags",
                                "kinds",
                                "version",
                                "master",
                                "connected",
                                "draining",
                                "session",
                                "credit",
                                "credit_high",
                                "credit_other",
                                "queued",
                                "in_flight",
                                "rates",
                                "agent_clock_offset_ms",
                                "heartbeat_rtt_us",
                                "heartbeat_age_ms",
                                "heartbeat_gap_max_ms",
                                "loop_lag_us",
                                "slots",
                                "slots_busy",
                                "cpu_cores",
                                "queue_age_ms",
                                "unacked",
                                "unacked_age_ms",
                                "waits",
                                "local_failures",
                                "connection",
                                "diagnosis",
                                "last_disconnect"},
                               {})},
      {"connection member", connection_members()},
  };
  const std::vector<TableRow> rows = table_rows(kRoot / "docs" / "api.md");
  CHECK(rows.size() > 80);
  Served served;
  for (const TableRow& row : rows) {
    const std::string& name = row.cells.front();
    INFO("docs/api.md, " << row.table << ": " << name);
    const auto table = tables.find(row.table);
    if (table == tables.end()) {
      CHECK(row.table == "verdict");
      CHECK(is_named(name));
      continue;
    }
    const auto check = table->second.find(name);
    if (check == table->second.end()) {
      FAIL_CHECK("nothing checks this row");
      continue;
    }
    check->second(served);
    table->second.erase(check);
  }
  for (const auto& [table, left] : tables) {
    for (const auto& each : left) FAIL_CHECK("no row for " << table << ": " << each.first);
  }
}
