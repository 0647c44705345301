// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/schedule_body.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "json/json_cursor.hpp"
#include "json/json_value.hpp"
#include "probe/options_interner.hpp"
#include "probe/probe_spec_json.hpp"

namespace probekit::api {
namespace {

using std::chrono::milliseconds;

Error refused(std::string message) { return Error(errc::invalid_argument, std::move(message)); }

/// The body in parts: `targets` as its text stands, everything else as values.
struct Parts {
  json::Value rest;
  std::string_view targets;
};

Expected<Parts> split(std::string_view body) {
  if (body.size() > kScheduleBytesMax) return refused("the schedule is longer than 16 MiB");
  Parts parts;
  json::Value::Object rest;
  std::size_t rest_bytes = 0;
  json::Cursor cursor(body);
  std::string_view key;
  if (cursor.peek() != '{') return refused("not an object");
  for (cursor.enter_object(); cursor.next_member(key);) {
    std::string name(key);
    std::string_view text;
    if (!cursor.read_value_text(text, kScheduleBytesMax)) break;
    const bool twice = name == "targets"
                           ? !parts.targets.empty()
                           : std::any_of(rest.begin(), rest.end(),
                                         [&name](const json::Member& m) { return m.name == name; });
    if (twice) return refused(name.substr(0, 64) + ": given twice");
    if (name == "targets") {
      parts.targets = text;
      continue;
    }
    rest_bytes += name.size() + text.size();
    if (rest_bytes > kSpecBytesMax) return refused("without its targets it is longer than 64 KiB");
    auto value = json::Value::parse(text);
    if (!value) return refused(name.substr(0, 64) + ": " + value.error().message());
    rest.push_back(json::Member{std::move(name), std::move(*value)});
  }
  if (!cursor.finish()) return refused(cursor.error().message());
  parts.rest = json::Value::from_object(std::move(rest));
  return parts;
}

class TargetReader {
 public:
  TargetReader(const SpecDefaults& defaults, const ProbeKinds& kinds, ScheduleSpec& into)
      : defaults_(defaults), kinds_(kinds), into_(into) {}

  Expected<void> add(const std::string& path, std::string target) {
    const auto kind = check_target(target, defaults_.options, kinds_);
    if (!kind) return fault(path, kind.error().message());
    ProbeOptions options = defaults_.options;
    options.kind = (*kind)->name;
    return put(path, std::move(target), std::move(options));
  }

  Expected<void> add(const std::string& path, const json::Value& value) {
    if (value.find("agents")) {
      return refused(path + ".agents: stands beside the targets, and holds for all of them");
    }
    auto parsed = read_spec(value, defaults_, kinds_, SpecPlace{path + '.', {}});
    if (!parsed) return parsed.error();
    return put(path, std::move(parsed->spec.target),
               std::move(static_cast<ProbeOptions&>(parsed->spec)));
  }

 private:
  /// What is said of a target field is said of the whole: it is all there is.
  static Error fault(const std::string& path, std::string_view what) {
    constexpr std::string_view kField = "target: ";
    if (starts_with(what, kField)) what.remove_prefix(kField.size());
    return refused(path + ": " + std::string(what));
  }

  Expected<void> put(const std::string& path, std::string target, ProbeOptions options) {
    if (into_.targets.size() >= kScheduleTargetsMax) {
      return refused("targets: more than " + std::to_string(kScheduleTargetsMax));
    }
    auto shared = interner_.intern(std::move(options));
    const auto [first, last] = known_.equal_range(target);
    for (auto same = first; same != last; ++same) {
      if (*into_.targets[same->second].options == *shared) {
        return refused(path + ": the same as targets[" + std::to_string(same->second) + ']');
      }
    }
    known_.emplace(target, into_.targets.size());
    into_.targets.push_back(ScheduledTarget{std::move(target), std::move(shared)});
    return {};
  }

