// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A task table and a time that only the test moves.

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/task_table.hpp"
#include "support/catch.hpp"

namespace probekit::test {

using namespace probekit::store;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

inline StoreOptions options_of(std::uint64_t queued_max, std::uint64_t results_kept_max,
                               std::uint32_t attempts_max) {
  StoreOptions options;
  options.queued_max = queued_max;
  options.results_kept_max = results_kept_max;
  options.attempts_max = attempts_max;
  return options;
}

inline std::shared_ptr<ProbeOptions> probe_options() {
  auto options = std::make_shared<ProbeOptions>();
  options->kind = "http";
  options->timeout = 10s;
  options->priority = Priority::low;
  return options;
}

inline std::shared_ptr<const Selector> chosen(Selector::Kind kind, std::uint32_t count,
                                              std::vector<Label> tags = {},
                                              std::vector<std::string> names = {}) {
  auto agents = std::make_shared<Selector>();
  agents->kind = kind;
  agents->count = count;
  agents->tags = std::move(tags);
  agents->names = std::move(names);
  return agents;
}

inline std::shared_ptr<const Selector> named(std::vector<std::string> names) {
  return chosen(Selector::Kind::names, 1, {}, std::move(names));
}

inline TaskReport report(const LeasedTask& task, TaskReport::Kind kind) {
  TaskReport made;
  made.task = task.task;
  made.attempt = task.attempt;
  made.kind = kind;
  return made;
}

inline TaskReport passed(const LeasedTask& task) {
  TaskReport made = report(task, TaskReport::Kind::result);
  made.verdict = Verdict::passed;
  made.fields = R"("verdict":"passed","failure":null,"started_at":"x","suspect":false)";
  return made;
}

inline TaskReport failed(const LeasedTask& task, FailureKind kind) {
  TaskReport made = passed(task);
  made.verdict = Verdict::failed;
  made.failure = kind;
  made.fields = R"("verdict":"failed","failure":{},"started_at":"x","suspect":false)";
  return made;
}

/// A table and a time that only the test moves; the table is audited after every step.
class World {
 public:
  explicit World(StoreOptions options = options_of(1'000'000, 1'000'000, 5),
                 std::size_t work_per_call = kWorkPerCall)
      : table(options, "0123abcd89efefef", work_per_call) {}

  void advance(milliseconds by) {
    now.steady += by;
    now.system += by;
  }

  void check() {
    const std::string fault = table.audit();
    INFO(fault);
    REQUIRE(fault.empty());
    REQUIRE(table.facts().ledger.balanced());
  }

  std::uint64_t open(BatchOrigin origin = BatchOrigin::import) {
    return table.open_upload({"", origin}).value();
  }
  /// Targets are `prefix` and a number, so that tests see the order.
  Expected<std::uint64_t> append(std::uint64_t upload, int count, const std::string& prefix,
                                 const std::shared_ptr<const ProbeOptions>& options,
                                 const std::string& agent = {}) {
    std::vector<std::string> targets;
    for (int i = 0; i < count; ++i) targets.push_back(prefix + std::to_string(i));
    std::vector<NewTask> tasks;
    const auto agents = agent.empty() ? nullptr : named({agent});
    for (const std::string& target : targets) tasks.push_back({target, options, agents});
    auto appended = table.append(upload, tasks);
    check();
    return appended;
  }
  BatchId commit(std::uint64_t upload, std::uint64_t rejected = 0) {
    const auto view = table.commit_upload(now, upload, rejected);
    REQUIRE(view);
    check();
    return view->id;
  }
  BatchId import(int count, const std::string& prefix = "u",
                 const std::shared_ptr<const ProbeOptions>& options = probe_options(),
                 const std::string& agent = {}) {
    const auto upload = open();
    REQUIRE(append(upload, count, prefix, options, agent));
    return commit(upload);
  }

  SessionId session(const std::string& agent, const std::vector<Label>& tags = {}) {
    const SessionId id = table.open_session({agent, tags, {"http", "dns"}}).session;
    check();
    return id;
  }
  /// From every lane there is.
  std::vector<LeasedTask> lease(SessionId session, std::size_t count) {
    LeaseRequest request{session, {}, count};
    for (const Lane& lane : table.lanes()) request.lanes.push_back(lane.id);
    auto reply = table.lease(now, request);
    REQUIRE(reply);
    check();
    return reply->tasks;
  }
  RecordReply record(SessionId session, const std::vector<TaskReport>& reports) {
    auto reply = table.record(now, session, reports);
    check();
    return reply;
  }
  void lose(SessionId session, milliseconds grace = 30s) {
    table.lose_session(now, {session, grace});
    check();
  }
  ResumeReply resume(SessionId previous, SessionId session,
                     const std::vector<LeasedTask>& held = {}, bool restarted = false) {
    ResumeRequest request{previous, session, restarted, {}};
    for (const LeasedTask& task : held) request.held.emplace_back(task.task, task.attempt);
    auto reply = table.resume(now, request);
    REQUIRE(reply);
    check();
    return *reply;
  }
  StoreTick tick() {
    auto tick = table.tick(now);
    check();
    return tick;
  }
  BatchSnapshot info(BatchId id) {
    const auto view = table.batch(now, id);
    REQUIRE(view);
    return view->info;
  }
  Ledger ledger(BatchId id) { return info(id).ledger; }
  std::string lines(BatchId id) {
    std::string all;
    ResultQuery query;
    query.batch = id;
    while (true) {
      const auto page = table.results(now, query);
      REQUIRE(page);
      all += page->lines;
      if (page->next.empty() || page->next == query.after) return all;
      query.after = page->next;
    }
  }

  Now now{SteadyTime{} + 1h, SystemTime{std::chrono::microseconds{1767225600000000}}};
  TaskTable table;
};

inline std::vector<std::string> targets_of(const std::vector<LeasedTask>& tasks) {
  std::vector<std::string> targets;
  for (const LeasedTask& task : tasks) targets.push_back(task.target);
  return targets;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Of a line; empty: it has none that is a text.
inline std::string member(const std::string& line, const std::string& name) {
  const std::size_t at = line.find("\"" + name + "\":\"");
  if (at == std::string::npos) return {};
  const std::size_t from = at + name.size() + 4;
  return line.substr(from, line.find('"', from) - from);
}

inline std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

using Texts = std::vector<std::string>;

}  // namespace probekit::test
