// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "dispatch/result_intake.hpp"

#include <chrono>
#include <iterator>
#include <string>

#include "json/json_writer.hpp"
#include "probe/result_json.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

using protocol::Returned;
using std::chrono::microseconds;

// 2026-01-02T03:04:05.678901Z
const SystemTime kNow{microseconds{1'767'323'045'678'901}};

TaskReport convert(ResultIntake& intake, std::string text, microseconds offset = microseconds{0}) {
  protocol::Results::Item item;
  item.task = TaskId::of(BatchId{3}, 7);
  item.attempt = 2;
  item.result = std::move(text);
  return intake.convert(std::move(item), offset, kNow);
}

TaskReport convert(std::string text, microseconds offset = microseconds{0}) {
  ResultIntake intake;
  return convert(intake, std::move(text), offset);
}

constexpr const char* kPassed =
    R"({"address":"127.0.0.1:80","verdict":"passed","failure":null,)"
    R"("started_at_us":1767323045678901,"duration_us":1500,)"
    R"("phases":{"connect_us":500,"send_us":1000},)"
    R"("http":{"status":200,"hops":[{"url":"http://a/"}]},"suspect":false})";

TEST_CASE("a passed result becomes a line's fields, in the master's time", "[intake]") {
  const TaskReport report = convert(kPassed, std::chrono::seconds{2});
  CHECK(report.kind == TaskReport::Kind::result);
  CHECK(report.task == TaskId::of(BatchId{3}, 7));
  CHECK(report.attempt == 2);
  CHECK(report.verdict == Verdict::passed);
  CHECK_FALSE(report.failure);
  CHECK(report.duration == microseconds{1500});
  REQUIRE(report.phases.size() == 3);
  CHECK(report.phases[0].name == "connect_us");
  CHECK(report.phases[2].name == "duration_us");
  CHECK(report.phases[2].duration == microseconds{1500});
  CHECK(report.fields == R"("address":"127.0.0.1:80","verdict":"passed","failure":null,)"
                         R"("started_at":"2026-01-02T03:04:07.678901Z","duration_us":1500,)"
                         R"("phases":{"connect_us":500,"send_us":1000},)"
                         R"("http":{"status":200,"hops":[{"url":"http://a/"}]},"suspect":false)");
}

TEST_CASE("a failed result keeps its kind and its message", "[intake]") {
  const TaskReport report =
      convert(R"({"verdict":"failed","failure":{"kind":"timeout","message":"in \"connect\""},)"
              R"("started_at_us":1767323045678901,"duration_us":9,"suspect":true})");
  CHECK(report.verdict == Verdict::failed);
  REQUIRE(report.failure);
  CHECK(*report.failure == FailureKind::timeout);
  CHECK(report.fields ==
        R"("verdict":"failed","failure":{"kind":"timeout","message":"in \"connect\""},)"
        R"("started_at":"2026-01-02T03:04:05.678901Z","duration_us":9,"suspect":true)");
}

TEST_CASE("sections of other kinds are passed on", "[intake]") {
  const TaskReport report =
      convert(R"({"ping":{"ttl":64},"hops":3,"verdict":"passed","failure":null,)"
              R"("started_at_us":1767323045678901,"duration_us":9})");
  CHECK(report.fields ==
        R"("verdict":"passed","failure":null,"started_at":"2026-01-02T03:04:05.678901Z",)"
        R"("duration_us":9,"ping":{"ttl":64},"hops":3,"suspect":false)");
}

TEST_CASE("a line stays one line", "[intake]") {
  const TaskReport report = convert(
      "{\r\n\"verdict\":\"passed\",\n\"failure\":null,\"started_at_us\":1767323045678901,"
      "\"duration_us\":9,\"http\":{\n\"status\":\r200}}");
  CHECK(report.verdict == Verdict::passed);
  CHECK(report.fields.find_first_of("\r\n") == std::string::npos);
  CHECK(report.fields.find(R"("http":{ "status": 200})") != std::string::npos);
}

