// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/selector.hpp"

#include <string>

#include "json/json_value.hpp"
#include "probe/probe_spec_json.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

std::string refusal(std::string_view text) {
  const auto selector = parse_selector(text);
  REQUIRE_FALSE(selector);
  return selector.error().message();
}

std::string json_refusal(std::string_view text) {
  const auto value = json::Value::parse(text);
  REQUIRE(value);
  const auto selector = read_selector(*value, "agents");
  REQUIRE_FALSE(selector);
  CHECK(selector.error().code() == errc::invalid_argument);
  return selector.error().message();
}

TEST_CASE("any and names are read from flags and queries", "[probe][selector]") {
  REQUIRE(parse_selector("any"));
  CHECK(parse_selector("any")->kind == Selector::Kind::any);
  const auto named = parse_selector("name:a,name:b-2");
  REQUIRE(named);
  CHECK(named->kind == Selector::Kind::names);
  CHECK(named->names == std::vector<std::string>{"a", "b-2"});
}

TEST_CASE("selectors that are to come are refused by name", "[probe][selector]") {
  CHECK(refusal("all").find("all is not supported yet") != std::string::npos);
  CHECK(refusal("all*2").find("all is not supported yet") != std::string::npos);
  CHECK(refusal("tag:eu=1").find("tag are not supported yet") != std::string::npos);
  CHECK(refusal("any*3").find("not supported yet") != std::string::npos);
  CHECK(json_refusal(R"("all")").find("agents: \"all\" is not supported yet") == 0);
  CHECK(json_refusal(R"({"tags":{"a":"b"}})").find("{\"tags\"} is not supported yet") !=
        std::string::npos);
}

TEST_CASE("broken selectors are refused", "[probe][selector]") {
  for (const char* text : {"", "Any", "name:", "name:a,", "name:a,b", ",name:a", "name:a b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_selector(text));
  }
  CHECK(refusal("name:a,name:a").find("named twice") != std::string::npos);
  std::string many = "name:n0";
  for (std::size_t i = 1; i <= kSelectorNamesMax; ++i) many += ",name:n" + std::to_string(i);
  CHECK(refusal(many).find("at most 256") != std::string::npos);
}

TEST_CASE("the JSON form names the place that is wrong", "[probe][selector]") {
  const auto value = json::Value::parse(R"({"names":["a","b"]})");
  REQUIRE(value);
  const auto selector = read_selector(*value, "agents");
  REQUIRE(selector);
  CHECK(selector->names == std::vector<std::string>{"a", "b"});
  CHECK(json_refusal(R"({"names":["a","b c"]})").find("agents.names[1]: ") == 0);
  CHECK(json_refusal(R"({"names":["a",7]})") == "agents.names[1]: not a string");
  CHECK(json_refusal(R"({"names":[]})").find("agents.names: ") == 0);
  CHECK(json_refusal(R"({"count":2})") == "agents.count: unknown field");
  CHECK(json_refusal(R"(7)").find("agents: not") == 0);
}

}  // namespace
}  // namespace probekit
