// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/result_line.hpp"

#include <chrono>
#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::store;

namespace {

const SystemTime kAccepted{std::chrono::microseconds{1767225600000000}};  // 2026-01-01

ResultLine done_line(const ProbeOptions& options, std::string_view fields) {
  ResultLine line;
  line.state = TaskState::done;
  line.task = "t0123abcd-1-0";
  line.batch = "b0123abcd-1";
  line.attempt = 2;
  line.agent = "here";
  line.target = "http://a.example/";
  line.options = &options;
  line.scheduled_at = kAccepted;
  line.fields = fields;
  return line;
}

std::string text_of(const ResultLine& line) {
  std::string out;
  append_result_line(out, line);
  return out;
}

}  // namespace

TEST_CASE("a line of a done task has its members in the documented order", "[store][line]") {
  ProbeOptions options;
  options.kind = "http";
  options.labels = {{"team", "a\"b"}, {"x", "\n"}};
  const std::string fields =
      R"("address":"1.2.3.4:80","verdict":"failed","failure":{"kind":"assertion","message":)"
      R"("\"started_at\":\"suspect\":"},"started_at":"2026-01-01T00:00:01.000000Z",)"
      R"("duration_us":7,"phases":{"dns_us":7},"http":{"status":500},"suspect":false)";
  CHECK(
      text_of(done_line(options, fields)) ==
      R"({"state":"done","task":"t0123abcd-1-0","batch":"b0123abcd-1","attempt":2,"agent":"here",)"
      R"("kind":"http","target":"http://a.example/","address":"1.2.3.4:80","verdict":"failed",)"
      R"("failure":{"kind":"assertion","message":"\"started_at\":\"suspect\":"},)"
      R"("scheduled_at":"2026-01-01T00:00:00.000000Z",)"
      R"("started_at":"2026-01-01T00:00:01.000000Z","duration_us":7,"phases":{"dns_us":7},)"
      R"("http":{"status":500},"labels":{"team":"a\"b","x":"\n"},"suspect":false})"
      "\n");
}

TEST_CASE("a line of a done task is whole when the fields are short", "[store][line]") {
  ProbeOptions options;
  options.kind = "own";
  const std::string head =
      R"({"state":"done","task":"t0123abcd-1-0","batch":"b0123abcd-1","attempt":2,"agent":"here",)"
      R"("kind":"own","target":"http://a.example/",)";
  const std::string scheduled = R"("scheduled_at":"2026-01-01T00:00:00.000000Z")";
  CHECK(text_of(done_line(options, "")) == head + scheduled + ",\"labels\":{}}\n");
  CHECK(text_of(done_line(options, R"("verdict":"passed")")) ==
        head + scheduled + R"(,"verdict":"passed","labels":{}})" + "\n");
  CHECK(text_of(done_line(options, R"("started_at":"x","suspect":true)")) ==
        head + scheduled + R"(,"started_at":"x","labels":{},"suspect":true})" + "\n");
  // A section may have members of the same names.
  CHECK(text_of(done_line(options, R"("started_at":"x","own":{"suspect":1},"suspect":true)")) ==
        head + scheduled + R"(,"started_at":"x","own":{"suspect":1},"labels":{},"suspect":true})" +
            "\n");
  CHECK(text_of(done_line(options, R"(,"started_at":"x","suspect":true)")) ==
        text_of(done_line(options, R"("started_at":"x","suspect":true)")));
}

TEST_CASE("expired and cancelled tasks have lines without a verdict", "[store][line]") {
  ResultLine line;
  line.state = TaskState::expired;
  line.task = "t0123abcd-1-5";
  line.target = "dns:a.example/A";
  line.reason = ExpiryReason::agent_lost;
  line.attempts = 5;
  line.diagnosis = "5 agents were lost";
  CHECK(text_of(line) == R"({"state":"expired","task":"t0123abcd-1-5","target":"dns:a.example/A",)"
                         R"("reason":"agent_lost","attempts":5,"diagnosis":"5 agents were lost"})"
                         "\n");
  line.state = TaskState::cancelled;
  CHECK(text_of(line) ==
        R"({"state":"cancelled","task":"t0123abcd-1-5","target":"dns:a.example/A"})"
        "\n");
}
