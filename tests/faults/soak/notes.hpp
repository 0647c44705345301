// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a side of the soak saw, from its process to the one that judges.

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace probekit::test {

/// What a process used when nothing ran. Of a file, its size alone.
struct Usage {
  double minute = 0;
  std::uint64_t bytes = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t threads = 0;
};

struct ImportNote {
  double minute = 0;
  std::uint64_t tasks = 0, done = 0, expired = 0, lost = 0, recorded_twice = 0, run_twice = 0,
                failed = 0;
};

struct FaultNote {
  double minute = 0;
  std::string fault;
};

struct Notes {
  std::vector<ImportNote> imports;
  std::vector<FaultNote> faults;
  std::map<std::string, std::vector<Usage>> usage;  ///< by "master", "agent", "store"
  std::vector<std::string> problems;
};

/// A line each, flushed: they stay when the process is killed.
class NoteWriter {
 public:
  explicit NoteWriter(const std::string& path);
  void write(const ImportNote& note);
  void write(const FaultNote& note);
  void write(const std::string& what, const Usage& usage);
  void problem(const std::string& text);

 private:
  std::ofstream file_;
};

Notes read_notes(const std::string& path);

}  // namespace probekit::test
