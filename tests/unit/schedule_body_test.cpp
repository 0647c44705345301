// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/schedule_body.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::api;
using std::chrono::milliseconds;

namespace {

ScheduleSpec read(const std::string& json) {
  auto spec = parse_schedule(json, ProbeKinds{});
  if (!spec) FAIL(spec.error().message());
  return *spec;
}

std::string refusal(const std::string& json) {
  const auto spec = parse_schedule(json, ProbeKinds{});
  REQUIRE_FALSE(spec);
  CHECK(spec.error().code() == errc::invalid_argument);
  return spec.error().message();
}

std::string written(const ScheduleSpec& spec) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  write_schedule_spec(writer, spec);
  writer.end_object();
  return out;
}

const std::string kUrl = R"("target":"http://a.example/")";

}  // namespace

TEST_CASE("a schedule of one target is read", "[api][schedule]") {
  const ScheduleSpec spec = read(R"({"interval_ms":1000,)" + kUrl + "}");
  CHECK(spec.interval == milliseconds(1000));
  CHECK(spec.enabled);
  CHECK(spec.agents == Selector{});
  REQUIRE(spec.targets.size() == 1);
  CHECK(spec.targets[0].target == "http://a.example/");
  CHECK(spec.targets[0].options->kind == "http");
  CHECK(spec.targets[0].options->priority == Priority::normal);
  CHECK_FALSE(spec.targets[0].options->deadline);
}

TEST_CASE("a schedule's spec fields hold for each target that does not say otherwise",
          "[api][schedule]") {
  const ScheduleSpec spec = read(
      R"({"targets":["http://a.example/",{"target":"dns:b.example","timeout_ms":7,"labels":{"x":"y"}},
      "http://c.example/"],"timeout_ms":500,"priority":"high","labels":{"team":"web"},
      "deadline_ms":9000,"agents":{"names":["here"]},"enabled":false,"interval_ms":60000})");
  CHECK_FALSE(spec.enabled);
  CHECK(spec.agents.names == std::vector<std::string>{"here"});
  REQUIRE(spec.targets.size() == 3);
  const ProbeOptions& plain = *spec.targets[0].options;
  CHECK(plain.timeout == milliseconds(500));
  CHECK(plain.deadline == milliseconds(9000));
  CHECK(plain.priority == Priority::high);
  CHECK(plain.labels == std::vector<Label>{{"team", "web"}});
  CHECK(spec.targets[2].options == spec.targets[0].options);
  const ProbeOptions& own = *spec.targets[1].options;
  CHECK(own.kind == "dns");
  CHECK(own.timeout == milliseconds(7));
  CHECK(own.priority == Priority::high);
  CHECK(own.labels == std::vector<Label>{{"x", "y"}});
}

