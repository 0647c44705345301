// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/options_interner.hpp"

#include <functional>
#include <string>
#include <utility>

namespace probekit {
namespace {

std::size_t hash_of(const ProbeOptions& options) {
  std::size_t hash = std::hash<std::string>{}(options.kind);
  const auto mix = [&hash](std::size_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL; };
  mix(static_cast<std::size_t>(options.timeout.count()));
  mix(options.deadline ? static_cast<std::size_t>(options.deadline->count()) : 0);
  mix(static_cast<std::size_t>(options.priority));
  mix(std::hash<std::string>{}(options.section));
  for (const Label& label : options.labels) {
    mix(std::hash<std::string>{}(label.key));
    mix(std::hash<std::string>{}(label.value));
  }
  return hash;
}

}  // namespace

std::shared_ptr<const ProbeOptions> OptionsInterner::intern(ProbeOptions&& options) {
  if (last_ && *last_ == options) return last_;
  const std::size_t hash = hash_of(options);
  const auto [begin, end] = known_.equal_range(hash);
  for (auto at = begin; at != end; ++at) {
    if (*at->second == options) return last_ = at->second;
  }
  // Lists of which each line has options of its own gain nothing from being remembered.
  if (known_.size() >= kMax) known_.clear();
  last_ = std::make_shared<const ProbeOptions>(std::move(options));
  known_.emplace(hash, last_);
  return last_;
}

}  // namespace probekit
