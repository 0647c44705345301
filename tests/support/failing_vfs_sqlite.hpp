// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A file system for SQLite that fails when it is told to, and is the usual one otherwise.
/// *Threads*: fail_with() from any; one such object at a time.

#include <atomic>
#include <string>

struct sqlite3_vfs;

namespace probekit::test {

class FailingVfs {
 public:
  enum class Fault : int {
    none,
    full,      ///< no write finds room
    sync,      ///< no fsync succeeds
    corrupted  ///< what is read is not what was written
  };

  FailingVfs();
  ~FailingVfs();
  FailingVfs(const FailingVfs&) = delete;
  FailingVfs& operator=(const FailingVfs&) = delete;

  std::string name() const;
  void fail_with(Fault fault) noexcept;
};

}  // namespace probekit::test
