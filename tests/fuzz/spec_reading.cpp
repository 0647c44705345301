// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "fuzz/spec_reading.hpp"

#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "json/json_cursor.hpp"
#include "json/json_writer.hpp"
#include "probe/probe_spec_json.hpp"
#include "probe/selector.hpp"
#include "probe/task_times.hpp"

namespace probekit::fuzz {

const ProbeKinds& kinds() {
  static const ProbeKinds all = [] {
    ProbeKinds made;
    ProbeKind echo;
    echo.name = "echo";
    echo.schemes = {"echo"};
    made.add(std::move(echo));
    return made;
  }();
  return all;
}

void check_options(const ProbeOptions& options) {
  require(options.timeout.count() >= 1 && options.timeout <= kTimeoutMax, "timeouts have a range");
  if (options.deadline) {
    require(*options.deadline >= options.timeout + kDeadlineOverTimeout &&
                *options.deadline <= kDeadlineMax,
            "deadlines have a range");
  }
  require(options.labels.size() <= kLabelsMax, "labels are at most 16");
  for (const Label& label : options.labels) {
    require(!label.key.empty() && label.key.size() + label.value.size() <= kLabelBytesMax,
            "a label is at most 256 bytes");
    require(is_valid_utf8(label.key) && is_valid_utf8(label.value), "labels are UTF-8");
  }
  if (options.section.empty()) return;
  require(kinds().find(options.kind) != nullptr, "a section is of a kind");
  require(options.section.size() <= kSpecBytesMax, "a section is at most 64 KiB");
  json::Cursor cursor(options.section, kSectionDepthMax);
  std::string_view text;
  require(cursor.read_object_text(text, kSpecBytesMax) && cursor.finish(),
          "a section fits into the messages that carry it");
}

void check_selector(const Selector& selector) {
  require(selector.count >= 1 && selector.count <= kSelectorCountMax, "a count has a range");
  require(selector.names.size() <= kSelectorNamesMax, "names are bounded");
  require(selector.tags.size() <= kSelectorTagsMax, "tags are bounded");
  require(task_count(selector) >= 1, "each target is a task at least");
  for (const std::string& name : selector.names) require(is_valid_name(name), "names are valid");
  for (const Label& tag : selector.tags) {
    require(is_valid_name(tag.key) && is_valid_name(tag.value), "tags are valid");
  }
  Selector completed = selector;
  require(complete_selector(completed).has_value() && completed == selector,
          "what was parsed is complete");
  std::string text;
  json::Writer writer(text);
  write_selector(writer, selector);
  const auto value = json::Value::parse(text);
  require(value.has_value(), "a selector's JSON is JSON");
  const auto again = read_selector(*value, "agents");
  require(again.has_value() && *again == selector, "a selector survives its JSON");
}

std::string to_json(const ParsedSpec& parsed) {
  const ProbeSpec& spec = parsed.spec;
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("target", spec.target).member("kind", spec.kind);
  writer.member("timeout_ms", spec.timeout.count());
  if (spec.deadline) writer.member("deadline_ms", spec.deadline->count());
  writer.member("priority", to_string(spec.priority));
  writer.key("labels").begin_object();
  for (const Label& label : spec.labels) writer.member(label.key, label.value);
  writer.end_object();
  writer.key("agents");
  write_selector(writer, parsed.agents);
  if (!spec.section.empty()) writer.key(spec.kind).raw(spec.section);
  writer.end_object();
  return out;
}

}  // namespace probekit::fuzz
