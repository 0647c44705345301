// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A file that one process has at a time. *Threads*: distinct objects safe.

#include <memory>
#include <string>

#include "probekit/error.hpp"

namespace probekit::store {

class FileLock {
 public:
  /// Makes the file where there is none, and leaves it there. *Errors*: address_in_use: somebody
  /// else has it; store_failed, with the system's words.
  static Expected<std::unique_ptr<FileLock>> take(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace probekit::store
