// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// One probe spec, as bodies and lines hold it: bounds, and the way through its JSON and back.

#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"
#include "probe/probe_spec_json.hpp"

namespace {

using namespace probekit;
using fuzz::require;

void check_refusal(const Error& error) {
  require(error.code() == errc::invalid_argument, "a refusal is the caller's");
  require(!error.message().empty(), "a refusal says why");
}

void check(const ParsedSpec& parsed) {
  const ProbeSpec& spec = parsed.spec;
  require(!spec.target.empty() && spec.target.size() <= kTargetBytesMax, "a target has its size");
  require(fuzz::kinds().find(spec.kind) != nullptr, "the kind is known");
  require(is_valid_utf8(spec.target), "a target is UTF-8");
  fuzz::check_options(spec);
  fuzz::check_selector(parsed.agents);

  const auto again = parse_spec(fuzz::to_json(parsed), SpecDefaults{}, fuzz::kinds());
  if (again) {
    require(again->spec.target == spec.target && again->agents == parsed.agents &&
                static_cast<const ProbeOptions&>(again->spec) == spec,
            "a spec survives its JSON");
  } else {
    require(again.error().message() == "the spec is longer than 64 KiB",
            "what was read reads back");
  }
  ProbeSpec completed = spec;
  require(complete_spec(completed, fuzz::kinds()).has_value(), "what was parsed is complete");
  require(static_cast<const ProbeOptions&>(completed) == spec, "and nothing is added to it");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto parsed = parse_spec(text, SpecDefaults{}, fuzz::kinds());
  if (parsed) {
    check(*parsed);
  } else {
    check_refusal(parsed.error());
  }

  const auto value = json::Value::parse(text);
  if (!value) return 0;
  const auto defaults =
      read_spec_defaults(*value, SpecDefaults{}, fuzz::kinds(), SpecPlace{"defaults.", {"target"}});
  if (!defaults) {
    check_refusal(defaults.error());
    require(defaults.error().message().find("defaults.") == 0, "a fault has its path");
    return 0;
  }
  fuzz::check_options(defaults->options);
  fuzz::check_selector(defaults->agents);
  // The same object once more over its own defaults, as a line of a list is read.
  const auto over = read_spec(*value, *defaults, fuzz::kinds(), SpecPlace{});
  if (over) check(*over);
  return 0;
}
