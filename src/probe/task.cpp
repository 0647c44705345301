// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/task.hpp"

#include <algorithm>
#include <cstddef>
#include <ostream>

namespace probekit {

std::string_view to_string(Priority priority) noexcept {
  switch (priority) {
    case Priority::high:
      return "high";
    case Priority::normal:
      return "normal";
    case Priority::low:
      return "low";
  }
  return "unknown";
}

std::string_view to_string(TaskState state) noexcept {
  switch (state) {
    case TaskState::queued:
      return "queued";
    case TaskState::in_flight:
      return "in_flight";
    case TaskState::done:
      return "done";
    case TaskState::expired:
      return "expired";
    case TaskState::cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view to_string(ExpiryReason reason) noexcept {
  switch (reason) {
    case ExpiryReason::no_agent:
      return "no_agent";
    case ExpiryReason::deadline:
      return "deadline";
    case ExpiryReason::agent_lost:
      return "agent_lost";
    case ExpiryReason::missed:
      return "missed";
  }
  return "unknown";
}

Expected<Priority> parse_priority(std::string_view text) {
  for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
    if (text == to_string(priority)) return priority;
  }
  return Error{errc::invalid_argument, "a priority is high, normal or low"};
}

bool is_valid_name(std::string_view text) noexcept {
  constexpr std::size_t kNameBytesMax = 64;
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::ostream& operator<<(std::ostream& out, const Ledger& ledger) {
  out << "accepted " << ledger.accepted;
  const char* separator = " = ";
  const auto term = [&](const char* name, std::uint64_t count) {
    if (count == 0) return;
    out << separator << name << ' ' << count;
    separator = " + ";
  };
  term("queued", ledger.queued);
  term("in flight", ledger.in_flight);
  term("done", ledger.done);
  if (ledger.done > 0) {
    const char* comma = "";
    out << " (";
    if (ledger.passed > 0) {
      out << "passed " << ledger.passed;
      comma = ", ";
    }
    if (ledger.failed > 0) out << comma << "failed " << ledger.failed;
    out << ')';
  }
  term("expired", ledger.expired);
  term("cancelled", ledger.cancelled);
  return out;
}

}  // namespace probekit
