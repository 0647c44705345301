// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/probe_spec_json.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "json/json_cursor.hpp"
#include "probe/selector.hpp"
#include "probe/task_times.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

Error refused(std::string message) { return Error{errc::invalid_argument, std::move(message)}; }

std::string range_text(milliseconds min, milliseconds max) {
  return "an integer from " + std::to_string(min.count()) + " to " + std::to_string(max.count());
}

Expected<void> check_labels(const std::vector<Label>& labels) {
  if (labels.size() > kLabelsMax) {
    return refused("labels: more than " + std::to_string(kLabelsMax));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Label& label = labels[i];
    if (label.key.empty()) return refused("labels: an empty key");
    if (label.key.size() + label.value.size() > kLabelBytesMax) {
      return refused("labels: one is longer than " + std::to_string(kLabelBytesMax) + " bytes");
    }
    if (!is_valid_utf8(label.key) || !is_valid_utf8(label.value)) {
      return refused("labels: not valid UTF-8");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (labels[j].key == label.key) return refused("labels: a key twice");
    }
  }
  return {};
}

/// All of a spec but its target. The kind may be empty: not known yet.
Expected<void> check_options(const ProbeOptions& options, const ProbeKinds& kinds) {
  const ProbeKind* const kind = kinds.find(options.kind);
  if (kind == nullptr && options.kind == "tcp") return refused("kind: tcp is not supported yet");
  if (kind == nullptr && !options.kind.empty()) return refused("kind: unknown");
  if (options.timeout < milliseconds{1} || options.timeout > kTimeoutMax) {
    return refused("timeout_ms: not " + range_text(milliseconds{1}, kTimeoutMax));
  }
  const milliseconds deadline_min = options.timeout + kDeadlineOverTimeout;
  if (options.deadline && (*options.deadline < deadline_min || *options.deadline > kDeadlineMax)) {
    return refused("deadline_ms: not " + range_text(deadline_min, kDeadlineMax) +
                   " (timeout_ms + 2000 at least)");
  }
  if (options.priority != Priority::high && options.priority != Priority::normal &&
      options.priority != Priority::low) {
    return refused("priority: not high, normal or low");
  }
  if (auto fine = check_labels(options.labels); !fine) return fine.error();
  if (options.section.empty()) return {};
  if (kind == nullptr) return refused("kind: missing beside the options of a kind");
  if (options.section.size() > kSpecBytesMax) return refused(kind->name + ": longer than 64 KiB");
  if (kind->check_section) {
    if (auto fine = kind->check_section(options.section); !fine) {
      return refused(kind->name + '.' + fine.error().message());
    }
  }
  // Whatever its kind thinks of it, it must not break the message it travels in.
  json::Cursor cursor(options.section, kSectionDepthMax);
  std::string_view text;
  if (!cursor.read_object_text(text, kSpecBytesMax) || !cursor.finish()) {
    return refused(kind->name + ": not a JSON object: " + cursor.error().message());
  }
  return {};
}

/// The members of one spec; each is at most once there, json::Value sees to that.
class SpecReader {
 public:
  SpecReader(const ProbeKinds& kinds, const SpecPlace& place, SpecDefaults& into)
      : kinds_(kinds), place_(place), into_(into) {}

  Expected<void> read(const json::Value& value, std::string* target) {
    const json::Value::Object* const members = value.as_object();
    if (members == nullptr) {
      return refused(std::string{place_.path} + "not an object but " + std::string{value.kind()});
    }
    const std::string kind_before = into_.options.kind;
    for (const json::Member& member : *members) {
      if (auto fine = read_member(member, target); !fine) return fine;
    }
    // What the defaults say of one kind says nothing of another.
    if (into_.options.kind != kind_before && !kind_before.empty() && section_of_ == nullptr) {
      into_.options.section.clear();
    }
    return {};
  }

  /// The kind whose section was there, or null.
  const ProbeKind* section_of() const noexcept { return section_of_; }

  Error at(std::string_view field, const std::string& what) const {
    return refused(std::string{place_.path} + std::string{field} + ": " + what);
  }

