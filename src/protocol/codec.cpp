// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/codec.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "protocol/codec_names.hpp"

namespace probekit::protocol {

std::string_view to_string(Returned returned) noexcept {
  return kReturnedNames[static_cast<std::size_t>(returned)];
}

std::string_view to_string(HeldState state) noexcept {
  return kHeldNames[static_cast<std::size_t>(state)];
}

// -- closing --------------------------------------------------------------------------------------

namespace {
constexpr std::string_view kRetryAfter = " retry_after=";
constexpr std::size_t kCloseTextMax = 123;  // RFC 6455, 5.5: 125 bytes less the code
}  // namespace

std::string close_text(std::string_view why, std::chrono::seconds retry_after) {
  std::string tail;
  if (retry_after.count() > 0) {
    tail = kRetryAfter;
    append_uint(tail, static_cast<std::uint64_t>(retry_after.count()));
  }
  std::string text{why.substr(0, kCloseTextMax - tail.size())};
  // Not in the middle of a character.
  while (!text.empty() && text.size() < why.size() && (why[text.size()] & 0xC0) == 0x80)
    text.pop_back();
  return text + tail;
}

std::chrono::seconds retry_after_of(std::string_view close_text) noexcept {
  const std::size_t at = close_text.rfind(kRetryAfter);
  if (at == std::string_view::npos) return std::chrono::seconds{0};
  const char* const from = close_text.data() + at + kRetryAfter.size();
  const char* const end = close_text.data() + close_text.size();
  std::uint32_t seconds = 0;
  const auto parsed = std::from_chars(from, end, seconds);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::chrono::seconds{0};
  constexpr std::uint32_t kDay = 24 * 3600;  // a peer may not send us away for longer
  return std::chrono::seconds{std::min(seconds, kDay)};
}

}  // namespace probekit::protocol
