// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Whether parse_result_line() will take a member of a result that only travels as text: asked
/// where a result is encoded and where it enters a master, so that the two agree.

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// *Threads*: one; its buffers are reused from call to call.
class PROBEKIT_EXPORT ResultCheck {
 public:
  /// `json` is the value of the member `name`: valid JSON nested at most `depth_max`, no key twice
  /// in an object, no number beyond a double's range; `http`, `dns` and `tls` are objects, and what
  /// is known of the first two has its type. *Errors*: protocol_violation.
  Expected<void> check(std::string_view name, std::string_view json, std::size_t depth_max);

 private:
  class Walk;
  std::vector<std::string_view> keys_;  // of the objects that are open
  std::deque<std::string> unescaped_;   // what keys with escapes are views of
};

}  // namespace probekit
