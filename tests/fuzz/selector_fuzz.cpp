// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Which agents, as flags and queries write it and as JSON does.

#include <string>

#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"
#include "probe/probe_spec_json.hpp"
#include "probe/selector.hpp"

namespace {

using namespace probekit;
using fuzz::require;

/// In the form of flags and queries.
std::string written(const Selector& selector) {
  std::string out;
  for (const std::string& name : selector.names) out += (out.empty() ? "name:" : ",name:") + name;
  for (const Label& tag : selector.tags) {
    out += (out.empty() ? "tag:" : ",tag:") + tag.key + '=' + tag.value;
  }
  if (out.empty()) out = selector.kind == Selector::Kind::all ? "all" : "any";
  if (selector.count > 1) out += '*' + std::to_string(selector.count);
  return out;
}

void check(const Selector& selector) {
  fuzz::check_selector(selector);
  const auto again = parse_selector(written(selector));
  require(again && *again == selector, "a selector survives its text");
  require(has_tags(selector.tags, selector.tags), "its tags are among themselves");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto selector = parse_selector(text);
  if (selector) {
    check(*selector);
  } else {
    require(selector.error().code() == errc::invalid_argument, "a refusal is the caller's");
  }
  const auto value = json::Value::parse(text);
  if (!value) return 0;
  const auto read = read_selector(*value, "agents");
  if (read) {
    check(*read);
  } else {
    require(read.error().message().find("agents") == 0, "a fault has its path");
  }
  return 0;
}
