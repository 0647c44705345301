// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "dispatch/result_intake.hpp"

#include "support/catch.hpp"

namespace probekit {
namespace {

using protocol::Returned;
using std::chrono::microseconds;

// 2026-01-02T03:04:05.678901Z
const SystemTime kNow{microseconds{1'767'323'045'678'901}};

Outcome convert(ResultIntake& intake, std::string text, microseconds offset = microseconds{0}) {
  protocol::Results::Item item;
  item.task = TaskId::of(BatchId{3}, 7);
  item.attempt = 2;
  item.result = std::move(text);
  return intake.convert(std::move(item), offset, kNow);
}

Outcome convert(std::string text, microseconds offset = microseconds{0}) {
  ResultIntake intake;
  return convert(intake, std::move(text), offset);
}

constexpr const char* kPassed =
    R"({"address":"127.0.0.1:80","verdict":"passed","failure":null,)"
    R"("started_at_us":1767323045678901,"duration_us":1500,)"
    R"("phases":{"connect_us":500,"send_us":1000},)"
    R"("http":{"status":200,"hops":[{"url":"http://a/"}]},"suspect":false})";

TEST_CASE("a passed result becomes a line's fields, in the master's time", "[intake]") {
  const Outcome outcome = convert(kPassed, std::chrono::seconds{2});
  CHECK(outcome.kind == Outcome::Kind::result);
  CHECK(outcome.task == TaskId::of(BatchId{3}, 7));
  CHECK(outcome.attempt == 2);
  CHECK(outcome.verdict == Verdict::passed);
  CHECK_FALSE(outcome.failure);
  CHECK(outcome.duration == microseconds{1500});
  REQUIRE(outcome.phases.size() == 3);
  CHECK(outcome.phases[0].name == "connect_us");
  CHECK(outcome.phases[2].name == "duration_us");
  CHECK(outcome.phases[2].duration == microseconds{1500});
  CHECK(outcome.fields == R"("address":"127.0.0.1:80","verdict":"passed","failure":null,)"
                          R"("started_at":"2026-01-02T03:04:07.678901Z","duration_us":1500,)"
                          R"("phases":{"connect_us":500,"send_us":1000},)"
                          R"("http":{"status":200,"hops":[{"url":"http://a/"}]},"suspect":false)");
}

TEST_CASE("a failed result keeps its kind and its message", "[intake]") {
  const Outcome outcome =
      convert(R"({"verdict":"failed","failure":{"kind":"timeout","message":"in \"connect\""},)"
              R"("started_at_us":1767323045678901,"duration_us":9,"suspect":true})");
  CHECK(outcome.verdict == Verdict::failed);
  REQUIRE(outcome.failure);
  CHECK(*outcome.failure == FailureKind::timeout);
  CHECK(outcome.fields ==
        R"("verdict":"failed","failure":{"kind":"timeout","message":"in \"connect\""},)"
        R"("started_at":"2026-01-02T03:04:05.678901Z","duration_us":9,"suspect":true)");
}

TEST_CASE("sections of other kinds are passed on", "[intake]") {
  const Outcome outcome =
      convert(R"({"ping":{"ttl":64},"hops":3,"verdict":"passed","failure":null,)"
              R"("started_at_us":1767323045678901,"duration_us":9})");
  CHECK(outcome.fields ==
        R"("verdict":"passed","failure":null,"started_at":"2026-01-02T03:04:05.678901Z",)"
        R"("duration_us":9,"ping":{"ttl":64},"hops":3,"suspect":false)");
}

TEST_CASE("a line stays one line", "[intake]") {
  const Outcome outcome = convert(
      "{\r\n\"verdict\":\"passed\",\n\"failure\":null,\"started_at_us\":1767323045678901,"
      "\"duration_us\":9,\"http\":{\n\"status\":\r200}}");
  CHECK(outcome.verdict == Verdict::passed);
  CHECK(outcome.fields.find_first_of("\r\n") == std::string::npos);
  CHECK(outcome.fields.find(R"("http":{ "status": 200})") != std::string::npos);
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
    const Outcome outcome = convert(intake, text);
    CHECK(outcome.kind == Outcome::Kind::result);
    CHECK(outcome.verdict == Verdict::failed);
    REQUIRE(outcome.failure);
    CHECK(*outcome.failure == FailureKind::internal);
    CHECK(outcome.fields.find("agent sent an unusable result: ") != std::string::npos);
    CHECK(outcome.fields.find(R"("started_at":"2026-01-02T03:04:05.678901Z")") !=
          std::string::npos);
  }
  CHECK(intake.malformed() == std::size(cases));
  CHECK(convert(intake, kPassed).verdict == Verdict::passed);
}

TEST_CASE("every way of returning a task has its meaning", "[intake]") {
  const std::pair<Returned, Outcome::Kind> cases[] = {
      {Returned::overdrawn, Outcome::Kind::returned},
      {Returned::draining, Outcome::Kind::returned},
      {Returned::expired, Outcome::Kind::returned},
      {Returned::unwanted, Outcome::Kind::returned},
      {Returned::cancelled, Outcome::Kind::cancelled},
      {Returned::unsupported, Outcome::Kind::unsupported},
      {Returned::host_busy, Outcome::Kind::host_busy},
  };
  ResultIntake intake;
  for (const auto& [returned, kind] : cases) {
    protocol::Results::Item item;
    item.task = TaskId{5};
    item.returned = returned;
    const Outcome outcome = intake.convert(std::move(item), microseconds{0}, kNow);
    CHECK(outcome.kind == kind);
    CHECK(outcome.task == TaskId{5});
    CHECK(outcome.fields.empty());
  }
  CHECK(intake.malformed() == 0);
}

}  // namespace
}  // namespace probekit
