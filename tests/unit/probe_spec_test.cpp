// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_spec.hpp"

#include <chrono>
#include <string>

#include "json/json_value.hpp"
#include "probe/probe_spec_json.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

ProbeKinds kinds_with_fake() {
  ProbeKinds kinds;
  ProbeKind fake;
  fake.name = "fake";
  fake.schemes = {"fake"};
  fake.check_section = [](std::string_view text) -> Expected<void> {
    if (text.find("bad") == std::string_view::npos) return {};
    return Error{errc::invalid_argument, "bad: unknown field"};
  };
  kinds.add(std::move(fake));
  return kinds;
}

std::string refusal(std::string_view json, const SpecDefaults& defaults) {
  const auto parsed = parse_spec(json, defaults, kinds_with_fake());
  if (parsed) return "accepted";
  CHECK(parsed.error().code() == errc::invalid_argument);
  return parsed.error().message();
}

std::string refusal(std::string_view json) { return refusal(json, SpecDefaults{}); }

ParsedSpec accepted(std::string_view json, const SpecDefaults& defaults) {
  auto parsed = parse_spec(json, defaults, kinds_with_fake());
  if (!parsed) FAIL(parsed.error().message());
  return *parsed;
}

ParsedSpec accepted(std::string_view json) { return accepted(json, SpecDefaults{}); }

TEST_CASE("a whole spec is read", "[probe][spec]") {
  const ParsedSpec parsed = accepted(R"({"target":"https://example.com/","kind":"http",
      "timeout_ms":5000,"deadline_ms":60000,"priority":"low","labels":{"team":"a","x":""},
      "http":{},"agents":{"names":["here"]}})");
  CHECK(parsed.spec.target == "https://example.com/");
  CHECK(parsed.spec.kind == "http");
  CHECK(parsed.spec.timeout == milliseconds{5000});
  CHECK(parsed.spec.deadline == milliseconds{60000});
  CHECK(parsed.spec.priority == Priority::low);
  CHECK(parsed.spec.labels == std::vector<Label>{{"team", "a"}, {"x", ""}});
  CHECK(parsed.spec.section == "{}");
  CHECK(parsed.agents.names == std::vector<std::string>{"here"});
}

