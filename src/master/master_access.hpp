// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the HTTP API shares with its master: the store, the kinds, and asynchronous views of what
/// lives on the IO thread. *Threads*: safe to share; completions run on any thread, outside locks.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/duration_buckets.hpp"
#include "probekit/log.hpp"
#include "probekit/master.hpp"
#include "store/task_store.hpp"

namespace probekit {

/// Everything /metrics tells of the master, of one moment.
struct MasterFigures {
  MasterStatus status;
  StoreFacts store;
  DurationBuckets store_latency;  ///< of what the IO thread asked
  std::vector<AgentSnapshot> agents;
};

struct MasterAccess {
  virtual ~MasterAccess() = default;

  virtual TaskStore& store() noexcept = 0;
  virtual const ProbeKinds& kinds() const noexcept = 0;
  virtual const Clock& clock() const noexcept = 0;
  virtual RandomSource& random() noexcept = 0;
  virtual std::shared_ptr<Log> log() const = 0;

  virtual void agents(Completion<std::vector<AgentSnapshot>> done) = 0;
  /// *Errors*: not_found.
  virtual void agent(std::string name, Completion<AgentSnapshot> done) = 0;
  virtual void status(Completion<MasterStatus> done) = 0;
  virtual void figures(Completion<MasterFigures> done) = 0;
  virtual bool draining() const noexcept = 0;
  /// True when a connected, not draining agent can run this kind under this selector (of those
  /// named, counted or all: at least one).
  virtual bool has_agent(const std::string& kind, const Selector& agents) const = 0;
  /// What the store is to be given: `all` becomes the names of the agents that could take tasks of
  /// this kind now (connected and not draining), sorted, and stays `all` when there is none. Any
  /// other selector is itself. Once for an upload: see SelectorInterner.
  virtual Selector resolve(const Selector& agents, const std::string& kind) const = 0;

  /// Drain of one agent, by operators: no new tasks to it; undo. *Errors*: not_found.
  virtual void set_agent_drained(std::string name, bool drained,
                                 Completion<AgentSnapshot> done) = 0;

  /// Calls `moved` (on any thread; it must only post) after lines of the batch were recorded or
  /// its state changed, coalesced. Never after unwatch() returned.
  virtual std::uint64_t watch(BatchId batch, std::function<void()> moved) = 0;
  virtual void unwatch(std::uint64_t token) = 0;
};

}  // namespace probekit
