// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What is wrong with a connection, by the queues at both of its ends: as an engineer reads them
/// off `ss` or `netstat`. Pure. docs/diagnosis.md has the table.

#include <cstdint>
#include <string>

#include "probekit/diagnosis.hpp"

namespace probekit {

enum class LinkFault : std::uint8_t {
  none,
  peer_not_reading,  ///< the other end does not take what is sent
  not_reading_here,  ///< this end does not take what arrived
  stalled,           ///< nothing is delivered, or nothing comes
  slow,
};

struct LinkFinding {
  LinkFault fault = LinkFault::none;
  std::string text;  ///< without what to do
};

/// `other`: what the other end is called, "the agent".
LinkFinding judge_link(const LinkFacts& facts, const std::string& other);

/// The figures of both ends in one line.
std::string link_figures(const LinkFacts& facts);

/// "384 KiB", "1.5 s", "3 tasks wait".
std::string bytes_text(std::uint64_t bytes);
std::string time_text(std::chrono::duration<double, std::micro> time);
std::string count_text(std::uint64_t number, const char* one, const char* many);

}  // namespace probekit
