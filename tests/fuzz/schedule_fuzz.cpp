// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The body of a schedule: bounds, and the way through its JSON and back.

#include <string>

#include "api/schedule_body.hpp"
#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"

namespace {

using namespace probekit;
using namespace probekit::api;
using fuzz::require;

std::string to_json(const ScheduleSpec& spec) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  write_schedule_spec(writer, spec);
  writer.end_object();
  return out;
}

bool same(const ScheduleSpec& a, const ScheduleSpec& b) {
  if (a.interval != b.interval || a.enabled != b.enabled || a.agents != b.agents ||
      a.targets.size() != b.targets.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.targets.size(); ++i) {
    if (a.targets[i].target != b.targets[i].target ||
        !(*a.targets[i].options == *b.targets[i].options)) {
      return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto spec = parse_schedule(fuzz::text_of(data, size), fuzz::kinds());
  if (!spec) {
    require(spec.error().code() == errc::invalid_argument && !spec.error().message().empty(),
            "a refusal is the caller's and says why");
    return 0;
  }
  require(spec->interval >= kScheduleIntervalMin && spec->interval <= kScheduleIntervalMax,
          "intervals are bounded");
  require(!spec->targets.empty() && spec->targets.size() <= kScheduleTargetsMax,
          "targets are bounded");
  fuzz::check_selector(spec->agents);
  for (const ScheduledTarget& target : spec->targets) {
    require(!target.target.empty() && target.target.size() <= kTargetBytesMax,
            "a target has its size");
    require(fuzz::kinds().find(target.options->kind) != nullptr, "the kind is known");
    fuzz::check_options(*target.options);
  }
  const std::string text = to_json(*spec);
  const auto again = parse_schedule(text, fuzz::kinds());
  if (!again) {
    require(again.error().message().find("longer than") != std::string::npos,
            "a schedule's JSON is one");
    return 0;
  }
  require(same(*again, *spec), "a schedule survives its JSON");
  return 0;
}
