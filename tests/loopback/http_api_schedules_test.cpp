// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "api/schedule_body.hpp"
#include "support/api_world.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

const std::string kHourly = R"({"interval_ms":3600000,"target":"http://a.example/"})";

RawReply put(const World& world, const std::string& name, const std::string& body) {
  return world.request("PUT", "/v1/schedules/" + name, kJson, body);
}

}  // namespace

TEST_CASE("a schedule is made, shown, changed and removed", "[api][schedule][loopback]") {
  World world;
  const RawReply made = put(world, "site",
                            R"({"interval_ms":60000,"targets":["http://a.example/","dns:b.example"],
                            "labels":{"team":"web"},"agents":{"names":["x"]}})");
  CHECK(made.status == 201);
  CHECK(made.header("location") == "/v1/schedules/site");
  const json::Value shown = world.get("/v1/schedules/site").json();
  CHECK(text(shown, "name") == "site");
  CHECK(text(shown, "interval_ms") == "60000");
  CHECK(text(shown, "enabled") == "true");
  CHECK(text(shown, "target_count") == "2");
  CHECK(text(shown, "targets") == R"(["http://a.example/","dns:b.example"])");
  CHECK(text(shown, "labels") == R"({"team":"web"})");
  CHECK(text(shown, "agents") == R"({"names":["x"]})");
  CHECK(text(shown, "missed") == "0");
  CHECK_FALSE(shown.find("next_at")->is_null());

  const RawReply changed =
      put(world, "site", R"({"interval_ms":60000,"target":"http://c.example/","enabled":false})");
  CHECK(changed.status == 200);
  CHECK(text(changed.json(), "target") == "http://c.example/");
  CHECK(text(changed.json(), "created_at") == text(shown, "created_at"));
  CHECK(changed.json().find("next_at")->is_null());

  CHECK(world.request("DELETE", "/v1/schedules/site").status == 200);
  CHECK(world.get("/v1/schedules/site").status == 404);
  CHECK(world.get("/v1/schedules/site/results").status == 404);
  CHECK(world.request("DELETE", "/v1/schedules/site").status == 404);
}

TEST_CASE("whole schedules that nobody reads are sent to a few at a time",
          "[api][schedule][loopback]") {
  World world;
  std::string targets;
  const std::string path(150, 'x');
  for (int i = 0; i < 60'000; ++i) {
    targets += (i == 0 ? "\"http://a.example/" : ",\"http://a.example/") + std::to_string(i) + '/' +
               path + '"';
  }
  REQUIRE(put(world, "large", R"({"interval_ms":3600000,"targets":[)" + targets + "]}").status ==
          201);
  REQUIRE(put(world, "small", kHourly).status == 201);
  std::vector<std::unique_ptr<RawHttp>> readers;
  for (int i = 0; i < 8; ++i) {
    readers.push_back(std::make_unique<RawHttp>(world.port, 4096));
    // Answered at once and read, small ones take no place.
    REQUIRE(readers.back()->request("GET", "/v1/schedules/small"));
    REQUIRE(readers.back()->send(request_head("GET", "/v1/schedules/large", "")));
    REQUIRE(readers.back()->readable(std::chrono::seconds(10)));
  }
  const RawReply refused = world.get("/v1/schedules/large");
  CHECK(refused.status == 429);
  CHECK_FALSE(refused.header("retry-after").empty());
  readers.pop_back();
  run_until([&] { return world.get("/v1/schedules/small").status == 200; });
}

TEST_CASE("schedules are listed by name, a page at a time", "[api][schedule][loopback]") {
  World world;
  for (const char* name : {"b", "a", "d", "c"}) REQUIRE(put(world, name, kHourly).status == 201);
  std::string after;
  std::string seen;
  std::size_t pages = 0;
  do {
    const json::Value page = world.get("/v1/schedules?limit=3&after=" + after).json();
    for (const json::Value& item : *page.find("items")->as_array()) {
      seen += text(item, "name");
      CHECK(text(item, "target_count") == "1");
      CHECK(item.find("target") == nullptr);
    }
    after = page.find("next")->is_null() ? "" : text(page, "next");
    ++pages;
  } while (!after.empty());
  CHECK(seen == "abcd");
  CHECK(pages == 2);
  CHECK(world.get("/v1/schedules?limit=4").json().find("next")->is_null());
}

TEST_CASE("a schedule's body is refused with the path of its fault", "[api][schedule][loopback]") {
  World world;
  struct Refusal {
    std::string path;
    std::string headers;
    std::string body;
    int status;
    std::string detail;
  };
  const std::vector<Refusal> refusals = {
      {"s", kJson, R"({"interval_ms":999,"target":"http://a.example/"})", 400, "interval_ms: "},
      {"s", kJson, R"({"interval_ms":1000})", 400, "target: missing"},
      {"s", kJson, R"({"interval_ms":1000,"targets":["http://a.example/","x"]})", 400,
       "targets[1]: "},
      {"s", kJson, R"({"interval_ms":1000,"target":"http://a.example/","colour":1})", 400,
       "colour: unknown field"},
      {"s", kJson, "", 400, ""},
      {"s", kText, kHourly, 415, "application/json"},
      {"a%20b", kJson, kHourly, 400, "a schedule's name"},
      {std::string(65, 'n'), kJson, kHourly, 400, "a schedule's name"},
      {"s?x=1", kJson, kHourly, 400, "x"},
      {"s", kJson, std::string(api::kScheduleBytesMax + 1, ' '), 413, "16 MiB"},
  };
  for (const Refusal& refusal : refusals) {
    const RawReply reply =
        world.request("PUT", "/v1/schedules/" + refusal.path, refusal.headers, refusal.body);
    INFO(reply.body);
    CHECK(reply.status == refusal.status);
    CHECK(text(reply.json(), "detail").find(refusal.detail) != std::string::npos);
  }
  CHECK(world.request("POST", "/v1/schedules/s", kJson, kHourly).status == 405);
  CHECK(world.get("/v1/schedules").json().find("items")->as_array()->empty());
}

TEST_CASE("a schedule's results come as they are recorded, without an end",
          "[api][schedule][loopback]") {
  World world;
  StoreWorker worker(*world.store);
  REQUIRE(
      put(world, "s", R"({"interval_ms":1000,"targets":["http://a.example/","http://b.example/"]})")
          .status == 201);
  const std::string path = "/v1/schedules/s/results";
  const RawReply empty = world.get(path);
  CHECK(empty.status == 200);
  CHECK(empty.body.empty());
  std::string after = empty.header("probekit-next-cursor");
  CHECK_FALSE(after.empty());

  std::vector<std::string> lines;
  run_until([&] {
    worker.work(10);
    const RawReply page = world.get(path + "?limit=2&wait_ms=100&after=" + after);
    for (const std::string& line : lines_of(page.body)) lines.push_back(line);
    after = page.header("probekit-next-cursor");
    REQUIRE_FALSE(after.empty());
    return lines.size() >= 5;
  });
  for (const std::string& line : lines) {
    const auto value = json::Value::parse(line);
    REQUIRE(value);
    CHECK(text(*value, "schedule") == "s");
    CHECK(value->find("batch") == nullptr);
    CHECK(value->find("scheduled_at"));
  }
  // From the start it is all there again, and a full page is the same.
  const RawReply all = world.get(path);
  CHECK(all.header("content-type") == "application/x-ndjson");
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(lines_of(all.body)[i] == lines[i]);
  CHECK(world.get(path + "?limit=2").body == lines[0] + "\n" + lines[1] + "\n");
  for (const std::string& line : lines_of(world.get(path + "?verdict=failed").body)) {
    CHECK(line.find("\"verdict\":\"failed\"") != std::string::npos);
  }
  CHECK(world.get("/v1/batches").json().find("items")->as_array()->empty());
  CHECK(world.status("ledger", "accepted") >= 5);
  for (const char* query : {"after=nonsense", "limit=0", "wait_ms=50001", "verdict=x", "x=1"}) {
    CHECK(world.get(path + "?" + query).status == 400);
  }
  CHECK(world.get("/v1/schedules/other/results").status == 404);

  // Removed while somebody waits for lines.
  REQUIRE(put(world, "quiet", kHourly).status == 201);
  RawHttp waiting(world.port);
  waiting.send(request_head("GET", "/v1/schedules/quiet/results?wait_ms=200", ""));
  const auto held = waiting.receive();
  REQUIRE(held);
  CHECK(held->status == 200);
  CHECK_FALSE(held->header("probekit-next-cursor").empty());
}
