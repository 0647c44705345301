// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A file system for SQLite that fails when it is told to, and is the usual one otherwise.
/// *Threads*: fail_with() from any; one such object at a time.

#include <string>

namespace probekit::test {

class FailingVfs {
 public:
  enum class Fault : int {
    none,
    full,       ///< no write finds room
    sync,       ///< no fsync succeeds
    corrupted,  ///< what is read is not what was written
    standing    ///< no read comes back, until something else is told
  };

  FailingVfs();
  ~FailingVfs();
  FailingVfs(const FailingVfs&) = delete;
  FailingVfs& operator=(const FailingVfs&) = delete;

  std::string name() const;
  void fail_with(Fault fault);
  /// A read waits for the disk that stands.
  bool stands() const;
};

}  // namespace probekit::test
