// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What agents say of tasks, made into what the store records. The text of a result is checked
/// once, here, for all that parse_result_line() would refuse; after that it is only copied.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "probe/result_check.hpp"
#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "protocol/messages.hpp"
#include "store/task_store.hpp"

namespace probekit {

/// *Threads*: one; its buffers are reused from item to item.
class PROBEKIT_EXPORT ResultIntake {
 public:
  /// `offset`: what to add to the agent's clock for the master's. `now`: the master's time, for a
  /// result that does not say when it started. An unusable result becomes one that failed with
  /// `internal`: the task still ends, and the agent is told it was taken.
  TaskReport convert(protocol::Results::Item item, std::chrono::microseconds offset,
                     SystemTime now);

  /// Results that were unusable, so far.
  std::uint64_t malformed() const noexcept { return malformed_; }

 private:
  const char* read(std::string_view text, TaskReport& report, std::chrono::microseconds offset);
  const char* check_parts(std::string_view http, std::string_view tls, std::string_view dns);

  std::uint64_t malformed_ = 0;
  ResultCheck check_;
  std::string word_;
  std::string address_;
  std::string message_;
  std::string fault_;
  std::vector<std::pair<std::string, std::string_view>> sections_;
};

}  // namespace probekit
