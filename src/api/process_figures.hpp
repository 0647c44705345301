// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the kernel says of this process, for metrics.

#include <cstdint>
#include <optional>
#include <string_view>

namespace probekit::api {

/// What cannot be read is empty.
struct ProcessFigures {
  std::optional<double> cpu_seconds;         ///< user and system
  std::optional<double> start_time_seconds;  ///< since the epoch
  std::optional<std::uint64_t> resident_bytes;
  std::optional<std::uint64_t> virtual_bytes;
  std::optional<std::uint64_t> open_descriptors;
  std::optional<std::uint64_t> descriptors_max;
};

/// From /proc: some 50 us, and 0.2 us for each open descriptor. *Threads*: any.
ProcessFigures read_process_figures();

/// The fields of /proc/PID/stat (proc(5)); a name in it may hold anything. `boot_time`: seconds
/// since the epoch; 0: not known.
void read_process_stat(std::string_view stat, std::uint64_t ticks_per_second,
                       std::uint64_t page_bytes, std::uint64_t boot_time, ProcessFigures& figures);

}  // namespace probekit::api
