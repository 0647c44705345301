// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/scenario.hpp"

#include <signal.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "faults/report.hpp"
#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

bool long_run() {
  const char* const value = std::getenv("PROBEKIT_FAULTS");
  return value != nullptr && std::string{value} == "long";
}

// "deadline 3, agent_lost 1"; "0" when there is none.
std::string counts_of(const std::map<std::string, std::size_t>& reasons) {
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + ' ' + reason;
  return text.empty() ? "0" : text;
}

}  // namespace

std::size_t slow_network_tasks() { return long_run() ? kTasks : 300; }

std::chrono::milliseconds slow_network_time() { return long_run() ? 3500s : 150s; }

std::vector<std::string> master_flags(const std::string& grace) {
  return {"--heartbeat-interval",    "500ms", "--dead-after",      "2s",
          "--resume-grace",          grace,   "--send-time-limit", "2s",
          "--time-to-first-message", "2s",    "--log-format",      "json"};
}

std::vector<std::string> agent_flags() {
  return {"--concurrency", "64", "--per-host", "0", "--threads", "1", "--log-format", "json"};
}

std::vector<std::string> slow_targets(const TargetSite& site, std::chrono::milliseconds delay,
                                      std::size_t count) {
  const auto url = site.url("/delay/" + std::to_string(delay.count()));
  std::vector<std::string> targets;
  for (std::size_t n = 0; n < count; ++n) targets.push_back(url + "?n=" + std::to_string(n));
  return targets;
}

Stopwatch::Stopwatch() : begin_(system_clock()->steady_now()) {}

double Stopwatch::seconds() const {
  return std::chrono::duration<double>(system_clock()->steady_now() - begin_).count();
}

void wait_for(std::chrono::milliseconds time) {
  const auto end = system_clock()->steady_now() + time;
  run_until([&] { return system_clock()->steady_now() >= end; }, time + 5s);
}

void wait_for_progress(const ApiClient& api, const std::string& batch, std::size_t more) {
  const auto before = api.batch(batch).done;
  run_until([&] { return api.batch(batch).done >= before + more; }, 60s);
}

std::vector<json::Value> log_lines(const Process& process, const std::string& prefix) {
  std::vector<json::Value> found;
  std::istringstream text{process.errors()};
  for (std::string line; std::getline(text, line);) {
    if (line.find(prefix) == std::string::npos) continue;
    auto value = json::Value::parse(line);
    if (!value) continue;  // its last line is being written
    if (text_at(*value, "message").rfind(prefix, 0) == 0) found.push_back(std::move(*value));
  }
  return found;
}

json::Value expect_log(const Process& process, const std::string& prefix, std::size_t after,
                       std::chrono::milliseconds timeout) {
  std::vector<json::Value> lines;
  INFO("waiting for '" << prefix << "' number " << after);
  run_until(
      [&] {
        lines = log_lines(process, prefix);
        return lines.size() > after;
      },
      timeout);
  return lines[after];
}

std::string said(const std::string& who, const json::Value& line) {
  std::string text = who + ": " + text_at(line, "message");
  for (const char* const why : {"reason", "why"})
    if (line.find(why) != nullptr) text += ": " + text_at(line, why);
  return text;
}

std::string disconnect_said(const std::string& who, const json::Value& line) {
  CHECK_FALSE(text_at(line, "diagnosis").empty());
  CHECK_FALSE(text_at(line, "text").empty());
  // The sentence without the figures of both sockets that follow it.
  const auto text = text_at(line, "text");
  const auto figures = text.find("here Recv-Q");
  REQUIRE(figures != std::string::npos);
  return said(who, line) + " (" + text_at(line, "diagnosis") + ": " + text.substr(0, figures - 2) +
         ')';
}

void drain(AgentProcess& agent) {
  agent.process().signal(SIGTERM);
  const auto code = agent.process().wait(40s);
  INFO(agent.process().errors());
  CHECK(code == 0);
}

std::vector<json::Value> conclude(const ApiClient& api, const std::string& batch, std::size_t tasks,
                                  const TargetSite& site,
                                  std::initializer_list<AgentProcess*> agents, Ending ending,
                                  std::chrono::milliseconds timeout) {
  api.wait_for(batch, timeout);
  for (auto* agent : agents) drain(*agent);
  ending.run_twice = site.asked_again();
  return conclude_ended(api, batch, tasks, ending);
}

std::vector<json::Value> conclude_ended(const ApiClient& api, const std::string& batch,
                                        std::size_t tasks, const Ending& ending) {
  const auto counts = api.batch(batch);
  auto lines = api.results(batch);
  std::set<std::string> ids;
  std::set<std::string> targets;
  std::map<std::string, std::size_t> expired;
  std::size_t done = 0;
  for (const auto& line : lines) {
    ids.insert(text_at(line, "task"));
    targets.insert(text_at(line, "target"));
    if (text_at(line, "state") == "done") ++done;
    if (text_at(line, "state") == "expired") ++expired[text_at(line, "reason")];
  }
  FaultRow row;
  row.fault = ending.fault;
  row.tasks = tasks;
  row.done = done;
  row.expired = counts_of(expired);
  row.run_twice = ending.run_twice;
  row.recorded_twice = lines.size() - ids.size();
  row.lost = tasks - std::min(tasks, targets.size());
  row.recovered = ending.recovered;
  row.program_said = ending.program_said;
  add_row(row);

  CHECK(counts.accepted == tasks);
  CHECK(counts.done == tasks);
  CHECK(counts.done == done);
  CHECK(counts.queued + counts.in_flight == 0);
  CHECK(counts.expired + counts.cancelled == 0);
  CHECK(lines.size() == tasks);
  CHECK(row.recorded_twice == 0);
  CHECK(row.lost == 0);
  CHECK_FALSE(ending.program_said.empty());
  return lines;
}

}  // namespace probekit::test
