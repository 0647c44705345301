// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// How far a batch is: a bar on a terminal, a line every 5 s otherwise.

#include <chrono>
#include <cstdint>
#include <string>

namespace examples {

struct Progress {
  std::uint64_t accepted = 0;
  std::uint64_t ended = 0;
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  double tasks_per_second = 0;
  double eta_seconds = -1;  ///< below 0: unknown
};

/// Writes to stderr, so that stdout stays for results and the summary.
class ProgressDisplay {
 public:
  ProgressDisplay();
  void show(const Progress& progress, std::chrono::steady_clock::time_point now);
  /// Ends the bar's line.
  void finish();

 private:
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace examples
