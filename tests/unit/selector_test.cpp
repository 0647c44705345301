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

Selector read(std::string_view text) {
  auto selector = parse_selector(text);
  if (!selector) FAIL(selector.error().message());
  return *selector;
}

Selector read_json(std::string_view text) {
  const auto value = json::Value::parse(text);
  REQUIRE(value);
  auto selector = read_selector(*value, "agents");
  if (!selector) FAIL(selector.error().message());
  return *selector;
}

std::string written(const Selector& selector) {
  std::string out;
  json::Writer writer(out);
  write_selector(writer, selector);
  return out;
}

TEST_CASE("any, all, tags and names are read from flags and queries", "[probe][selector]") {
  CHECK(read("any") == Selector{});
  CHECK(read("all").kind == Selector::Kind::all);
  const Selector named = read("name:a,name:b-2");
  CHECK(named.kind == Selector::Kind::names);
  CHECK(named.names == std::vector<std::string>{"a", "b-2"});
  const Selector tagged = read("tag:zone=b,tag:dc=eu-1");
  CHECK(tagged.kind == Selector::Kind::tags);
  CHECK(tagged.tags == std::vector<Label>{{"dc", "eu-1"}, {"zone", "b"}});
  CHECK(tagged.count == 1);
}

TEST_CASE("a star and a number follow any or tags", "[probe][selector]") {
  CHECK(read("any*3").kind == Selector::Kind::any);
  CHECK(read("any*3").count == 3);
  const Selector tagged = read("tag:a=1,tag:b=2*256");
  CHECK(tagged.count == 256);
  CHECK(tagged.tags.back() == Label{"b", "2"});
  for (const char* text : {"any*", "any*0", "any*257", "any*x", "any*1*1", "tag:a=1*-1"}) {
    CAPTURE(text);
    CHECK(refusal(text) == "a number of agents is 1 to 256");
  }
  for (const char* text : {"all*2", "name:a*2"}) {
    CAPTURE(text);
    CHECK(refusal(text).find("follows any or tags alone") != std::string::npos);
  }
}

TEST_CASE("a target becomes as many tasks as its selector says", "[probe][selector]") {
  CHECK(task_count(read("any")) == 1);
  CHECK(task_count(read("all")) == 1);
  CHECK(task_count(read("any*3")) == 3);
  CHECK(task_count(read("tag:a=1*4")) == 4);
  CHECK(task_count(read("name:a,name:b")) == 2);
}

TEST_CASE("tags are had when each is", "[probe][selector]") {
  const std::vector<Label> tags = {{"zone", "b"}, {"dc", "eu-1"}};
  CHECK(has_tags(tags, {}));
  CHECK(has_tags(tags, {{"dc", "eu-1"}, {"zone", "b"}}));
  CHECK_FALSE(has_tags(tags, {{"zone", "c"}}));
  CHECK_FALSE(has_tags({}, {{"zone", "b"}}));
}

TEST_CASE("equal selectors become one object, and all what it is for each kind",
          "[probe][selector]") {
  int asked = 0;
  SelectorInterner interner{[&](const Selector&, const std::string& kind) {
    ++asked;
    return kind == "http" ? read("name:a,name:b") : read("all");
  }};
  CHECK(interner.intern(read("any"), "http") == nullptr);
  const auto three = interner.intern(read("any*3"), "http");
  CHECK(*three == read("any*3"));
  const auto tagged = interner.intern(read("tag:a=1"), "http");
  CHECK(interner.intern(read("any*3"), "dns") == three);
  CHECK(interner.intern(read("tag:a=1"), "http") == tagged);
  const auto all = interner.intern(read("all"), "http");
  CHECK(all->names == std::vector<std::string>{"a", "b"});
  CHECK(interner.intern(read("all"), "http") == all);
  CHECK(interner.intern(read("all"), "dns")->kind == Selector::Kind::all);
  CHECK(asked == 2);
  for (std::size_t i = 0; i <= SelectorInterner::kMax; ++i) {
    interner.intern(read("name:n" + std::to_string(i)), "http");
  }
  CHECK(*interner.intern(read("any*3"), "http") == *three);
}

