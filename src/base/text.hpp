// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Small text: numbers, times, UTF-8. Nothing here depends on the locale or
/// throws but for want of memory; what parses takes the whole text or nothing.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"

namespace probekit {

PROBEKIT_EXPORT void append_uint(std::string& out, std::uint64_t value);
PROBEKIT_EXPORT void append_int(std::string& out, std::int64_t value);

/// Decimal digits only; empty when there is anything else or it does not fit.
PROBEKIT_EXPORT std::optional<std::uint64_t> parse_uint(std::string_view text);

/// Without the blanks, tabs, carriage returns and newlines around it.
PROBEKIT_EXPORT std::string_view trim(std::string_view text) noexcept;

PROBEKIT_EXPORT bool starts_with(std::string_view text, std::string_view prefix) noexcept;
PROBEKIT_EXPORT bool ends_with(std::string_view text, std::string_view suffix) noexcept;
/// ASCII letters only.
PROBEKIT_EXPORT std::string to_lower(std::string_view text);
/// ASCII letters without their case.
PROBEKIT_EXPORT bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// `2026-01-02T03:04:05.678901Z`, always six digits of a second. Years 0 to 9999; beyond, the
/// nearest of those.
PROBEKIT_EXPORT void append_rfc3339(std::string& out, SystemTime time);
PROBEKIT_EXPORT std::string format_rfc3339(SystemTime time);
/// RFC 3339, section 5.6: any offset, any number of digits of a second (cut to microseconds), a
/// leap second is the one after it.
PROBEKIT_EXPORT std::optional<SystemTime> parse_rfc3339(std::string_view text);

/// Two lower-case digits a byte.
PROBEKIT_EXPORT void append_hex(std::string& out, const void* bytes, std::size_t count);
/// Sixteen lower-case digits.
PROBEKIT_EXPORT void append_hex(std::string& out, std::uint64_t value);

/// Well-formed as in the Unicode Standard, table 3-7: no overlong forms, no surrogates.
PROBEKIT_EXPORT bool is_valid_utf8(std::string_view text) noexcept;
/// The bytes of the well-formed sequence that `text` begins with, 1 to 4; 0 when it is ill-formed
/// or empty.
PROBEKIT_EXPORT std::size_t utf8_sequence_length(std::string_view text) noexcept;
/// As within a JSON string: `\n`, `\"`, `\u001b`. For ASCII that must be escaped.
PROBEKIT_EXPORT void append_json_escape(std::string& out, char c);
/// With U+FFFD for each byte that belongs to no well-formed sequence.
PROBEKIT_EXPORT std::string to_valid_utf8(std::string_view text);

}  // namespace probekit
