// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/soak/side.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>

#include "faults/network.hpp"
#include "faults/scenario.hpp"
#include "faults/soak/notes.hpp"
#include "support/catch.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

// Of two imports: the oldest is forgotten soon, and memory is what the load takes.
constexpr char kResultsKept[] = "10000";
constexpr std::chrono::milliseconds kDelay{100};

std::vector<std::string> flags_of(const SideOptions& options, const std::string& folder) {
  return {"--heartbeat-interval",
          "500ms",
          "--dead-after",
          "3s",
          "--resume-grace",
          "2s",
          "--send-time-limit",
          "3s",
          "--log-format",
          "json",
          "--results-kept",
          kResultsKept,
          "--store",
          options.durable ? "sqlite:" + folder + "/store" : "memory"};
}

std::vector<std::string> agent_flags_of_soak() {
  return {"--concurrency", "16", "--per-host", "0", "--threads", "1", "--log-format", "json"};
}

class Side {
 public:
  Side(const SideOptions& options, const NetworkNamespace& space);
  void run();
  /// What the programs said until now, beside the notes.
  void keep_logs();

 private:
  struct Fault {
    const char* name;
    void (Side::*strike)();
  };
  struct Named {
    std::string name;
    std::unique_ptr<AgentProcess> agent;
  };

  void import();
  void strike();
  void check(const std::string& batch, const TargetSite& site);
  void rest();
  void look(const std::string& what, pid_t pid);
  void problem(const std::string& text);

  void kill_agent();
  void freeze_agent();
  void restart_agent();
  void use_name_twice();
  void replace_frozen_agent();
  void reload_nginx();
  void restart_nginx();
  void kill_nginx();
  void freeze_master();
  void kill_master();
  void restart_master();

  std::unique_ptr<AgentProcess> start_agent(const std::string& name) const;
  void end_agent(AgentProcess& agent);
  Named& any_agent() { return agents_[below(agents_.size())]; }
  Named& mortal_agent() { return agents_[1 + below(agents_.size() - 1)]; }
  std::size_t below(std::size_t bound) { return random_() % bound; }
  void last(std::size_t from_ms, std::size_t to_ms) {
    wait_for(std::chrono::milliseconds(from_ms + below(to_ms - from_ms)));
  }
  double minute() const { return since_.seconds() / 60; }

  const SideOptions& options_;
  Stopwatch since_;
  NoteWriter notes_;
  std::mt19937 random_;
  TemporaryFolder folder_;
  MasterProcess master_;
  Nginx nginx_;
  std::array<Named, 3> agents_;  // the first is never ended
  std::vector<Fault> faults_;
  std::size_t imports_ = 0;
  std::size_t faults_struck_ = 0;
  std::size_t problems_ = 0;
  std::uint64_t accepted_ = 0;
};

Side::Side(const SideOptions& options, const NetworkNamespace& space)
    : options_(options),
      notes_(options.notes),
      random_(options.seed),
      master_(flags_of(options, folder_.path())),
      nginx_({master_.agents_port()}),
      faults_{{"agent: `kill -9`", &Side::kill_agent},
              {"agent: `SIGSTOP`, then `SIGCONT`", &Side::freeze_agent},
              {"agent: restarted by `SIGTERM`", &Side::restart_agent},
              {"agent: a second one of its name", &Side::use_name_twice},
              {"agent: frozen, then replaced under its name", &Side::replace_frozen_agent},
              {"nginx: reloaded", &Side::reload_nginx},
              {"nginx: restarted", &Side::restart_nginx},
              {"nginx: `kill -9`", &Side::kill_nginx},
              {"master: `SIGSTOP`, then `SIGCONT`", &Side::freeze_master}} {
  if (options.master_dies) {
    for (int times = 0; times < 2; ++times)
      faults_.push_back({"master: `kill -9`", &Side::kill_master});
    faults_.push_back({"master: restarted by `SIGTERM`", &Side::restart_master});
  }
  // No connection of a probe takes a port from a listener that is away for a moment.
  const auto api = master_.api_url();
  space.run({"sh", "-c",
             "echo " + std::to_string(master_.agents_port()) + ',' +
                 api.substr(api.rfind(':') + 1) + ',' + std::to_string(nginx_.port()) +
                 " >/proc/sys/net/ipv4/ip_local_reserved_ports"});
  const char* const names[] = {"kept", "one", "two"};
  for (std::size_t n = 0; n < agents_.size(); ++n) agents_[n] = {names[n], start_agent(names[n])};
}

