// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The head of a request at the API: guard, tokens, route, query, media type.
// Input: method, target, and a header `Name: value` a line.

#include <string>

#include "api/media_type.hpp"
#include "api/query.hpp"
#include "api/request_guard.hpp"
#include "api/router.hpp"
#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "probekit/task.hpp"

namespace {

using namespace probekit;
using namespace probekit::api;
using fuzz::require;

constexpr std::string_view kToken = "secret-of-the-api";

HttpRequest request_of(std::string_view text) {
  HttpRequest request;
  request.method = fuzz::take_part(text, '\n');
  request.target = fuzz::take_part(text, '\n');
  while (!text.empty()) {
    std::string_view line = fuzz::take_part(text, '\n');
    const std::string_view name = fuzz::take_part(line, ':');
    request.headers.push_back({std::string(name), std::string(trim(line))});
  }
  return request;
}

void check_problem(const Problem& problem) {
  require(problem.status >= 400 && problem.status <= 599, "a problem has a status of one");
}

void check_query(std::string_view query) {
  QueryReader reader(query);
  const auto limit = reader.number("limit", 1, 10'000);
  require(!limit || (*limit >= 1 && *limit <= 10'000), "a number is in its range");
  const auto verdict = reader.word("verdict", {"passed", "failed"});
  require(!verdict || *verdict == "passed" || *verdict == "failed" || reader.fault().has_value(),
          "a word is one of those");
  for (const std::string_view name : {"kind", "name", "after", "target"}) {
    const auto text = reader.text(name);
    require(!text || is_valid_utf8(*text), "a parameter is UTF-8");
    require(!text || text->find('\0') == std::string::npos, "a parameter has no byte 0");
  }
  if (const auto agents = reader.text("agents")) {
    const auto selector = parse_selector(*agents);
    require(selector || !selector.error().message().empty(), "a refusal says why");
  }
  const auto fault = reader.fault();
  require(!fault || !fault->empty(), "a fault says what");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TokenSet* const tokens = [] {
    auto* made = new TokenSet;
    require(made->assign(kToken, "tokens").has_value(), "a token is one");
    return made;
  }();
  const HttpRequest request = request_of(fuzz::text_of(data, size));

  const auto refused = guard(request);
  if (refused) check_problem(*refused);
  require(!guard(request, true) || refused, "who passes without tokens passes with them");

  const Authorization authorization = authorize(request, tokens);
  if (authorization.refusal) {
    check_problem(*authorization.refusal);
  } else {
    require(request.count("Authorization") == 1 &&
                bearer_token(*request.header("Authorization")) == kToken,
            "who is let in brought the token");
    require(authorization.token_id.size() == 32, "a token has an id");
  }
  require(!authorize(request, nullptr).refusal, "without tokens none is needed");

  const auto media_type = media_type_of(request);
  require(
      !media_type || (*media_type == to_lower(*media_type) && request.count("Content-Type") == 1),
      "a media type is one, in lower case");

  const Routed routed = find_route(request.method, request.path());
  if (routed.route) {
    require(routed.route->make != nullptr || !routed.route->unsupported.empty(),
            "a route leads somewhere");
    require(is_valid_utf8(routed.route->name), "a name in a path is UTF-8");
  } else {
    check_problem(routed.problem);
  }
  check_query(request.query());
  return 0;
}
