// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Results as JSON. What a prober knows is encoded once, on the probing thread; everything after
/// that copies the text.

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
/// Absent: `address` when empty, `http.status` when 0, empty `phases`, `http`, `dns`. At most
/// kResultBytesMax bytes: a longer result is shrunk first.
void append_result_fields(json::Writer& writer, const ProbeResult& result);

/// The same, with `started_at` as RFC 3339 in place of `started_at_us`.
void append_result_line_fields(json::Writer& writer, const ProbeResult& result);

/// Reads the members written by either of the above out of an object. Unknown members that are
/// objects become sections; other unknown members are ignored. *Errors*: invalid_argument.
Expected<void> read_result_fields(const json::Value& object, ProbeResult& result);

/// Makes `result` fit into kResultBytesMax when encoded: without its sections, then its records
/// and hops, then with texts cut. Says so in the failure's message, or, where there is none, by
/// `http.truncated` or the flag "tc" of dns. Does nothing to a result that fits.
void shrink_to_fit(ProbeResult& result);

}  // namespace probekit
