// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The report of a run, which tests/faults/table.sh turns into the table of docs/reliability.md.

#include <cstddef>
#include <string>

namespace probekit::test {

struct FaultRow {
  std::string fault;
  std::size_t tasks = 0;
  std::size_t done = 0;
  std::string expired;  ///< with the reason of each
  std::size_t run_twice = 0;
  std::size_t recorded_twice = 0;
  std::size_t lost = 0;
  double recovered = -1;  ///< seconds; less than 0: nothing had stopped
  std::string program_said;
};

/// Appends a row of a Markdown table to the file that PROBEKIT_FAULTS_REPORT names, or to
/// faults_report.md in the folder of the build.
void add_row(const FaultRow& row);

}  // namespace probekit::test