TEST_CASE("the kind follows from the target", "[probe][spec]") {
  CHECK(accepted(R"({"target":"http://a/"})").spec.kind == "http");
  CHECK(accepted(R"({"target":"HTTPS://a/"})").spec.kind == "http");
  CHECK(accepted(R"({"target":"dns:a/MX"})").spec.kind == "dns");
  CHECK(accepted(R"({"target":"fake:x"})").spec.kind == "fake");
  CHECK(accepted(R"({"target":"http://a/"})").spec.timeout == kTimeoutDefault);
  CHECK_FALSE(accepted(R"({"target":"http://a/"})").spec.deadline);
}

TEST_CASE("a bare name is refused with what to write", "[probe][spec]") {
  CHECK(refusal(R"({"target":"example.com"})") == "target: write https://example.com/");
  CHECK(refusal(R"({"target":"example.com:8080/x"})") ==
        "target: write https://example.com:8080/x");
  CHECK(refusal(R"({"target":"example.com","kind":"http"})") ==
        "target: write https://example.com/");
  CHECK(refusal(R"({"target":"ftp://a/"})") ==
        "target: starts with none of http:, https:, dns:, fake:");
  CHECK(refusal(R"({"target":"user:secret@example.com"})").find("secret") == std::string::npos);
}

TEST_CASE("kind tcp is refused by name", "[probe][spec]") {
  CHECK(refusal(R"({"target":"tcp:a:80"})") == "target: kind tcp is not supported yet");
  CHECK(refusal(R"({"target":"http://a/","kind":"tcp"})") == "kind: tcp is not supported yet");
  CHECK(refusal(R"({"target":"http://a/","tcp":{}})") == "tcp: kind tcp is not supported yet");
}

TEST_CASE("every field that is wrong is named with its path", "[probe][spec]") {
  CHECK(refusal(R"({})") == "target: missing");
  CHECK(refusal(R"({"target":7})") == "target: not a string but a number");
  CHECK(refusal(R"({"target":"http://a/","method":"GET"})") == "method: unknown field");
  CHECK(refusal(R"({"target":"http://a/","http":{"method":"GET"}})") ==
        "http.method: unknown field");
  CHECK(refusal(R"({"target":"dns:a","dns":{"type":"A"}})") == "dns.type: unknown field");
  CHECK(refusal(R"({"target":"fake:a","fake":{"bad":1}})") == "fake.bad: unknown field");
  CHECK(refusal(R"({"target":"dns:a","http":{}})") == "http: the target is of kind dns");
  CHECK(refusal(R"({"target":"dns:a","http":{},"dns":{}})") == "dns: options of a second kind");
  CHECK(refusal(R"({"target":"http://a/","http":[]})").find("http: not an object") == 0);
  CHECK(refusal(R"({"target":"http://a/","kind":"gopher"})") == "kind: unknown");
  CHECK(refusal(R"({"target":"http://a/","kind":"dns"})").find("target: a DNS target") == 0);
  CHECK(refusal(R"({"target":"http://u:p@a/"})") ==
        "target: user and password in a URL are refused");
  CHECK(refusal(R"({"target":"http://a/","priority":"urgent"})").find("priority: ") == 0);
  CHECK(refusal(R"({"target":"http://a/","priority":1})").find("priority: ") == 0);
  CHECK(refusal(R"({"target":"http://a/","agents":"every"})").find("agents: ") == 0);
  CHECK(refusal(R"({"target":"http://a/","target":"http://b/"})").find("target") !=
        std::string::npos);
  CHECK(refusal(R"([1])").find("not an object") == 0);
  CHECK(refusal(R"({"target")") != "accepted");
}

TEST_CASE("durations have their ranges", "[probe][spec]") {
  const auto with = [](const std::string& fields) {
    return refusal(R"({"target":"http://a/",)" + fields + "}");
  };
  CHECK(with(R"("timeout_ms":1)") == "accepted");
  CHECK(with(R"("timeout_ms":120000)") == "accepted");
  for (const char* value :
       {"0", "120001", "-1", "1.5", "\"5000\"", "null", "1e3", "99999999999999999999"}) {
    CAPTURE(value);
    CHECK(with("\"timeout_ms\":" + std::string{value}) ==
          "timeout_ms: not an integer from 1 to 120000");
  }
  CHECK(with(R"("timeout_ms":5000,"deadline_ms":7000)") == "accepted");
  CHECK(with(R"("timeout_ms":5000,"deadline_ms":6999)").find("deadline_ms: ") == 0);
  CHECK(with(R"("deadline_ms":6999)").find("deadline_ms: not an integer from 12000") == 0);
  CHECK(with(R"("deadline_ms":31622400001)").find("deadline_ms: ") == 0);
}

TEST_CASE("labels have their limits", "[probe][spec]") {
  const auto with = [](const std::string& labels) {
    return refusal(R"({"target":"http://a/","labels":)" + labels + "}");
  };
  CHECK(with(R"({"a":1})") == "labels.a: not a string but a number");
  CHECK(with(R"([])").find("labels: not an object") == 0);
  CHECK(with(R"({"":"x"})") == "labels: an empty key");
  CHECK(with("{\"k\":\"" + std::string(255, 'x') + "\"}") == "accepted");
  CHECK(with("{\"k\":\"" + std::string(256, 'x') + "\"}").find("labels: one is longer") == 0);
  std::string many = "{";
  for (int i = 0; i < 16; ++i) many += "\"k" + std::to_string(i) + "\":\"\",";
  CHECK(with(many.substr(0, many.size() - 1) + "}") == "accepted");
  CHECK(with(many + "\"k16\":\"\"}") == "labels: more than 16");
}

TEST_CASE("sizes have their limits", "[probe][spec]") {
  const std::string url = "http://a/" + std::string(kTargetBytesMax, 'x');
  CHECK(refusal("{\"target\":\"" + url + "\"}") == "target: longer than 8 KiB");
  const std::string padded = "{\"target\":\"http://a/\"" + std::string(kSpecBytesMax, ' ') + "}";
  CHECK(refusal(padded) == "the spec is longer than 64 KiB");
}

TEST_CASE("defaults stand where a spec does not say", "[probe][spec]") {
  SpecDefaults defaults;
  defaults.options.timeout = milliseconds{2000};
  defaults.options.deadline = milliseconds{4000};
  defaults.options.priority = Priority::low;
  defaults.agents.kind = Selector::Kind::names;
  defaults.agents.names = {"x"};
  const ParsedSpec plain = accepted(R"({"target":"http://a/"})", defaults);
  CHECK(plain.spec.timeout == milliseconds{2000});
  CHECK(plain.spec.deadline == milliseconds{4000});
  CHECK(plain.spec.priority == Priority::low);
  CHECK(plain.agents == defaults.agents);
  const ParsedSpec own = accepted(
      R"({"target":"http://a/","timeout_ms":1,"priority":"high","agents":"any"})", defaults);
  CHECK(own.spec.timeout == milliseconds{1});
  CHECK(own.spec.priority == Priority::high);
  CHECK(own.agents.kind == Selector::Kind::any);
  CHECK(refusal(R"({"target":"http://a/","timeout_ms":3000})", defaults).find("deadline_ms: ") ==
        0);
}

TEST_CASE("a default section goes with its own kind only", "[probe][spec]") {
  SpecDefaults defaults;
  defaults.options.kind = "fake";
  defaults.options.section = R"({"n":1})";
  CHECK(accepted(R"({"target":"fake:x"})", defaults).spec.section == R"({"n":1})");
  CHECK(accepted(R"({"target":"fake:x","fake":{"n":2}})", defaults).spec.section == R"({"n":2})");
  CHECK(accepted(R"({"target":"http://a/","kind":"http"})", defaults).spec.section.empty());
}

TEST_CASE("defaults are read without a target, with their own path", "[probe][spec]") {
  const ProbeKinds kinds = kinds_with_fake();
  const SpecPlace place{"defaults.", {"wait_ms"}};
  const auto read = [&](std::string_view json) {
    const auto value = json::Value::parse(json);
    REQUIRE(value);
    return read_spec_defaults(*value, SpecDefaults{}, kinds, place);
  };
  const auto fine = read(R"({"kind":"fake","fake":{},"timeout_ms":7,"wait_ms":"anything"})");
  REQUIRE(fine);
  CHECK(fine->options.kind == "fake");
  CHECK(fine->options.section == "{}");
  CHECK(read(R"({"target":"http://a/"})").error().message() == "defaults.target: unknown field");
  CHECK(read(R"({"timeout_ms":0})").error().message().find("defaults.timeout_ms: ") == 0);
  CHECK(read(R"({"http":{}})").error().message() ==
        "defaults.http: needs \"kind\":\"http\" beside it");
  CHECK(read(R"({"deadline_ms":5})").error().message().find("defaults.deadline_ms: ") == 0);
}

TEST_CASE("a spec made in code is completed and checked", "[probe][spec]") {
  const ProbeKinds kinds = kinds_with_fake();
  ProbeSpec spec;
  spec.target = "dns:example.com";
  REQUIRE(complete_spec(spec, kinds));
  CHECK(spec.kind == "dns");
  spec.timeout = milliseconds{0};
  CHECK(complete_spec(spec, kinds).error().message().find("timeout_ms: ") == 0);
  spec.timeout = milliseconds{1000};
  spec.labels = {{"k", "a"}, {"k", "b"}};
  CHECK(complete_spec(spec, kinds).error().message() == "labels: a key twice");
  spec.labels = {{"k", "\xFF"}};
  CHECK(complete_spec(spec, kinds).error().message() == "labels: not valid UTF-8");
  spec.labels.clear();
  spec.section = R"({"x":1})";
  CHECK(complete_spec(spec, kinds).error().message() == "dns.x: unknown field");
  spec.section = "{";
  CHECK_FALSE(complete_spec(spec, kinds));
}

TEST_CASE("a section made in code is a JSON object, whether or not its kind looks at it",
          "[probe][spec]") {
  ProbeKinds kinds = kinds_with_fake();
  ProbeKind careless;
  careless.name = "careless";
  careless.schemes = {"careless"};
  kinds.add(careless);
  for (const std::string target : {"fake:x", "careless:x"}) {
    for (const std::string section :
         {"nonsense", "{", "[]", "1", "{} {}", " {}", "{\"a\":\"\xff\"}"}) {
      CAPTURE(target, section);
      ProbeSpec spec;
      spec.target = target;
      spec.section = section;
      const auto fine = complete_spec(spec, kinds);
      if (section == " {}") {
        CHECK(fine);
        continue;
      }
      REQUIRE_FALSE(fine);
      CHECK(fine.error().code() == errc::invalid_argument);
      CHECK(fine.error().message().find(target.substr(0, target.size() - 2) +
                                        ": not a JSON object") == 0);
    }
  }
}

TEST_CASE("kinds know what the per-host limit counts", "[probe][spec]") {
  const ProbeKinds kinds;
  REQUIRE(kinds.find("http") != nullptr);
  REQUIRE(kinds.find("dns") != nullptr);
  CHECK(kinds.find("http")->host_key("HTTPS://Example.com/x") == "example.com:443");
  CHECK(kinds.find("http")->host_key("nonsense").empty());
  CHECK(kinds.find("dns")->host_key("dns:a@192.0.2.1") == "192.0.2.1:53");
  CHECK(kinds.find("dns")->host_key("dns:a").empty());
  CHECK(kinds.find("tcp") == nullptr);
  CHECK(kinds.find_scheme("example.com") == nullptr);
}

TEST_CASE("a kind of the host's own replaces one of the same name", "[probe][spec]") {
  ProbeKinds kinds;
  ProbeKind own;
  own.name = "http";
  own.schemes = {"h2"};
  kinds.add(own);
  CHECK(kinds.all().size() == 2);
  CHECK(kinds.find_scheme("http://a/") == nullptr);
  REQUIRE(check_target("h2:x", ProbeOptions{}, kinds));
}

}  // namespace
}  // namespace probekit