TEST_CASE("an unusable result ends its task as failed, internal", "[intake]") {
  const std::string rest = R"("started_at_us":1767323045678901,"duration_us":9})";
  const std::string cases[] = {
      "",
      "{",
      "[]",
      "{}",
      "nonsense",
      R"({"verdict":"passed","failure":null,)" + rest + "x",
      R"({"verdict":"none","failure":null,)" + rest,
      R"({"verdict":1,"failure":null,)" + rest,
      R"({"verdict":"passed","verdict":"passed","failure":null,)" + rest,
      R"({"verdict":"failed","failure":null,)" + rest,
      R"({"verdict":"passed","failure":{"kind":"dns","message":""},)" + rest,
      R"({"verdict":"failed","failure":{"kind":"bad luck","message":""},)" + rest,
      R"({"verdict":"failed","failure":{},)" + rest,
      R"({"verdict":"passed","failure":null,"task":"7",)" + rest,
      R"({"verdict":"passed","failure":null,"st\u0061te":"done",)" + rest,
      R"({"verdict":"passed","failure":null,"x":{},"x":{},)" + rest,
      R"({"verdict":"passed","failure":null,"":1,)" + rest,
      R"({"verdict":"passed","failure":null,"http":5,)" + rest,
      R"({"verdict":"passed","failure":null,"phases":{"connect":5},)" + rest,
      R"({"verdict":"passed","failure":null,"phases":{"connect_us":-5},)" + rest,
      R"({"verdict":"passed","failure":null,"phases":{"a_us":1,"a_us":2},)" + rest,
      R"({"verdict":"passed","failure":null,"phases":{"a_us":1,"\u0061_us":2},)" + rest,
      R"({"verdict":"passed","failure":null,"suspect":"no",)" + rest,
      R"({"verdict":"passed","failure":null,"duration_us":9})",
      R"({"verdict":"passed","failure":null,"started_at_us":1767323045678901})",
      R"({"verdict":"passed","failure":null,"started_at_us":-5,"duration_us":9})",
      R"({"verdict":"passed","failure":null,"started_at_us":9223372036854775807,"duration_us":9})",
      R"({"verdict":"passed","failure":null,"started_at_us":5,"duration_us":99999999999999})",
      R"({"verdict":"passed","failure":null,"x":)" + std::string(100, '[') + "}",
      "{\"verdict\":\"passed\",\"failure\":null,\"x\":\"\xff\"," + rest,
      R"({"verdict":"passed","failure":null,"x":")" + std::string(kResultBytesMax, 'x') + "\"," +
          rest,
  };
  ResultIntake intake;
  for (const std::string& text : cases) {
    INFO(text.substr(0, 200));
    const TaskReport report = convert(intake, text);
    CHECK(report.kind == TaskReport::Kind::result);
    CHECK(report.verdict == Verdict::failed);
    REQUIRE(report.failure);
    CHECK(*report.failure == FailureKind::internal);
    CHECK(report.fields.find("agent sent an unusable result: ") != std::string::npos);
    CHECK(report.fields.find(R"("started_at":"2026-01-02T03:04:05.678901Z")") != std::string::npos);
  }
  CHECK(intake.malformed() == std::size(cases));
  CHECK(convert(intake, kPassed).verdict == Verdict::passed);
}

std::string line_of(const TaskReport& report) {
  return R"({"state":"done","task":"t",)" + report.fields + '}';
}

