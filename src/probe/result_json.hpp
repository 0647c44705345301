// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Results as JSON. What a prober knows is encoded once, on the probing thread; everything after
/// that copies the text.

#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_result.hpp"

namespace probekit::json {
class Writer;
class Value;
}  // namespace probekit::json

namespace probekit {

/// Writes the members of a result object that the prober knows into the object that is open, in
/// the order of the result line: `address, verdict, failure, started_at_us, duration_us, phases,
/// http, tls, dns`, the sections, `suspect`. `started_at_us` is microseconds since the epoch by
/// the prober's own clock and stands here only; the result line has `started_at` in its place.
/// Absent: `address` when empty, `http.status` when 0, empty `phases`, `http`, `dns`. `tls` is a
/// section of that name. Sections and phases that are not as probe_result.hpp wants them are left
/// out and named in `sections_refused` and `phases_refused`. At most kResultBytesMax bytes: a
/// longer result is shrunk as shrink_to_fit() does.
PROBEKIT_EXPORT void append_result_fields(json::Writer& writer, const ProbeResult& result);

/// The same for a result line, with `started_at` as RFC 3339 and, before `suspect`, `labels`.
PROBEKIT_EXPORT void append_result_line_fields(json::Writer& writer, const ProbeResult& result,
                                               const std::vector<Label>& labels);

/// Reads the members written by either of the above out of an object. Members it does not know
/// become sections, but for those in `others`. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<void> read_result_fields(const json::Value& object, ProbeResult& result,
                                                  const std::vector<std::string_view>& others);

/// Makes `result` fit into kResultBytesMax when encoded: without its sections, then its records
/// and hops but the last, then with texts cut. Says so in the failure's message, else by
/// `http.truncated`, else by a section `truncated`. Does nothing to a result that fits.
PROBEKIT_EXPORT void shrink_to_fit(ProbeResult& result);

}  // namespace probekit