void Side::run() {
  while (since_.seconds() < static_cast<double>(options_.time.count())) import();
  for (auto& one : agents_) end_agent(*one.agent);
  if (master_.end_and_restart() != 0) problem("the master did not end with 0");
}

void Side::import() {
  ++imports_;
  const TargetSite site;
  const auto batch = master_.api().import(slow_targets(site, kDelay));
  accepted_ += kTasks;
  const auto ended = [&] { return master_.api().batch(batch).state == "done"; };
  // What cannot end within five minutes does not end.
  for (const Stopwatch since; !ended();) {
    if (since.seconds() > 300) FAIL("import " << imports_ << " does not end");
    last(200, 2'000);
    if (!ended()) strike();
  }
  rest();
  check(batch, site);
  look("master", master_.process().pid());
  look("agent", agents_.front().agent->process().pid());
  if (!options_.durable) return;
  Usage store{minute()};
  for (const auto& entry : std::filesystem::directory_iterator{folder_.path()})
    store.bytes += entry.file_size();
  notes_.write("store", store);
}

void Side::strike() {
  const auto& fault = faults_[below(faults_.size())];
  ++faults_struck_;
  notes_.write(FaultNote{minute(), fault.name});
  (this->*fault.strike)();
}

// -- agents ---------------------------------------------------------------------------------------

std::unique_ptr<AgentProcess> Side::start_agent(const std::string& name) const {
  return std::make_unique<AgentProcess>(name, nginx_.url(), agent_flags_of_soak());
}

// It gives back what it holds, which may wait until it is connected again.
void Side::end_agent(AgentProcess& agent) {
  agent.process().signal(SIGTERM);
  const auto code = agent.process().wait(40s);
  if (code != 0) problem("an agent's graceful end: " + std::to_string(code.value_or(-1)));
}

void Side::kill_agent() {
  auto& one = mortal_agent();
  one.agent->process().signal(SIGKILL);
  last(0, 3'000);
  one.agent = start_agent(one.name);
}

void Side::freeze_agent() {
  const auto& process = any_agent().agent->process();
  process.freeze();
  last(300, 6'000);
  process.signal(SIGCONT);
}

void Side::restart_agent() {
  auto& one = mortal_agent();
  end_agent(*one.agent);
  one.agent = start_agent(one.name);
}

void Side::use_name_twice() {
  const auto second = start_agent(any_agent().name);
  // Refused; or welcomed, where the first was cut off just now.
  run_until(
      [&] {
        return second->process().read_line(1ms).has_value() ||
               !log_lines(second->process(), "rejected: name_in_use").empty();
      },
      40s);
  end_agent(*second);
}

void Side::replace_frozen_agent() {
  auto& one = mortal_agent();
  one.agent->process().freeze();
  auto second = start_agent(one.name);
  if (!second->process().read_line(60s))
    problem("no agent took over the name `" + one.name + "` from a frozen one within 60 s");
  one.agent = std::move(second);
}

// -- nginx and master -----------------------------------------------------------------------------

void Side::reload_nginx() { nginx_.reload(); }

void Side::restart_nginx() {
  nginx_.stop();
  last(0, 3'000);
  nginx_.start();
}

void Side::kill_nginx() {
  nginx_.kill();
  last(0, 3'000);
  nginx_.start();
}

void Side::freeze_master() {
  master_.process().freeze();
  last(300, 6'000);
  master_.process().signal(SIGCONT);
}

void Side::kill_master() { master_.kill_and_restart(); }

void Side::restart_master() {
  if (const int code = master_.end_and_restart(); code != 0)
    problem("the master's graceful end: " + std::to_string(code));
}

// -- after an import ------------------------------------------------------------------------------

void Side::rest() {
  run_until(
      [&] {
        const auto agents = master_.api().get("/v1/agents").json();
        std::size_t idle = 0;
        for (const auto& agent : *agents.find("items")->as_array())
          if (agent.find("connected")->as_bool().value_or(false) &&
              number_at(agent, "in_flight") == 0)
            ++idle;
        return idle == agents_.size();
      },
      90s);
  for (auto& one : agents_)
    while (one.agent->process().read_line(1ms)) continue;
}

void Side::check(const std::string& batch, const TargetSite& site) {
  const auto counts = master_.api().batch(batch);
  ImportNote note;
  note.minute = minute();
  note.tasks = kTasks;
  note.run_twice = site.asked_again();
  std::set<std::string> ids;
  std::set<std::string> targets;
  std::size_t lines = 0;
  for (const auto& line : master_.api().results(batch)) {
    ++lines;
    ids.insert(text_at(line, "task"));
    targets.insert(text_at(line, "target"));
    const auto state = text_at(line, "state");
    if (state == "done") {
      ++note.done;
      if (text_at(line, "verdict") != "passed") ++note.failed;
    } else {
      ++note.expired;
      problem("import " + std::to_string(imports_) + ": a task ended " + line.to_json());
    }
  }
  note.recorded_twice = lines - ids.size();
  note.lost = kTasks - targets.size();
  notes_.write(note);
  if (note.recorded_twice > 0 || note.lost > 0 || lines != kTasks)
    problem("import " + std::to_string(imports_) + ": " + std::to_string(lines) + " lines of " +
            std::to_string(ids.size()) + " tasks and " + std::to_string(targets.size()) +
            " targets");
  if (counts.accepted != kTasks || counts.done != note.done || counts.expired != note.expired ||
      counts.cancelled + counts.queued + counts.in_flight != 0)
    problem("import " + std::to_string(imports_) + ": the ledger is not exact: done " +
            std::to_string(counts.done) + ", expired " + std::to_string(counts.expired) +
            ", queued " + std::to_string(counts.queued) + ", in flight " +
            std::to_string(counts.in_flight));
  const auto status = master_.api().get("/v1/status").json();
  const auto& ledger = *status.find("ledger");
  const auto all = number_at(ledger, "accepted");
  if (all != accepted_ || all != number_at(ledger, "done") + number_at(ledger, "expired"))
    problem("the master's ledger is not exact: " + ledger.to_json());
  std::fprintf(stderr,
               "%5.1f min  %-22s import %3zu: done %ju, expired %ju, lost %ju, recorded twice %ju, "
               "run twice %ju; %zu faults so far\n",
               note.minute, options_.name.c_str(), imports_, static_cast<std::uintmax_t>(note.done),
               static_cast<std::uintmax_t>(note.expired), static_cast<std::uintmax_t>(note.lost),
               static_cast<std::uintmax_t>(note.recorded_twice),
               static_cast<std::uintmax_t>(note.run_twice), faults_struck_);
}

void Side::look(const std::string& what, pid_t pid) {
  notes_.write(what, {minute(), resident_bytes(pid), descriptor_count(pid), thread_count(pid)});
}

void Side::problem(const std::string& text) {
  notes_.problem(text);
  std::fprintf(stderr, "%5.1f min  %-22s %s\n", minute(), options_.name.c_str(), text.c_str());
  if (++problems_ == 1) keep_logs();
}

void Side::keep_logs() {
  std::ofstream{options_.notes + ".master.log"} << master_.process().errors();
  for (const auto& one : agents_)
    std::ofstream{options_.notes + "." + one.name + ".log"} << one.agent->process().errors();
  for (const char* const view : {"status", "agents"})
    std::ofstream{options_.notes + "." + view}
        << master_.api().get(std::string{"/v1/"} + view).body;
}

}  // namespace

void run_side(const SideOptions& options) {
  const NetworkNamespace space;
  const NetworkNamespace::Inside inside{space};
  Side side{options, space};
  try {
    side.run();
  } catch (...) {
    side.keep_logs();
    throw;
  }
}

}  // namespace probekit::test