TEST_CASE("broken selectors are refused", "[probe][selector]") {
  for (const char* text : {"", "Any", "name:", "name:a,", "name:a,b", ",name:a", "name:a b", "tag:",
                           "tag:a", "tag:a=", "tag:=1", "tag:a=1,", "tag:a=1,b=2", "tag:a=1,name:b",
                           "name:a,tag:b=1", "any,name:a", "tag:a=b c", "*2", "all,all"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_selector(text));
  }
  CHECK(refusal("name:a,name:a").find("named twice") != std::string::npos);
  CHECK(refusal("tag:a=1,tag:a=2") == "tag a is given twice");
  std::string many = "name:n0";
  for (std::size_t i = 1; i <= kSelectorNamesMax; ++i) many += ",name:n" + std::to_string(i);
  CHECK(refusal(many).find("at most 256") != std::string::npos);
  many = "tag:t0=1";
  for (std::size_t i = 1; i <= kSelectorTagsMax; ++i) many += ",tag:t" + std::to_string(i) + "=1";
  CHECK(refusal(many).find("at most 16 tags") != std::string::npos);
}

TEST_CASE("the JSON form is read", "[probe][selector]") {
  CHECK(read_json(R"("any")") == Selector{});
  CHECK(read_json(R"("all")") == read("all"));
  CHECK(read_json(R"({"names":["a","b"]})") == read("name:a,name:b"));
  CHECK(read_json(R"({"tags":{"b":"2","a":"1"},"count":3})") == read("tag:a=1,tag:b=2*3"));
  CHECK(read_json(R"({"tags":{"a":"1"}})") == read("tag:a=1"));
  CHECK(read_json(R"({"count":3})") == read("any*3"));
  CHECK(read_json(R"({"tags":{},"count":2})") == read("any*2"));
}

TEST_CASE("the JSON form names the place that is wrong", "[probe][selector]") {
  CHECK(json_refusal(R"({"names":["a","b c"]})").find("agents.names[1]: ") == 0);
  CHECK(json_refusal(R"({"names":["a",7]})") == "agents.names[1]: not a string");
  CHECK(json_refusal(R"({"names":[]})").find("agents.names: ") == 0);
  CHECK(json_refusal(R"({"names":["a"],"count":2})") == R"(agents: "names" stands alone)");
  CHECK(json_refusal(R"({"tags":{"a":"1"},"number":2})") == "agents.number: unknown field");
  CHECK(json_refusal(R"({"tags":["a"]})") == "agents.tags: not an object but an array");
  CHECK(json_refusal(R"({"tags":{"a":1}})") == "agents.tags.a: not a string");
  CHECK(json_refusal(R"({"tags":{"a":"b c"}})").find("agents.tags.a: ") == 0);
  for (const char* text : {R"({"count":0})", R"({"count":257})", R"({"count":"2"})"}) {
    CHECK(json_refusal(text) == "agents.count: not an integer from 1 to 256");
  }
  for (const char* text : {"7", "{}", R"("some")", "[]"}) {
    CHECK(json_refusal(text).find("agents: not \"any\"") == 0);
  }
}

TEST_CASE("a selector is written as it is read", "[probe][selector]") {
  for (const char* text : {R"("any")", R"("all")", R"({"names":["a","b"]})", R"({"count":3})",
                           R"({"tags":{"a":"1","b":"2"},"count":1})"}) {
    CHECK(written(read_json(text)) == text);
  }
}

TEST_CASE("a selector that was not parsed is completed or refused", "[probe][selector]") {
  Selector selector;
  selector.kind = Selector::Kind::tags;
  CHECK_FALSE(complete_selector(selector));
  selector.tags = {{"b", "2"}, {"a", "1"}};
  REQUIRE(complete_selector(selector));
  CHECK(selector == read("tag:a=1,tag:b=2"));
  selector.names = {"x"};
  CHECK_FALSE(complete_selector(selector));
  selector.names.clear();
  selector.tags.push_back({"a", "3"});
  CHECK_FALSE(complete_selector(selector));
  for (const std::uint32_t count : {0U, 257U}) {
    Selector any;
    any.count = count;
    CHECK_FALSE(complete_selector(any));
  }
  Selector named = read("name:a");
  named.count = 2;
  CHECK_FALSE(complete_selector(named));
  named = Selector{};
  named.tags = {{"a", "1"}};
  CHECK_FALSE(complete_selector(named));
  named = Selector{};
  named.kind = Selector::Kind::names;
  CHECK_FALSE(complete_selector(named));
}

}  // namespace
}  // namespace probekit
