// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What to probe and how: the order as a user writes it, parsed and validated with the path of the
/// field that is wrong. Plain values; distinct objects are independent.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/task.hpp"

namespace probekit {

constexpr std::chrono::milliseconds kTimeoutDefault{10'000};
constexpr std::chrono::milliseconds kTimeoutMax{120'000};
constexpr std::size_t kTargetBytesMax = 8 * 1024;
constexpr std::size_t kSpecBytesMax = 64 * 1024;
constexpr std::size_t kLabelsMax = 16;
constexpr std::size_t kLabelBytesMax = 256;  ///< key and value together
/// Arrays and objects within one another in the section of a spec or a result, itself counted: so
/// many fit into the messages around it.
constexpr std::size_t kSectionDepthMax = 24;

/// Everything of a spec but its target; tasks of one batch share one object.
struct ProbeOptions {
  std::string kind;                                    ///< "http", "dns", or a plugged-in one
  std::chrono::milliseconds timeout{kTimeoutDefault};  ///< 1 ms to kTimeoutMax, from probe start
  /// How long after acceptance the task may still end `done`; at least timeout + 2 s.
  std::optional<std::chrono::milliseconds> deadline;
  Priority priority = Priority::normal;
  std::vector<Label> labels;  ///< copied to each result
  /// The kind's own options: a JSON object of at most kSpecBytesMax, or empty for none.
  std::string section;

  friend bool operator==(const ProbeOptions& a, const ProbeOptions& b) {
    return a.kind == b.kind && a.timeout == b.timeout && a.deadline == b.deadline &&
           a.priority == b.priority && a.labels == b.labels && a.section == b.section;
  }
};

struct ProbeSpec : ProbeOptions {
  std::string target;  ///< a URL, or `dns:NAME[/TYPE][@SERVER[:PORT]]`
};

/// What a kind knows about its targets and options, without the library that probes them.
struct ProbeKind {
  std::string name;                  ///< also the name of its section
  std::vector<std::string> schemes;  ///< lower case, without the colon
  /// All three are called from any thread, several at a time; empty: everything is fine, no limit.
  std::function<Expected<void>(std::string_view)> check_target;
  /// Given the JSON object's text. The message starts with the field: `method: unknown field`.
  std::function<Expected<void>(std::string_view)> check_section;
  /// What `--per-host` counts, "" for no limit: for http the lower-case "host:port".
  std::function<std::string(std::string_view target)> host_key;
};

/// The kinds that specs may name. http and dns are always known.
class PROBEKIT_EXPORT ProbeKinds {
 public:
  ProbeKinds();
  /// A kind of the host's own; replaces one of the same name.
  void add(ProbeKind kind);
  const ProbeKind* find(std::string_view name) const noexcept;
  const ProbeKind* find_scheme(std::string_view target) const noexcept;
  const std::vector<ProbeKind>& all() const noexcept { return kinds_; }

 private:
  std::vector<ProbeKind> kinds_;
};

/// What stands where a spec does not say.
struct SpecDefaults {
  ProbeOptions options;  ///< an empty `kind`: it follows from each target
  Selector agents;
};

/// A spec and, where the form allows it, which agents it is for.
struct ParsedSpec {
  ProbeSpec spec;
  Selector agents;
};

/// Parses one JSON spec. Unknown fields, wrong types and values out of range are refused with the
/// field's path (`http.method: unknown field`). *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<ParsedSpec> parse_spec(std::string_view json, const SpecDefaults& defaults,
                                                const ProbeKinds& kinds);

/// Completes and checks a spec made in code or from a bare target line: sets `kind` when empty,
/// checks every field. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<void> complete_spec(ProbeSpec& spec, const ProbeKinds& kinds);

/// The same for a target that shares `options` with others (whose own fields were checked once);
/// the cheap path of an import. Returns the kind. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<const ProbeKind*> check_target(std::string_view target,
                                                        const ProbeOptions& options,
                                                        const ProbeKinds& kinds);

}  // namespace probekit