TEST_CASE("what is passed on as text is what a reader of lines takes", "[intake]") {
  const auto result_with = [](const std::string& members) {
    return R"({"verdict":"passed","failure":null,"started_at_us":1767323045678901,"duration_us":9,)" +
           members + '}';
  };
  // Of another type, a key twice, a number nobody can hold.
  const std::string refused[] = {
      R"("http":{"status":"200"})",
      R"("http":{"status":2.5})",
      R"("http":{"status":4294967296})",
      R"("http":{"url":7})",
      R"("http":{"truncated":1})",
      R"("http":{"truncated":null})",
      R"("http":{"body_bytes":-1})",
      R"("http":{"body_bytes":18446744073709551615})",
      R"("http":{"hops":{}})",
      R"("http":{"hops":null})",
      R"("http":{"hops":[1]})",
      R"("http":{"hops":[{"status":"x"}]})",
      R"("http":{"hops":[{"phases":[]}]})",
      R"("http":{"hops":[{"phases":{"a_us":"b"}}]})",
      R"("http":{"hops":[{"phases":{"a_us":null}}]})",
      R"("http":{"hops":[{"phases":{"a_us":1,"a_us":1}}]})",
      R"("http":{"url":"a","url":"a"})",
      R"("http":{"url":"a","\u0075rl":"a"})",
      R"("http":{"new":{"a":1,"b":2,"a":3}})",
      R"("tls":{"a":[{"b":1,"b":1}]})",
      R"("tls":{"a":1e999})",
      R"("dns":{"rcode":0})",
      R"("dns":{"flags":[1]})",
      R"("dns":{"flags":[null]})",
      R"("dns":{"flags":"aa"})",
      R"("dns":{"answers":{}})",
      R"("dns":{"answers":["a"]})",
      R"("dns":{"answers":[{"ttl":-1}]})",
      R"("dns":{"answers":[{"ttl":4294967296}]})",
      R"("dns":{"authority":[{"value":[]}]})",
      R"("dns":{"additional":[{"class":{}}]})",
      R"("ping":{"a":1,"a":2})",
      R"("ping":[[[[{"a":1,"a":2}]]]])",
      R"("ping":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,)"
      R"("\u0062":1})",
      R"("ping":{"\u0061":1,"\u0062":1,"\u0061":1})",
      R"("ping":)" + std::string(400, '9'),
      R"("ping":[-1e400])",
  };
  ResultIntake intake;
  for (const std::string& members : refused) {
    INFO(members);
    const std::string text = result_with(members);
    CHECK_FALSE(parse_result_line(R"({"state":"done",)" + text.substr(1)));
    const TaskReport report = convert(intake, text);
    REQUIRE(report.failure);
    CHECK(*report.failure == FailureKind::internal);
    CHECK(parse_result_line(line_of(report)));
  }
  CHECK(intake.malformed() == std::size(refused));

  const std::string taken[] = {
      R"("http":{"status":null,"url":null,"hops":[{"address":null,"phases":{}}],"new":[1.5e3]})",
      R"("http":{"hops":[{"url":"a"},{"url":"a"}],"body_bytes":9223372036854775807})",
      R"("dns":{"flags":[],"answers":[{"ttl":4294967295,"class":null,"more":{"a":[]}}]})",
      R"("ping":{"a":{"a":{"a":1}},"b":{"a":2}},"pong":[{"a":1},{"a":1}])",
      R"("ping":{"\u0061":1,"\u0062":1,"\u0063":{"\u0061":1}})",
      R"("ping":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1})",
      R"("ping":)" + std::string(299, '9'),
      R"("ping":)" + std::string(28, '[') + std::string(28, ']'),
      R"("sections_refused":["a"],"phases_refused":["b"])",
  };
  for (const std::string& members : taken) {
    INFO(members);
    const TaskReport report = convert(intake, result_with(members));
    CHECK(report.verdict == Verdict::passed);
    const auto read = parse_result_line(line_of(report));
    if (!read) FAIL(read.error().message());
  }
  CHECK(intake.malformed() == std::size(refused));
}

TEST_CASE("no section has the name of a member that is the master's to say", "[intake]") {
  for (const char* const name :
       {"state", "task", "batch", "schedule", "attempt", "attempts", "agent", "kind", "target",
        "scheduled_at", "reason", "started_at", "labels", "diagnosis", "count", "first", "last"}) {
    INFO(name);
    ResultIntake intake;
    const TaskReport report =
        convert(intake, R"({"verdict":"passed","started_at_us":1,"duration_us":1,")" +
                            std::string{name} + R"(":{}})");
    CHECK(intake.malformed() == 1);
    CHECK(report.failure == FailureKind::internal);
  }
}

TEST_CASE("an offset never moves a start out of the years that can be written", "[intake]") {
  const std::string late =
      R"({"verdict":"passed","failure":null,"started_at_us":253402300799999999,"duration_us":9})";
  for (const auto offset : {std::chrono::hours{1}, std::chrono::hours{-1}}) {
    CHECK(parse_result_line(line_of(convert(late, offset))));
    CHECK(parse_result_line(line_of(convert(
        R"({"verdict":"passed","failure":null,"started_at_us":0,"duration_us":9})", offset))));
  }
}

