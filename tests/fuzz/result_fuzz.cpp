// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What an agent says of a result, and lines of results: whatever a master makes of it is one line
// that parse_result_line() reads, and what this library encodes a master takes.

#include <string>

#include "base/text.hpp"
#include "dispatch/result_intake.hpp"
#include "fuzz/harness.hpp"
#include "json/json_writer.hpp"
#include "probe/result_json.hpp"
#include "store/result_line.hpp"

namespace {

using namespace probekit;
using fuzz::require;

constexpr std::chrono::microseconds kOffset{-1'500'000};
const SystemTime kNow{std::chrono::seconds{1'700'000'000}};

protocol::Results::Item item_of(std::string_view result) {
  protocol::Results::Item item;
  item.task = TaskId{0x1'0000'0002};
  item.result = result;
  return item;
}

std::string line_of(const TaskReport& report) {
  ProbeOptions options;
  options.kind = "http";
  options.labels = {{"a", "1"}};
  store::ResultLine line;
  line.task = "t-1-2";
  line.batch = "b-1";
  line.target = "http://example.com/";
  line.agent = "here";
  line.options = &options;
  line.fields = report.fields;
  std::string out;
  store::append_result_line(out, line);
  return out;
}

/// Returns whether the result was usable.
bool check_intake(std::string_view text) {
  ResultIntake intake;
  const TaskReport report = intake.convert(item_of(text), kOffset, kNow);
  require(report.kind == TaskReport::Kind::result, "a result is one");
  require(report.verdict != Verdict::none, "a result has a verdict");
  require((report.verdict == Verdict::failed) == report.failure.has_value(),
          "what failed says how");
  require(report.phases.size() <= kPhasesMax + 1, "phases are bounded");
  require(report.duration.count() >= 0 && report.duration <= kResultDurationMax,
          "a duration has a range");
  require(is_valid_utf8(report.fields), "what is stored is UTF-8");

  const std::string line = line_of(report);
  require(line.find('\n') == line.size() - 1 && line.find('\r') == std::string::npos,
          "a line is one line");
  const auto read = parse_result_line(std::string_view(line).substr(0, line.size() - 1));
  require(read.has_value(), "a line that a master stores can be read");
  require(read->verdict == report.verdict && read->state == TaskState::done &&
              read->duration == report.duration && read->task == "t-1-2" &&
              read->labels.size() == 1 && read->phases.size() + 1 == report.phases.size(),
          "a line says what was taken");
  return intake.malformed() == 0;
}

std::string encoded(const ProbeResult& result) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  append_result_fields(writer, result);
  writer.end_object();
  return out;
}

void check_encoding(const TaskResult& result) {
  ProbeResult told = result;
  told.verdict = told.failure ? Verdict::failed : Verdict::passed;
  const std::string text = encoded(told);
  require(text.size() <= kResultBytesMax, "a result is at most 64 KiB");
  require(check_intake(text), "a master takes what an agent encodes");

  ProbeSpec spec;
  spec.kind = result.kind;
  spec.target = result.target;
  spec.labels = result.labels;
  const std::string line = to_json(spec, told);
  const auto once = parse_result_line(line);
  require(once.has_value(), "a line that is written can be read");
  const auto twice = parse_result_line(to_json(spec, *once));
  require(twice && encoded(*twice) == encoded(*once), "a result survives its line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_intake(text);
  const auto line = parse_result_line(text);
  if (line) {
    check_encoding(*line);
  } else {
    require(line.error().code() == errc::invalid_argument, "a refusal is the writer's");
  }
  return 0;
}
