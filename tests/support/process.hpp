// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A child process of a test: started, read line by line, ended by its id when the test ends.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace probekit::test {

class Process {
 public:
  /// Starts `command` (found in PATH or by its path). stdout is read by read_line(); stderr goes to
  /// a file in `folder` named after the program, or is the test's own when `folder` is empty.
  explicit Process(std::vector<std::string> command, const std::string& folder = {});
  /// Kills it if it still runs.
  ~Process();
  Process(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const noexcept { return pid_; }
  /// One line of stdout without its end; nothing at its end or when the time is up.
  std::optional<std::string> read_line(std::chrono::milliseconds timeout);
  /// The rest of the next line that starts with `prefix`; fails the test when there is none.
  std::string expect_line(const std::string& prefix,
                          std::chrono::milliseconds timeout = std::chrono::seconds(15));
  void signal(int number) const;
  /// SIGSTOP, and waits until every thread stands still.
  void freeze() const;
  bool running();
  /// Waits for its end. The exit code, 128 + n for signal n; nothing when the time is up.
  std::optional<int> wait(std::chrono::milliseconds timeout);
  std::string errors() const;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string buffer_;
  std::string errors_path_;
  std::optional<int> code_;
};

/// A folder of its own, removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// A TCP port of loopback that nobody listened on a moment ago, for programs that cannot take 0.
std::uint16_t free_port();

/// User and system time of a process, itself when 0, from /proc.
std::chrono::microseconds cpu_time(pid_t pid);
/// Resident memory in bytes, from /proc.
std::size_t resident_bytes(pid_t pid);
std::size_t thread_count(pid_t pid);
/// Open descriptors.
std::size_t descriptor_count(pid_t pid);
/// The processes it started.
std::vector<pid_t> children(pid_t pid);

/// Bytes in the receive queue of the process's connection to that port of IPv4, from /proc/net/tcp;
/// nothing when there is no such connection.
std::optional<std::size_t> receive_queue_bytes(pid_t pid, std::uint16_t remote_port);

}  // namespace probekit::test