 private:
  Expected<void> read_member(const json::Member& member, std::string* target) {
    const std::string& name = member.name;
    const json::Value& value = member.value;
    if (std::find(place_.others.begin(), place_.others.end(), name) != place_.others.end()) {
      return {};
    }
    if (name == "target" && target != nullptr) return read_string(member, *target);
    if (name == "kind") return read_string(member, into_.options.kind);
    if (name == "timeout_ms") {
      return read_duration(member, milliseconds{1}, kTimeoutMax, into_.options.timeout);
    }
    if (name == "deadline_ms") {
      milliseconds deadline{};
      auto fine = read_duration(member, milliseconds{1}, kDeadlineMax, deadline);
      if (fine) into_.options.deadline = deadline;
      return fine;
    }
    if (name == "priority") {
      const auto priority = value.as_string() != nullptr ? parse_priority(*value.as_string())
                                                         : Expected<Priority>{refused({})};
      if (!priority) return at(name, "not high, normal or low");
      into_.options.priority = *priority;
      return {};
    }
    if (name == "labels") return read_labels(value);
    if (name == "agents") {
      auto selector = read_selector(value, std::string{place_.path} + name);
      if (!selector) return selector.error();
      into_.agents = std::move(*selector);
      return {};
    }
    if (const ProbeKind* const kind = kinds_.find(name)) {
      if (!value.is_object()) return at(name, "not an object but " + std::string{value.kind()});
      if (section_of_ != nullptr) return at(name, "options of a second kind");
      section_of_ = kind;
      into_.options.section = value.to_json();
      return {};
    }
    if (name == "tcp") return at(name, "kind tcp is not supported yet");
    constexpr std::size_t kShown = 64;
    return at(name.size() > kShown ? name.substr(0, kShown) + "..." : name, "unknown field");
  }

  Expected<void> read_string(const json::Member& member, std::string& out) const {
    const std::string* const text = member.value.as_string();
    if (text == nullptr) {
      return at(member.name, "not a string but " + std::string{member.value.kind()});
    }
    out = *text;
    return {};
  }

  Expected<void> read_duration(const json::Member& member, milliseconds min, milliseconds max,
                               milliseconds& out) const {
    const auto number = member.value.as_int64();
    if (!number || *number < min.count() || *number > max.count()) {
      return at(member.name, "not " + range_text(min, max));
    }
    out = milliseconds{*number};
    return {};
  }

  Expected<void> read_labels(const json::Value& value) {
    const json::Value::Object* const members = value.as_object();
    if (members == nullptr) return at("labels", "not an object but " + std::string{value.kind()});
    std::vector<Label> labels;
    for (const json::Member& member : *members) {
      const std::string* const text = member.value.as_string();
      if (text == nullptr) {
        return at("labels." + member.name.substr(0, kLabelBytesMax),
                  "not a string but " + std::string{member.value.kind()});
      }
      labels.push_back({member.name, *text});
    }
    if (auto fine = check_labels(labels); !fine) {
      return refused(std::string{place_.path} + fine.error().message());
    }
    into_.options.labels = std::move(labels);
    return {};
  }

  const ProbeKinds& kinds_;
  const SpecPlace& place_;
  SpecDefaults& into_;
  const ProbeKind* section_of_ = nullptr;
};

Error with_path(const SpecPlace& place, const Error& error) {
  return Error{error.code(), std::string{place.path} + error.message()};
}

}  // namespace

