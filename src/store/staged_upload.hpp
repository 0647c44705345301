// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A batch that is being filled, and what finds equal things in it; the latter ends with the
/// upload. Plain data of TaskTable. *Threads*: one at a time.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"
#include "store/stored_batch.hpp"

namespace probekit::store {

/// One of the ways a selector chooses agents: each is a task for a target, or `copies` of them.
struct Reach {
  std::string agent;  // pinned to this name; empty: any
  std::vector<Label> tags;
  std::uint32_t copies = 1;
  bool nobody = false;  // all of none
};

struct OptionsHash {
  std::size_t operator()(const ProbeOptions* options) const;
};
struct OptionsEqual {
  bool operator()(const ProbeOptions* a, const ProbeOptions* b) const { return *a == *b; }
};

struct StagedUpload {
  std::unique_ptr<StoredBatch> batch = std::make_unique<StoredBatch>();
  BatchId into;  // an open batch; 0: it is one itself

  std::unordered_map<const ProbeOptions*, std::shared_ptr<const ProbeOptions>, OptionsHash,
                     OptionsEqual>
      options;
  std::vector<Reach> reaches;
  std::unordered_map<std::string, std::uint32_t> reach_numbers;                     // by their text
  std::map<std::pair<const ProbeOptions*, std::uint32_t>, std::uint32_t> bindings;  // by reach
  std::unordered_map<const LaneEntry*, std::uint32_t> queues;

  // The last one asked for: an import asks for the same again and again.
  std::shared_ptr<const ProbeOptions> last_options;
  std::shared_ptr<const Selector> last_agents;
  std::vector<std::uint32_t> last_bindings;
};

/// The ways of a selector, each with a text of its own.
std::vector<std::pair<std::string, Reach>> reaches_of(const Selector& agents);
/// `a=1,b=2`
std::string tags_text(const std::vector<Label>& tags);
/// ` that runs http with a=1,b=2`: what an agent must be for it, besides its name.
std::string runs_text(const Lane& lane);

}  // namespace probekit::store
