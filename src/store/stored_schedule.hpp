// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How the memory store keeps a schedule: its targets' next runs, and where the lines of its runs
/// are. Runs are tasks of segments: batches nobody sees, which begin and are forgotten like
/// others. Plain data of TaskTable. *Threads*: one at a time.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "store/schedule_clock.hpp"
#include "store/stored_batch.hpp"

namespace probekit::store {

struct StoredSchedule {
  struct Target {
    std::uint64_t ordinal = 0;
    // The tasks of its latest run, which are neighbours.
    TaskId first;
    std::uint32_t count = 0;
  };

  std::string name;
  BatchId watch;  // a number no batch has
  std::shared_ptr<const ScheduleSpec> spec;
  SystemTime created_at{};
  SystemTime updated_at{};
  double phase = 0;
  SteadyTime base{};
  std::uint64_t next_ordinal = 0;
  ScheduleClock clock;
  std::vector<Target> targets;  // as in the spec
  SteadyTime due = kNever;
  Ledger ledger;
  std::uint64_t missed = 0;

  StoredBatch* segment = nullptr;     // that takes the next run
  std::deque<BatchId> segments;       // that are kept
  std::deque<std::uint64_t> lines;    // in the order they were recorded: segment, and line in it
  std::uint64_t lines_forgotten = 0;  // before these
  bool in_news = false;

  static constexpr int kSegmentBits = 32;
};

}  // namespace probekit::store