Expected<Selector> read_selector(const json::Value& value, std::string_view path) {
  const std::string here{path};
  const auto refuse = [&here](const std::string& below, const std::string& what) {
    return refused(here + below + ": " + what);
  };
  constexpr const char* kForms = R"(not "any", "all", {"tags":{...},"count":N} or {"names":[...]})";
  Selector selector;
  if (const std::string* const text = value.as_string()) {
    if (*text != "any" && *text != "all") return refuse("", kForms);
    if (*text == "all") selector.kind = Selector::Kind::all;
    return selector;
  }
  const json::Value::Object* const members = value.as_object();
  if (members == nullptr || members->empty()) return refuse("", kForms);
  for (const json::Member& member : *members) {
    if (member.name != "names" && member.name != "tags" && member.name != "count") {
      return refuse('.' + member.name.substr(0, 64), "unknown field");
    }
  }
  const json::Value* const names = value.find("names");
  if (names != nullptr) {
    if (members->size() > 1) return refuse("", "\"names\" stands alone");
    if (names->as_array() == nullptr || names->as_array()->empty()) {
      return refuse(".names", "not a list of at least one name");
    }
    std::size_t index = 0;
    for (const json::Value& name : *names->as_array()) {
      const std::string* const text = name.as_string();
      auto added = text != nullptr ? add_agent_name(selector, *text)
                                   : Expected<void>{refused("not a string")};
      if (!added) {
        return refuse(".names[" + std::to_string(index) + ']', added.error().message());
      }
      ++index;
    }
    return selector;
  }
  if (const json::Value* const tags = value.find("tags")) {
    if (!tags->is_object())
      return refuse(".tags", "not an object but " + std::string{tags->kind()});
    for (const json::Member& tag : *tags->as_object()) {
      const std::string* const text = tag.value.as_string();
      auto added = text != nullptr ? add_agent_tag(selector, tag.name, *text)
                                   : Expected<void>{refused("not a string")};
      if (!added) return refuse(".tags." + tag.name.substr(0, 64), added.error().message());
    }
  }
  if (const json::Value* const count = value.find("count")) {
    const auto number = count->as_int64();
    if (!number || *number < 1 || *number > kSelectorCountMax) {
      return refuse(".count", "not an integer from 1 to " + std::to_string(kSelectorCountMax));
    }
    selector.count = static_cast<std::uint32_t>(*number);
  }
  return selector;
}

void write_selector(json::Writer& writer, const Selector& selector) {
  using Kind = Selector::Kind;
  if (selector.kind == Kind::all || (selector.kind == Kind::any && selector.count == 1)) {
    writer.string(selector.kind == Kind::all ? "all" : "any");
    return;
  }
  writer.begin_object();
  if (selector.kind == Kind::names) {
    writer.key("names").begin_array();
    for (const std::string& name : selector.names) writer.string(name);
    writer.end_array();
  } else {
    if (!selector.tags.empty()) {
      writer.key("tags").begin_object();
      for (const Label& tag : selector.tags) writer.member(tag.key, tag.value);
      writer.end_object();
    }
    writer.member("count", selector.count);
  }
  writer.end_object();
}

Expected<ParsedSpec> read_spec(const json::Value& value, const SpecDefaults& defaults,
                               const ProbeKinds& kinds, const SpecPlace& place) {
  SpecDefaults read = defaults;
  std::string target;
  SpecReader reader(kinds, place, read);
  if (auto fine = reader.read(value, &target); !fine) return fine.error();

  auto kind = check_target(target, read.options, kinds);
  if (!kind) return with_path(place, kind.error());
  if (reader.section_of() != nullptr && reader.section_of() != *kind) {
    return reader.at(reader.section_of()->name, "the target is of kind " + (*kind)->name);
  }
  read.options.kind = (*kind)->name;
  if (auto fine = check_options(read.options, kinds); !fine) return with_path(place, fine.error());

  ParsedSpec parsed;
  static_cast<ProbeOptions&>(parsed.spec) = std::move(read.options);
  parsed.spec.target = std::move(target);
  parsed.agents = std::move(read.agents);
  return parsed;
}

Expected<SpecDefaults> read_spec_defaults(const json::Value& value, const SpecDefaults& defaults,
                                          const ProbeKinds& kinds, const SpecPlace& place) {
  SpecDefaults read = defaults;
  SpecReader reader(kinds, place, read);
  if (auto fine = reader.read(value, nullptr); !fine) return fine.error();
  if (reader.section_of() != nullptr && reader.section_of()->name != read.options.kind) {
    return reader.at(reader.section_of()->name,
                     "needs \"kind\":\"" + reader.section_of()->name + "\" beside it");
  }
  if (auto fine = check_options(read.options, kinds); !fine) return with_path(place, fine.error());
  return read;
}

Expected<ParsedSpec> parse_spec(std::string_view json, const SpecDefaults& defaults,
                                const ProbeKinds& kinds) {
  if (json.size() > kSpecBytesMax) return refused("the spec is longer than 64 KiB");
  const auto value = json::Value::parse(json);
  if (!value) return Error{errc::invalid_argument, value.error().message()};
  return read_spec(*value, defaults, kinds, SpecPlace{});
}

Expected<void> complete_spec(ProbeSpec& spec, const ProbeKinds& kinds) {
  auto kind = check_target(spec.target, spec, kinds);
  if (!kind) return kind.error();
  if (spec.kind.empty()) spec.kind = (*kind)->name;
  return check_options(spec, kinds);
}

}  // namespace probekit
