// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One master of the soak with its nginx and its agents, in a process and a network of their own:
/// import after import while faults strike, each checked to its last line, each followed by a
/// look at what the programs use.

#include <chrono>
#include <cstdint>
#include <string>

namespace probekit::test {

struct SideOptions {
  std::string name;
  bool durable = false;       ///< the SQLite store
  bool master_dies = false;   ///< it is killed and restarted like the agents
  std::chrono::seconds time;  ///< no import begins after it
  std::uint32_t seed = 0;
  std::string notes;  ///< the file that read_notes() reads; logs are put beside it upon a problem
};

/// Returns when the time is over. What was wrong is in the notes; fails the test when it cannot go
/// on.
void run_side(const SideOptions& options);

}  // namespace probekit::test
