// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A resolver that blocks and cannot be interrupted, as the system's (getaddrinfo(3)), on a thread
/// that nobody has to wait for.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace probekit {

/// What a name leads to.
struct LookUpAnswer {
  std::vector<std::string> addresses;  ///< numeric, in the order to try them; empty on failure
  std::string error;                   ///< why there is none
};

/// May block; called on a thread of its own. Must not throw.
using LookUp = std::function<LookUpAnswer(const std::string& host)>;

/// getaddrinfo(3) and gai_strerror(3).
LookUpAnswer system_look_up(const std::string& host);

/// One look-up. It may outlive whoever asked; then its answer is dropped.
class NameLookup {
 public:
  using Answer = LookUpAnswer;
  using Waiter = std::function<void(Answer)>;

  /// Throws std::system_error when there is no room for a thread.
  static std::shared_ptr<NameLookup> start(const std::string& host, const LookUp& look_up);

  /// Who hears of the answer, once, on the look-up's thread, or in this call when it is there
  /// already. Replaces the one before; empty: nobody.
  void set_waiter(Waiter waiter);
  bool done() const;

 private:
  void finish(Answer answer);

  mutable std::mutex mutex_;
  bool done_ = false;  // under mutex_, as is all below
  Answer answer_;
  Waiter waiter_;
};

}  // namespace probekit
