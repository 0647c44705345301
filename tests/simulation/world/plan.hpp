// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a seed decides before a life begins: who lives, over which network, what is asked of them
/// and what goes wrong when.

#include <cstdint>
#include <string>
#include <vector>

#include "probekit/agent.hpp"
#include "probekit/master.hpp"
#include "simulation/world/network.hpp"
#include "simulation/world/probing.hpp"
#include "simulation/world/world.hpp"
#include "store/task_store.hpp"

namespace probekit::simulation {

struct AgentPlan {
  std::string name;
  std::vector<Label> tags;
  AgentOptions options;
  ProbingPlan probing;
  Way way;
  Time begins{0};
  Time steady_offset{0};
  microseconds wall_offset{0};
};

struct BatchPlan {
  Time at{0};
  std::size_t targets = 0;
  std::size_t hosts = 1;
  Time more_at{0};  ///< as many come then; not 0: it is open until all is well
  ProbeOptions options;
  Selector agents;
};

/// Something that goes wrong, or that somebody does.
struct Incident {
  enum class Kind {
    cut,           ///< the connection breaks, and both sides hear of it
    silence,       ///< it dies, and nobody hears of it
    half_silence,  ///< the same, in one direction
    stall,         ///< nothing arrives for a while
    freeze_agent,  ///< its process stands still
    freeze_master,
    crash_agent,     ///< its process is killed, and starts again
    crash_master,    ///< likewise; a store in memory goes with it
    restart_master,  ///< it stops as it should, and starts again on its store
    drain_agent,     ///< it gives back what it has, ends, and starts again
    drain_master,    ///< it drains, stops, and starts again on its store
    rival,           ///< somebody starts another agent of the same name
    clock_step,      ///< an administrator sets the wall clock
    slow_reader,     ///< a process takes long to read
    standing_store,  ///< the disk does not answer
    cancel_batch,
  };
  Kind kind = Kind::cut;
  Time at{0};
  Time lasts{0};
  std::size_t agent = 0;
  std::uint64_t choice = 0;  ///< for what else there is to choose
};

/// Of a `clock_step`: the clock of its agent, or of the master.
constexpr bool is_of_agent(const Incident& step) noexcept { return step.choice % 2 == 1; }
/// Up to an hour, forward or back.
microseconds size_of(const Incident& step) noexcept;

struct SchedulePlan {
  Time at{0};
  ScheduleSpec spec;
};

struct Plan {
  bool calm = false;  ///< nothing goes wrong
  Time store_latency{0};
  std::uint32_t attempts_max = 5;
  MasterOptions master;
  Time master_steady_offset{0};
  std::vector<AgentPlan> agents;
  std::vector<BatchPlan> batches;
  std::vector<SchedulePlan> schedules;
  std::vector<Incident> incidents;
  Time heals{0};               ///< from then on all is well
  Time standstill{0};          ///< for so long the store may not act
  bool last_is_done = false;   ///< what comes when all is well must end `done`
  std::size_t never_back = 0;  ///< agents that stay dead if they died, from the end

  /// Enough for whatever is left, from when all is well.
  Time patience{0};
};

/// `durable`: the store outlives its master, which is killed more often for that.
Plan make_plan(Chance& chance, bool durable);
std::string_view to_string(Incident::Kind kind) noexcept;

}  // namespace probekit::simulation
