// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// How far an import is: a bar on a terminal, a line every 5 s otherwise.

#include <cstdint>
#include <memory>
#include <probekit/clock.hpp>
#include <string>

#include "terminal.hpp"

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
  explicit ProgressDisplay(std::shared_ptr<const probekit::Clock> clock);

  /// Before the batch: bytes sent of so many, 0 when that is not known.
  void show_upload(std::uint64_t sent, std::uint64_t total);
  void show(const Progress& progress);
  /// Shows the last state whatever the time, and ends the bar's line.
  void finish(const Progress& progress);
  /// A line of its own; the bar comes again below it.
  void say(const std::string& line);
  /// Takes the bar away.
  void clear();

 private:
  bool due();
  void draw(const Progress& progress);
  void draw(std::uint64_t part, std::uint64_t whole, const std::string& plain,
            const std::string& coloured);

  std::shared_ptr<const probekit::Clock> clock_;
  probekit::SteadyTime last_;
  Terminal terminal_;
  bool drawn_ = false;  // a bar stands on the terminal's line
};

}  // namespace examples
