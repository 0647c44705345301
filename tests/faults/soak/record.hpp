// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a soak showed, as Markdown, and whether it is well.

#include <cstdint>
#include <string>
#include <vector>

#include "faults/soak/notes.hpp"

namespace probekit::test {

struct SideRecord {
  std::string name;
  bool master_dies = false;  ///< so that its growth says nothing
  Notes notes;
};

struct SoakRecord {
  std::string markdown;
  bool well = false;  ///< flat, nothing lost, no problem
};

/// *Flat* is a process, or a store's file, when of what was seen at rest after each import, the
/// first third of the time left out as the warming up,
/// - the median of memory (of files, the largest size) in the last third is at most a tenth above
///   that in the middle third,
/// - nor does it rise at each step between the four sixths of these, by 3 % or more together,
/// - the median of threads in the last third is not above that in the middle third, that of
///   descriptors by one at most: a client's connection may be about to close.
SoakRecord soak_record(const std::vector<SideRecord>& sides, double minutes, std::uint32_t seed);

}  // namespace probekit::test
