// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The system's resolver (getaddrinfo(3)), which cannot be interrupted, on a thread that nobody has
/// to wait for.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace probekit {

/// One look-up. It may outlive whoever asked; then its answer is dropped.
class NameLookup {
 public:
  struct Answer {
    std::vector<std::string> addresses;  ///< numeric, in the system's order; empty on failure
    std::string error;                   ///< gai_strerror(3)
  };
  using Waiter = std::function<void(Answer)>;

  /// Throws std::system_error when there is no room for a thread.
  static std::shared_ptr<NameLookup> start(const std::string& host);

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
