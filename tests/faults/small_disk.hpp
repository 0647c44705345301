// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A file system of its own that a test can fill up or make read-only: of file modes root takes no
/// notice. Only this thread and what it starts see it; mounting takes the rights of root, and the
/// test fails without them.

#include <string>

#include "support/process.hpp"

namespace probekit::test {

class SmallDisk {
 public:
  /// In mount(8)'s words: "32m".
  explicit SmallDisk(const std::string& size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::string& path() const noexcept { return path_; }

  /// Takes all the room there is, and gives it back.
  void fill() const;
  void make_room() const;
  /// Nobody may have a file open for writing.
  void make_read_only() const;
  void make_writable() const;
  /// One file of it alone.
  void make_read_only(const std::string& path) const;

 private:
  TemporaryFolder folder_;
  std::string path_;
};

}  // namespace probekit::test
