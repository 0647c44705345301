// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What every fault has in common: an import that runs meanwhile, programs with times short enough
/// that each of them strikes, and an end at which the ledger is exact and the report gains a row.

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "json/json_value.hpp"
#include "support/cluster.hpp"
#include "support/target_site.hpp"

namespace probekit::test {

/// Tasks of an import.
constexpr std::size_t kTasks = 5'000;
/// Of one over the slowest networks: fewer, unless PROBEKIT_FAULTS is `long`.
std::size_t slow_network_tasks();
/// How long an import may take there.
std::chrono::milliseconds slow_network_time();

/// Flags of a master: heartbeats each 500 ms, dead after 2 s; and of an agent with 64 slots. Both
/// log JSON.
std::vector<std::string> master_flags(const std::string& grace = "2s");
std::vector<std::string> agent_flags();
/// Longer than any wait here: no task leaves its agent, so none runs twice.
constexpr char kLongGrace[] = "60s";

/// `/delay/...` targets of the site that differ in their query.
std::vector<std::string> slow_targets(const TargetSite& site, std::chrono::milliseconds delay,
                                      std::size_t count = kTasks);

/// Seconds since it was made.
class Stopwatch {
 public:
  Stopwatch();
  double seconds() const;

 private:
  std::chrono::steady_clock::time_point begin_;
};

/// Until the time is over, for faults that last.
void wait_for(std::chrono::milliseconds time);

/// Until so many more tasks than now are done: the import moves.
void wait_for_progress(const ApiClient& api, const std::string& batch, std::size_t more);

/// The lines of a program's log whose message starts with `prefix`.
std::vector<json::Value> log_lines(const Process& process, const std::string& prefix);
/// The first of them from number `after` on; waits for it.
json::Value expect_log(const Process& process, const std::string& prefix, std::size_t after = 0,
                       std::chrono::milliseconds timeout = std::chrono::seconds(30));

/// Who said it and what: message, reason, and the diagnosis, which is checked to be there.
std::string disconnect_said(const std::string& who, const json::Value& line);
std::string said(const std::string& who, const json::Value& line);

/// SIGTERM: it gives back all it holds and ends with 0.
void drain(AgentProcess& agent);

struct Ending {
  std::string fault;          ///< names the row
  std::string program_said;   ///< what a person reads
  double recovered = -1;      ///< seconds; less than 0: nothing had stopped
  std::size_t run_twice = 0;  ///< URLs that the targets saw more than once
};

/// Waits for the batch, drains the agents, so that nothing is on its way any more, adds the row,
/// then checks: the ledger is exact, each task has one line, none is lost or recorded twice.
/// Returns the lines.
std::vector<json::Value> conclude(const ApiClient& api, const std::string& batch, std::size_t tasks,
                                  const TargetSite& site,
                                  std::initializer_list<AgentProcess*> agents, Ending ending,
                                  std::chrono::milliseconds timeout = std::chrono::seconds(60));

/// The second half of it, for a batch that has ended and agents that hold nothing.
std::vector<json::Value> conclude_ended(const ApiClient& api, const std::string& batch,
                                        std::size_t tasks, const Ending& ending);

}  // namespace probekit::test
