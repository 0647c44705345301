// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What an HTTP probe goes through, without the library that does it: stages, their times, and
/// which answers lead elsewhere. Plain values.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/probe_result.hpp"

namespace probekit {

/// Where one hop is; each stage that was entered becomes a phase of the result.
enum class HttpStage : std::uint8_t {
  resolving,
  connecting,
  securing,
  sending,
  waiting,
  receiving,
};
constexpr std::size_t kHttpStages = 6;

/// "while waiting for the first byte"
std::string_view to_phrase(HttpStage stage) noexcept;

/// The stages of one hop with the moments they were entered. Stages are entered in order; some may
/// be left out.
class HttpHopTimes {
 public:
  void begin(HttpStage stage, SteadyTime when) noexcept {
    entered_ = 0;
    enter(stage, when);
  }
  /// Does nothing when a later stage, or this one, was entered.
  void enter(HttpStage stage, SteadyTime when) noexcept;
  HttpStage stage() const noexcept { return stage_; }
  /// Of a stage that was entered.
  SteadyTime entered(HttpStage stage) const noexcept {
    return when_[static_cast<std::size_t>(stage)];
  }
  bool has(HttpStage stage) const noexcept {
    return (entered_ & 1U << static_cast<unsigned>(stage)) != 0;
  }

  /// "dns_us" to "receive_us", up to `end`; together they last from begin() to `end`.
  std::vector<Phase> phases(SteadyTime end) const;

 private:
  std::array<SteadyTime, kHttpStages> when_{};
  unsigned entered_ = 0;
  HttpStage stage_ = HttpStage::resolving;
};

/// Whether a `Location` with this status is to be followed (RFC 9110 15.4): 301, 302, 303, 307,
/// 308.
bool is_redirect(int status) noexcept;

/// The value of a header line "Location: ..." without blanks around it; the name in any case.
/// Empty for another header.
std::string_view location_of(std::string_view header_line) noexcept;

/// The status of "HTTP/1.1 302 Found"; 0 for another line.
int status_of(std::string_view header_line) noexcept;

/// Text of a library or peer, fit for a failure message: printable ASCII, `?` for the rest, at most
/// 200 bytes.
std::string sanitised(std::string_view text);

}  // namespace probekit