  const SpecDefaults& defaults_;
  const ProbeKinds& kinds_;
  ScheduleSpec& into_;
  OptionsInterner interner_;
  std::unordered_multimap<std::string, std::size_t> known_;
};

Expected<void> read_targets(std::string_view text, TargetReader& reader) {
  json::Cursor cursor(text);
  if (cursor.peek() != '[') return refused("targets: not a list");
  std::size_t index = 0;
  for (cursor.enter_array(); cursor.next_item(); ++index) {
    const std::string path = "targets[" + std::to_string(index) + ']';
    Expected<void> added;
    if (cursor.peek() == '"') {
      std::string target;
      if (!cursor.read_string(target, kSpecBytesMax)) return refused(path + ": longer than 64 KiB");
      added = reader.add(path, std::move(target));
    } else {
      std::string_view item;
      if (!cursor.read_value_text(item, kSpecBytesMax)) {
        return refused(path + ": longer than 64 KiB");
      }
      const auto value = json::Value::parse(item);
      if (!value) return refused(path + ": " + value.error().message());
      if (!value->is_object()) {
        return refused(path + ": a target is a string or a spec, not " +
                       std::string(value->kind()));
      }
      added = reader.add(path, *value);
    }
    if (!added) return added;
  }
  if (index == 0) return refused("targets: not a list of at least one target");
  return {};
}

/// What of their options is the same for all targets of a schedule.
struct Common {
  explicit Common(const ScheduleSpec& spec) {
    if (spec.targets.empty()) return;
    first = spec.targets.front().options.get();
    kind = timeout = deadline = priority = labels = true;
    section = !first->section.empty();
    const ProbeOptions* last = first;
    for (const ScheduledTarget& target : spec.targets) {
      const ProbeOptions* const other = target.options.get();
      if (other == std::exchange(last, other)) continue;
      kind = kind && other->kind == first->kind;
      timeout = timeout && other->timeout == first->timeout;
      deadline = deadline && other->deadline == first->deadline;
      priority = priority && other->priority == first->priority;
      labels = labels && other->labels == first->labels;
      section = section && kind && other->section == first->section;
    }
  }
  bool all_of(const ProbeOptions& options) const {
    return timeout && deadline && priority && labels && (section || options.section.empty());
  }

  const ProbeOptions* first = nullptr;
  bool kind = false;
  bool timeout = false;
  bool deadline = false;
  bool priority = false;
  bool labels = false;
  bool section = false;
};

void write_options(json::Writer& writer, const ProbeOptions& options, const Common& which) {
  if (which.kind) writer.member("kind", options.kind);
  if (which.section) writer.key(options.kind).raw(options.section);
  if (which.timeout) writer.member("timeout_ms", options.timeout.count());
  if (which.deadline && options.deadline) writer.member("deadline_ms", options.deadline->count());
  if (which.priority) writer.member("priority", to_string(options.priority));
  if (which.labels && !options.labels.empty()) {
    writer.key("labels").begin_object();
    for (const Label& label : options.labels) writer.member(label.key, label.value);
    writer.end_object();
  }
}

}  // namespace

Expected<ScheduleSpec> parse_schedule(std::string_view json, const ProbeKinds& kinds) {
  const auto parts = split(json);
  if (!parts) return parts.error();
  const json::Value& rest = parts->rest;

  ScheduleSpec spec;
  const json::Value* const interval = rest.find("interval_ms");
  if (!interval) return refused("interval_ms: missing");
  const auto number = interval->as_int64();
  if (!number || *number < kScheduleIntervalMin.count() || *number > kScheduleIntervalMax.count()) {
    return refused("interval_ms: not an integer from " +
                   std::to_string(kScheduleIntervalMin.count()) + " to " +
                   std::to_string(kScheduleIntervalMax.count()));
  }
  spec.interval = milliseconds(*number);
  if (const json::Value* const enabled = rest.find("enabled")) {
    const auto flag = enabled->as_bool();
    if (!flag) return refused("enabled: not a boolean but " + std::string(enabled->kind()));
    spec.enabled = *flag;
  }
  auto defaults = read_spec_defaults(rest, SpecDefaults{}, kinds,
                                     SpecPlace{{}, {"interval_ms", "enabled", "target"}});
  if (!defaults) return defaults.error();
  spec.agents = defaults->agents;

  TargetReader reader(*defaults, kinds, spec);
  const json::Value* const target = rest.find("target");
  if (target && !parts->targets.empty()) return refused("targets: either this or target");
  if (!target && parts->targets.empty()) return refused("target: missing");
  Expected<void> read;
  if (!target) {
    read = read_targets(parts->targets, reader);
  } else if (const std::string* const text = target->as_string()) {
    read = reader.add("target", *text);
  } else {
    return refused("target: not a string but " + std::string(target->kind()));
  }
  if (!read) return read.error();
  return spec;
}

void write_schedule_spec(json::Writer& writer, const ScheduleSpec& spec) {
  const Common common(spec);
  writer.member("interval_ms", spec.interval.count());
  writer.member("enabled", spec.enabled);
  writer.key("agents");
  write_selector(writer, spec.agents);
  if (common.first) write_options(writer, *common.first, common);
  if (spec.targets.size() == 1) {
    writer.member("target", spec.targets.front().target);
    return;
  }
  Common own = common;
  own.timeout = !common.timeout;
  own.deadline = !common.deadline;
  own.priority = !common.priority;
  own.labels = !common.labels;
  writer.key("targets").begin_array();
  for (const ScheduledTarget& target : spec.targets) {
    if (common.all_of(*target.options)) {
      writer.string(target.target);
      continue;
    }
    own.kind = !common.kind && !target.options->section.empty();
    own.section = !common.section && !target.options->section.empty();
    writer.begin_object();
    writer.member("target", target.target);
    write_options(writer, *target.options, own);
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace probekit::api