// What an agent encodes.
std::string encoded(const ProbeResult& result) {
  std::string text;
  json::Writer writer{text};
  writer.begin_object();
  append_result_fields(writer, result);
  writer.end_object();
  return text;
}

TEST_CASE("whatever a plugged-in prober answers, a passed probe passes through a master",
          "[intake]") {
  ProbeResult result;
  result.verdict = Verdict::passed;
  result.started_at = kNow;
  result.duration = microseconds{5};
  std::string expected;
  SECTION("a phase of any name") {
    result.phases = {{"login", microseconds{1}},
                     {"a_us", microseconds{2}},
                     {"a_us", microseconds{3}},
                     {"b_us", microseconds{-1}},
                     {"c_us", std::chrono::hours{25}},
                     {"d\xff_us", microseconds{1}},
                     {std::string(70, 'x') + "_us", microseconds{1}}};
    expected = R"("phases":{"a_us":2})";
  }
  SECTION("many phases") {
    for (int i = 0; i < 17; ++i) {
      result.phases.push_back({std::to_string(i) + "_us", microseconds{i}});
    }
    expected = R"("phases_refused":["16_us"])";
  }
  SECTION("many sections") {
    for (int i = 0; i < 17; ++i) result.sections.push_back({"s" + std::to_string(i), "{}"});
    expected = R"("sections_refused":["s16"])";
  }
  SECTION("more refused than can be told") {
    for (int i = 0; i < 5000; ++i) {
      result.sections.push_back({"", "{}"});
      result.phases.push_back({"", microseconds{1}});
    }
    expected = R"("sections_refused":["","",)";
  }
  SECTION("sections that a line cannot hold") {
    result.sections = {{"tls", "[]"}, {"a", R"({"x":1,"x":2})"}, {"b", "1e999"}, {"c", "{}"}};
    expected = R"("c":{},"sections_refused":["tls","a","b"])";
  }
  SECTION("impossible times") {
    result.duration = microseconds::max();
    result.started_at = SystemTime::min();
    expected = R"("duration_us":86400000000)";
  }
  SECTION("a negative duration") {
    result.duration = microseconds{-7};
    expected = R"("duration_us":0)";
  }
  SECTION("an address that is none") {
    result.address = std::string(300, '\xff');
    expected = "...\"";
  }
  SECTION("a body of any size") {
    result.http.emplace().body_bytes = ~std::uint64_t{0};
    expected = R"("body_bytes":9223372036854775807)";
  }
  SECTION("hops with odd phases") {
    result.http.emplace().hops.push_back({"u", 200, "a", {{"x", microseconds{1}}}});
    expected = R"("hops":[{"url":"u","status":200,"address":"a"}])";
  }
  ResultIntake intake;
  const TaskReport report = convert(intake, encoded(result));
  INFO(report.fields);
  CHECK(intake.malformed() == 0);
  CHECK(report.verdict == Verdict::passed);
  CHECK(report.fields.find(expected) != std::string::npos);
  CHECK(parse_result_line(line_of(report)));
}

TEST_CASE("every way of returning a task has its meaning", "[intake]") {
  const std::pair<Returned, TaskReport::Kind> cases[] = {
      {Returned::overdrawn, TaskReport::Kind::returned},
      {Returned::draining, TaskReport::Kind::returned},
      {Returned::expired, TaskReport::Kind::returned},
      {Returned::unwanted, TaskReport::Kind::returned},
      {Returned::cancelled, TaskReport::Kind::cancelled},
      {Returned::unsupported, TaskReport::Kind::unsupported},
      {Returned::host_busy, TaskReport::Kind::host_busy},
  };
  ResultIntake intake;
  for (const auto& [returned, kind] : cases) {
    protocol::Results::Item item;
    item.task = TaskId{5};
    item.returned = returned;
    const TaskReport report = intake.convert(std::move(item), microseconds{0}, kNow);
    CHECK(report.kind == kind);
    CHECK(report.task == TaskId{5});
    CHECK(report.fields.empty());
  }
  CHECK(intake.malformed() == 0);
}

}  // namespace
}  // namespace probekit
