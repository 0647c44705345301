// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the summary of a batch is made of, counted while results arrive. A small batch keeps its
/// few values; past them come histograms, so that a batch of one probe costs tens of bytes and one
/// of a million some tens of KiB. *Threads*: one at a time.

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/histogram.hpp"
#include "probekit/export.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/task.hpp"
#include "store/task_store.hpp"

namespace probekit::store {

/// The names of one batch's phases, numbered. Those of the library's own kinds cost a batch
/// nothing. Of others a batch has kOthersMax; further ones count as "other", which harms no other
/// batch.
class PhaseNames {
 public:
  static constexpr std::size_t kOthersMax = 64;
  std::uint16_t number(std::string_view name);
  std::string_view name(std::uint16_t number) const;

 private:
  std::vector<std::string> others_;
};

class PROBEKIT_EXPORT BatchStatistics {
 public:
  /// Samples kept before histograms take over: about sixty HTTP results.
  static constexpr std::size_t kSamplesMax = 512;

  /// An agent that ended tasks of this batch, by its order of appearance.
  std::uint32_t agent_number(std::uint64_t key, const std::shared_ptr<const std::string>& name);
  const std::string& agent_name(std::uint32_t number) const { return *agents_[number].name; }

  /// `phases` with or without "duration_us"; without, `duration` stands for it.
  void add_result(std::uint32_t agent, std::optional<FailureKind> failure,
                  const std::vector<Phase>& phases, std::chrono::microseconds duration);
  void add_expiry(ExpiryReason reason) noexcept { ++reasons_[static_cast<std::size_t>(reason)]; }
  /// Everything but the ledger; zero counts are left out, agents sorted by name.
  void summarize(BatchSummary& summary) const;

 private:
  static constexpr std::size_t kReasons = 4;
  static constexpr std::size_t kAgentsLinear = 8;  // more are looked up by a table
  struct Agent {
    std::uint64_t key;
    std::shared_ptr<const std::string> name;
    std::uint64_t count;
  };
  struct Sample {
    std::uint16_t phase;
    std::uint64_t microseconds;
  };
  struct PhaseHistogram {
    std::uint16_t phase;
    Histogram histogram;
  };

  void add_sample(std::uint16_t phase, std::chrono::microseconds duration);
  void summarize_phases(const std::vector<PhaseHistogram>& phases, BatchSummary& summary) const;
  Histogram& histogram(std::uint16_t phase);

  std::array<std::uint64_t, kReasons> reasons_{};
  std::array<std::uint64_t, kFailureKinds> failures_{};
  std::vector<Agent> agents_;
  std::unordered_map<std::uint64_t, std::uint32_t> agent_numbers_;
  PhaseNames names_;
  std::vector<Sample> samples_;
  std::vector<PhaseHistogram> histograms_;
  std::size_t hint_ = 0;  // phases come in the same order again and again
};

}  // namespace probekit::store
