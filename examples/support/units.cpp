// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "units.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace examples {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first.
constexpr std::array<Unit, 4> kDurations{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kBytes{
    {{"GiB", 1024 * 1024 * 1024}, {"MiB", 1024 * 1024}, {"KiB", 1024}, {"", 1}}};
constexpr auto kTotalMax = static_cast<std::uint64_t>(kDurationMax.count());

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789.");
  if (unit_at == std::string_view::npos) return std::nullopt;
  for (const Unit& unit : kDurations) {
    if (text.substr(unit_at) != unit.name) continue;
    const std::string_view number = text.substr(0, unit_at);
    const auto point = number.find('.');
    const auto whole = parse_digits(number.substr(0, point));
    if (!whole || *whole > kTotalMax / unit.factor) return std::nullopt;
    std::uint64_t total = *whole * unit.factor;
    if (point != std::string_view::npos) {
      const std::string_view digits = number.substr(point + 1);
      const auto fraction = parse_digits(digits);
      if (!fraction || digits.size() > 9) return std::nullopt;
      std::uint64_t divisor = 1;
      for (std::size_t i = 0; i < digits.size(); ++i) divisor *= 10;
      if (*fraction * unit.factor % divisor != 0) return std::nullopt;
      total += *fraction * unit.factor / divisor;
    }
    if (total > kTotalMax) return std::nullopt;
    return std::chrono::milliseconds{total};
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  return duration.count() % 1000 == 0 ? std::to_string(duration.count() / 1000) + "s"
                                      : std::to_string(duration.count()) + "ms";
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const auto unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  for (const Unit& unit : kBytes) {
    if (text.substr(unit_at) != unit.name) continue;
    const auto number = parse_digits(text.substr(0, unit_at));
    if (!number || *number > UINT64_MAX / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

std::string format_bytes(std::uint64_t bytes) {
  for (const Unit& unit : kBytes)
    if (bytes != 0 && bytes % unit.factor == 0)
      return std::to_string(bytes / unit.factor) + std::string{unit.name};
  return "0";
}

}  // namespace examples
