// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Specs out of JSON values, for bodies that hold more than one spec or other fields beside it.

#include <string_view>
#include <vector>

#include "json/json_value.hpp"
#include "json/json_writer.hpp"
#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit {

/// How to read one object.
struct SpecPlace {
  std::string_view path;                 ///< in front of each field in messages: "", "defaults."
  std::vector<std::string_view> others;  ///< members the caller reads itself
};

/// Reads a whole spec: `target` must be there. *Errors*: invalid_argument, with the field's path.
PROBEKIT_EXPORT Expected<ParsedSpec> read_spec(const json::Value& value,
                                               const SpecDefaults& defaults,
                                               const ProbeKinds& kinds, const SpecPlace& place);

/// Reads a spec without a target, as the defaults of many: what it does not say stays as in
/// `defaults`. A section needs `kind` beside it. *Errors*: as read_spec().
PROBEKIT_EXPORT Expected<SpecDefaults> read_spec_defaults(const json::Value& value,
                                                          const SpecDefaults& defaults,
                                                          const ProbeKinds& kinds,
                                                          const SpecPlace& place);

/// `"any"`, `"all"`, `{"tags":{"k":"v"},"count":N}` or `{"names":["a","b"]}`; without tags,
/// `{"count":N}` is any N agents. *Errors*: invalid_argument, with `path` in front.
PROBEKIT_EXPORT Expected<Selector> read_selector(const json::Value& value, std::string_view path);
/// In the form read_selector() reads.
PROBEKIT_EXPORT void write_selector(json::Writer& writer, const Selector& selector);

}  // namespace probekit
