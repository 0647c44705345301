// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A program run to its end, and files it reads and writes.

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/process.hpp"

namespace probekit::test {

struct Ran {
  int code = -1;
  std::string output;
  std::string errors;
};

inline Ran finish(Process& process) {
  Ran ran;
  while (const auto line = process.read_line(std::chrono::seconds(30))) ran.output += *line + '\n';
  const auto code = process.wait(std::chrono::seconds(10));
  REQUIRE(code);
  ran.code = *code;
  ran.errors = process.errors();
  return ran;
}

inline Ran run(std::vector<std::string> command) {
  const TemporaryFolder folder;
  command.front() = program(command.front());
  Process process{command, folder.path()};
  return finish(process);
}

inline void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

inline std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream{path, std::ios::binary}.rdbuf();
  return text.str();
}

inline std::ptrdiff_t lines_in(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace probekit::test
