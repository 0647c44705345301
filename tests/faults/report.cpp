// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "support/catch.hpp"

namespace probekit::test {
namespace {

// A cell ends at a bar, a row at a newline.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

void add_row(const FaultRow& row) {
  char recovered[32] = "-";
  if (row.recovered >= 0) std::snprintf(recovered, sizeof recovered, "%.1f", row.recovered);
  const char* const named = std::getenv("PROBEKIT_FAULTS_REPORT");
  std::ostringstream line;
  line << "| " << cell(row.fault) << " | " << row.tasks << " | " << row.done << " | "
       << cell(row.expired) << " | " << row.run_twice << " | " << row.recorded_twice << " | "
       << row.lost << " | " << recovered << " | " << cell(row.program_said) << " |\n";
  // At once: cases beside this one append theirs.
  const std::string text = line.str();
  const int file = open(named != nullptr ? named : PROBEKIT_FAULTS_REPORT_DEFAULT,
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const ssize_t written = file < 0 ? -1 : write(file, text.data(), text.size());
  if (file >= 0) close(file);
  if (written != static_cast<ssize_t>(text.size())) FAIL("the report cannot be written");
}

}  // namespace probekit::test