TEST_CASE("what is wrong with a schedule is told with its path", "[api][schedule]") {
  const std::string head = R"({"interval_ms":1000,)";
  CHECK(refusal("[]") == "not an object");
  CHECK(refusal("{" + kUrl + "}") == "interval_ms: missing");
  for (const char* interval : {"999", "\"5s\"", "1000.5", "31622400001", "null"}) {
    CHECK(refusal(R"({"interval_ms":)" + std::string(interval) + "," + kUrl + "}") ==
          "interval_ms: not an integer from 1000 to 31622400000");
  }
  CHECK(refusal(R"({"interval_ms":1000})") == "target: missing");
  CHECK(refusal(head + kUrl + R"(,"targets":["http://b.example/"]})") ==
        "targets: either this or target");
  CHECK(refusal(head + R"("target":{"target":"http://a.example/"}})") ==
        "target: not a string but an object");
  CHECK(refusal(head + R"("target":"example.com"})") == "target: write https://example.com/");
  CHECK(refusal(head + R"("targets":[]})") == "targets: not a list of at least one target");
  CHECK(refusal(head + R"("targets":{}})") == "targets: not a list");
  CHECK(refusal(head + R"("targets":["http://a.example/","example.com"]})") ==
        "targets[1]: write https://example.com/");
  CHECK(refusal(head + R"("targets":[7]})") ==
        "targets[0]: a target is a string or a spec, not a number");
  CHECK(refusal(head + R"("targets":[{"target":"http://a.example/","timeout_ms":0}]})")
            .find("targets[0].timeout_ms: ") == 0);
  CHECK(refusal(head + R"("targets":[{"target":"http://a.example/","colour":1}]})") ==
        "targets[0].colour: unknown field");
  CHECK(refusal(head + R"("targets":[{"target":"http://a.example/","agents":"any"}]})")
            .find("targets[0].agents: ") == 0);
  CHECK(refusal(head +
                R"("targets":["http://a.example/","http://b.example/","http://a.example/"]})") ==
        "targets[2]: the same as targets[0]");
  CHECK(refusal(head + kUrl + R"(,"enabled":1})") == "enabled: not a boolean but a number");
  CHECK(refusal(head + kUrl + R"(,"wait_ms":1})") == "wait_ms: unknown field");
  CHECK(refusal(head + kUrl + R"(,"timeout_ms":120001})").find("timeout_ms: ") == 0);
  CHECK(refusal(head + kUrl + R"(,"deadline_ms":11999})").find("deadline_ms: ") == 0);
  CHECK(refusal(head + kUrl + R"(,"agents":{"names":["a b"]}})").find("agents.names[0]: ") == 0);
  CHECK(refusal(head + kUrl + "," + kUrl + "}") == "target: given twice");
  CHECK(refusal(head + R"("targets":["http://a.example/"],"targets":["http://a.example/"]})") ==
        "targets: given twice");
  CHECK_FALSE(refusal(head + kUrl).empty());
  CHECK_FALSE(refusal(head + kUrl + "} x").empty());
  CHECK_FALSE(refusal(std::string("{\"interval_ms\":1000,\"target\":\"http://\xFF/\"}")).empty());
}

TEST_CASE("the same target with other options is another one", "[api][schedule]") {
  const ScheduleSpec spec = read(R"({"interval_ms":1000,"targets":[
      {"target":"http://a.example/","labels":{"as":"1"}},
      {"target":"http://a.example/","labels":{"as":"2"}}]})");
  CHECK(spec.targets.size() == 2);
}

TEST_CASE("a schedule's limits are refused by name", "[api][schedule]") {
  std::string body = R"({"interval_ms":1000,"targets":[)";
  for (std::size_t i = 0; i <= kScheduleTargetsMax; ++i) {
    body += (i == 0 ? "\"dns:h" : ",\"dns:h") + std::to_string(i) + ".example\"";
  }
  CHECK(refusal(body + "]}") == "targets: more than 100000");
  body.resize(body.rfind(','));
  CHECK(read(body + "]}").targets.size() == kScheduleTargetsMax);
  CHECK(refusal(R"({"interval_ms":1000,"labels":{"a":")" + std::string(kSpecBytesMax, 'x') +
                "\"}," + kUrl + "}") == "without its targets it is longer than 64 KiB");
  CHECK(refusal(R"({"interval_ms":1000,"targets":[")" + std::string(kSpecBytesMax + 1, 'x') +
                "\"]}") == "targets[0]: longer than 64 KiB");
  CHECK(refusal(std::string(kScheduleBytesMax + 1, ' ')) == "the schedule is longer than 16 MiB");
}

TEST_CASE("a schedule is written as it is read", "[api][schedule]") {
  for (
      const char* json : {
          R"({"interval_ms":1000,"enabled":true,"agents":"any","kind":"http","timeout_ms":10000,"priority":"normal","target":"http://a.example/"})",
          R"({"interval_ms":5000,"enabled":false,"agents":{"names":["x"]},"kind":"http","timeout_ms":700,"deadline_ms":9000,"priority":"low","labels":{"a":"b"},"targets":["http://a.example/","http://b.example/"]})",
          R"({"interval_ms":1000,"enabled":true,"agents":"any","priority":"normal","targets":[{"target":"http://a.example/","timeout_ms":10000},{"target":"dns:b.example","timeout_ms":7,"labels":{"x":"y"}}]})",
          R"({"interval_ms":1000,"enabled":true,"agents":"any","timeout_ms":10000,"priority":"normal","targets":["http://a.example/",{"target":"dns:b.example","deadline_ms":20000}]})",
          R"({"interval_ms":1000,"enabled":true,"agents":"any","kind":"http","http":{},"timeout_ms":10000,"priority":"normal","targets":["http://a.example/","http://b.example/"]})",
      }) {
    const ScheduleSpec spec = read(json);
    INFO(json);
    const std::string text = written(spec);
    const ScheduleSpec again = read(text);
    REQUIRE(again.targets.size() == spec.targets.size());
    for (std::size_t i = 0; i < spec.targets.size(); ++i) {
      CHECK(again.targets[i].target == spec.targets[i].target);
      CHECK(*again.targets[i].options == *spec.targets[i].options);
    }
    CHECK(again.interval == spec.interval);
    CHECK(again.enabled == spec.enabled);
    CHECK(again.agents == spec.agents);
    CHECK(written(again) == text);
  }
  CHECK(written(read(R"({"interval_ms":1000,"target":"http://a.example/"})")) ==
        R"({"interval_ms":1000,"enabled":true,"agents":"any","kind":"http","timeout_ms":10000,)"
        R"("priority":"normal","target":"http://a.example/"})");
}
