// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "dispatch/result_intake.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "json/json_cursor.hpp"
#include "json/json_writer.hpp"

namespace probekit {

namespace {

constexpr std::size_t kNameBytesMax = 64;
// Microseconds since the epoch at the end of the year 9999, the last that RFC 3339 can write.
constexpr std::int64_t kTimeMax = 253'402'300'799'999'999;
constexpr auto kDurationMax =
    static_cast<std::uint64_t>(std::chrono::microseconds{kResultDurationMax}.count());

// Members of a result line that are the master's to say.
constexpr std::string_view kReserved[] = {
    "state",      "task",   "batch",     "schedule", "attempt",      "attempts",
    "agent",      "count",  "kind",      "target",   "scheduled_at", "reason",
    "started_at", "labels", "diagnosis", "first",    "last"};

// What was left out where the result was encoded.
bool is_refused_list(std::string_view name) noexcept {
  return name == "sections_refused" || name == "phases_refused";
}

bool is_reserved(std::string_view name) noexcept {
  return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

// A line of results must stay one line: white space between tokens may be a line end.
void append_one_line(std::string& out, std::string_view text) {
  const std::size_t begin = out.size();
  out += text;
  if (text.find('\n') == std::string_view::npos && text.find('\r') == std::string_view::npos)
    return;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
      [](char c) { return c == '\r' || c == '\n'; }, ' ');
}

void append_key(std::string& out, std::string_view name) {
  if (!out.empty()) out += ',';
  json::append_string(out, name);
  out += ':';
}

void append_failure(std::string& out, FailureKind kind, std::string_view message) {
  out += R"(,"failure":{"kind":")";
  out += to_string(kind);
  out += R"(","message":)";
  json::append_string(out, message);
  out += '}';
}

// What a result object may hold, each once.
enum Member : unsigned {
  has_address = 1U << 0,
  has_verdict = 1U << 1,
  has_failure = 1U << 2,
  has_start = 1U << 3,
  has_duration = 1U << 4,
  has_phases = 1U << 5,
  has_http = 1U << 6,
  has_tls = 1U << 7,
  has_dns = 1U << 8,
  has_suspect = 1U << 9,
};

unsigned member_of(std::string_view key) noexcept {
  switch (key.size()) {
    case 3:
      return key == "dns" ? has_dns : key == "tls" ? has_tls : 0U;
    case 4:
      return key == "http" ? has_http : 0U;
    case 6:
      return key == "phases" ? has_phases : 0U;
    case 7:
      return key == "verdict"   ? has_verdict
             : key == "failure" ? has_failure
             : key == "address" ? has_address
             : key == "suspect" ? has_suspect
                                : 0U;
    case 11:
      return key == "duration_us" ? has_duration : 0U;
    case 13:
      return key == "started_at_us" ? has_start : 0U;
    default:
      return 0U;
  }
}

TaskReport::Kind kind_of(protocol::Returned returned) noexcept {
  switch (returned) {
    case protocol::Returned::cancelled:
      return TaskReport::Kind::cancelled;
    case protocol::Returned::unsupported:
      return TaskReport::Kind::unsupported;
    case protocol::Returned::host_busy:
      return TaskReport::Kind::host_busy;
    case protocol::Returned::overdrawn:
    case protocol::Returned::draining:
    case protocol::Returned::expired:
    case protocol::Returned::unwanted:
      break;
  }
  return TaskReport::Kind::returned;
}

}  // namespace

