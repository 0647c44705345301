// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/batch_statistics.hpp"

#include <algorithm>

namespace probekit::store {
namespace {

constexpr std::string_view kDuration = "duration_us";
/// Of http and dns. "other" is the last.
constexpr std::string_view kKnown[] = {kDuration,    "dns_us",   "connect_us",
                                       "tls_us",     "send_us",  "first_byte_us",
                                       "receive_us", "query_us", "other"};
constexpr std::size_t kKnownCount = sizeof kKnown / sizeof kKnown[0];

}  // namespace

std::uint16_t PhaseNames::number(std::string_view name) {
  // A dozen names at most in practice: comparing lengths and bytes beats hashing them.
  for (std::size_t i = 0; i < kKnownCount; ++i) {
    if (kKnown[i] == name) return static_cast<std::uint16_t>(i);
  }
  for (std::size_t i = 0; i < others_.size(); ++i) {
    if (others_[i] == name) return static_cast<std::uint16_t>(kKnownCount + i);
  }
  if (others_.size() == kOthersMax) return static_cast<std::uint16_t>(kKnownCount - 1);
  others_.emplace_back(name);
  return static_cast<std::uint16_t>(kKnownCount + others_.size() - 1);
}

std::string_view PhaseNames::name(std::uint16_t number) const {
  return number < kKnownCount ? kKnown[number] : others_[number - kKnownCount];
}

std::uint32_t BatchStatistics::agent_number(std::uint64_t key,
                                            const std::shared_ptr<const std::string>& name) {
  if (agents_.size() <= kAgentsLinear) {
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      if (agents_[i].key == key) return static_cast<std::uint32_t>(i);
    }
  } else if (const auto found = agent_numbers_.find(key); found != agent_numbers_.end()) {
    return found->second;
  }
  const auto number = static_cast<std::uint32_t>(agents_.size());
  agents_.push_back({key, name, 0});
  if (agents_.size() == kAgentsLinear + 1) {
    for (std::uint32_t i = 0; i <= number; ++i) agent_numbers_.emplace(agents_[i].key, i);
  } else if (agents_.size() > kAgentsLinear) {
    agent_numbers_.emplace(key, number);
  }
  return number;
}

void BatchStatistics::add_result(std::uint32_t agent, std::optional<FailureKind> failure,
                                 const std::vector<Phase>& phases,
                                 std::chrono::microseconds duration) {
  ++agents_[agent].count;
  if (failure) ++failures_[static_cast<std::size_t>(*failure)];
  bool whole = false;
  for (const Phase& phase : phases) {
    whole = whole || phase.name == kDuration;
    add_sample(names_.number(phase.name), phase.duration);
  }
  if (!whole) add_sample(names_.number(kDuration), duration);
}

void BatchStatistics::add_sample(std::uint16_t phase, std::chrono::microseconds duration) {
  const auto value =
      static_cast<std::uint64_t>(std::max<std::chrono::microseconds::rep>(duration.count(), 0));
  if (histograms_.empty()) {
    samples_.push_back({phase, value});
    if (samples_.size() < kSamplesMax) return;
    for (const Sample& sample : samples_) histogram(sample.phase).record(sample.microseconds);
    samples_ = {};
    return;
  }
  histogram(phase).record(value);
}

Histogram& BatchStatistics::histogram(std::uint16_t phase) {
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    if (hint_ >= histograms_.size()) hint_ = 0;
    PhaseHistogram& candidate = histograms_[hint_++];
    if (candidate.phase == phase) return candidate.histogram;
  }
  histograms_.push_back({phase, {}});
  hint_ = histograms_.size();
  return histograms_.back().histogram;
}

void BatchStatistics::summarize(BatchSummary& summary) const {
  for (std::size_t i = 0; i < reasons_.size(); ++i) {
    if (reasons_[i] == 0) continue;
    summary.reasons.emplace_back(to_string(static_cast<ExpiryReason>(i)), reasons_[i]);
  }
  for (std::size_t i = 0; i < failures_.size(); ++i) {
    if (failures_[i] == 0) continue;
    summary.failures.emplace_back(to_string(static_cast<FailureKind>(i)), failures_[i]);
  }
  for (const Agent& agent : agents_) {
    if (agent.count > 0) summary.agents.emplace_back(*agent.name, agent.count);
  }
  std::sort(summary.agents.begin(), summary.agents.end());

  if (!histograms_.empty()) return summarize_phases(histograms_, summary);
  BatchStatistics counted;
  for (const Sample& sample : samples_) counted.histogram(sample.phase).record(sample.microseconds);
  summarize_phases(counted.histograms_, summary);
}

void BatchStatistics::summarize_phases(const std::vector<PhaseHistogram>& phases,
                                       BatchSummary& summary) const {
  for (const PhaseHistogram& phase : phases) {
    const Histogram& of = phase.histogram;
    summary.phases.push_back({std::string{names_.name(phase.phase)}, of.count(), of.percentile(50),
                              of.percentile(90), of.percentile(99), of.max()});
  }
}

}  // namespace probekit::store
