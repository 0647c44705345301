// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// probekit.v1 as text: every message is one JSON object whose member `type` names it. Decoding
/// never throws and never trusts: sizes, ranges and types are checked, unknown members skipped.

#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

/// Appends the message's JSON to `out`.
void encode(const Message& message, std::string& out);

/// *Errors*: protocol_violation, with what was wrong and where. A message of an unknown type that
/// says `"optional":true` decodes to nothing: see decode_optional.
Expected<Message> decode(std::string_view text);

}  // namespace probekit::protocol