// Null when all is well; else what is wrong, with `report` half filled.
const char* ResultIntake::read(std::string_view text, TaskReport& report,
                               std::chrono::microseconds offset) {
  if (text.size() > kResultBytesMax) return "it is longer than 64 KiB";
  json::Cursor cursor{text};
  unsigned seen = 0;
  std::size_t sections = 0;
  bool suspect = false;
  std::int64_t started_us = 0;
  std::uint64_t duration_us = 0;
  std::string_view http;
  std::string_view tls;
  std::string_view dns;
  sections_.clear();
  std::string_view key;
  for (cursor.enter_object(); cursor.next_member(key);) {
    const unsigned member = member_of(key);
    if ((seen & member) != 0) return "a member stands twice";
    seen |= member;
    switch (member) {
      case has_address:
        cursor.read_string(address_, kResultAddressBytesMax);
        break;
      case has_verdict:
        cursor.read_string(word_, kNameBytesMax);
        if (word_ == "passed") {
          report.verdict = Verdict::passed;
        } else if (word_ == "failed") {
          report.verdict = Verdict::failed;
        } else {
          return "its verdict is neither passed nor failed";
        }
        break;
      case has_failure: {
        if (cursor.take_null()) break;
        std::string_view part;
        for (cursor.enter_object(); cursor.next_member(part);) {
          if (part == "kind") {
            cursor.read_string(word_, kNameBytesMax);
            report.failure = parse_failure_kind(word_);
          } else if (part == "message") {
            cursor.read_string(message_, kResultBytesMax);
          } else {
            cursor.skip();
          }
        }
        if (!report.failure) return "its failure has no known kind";
        break;
      }
      case has_start:
        cursor.read_int(started_us);
        break;
      case has_duration:
        cursor.read_uint(duration_us, kDurationMax);
        break;
      case has_phases: {
        std::string_view name;
        for (cursor.enter_object(); cursor.next_member(name);) {
          if (report.phases.size() == kPhasesMax) return "it has too many phases";
          if (name.size() > kPhaseNameBytesMax || !ends_with(name, "_us")) {
            return "a phase has an impossible name";
          }
          for (const Phase& phase : report.phases) {
            if (phase.name == name) return "a phase stands twice";
          }
          if (report.phases.empty()) report.phases.reserve(7);  // of http, with the total
          Phase& phase = report.phases.emplace_back();
          phase.name = name;
          std::uint64_t value = 0;
          cursor.read_uint(value, kDurationMax);
          phase.duration = std::chrono::microseconds{value};
        }
        break;
      }
      case has_http:
        cursor.read_object_text(http, kResultBytesMax);
        break;
      case has_tls:
        cursor.read_object_text(tls, kResultBytesMax);
        break;
      case has_dns:
        cursor.read_object_text(dns, kResultBytesMax);
        break;
      case has_suspect:
        cursor.read_bool(suspect);
        break;
      default: {
        if (is_reserved(key)) return "it has a member that is the master's to say";
        if (key.empty() || key.size() > kNameBytesMax) return "a section has an impossible name";
        if (!is_refused_list(key) && sections++ == kResultSectionsMax)
          return "it has too many sections";
        for (const auto& section : sections_) {
          if (section.first == key) return "a section stands twice";
        }
        auto& section = sections_.emplace_back(std::string{key}, std::string_view{});
        cursor.read_value_text(section.second, kResultBytesMax);
      }
    }
  }
  cursor.finish();
  if (!cursor.ok()) {
    fault_ = cursor.error().message();
    return fault_.c_str();
  }
  if (const char* const fault = check_parts(http, tls, dns)) return fault;
  if ((seen & has_verdict) == 0) return "it has no verdict";
  if ((report.verdict == Verdict::failed) != report.failure.has_value()) {
    return "its verdict and its failure do not agree";
  }
  if ((seen & has_start) == 0) return "it does not say when it started";
  if (started_us < 0 || started_us > kTimeMax) return "it started at an impossible time";
  if ((seen & has_duration) == 0) return "it does not say how long it took";

  report.duration = std::chrono::microseconds{duration_us};
  std::string& out = report.fields;
  out.reserve(text.size() + 64);
  if ((seen & has_address) != 0) {
    append_key(out, "address");
    json::append_string(out, address_);
  }
  append_key(out, "verdict");
  out += report.verdict == Verdict::passed ? R"("passed")" : R"("failed")";
  if (report.failure) {
    append_failure(out, *report.failure, message_);
  } else {
    out += R"(,"failure":null)";
  }
  out += R"(,"started_at":")";
  append_rfc3339(out, SystemTime{std::chrono::microseconds{
                          std::clamp<std::int64_t>(started_us + offset.count(), 0, kTimeMax)}});
  out += R"(","duration_us":)";
  append_uint(out, duration_us);
  if (!report.phases.empty()) {
    out += R"(,"phases":)";
    char before = '{';
    for (const Phase& phase : report.phases) {
      out += before;
      before = ',';
      json::append_string(out, phase.name);
      out += ':';
      append_uint(out, static_cast<std::uint64_t>(phase.duration.count()));
    }
    out += '}';
  }
  const auto append_object = [&out](std::string_view name, std::string_view object) {
    append_key(out, name);
    append_one_line(out, object);
  };
  if (!http.empty()) append_object("http", http);
  if (!tls.empty()) append_object("tls", tls);
  if (!dns.empty()) append_object("dns", dns);
  for (const auto& section : sections_) append_object(section.first, section.second);
  out += suspect ? R"(,"suspect":true)" : R"(,"suspect":false)";
  report.phases.push_back({"duration_us", report.duration});
  return nullptr;
}

// What is passed on as text must be readable by whoever reads the line.
const char* ResultIntake::check_parts(std::string_view http, std::string_view tls,
                                      std::string_view dns) {
  const auto is_wrong = [this](std::string_view name, std::string_view text) {
    const auto fine = check_.check(name, text, json::Cursor::kDepthMax);
    if (!fine) fault_ = std::string{name} + ": " + fine.error().message();
    return !fine;
  };
  bool wrong = (!http.empty() && is_wrong("http", http)) ||
               (!tls.empty() && is_wrong("tls", tls)) || (!dns.empty() && is_wrong("dns", dns));
  for (const auto& section : sections_) wrong = wrong || is_wrong(section.first, section.second);
  return wrong ? fault_.c_str() : nullptr;
}

TaskReport ResultIntake::convert(protocol::Results::Item item, std::chrono::microseconds offset,
                                 SystemTime now) {
  TaskReport report;
  report.task = item.task;
  report.attempt = item.attempt;
  if (item.returned) {
    report.kind = kind_of(*item.returned);
    return report;
  }
  message_.clear();
  const char* const fault = read(item.result, report, offset);
  if (fault == nullptr) return report;

  ++malformed_;
  report.verdict = Verdict::failed;
  report.failure = FailureKind::internal;
  report.duration = std::chrono::microseconds{0};
  report.phases.assign(1, {"duration_us", report.duration});
  report.fields = R"("verdict":"failed")";
  append_failure(report.fields, FailureKind::internal,
                 std::string{"agent sent an unusable result: "} + fault);
  report.fields += R"(,"started_at":")";
  append_rfc3339(report.fields, now);
  report.fields += R"(","duration_us":0,"suspect":false)";
  return report;
}

}  // namespace probekit
