// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// Durations and sizes as people write them. What parses takes the whole text or nothing.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace examples {

/// A year: beyond it a duration is a typing error.
constexpr std::chrono::milliseconds kDurationMax = std::chrono::hours{24 * 365};

/// `250ms`, `5s`, `0.5s`, `2m`, `1h`, up to kDurationMax: a unit is required, a fraction must be
/// whole milliseconds.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// In whole seconds where it can be; parse_duration() reads it back.
std::string format_duration(std::chrono::milliseconds duration);

/// `4096`, `64KiB`, `1MiB`, `2GiB`.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
/// In the largest unit that needs no fraction; parse_bytes() reads it back.
std::string format_bytes(std::uint64_t bytes);

}  // namespace examples
