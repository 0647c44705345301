// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/router.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit::api;

namespace {

/// "ok NAME", "501 what", "405 allow" or "404".
std::string route(const std::string& method, const std::string& path) {
  const Routed routed = find_route(method, path);
  if (routed.route) {
    return routed.route->make ? "ok " + routed.route->name
                              : "501 " + std::string(routed.route->unsupported);
  }
  std::string text = std::to_string(routed.problem.status);
  for (const HttpHeader& header : routed.problem.headers) text += " " + header.value;
  return text;
}

}  // namespace

TEST_CASE("a path leads to its call, with its name decoded", "[api][router]") {
  CHECK(route("GET", "/") == "ok ");
  CHECK(route("GET", "/v1/batches") == "ok ");
  CHECK(route("GET", "/v1/batches/b1") == "ok b1");
  CHECK(route("HEAD", "/v1/batches/b1") == "ok b1");
  CHECK(route("DELETE", "/v1/batches/b1") == "ok b1");
  CHECK(route("GET", "/v1/batches/b1/results") == "ok b1");
  CHECK(route("GET", "/%76%31/agents/a%2Db") == "ok a-b");
  CHECK(route("POST", "/v1/agents/a/drain") == "ok a");
  CHECK(route("GET", "/v1/masters") == "ok ");
  CHECK(route("PUT", "/v1/schedules/x") == "ok x");
  CHECK(route("GET", "/v1/schedules/x/results") == "ok x");
  CHECK(route("POST", "/v1/batches/b1/targets") == "ok b1");
  CHECK(route("POST", "/v1/batches/b1/close") == "ok b1");
}

TEST_CASE("other methods are told which there are", "[api][router]") {
  CHECK(route("PUT", "/v1/batches") == "405 GET, HEAD, POST");
  CHECK(route("POST", "/v1/batches/b1") == "405 DELETE, GET, HEAD");
  CHECK(route("GET", "/v1/agents/a/drain") == "405 DELETE, POST");
  CHECK(route("OPTIONS", "/v1/status") == "405 GET, HEAD");
  CHECK(route("get", "/v1/status") == "405 GET, HEAD");
}

TEST_CASE("every other path is unknown", "[api][router]") {
  for (const char* path :
       {"", "*", "v1/status", "/v1", "/v1/", "/v1/status/", "//v1/status", "/v1/batches/",
        "/v1/batches//results", "/v1/batches/b1/result", "/V1/status", "/v1/status%00",
        "/v1/status%", "/v1%2Fstatus", "/v1/agents/%FF", "/v1/../v1/status"}) {
    INFO(path);
    CHECK(route("GET", path) == "404");
  }
}
