// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Schedules that are made, changed, disabled, removed and read at random, among imports, agents
// that come and go, and time. From their lines alone every run must be found, once.

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "store/cursor.hpp"
#include "store/task_table.hpp"
#include "support/catch.hpp"
#include "support/table_world.hpp"

using namespace probekit;
using namespace probekit::store;
using namespace probekit::test;
using namespace std::chrono_literals;

namespace {

SystemTime time_of(const std::string& line, const std::string& name) {
  const auto time = parse_rfc3339(member(line, name));
  REQUIRE(time);
  return *time;
}

std::uint64_t count_of(const std::string& line) {
  const std::size_t at = line.find("\"count\":");
  return at == std::string::npos ? 1 : std::stoull(line.substr(at + 8));
}

/// When a target was due once an interval.
struct Stretch {
  milliseconds interval;
  SystemTime from{};
  std::optional<SystemTime> to;
};

/// What anybody who only sees the answers knows of a schedule.
struct Known {
  ScheduleSpec spec;
  BatchId watch;
  std::string after;  // the cursor of one who follows its lines
  bool whole = true;  // who never came too late for one
  std::vector<std::string> lines;
  std::map<std::string, std::vector<Stretch>> stretches;  // by target
};

class Witness {
 public:
  Witness(std::uint32_t seed, bool small, std::size_t work_per_call)
      : small_(small),
        world_(small ? options_of(150, 100, 3) : options_of(1'000'000, 1'000'000, 3),
               work_per_call),
        random_(seed) {}

  void step() {
    switch (below(16)) {
      case 0:
      case 1:
        put();
        break;
      case 2:
        if (below(3) == 0) remove();
        break;
      case 3:
      case 4:
        read();
        break;
      case 5:
        connect();
        break;
      case 6:
        lose();
        break;
      case 7:
        import();
        break;
      case 8:
      case 9:
      case 10:
        work();
        break;
      default:
        pass_time();
        break;
    }
    world_.check();
    world_.table.take_news();
  }

  /// Once no schedule is enabled, time alone must end everything.
  void finish() {
    for (auto& [name, known] : schedules_) {
      ScheduleSpec spec = known.spec;
      spec.enabled = false;
      for (int i = 0; !put(name, spec); ++i) {
        REQUIRE(small_);
        REQUIRE(i < 10'000);
        world_.advance(1s);
        tick();
      }
    }
    for (int i = 0; !world_.table.facts().ledger.ended(); ++i) {
      REQUIRE(i < 100'000);
      world_.advance(tick());
    }
    world_.advance(2h);  // segments that are open end
    for (int i = 0; i < 1000; ++i) tick();
    world_.check();
    for (auto& [name, known] : schedules_) {
      INFO(name);
      while (follow(name, known, 1000) > 0) continue;
      judge(name, known);
      accepted_ += view(name).ledger.accepted;
    }
    const Ledger total = world_.table.facts().ledger;
    REQUIRE(total.accepted == accepted_);
    REQUIRE(total.done == done_);
    REQUIRE(world_.table.facts().results_kept <= (small_ ? 200 : 1'000'000));
  }

 private:
  std::uint32_t below(std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random_);
  }
  template <class Map>
  auto any_of(Map& map) {
    auto at = map.begin();
    std::advance(at, below(static_cast<std::uint32_t>(map.size())));
    return at;
  }
  ScheduleView view(const std::string& name) {
    const auto found = world_.table.schedule(world_.now, name);
    REQUIRE(found);
    REQUIRE(found->ledger.balanced());
    return *found;
  }

  ScheduleSpec any_spec() {
    ScheduleSpec spec;
    spec.interval = milliseconds(1000 + 500 * below(8));
    spec.enabled = below(5) > 0;
    const auto options = probe_options();
    options->timeout = 1s;
    options->priority = below(2) == 0 ? Priority::high : Priority::normal;
    if (below(4) == 0) options->deadline = milliseconds(3000 + below(60'000));
    for (int i = 0; i < 6; ++i) {
      if (below(2) == 0) spec.targets.push_back({"t" + std::to_string(i), options});
    }
    if (spec.targets.empty()) spec.targets.push_back({"t0", options});
    switch (below(6)) {
      case 0:
        spec.agents = *chosen(Selector::Kind::all, 1);
        break;
      case 1:
        spec.agents = *named({"a", "d"});
        break;
      case 2:
        spec.agents = *chosen(Selector::Kind::any, 2);
        break;
      case 3:
        spec.agents = *chosen(Selector::Kind::tags, 1, {{"half", "1"}});
        break;
      default:
        break;
    }
    return spec;
  }

  void put() {
    const std::string name = "s" + std::to_string(below(4));
    const auto known = schedules_.find(name);
    ScheduleSpec spec = any_spec();
    if (known != schedules_.end() && below(2) == 0) {
      spec.interval = known->second.spec.interval;
      spec.enabled = known->second.spec.enabled;
    }
    put(name, spec);
  }

  /// False: it was refused.
  bool put(const std::string& name, const ScheduleSpec& spec) {
    const auto made = world_.table.put_schedule(world_.now, name, spec, 0.1 * below(10));
    world_.check();
    if (!made) {
      REQUIRE(made.error().code() == errc::store_full);
      REQUIRE(small_);
      return false;
    }
    REQUIRE(made->created == (schedules_.count(name) == 0));
    Known& known = schedules_[name];
    known.watch = made->view.watch;
    const bool same_times = !made->created && known.spec.enabled && spec.enabled &&
                            known.spec.interval == spec.interval;
    std::set<std::string> targets;
    if (spec.enabled) {
      for (const ScheduledTarget& target : spec.targets) targets.insert(target.target);
    }
    for (auto& [target, stretches] : known.stretches) {
      Stretch& last = stretches.back();
      if (!last.to && (!same_times || targets.count(target) == 0)) last.to = world_.now.system;
    }
    for (const std::string& target : targets) {
      std::vector<Stretch>& stretches = known.stretches[target];
      if (stretches.empty() || stretches.back().to) {
        stretches.push_back({spec.interval, world_.now.system, {}});
      }
    }
    known.spec = spec;
    return true;
  }

  void remove() {
    if (schedules_.empty()) return;
    const auto at = any_of(schedules_);
    const auto last = world_.table.remove_schedule(world_.now, at->first);
    REQUIRE(last);
    accepted_ += last->ledger.accepted;
    schedules_.erase(at);
  }

  void read() {
    if (schedules_.empty()) return;
    auto& [name, known] = *any_of(schedules_);
    follow(name, known, 1 + below(60));
  }

  /// The next lines, as they were announced.
  std::size_t follow(const std::string& name, Known& known, std::size_t limit) {
    ScheduleResultQuery query;
    query.name = name;
    query.after = known.after;
    query.limit = limit;
    const auto end = world_.table.schedule_page_end(world_.now, query);
    REQUIRE(end);
    query.until = end->next;
    query.limit = kPageLinesMax;
    query.bytes_max = below(2) == 0 ? 1000 : 1'000'000;
    std::size_t count = 0;
    while (count < end->count) {
      const auto page = world_.table.schedule_results(world_.now, query);
      REQUIRE(page);
      REQUIRE(page->count > 0);
      REQUIRE(page->count == count_lines(page->lines));
      for (std::size_t at = 0; at < page->lines.size();) {
        const std::size_t line_end = page->lines.find('\n', at);
        known.lines.push_back(page->lines.substr(at, line_end - at));
        at = line_end + 1;
      }
      count += page->count;
      query.after = page->next;
    }
    REQUIRE(count == end->count);
    const auto from = parse_result_cursor("0123abcd", known.watch, known.after);
    const auto to = parse_result_cursor("0123abcd", known.watch, end->next);
    REQUIRE((from && to));
    REQUIRE(*to - *from >= count);
    if (*to - *from != count) known.whole = false;
    known.after = end->next;
    return count;
  }

  /// Each run is there once: its tasks' lines, or a line that tells of it. Where all lines were
  /// seen, they are what the ledger says, and no run is missing.
  void judge(const std::string& name, const Known& known) {
    std::set<std::string> tasks;
    std::map<std::string, std::map<SystemTime, bool>> dues;  // and whether a line tells of it
    std::map<std::string, std::uint64_t> states;
    std::uint64_t missed = 0;
    for (const std::string& line : known.lines) {
      INFO(line);
      REQUIRE(member(line, "schedule") == name);
      REQUIRE(tasks.insert(member(line, "task")).second);
      ++states[member(line, "state")];
      if (member(line, "reason") == "missed") missed += count_of(line);
      std::map<SystemTime, bool>& of_target = dues[member(line, "target")];
      if (!has(line, "\"count\":")) {
        REQUIRE_FALSE(of_target.emplace(time_of(line, "scheduled_at"), false).first->second);
        continue;
      }
      const std::uint64_t count = count_of(line);
      const SystemTime first = time_of(line, "first");
      const auto step =
          count == 1 ? SystemTime::duration{1}
                     : (time_of(line, "last") - first) / static_cast<std::int64_t>(count - 1);
      for (std::uint64_t i = 0; i < count; ++i) {
        REQUIRE(of_target.emplace(first + static_cast<std::int64_t>(i) * step, true).second);
      }
    }
    if (!known.whole) {
      REQUIRE(small_);
      return;
    }
    const ScheduleView last = view(name);
    REQUIRE(states["done"] == last.ledger.done);
    REQUIRE(states["expired"] == last.ledger.expired);
    REQUIRE(tasks.size() == last.ledger.accepted);
    REQUIRE(missed == last.missed);
    for (const auto& [target, stretches] : known.stretches) {
      INFO(target);
      auto at = dues[target].begin();
      const auto end = dues[target].end();
      for (const Stretch& stretch : stretches) {
        REQUIRE(stretch.to);
        SystemTime seen = stretch.from;
        while (at != end && at->first <= *stretch.to &&
               (seen == stretch.from ? at->first - seen <= stretch.interval
                                     : at->first - seen == stretch.interval)) {
          seen = at->first;
          ++at;
        }
        INFO("stretch of " << (*stretch.to - stretch.from).count() << " us, seen to "
                           << (seen - stretch.from).count());
        REQUIRE(*stretch.to - seen <= stretch.interval);
      }
      REQUIRE(at == end);
    }
  }

  void connect() {
    if (living_.size() >= 4) return;
    const std::string agent(1, static_cast<char>('a' + below(5)));
    living_[world_.session(agent, {{"half", agent < "c" ? "1" : "2"}})] = agent;
  }

  void lose() {
    if (living_.empty()) return;
    const auto at = any_of(living_);
    world_.table.lose_session(world_.now, {at->first, milliseconds(below(10'000))});
    const bool comes_back = below(2) == 0;
    const auto [session, agent] = *at;
    living_.erase(at);
    if (!comes_back) return;
    const SessionId again = world_.session(agent, {{"half", agent < "c" ? "1" : "2"}});
    REQUIRE(world_.table.resume(world_.now, {session, again, below(2) == 0, {}}));
    living_[again] = agent;
  }

  void work() {
    if (living_.empty()) return;
    const SessionId session = any_of(living_)->first;
    LeaseRequest request{session, {}, 1 + below(60)};
    for (const Lane& lane : world_.table.lanes()) request.lanes.push_back(lane.id);
    const auto reply = world_.table.lease(world_.now, request);
    REQUIRE(reply);
    std::vector<TaskReport> reports;
    for (const LeasedTask& task : reply->tasks) {
      REQUIRE(task.left >= task.options->timeout + 1s);
      switch (below(10)) {
        case 0:
          break;  // it keeps it, until it is lost or the deadline comes
        case 1:
          reports.push_back(report(task, TaskReport::Kind::host_busy));
          break;
        case 2:
          reports.push_back(report(task, TaskReport::Kind::unsupported));
          break;
        default:
          reports.push_back(below(2) == 0 ? passed(task) : failed(task, FailureKind::connect));
          break;
      }
    }
    done_ += world_.table.record(world_.now, session, reports).recorded;
  }

  void import() {
    const auto upload = world_.table.open_upload({"", BatchOrigin::import, below(4) == 0});
    REQUIRE(upload);
    const auto options = probe_options();
    options->deadline = 12s + milliseconds(below(100'000));
    const std::uint32_t targets = below(40);
    const std::vector<NewTask> tasks(targets, NewTask{"u", options, nullptr});
    if (!world_.table.append(*upload, tasks)) {
      REQUIRE(small_);
      world_.table.abandon_upload(world_.now, *upload);
      return;
    }
    const auto made = world_.table.commit_upload(world_.now, *upload, 0);
    REQUIRE(made);
    accepted_ += targets;
    if (below(4) == 0) REQUIRE(world_.table.cancel(world_.now, made->id));
  }

  void pass_time() {
    const bool stands_still = below(40) == 0;
    world_.advance(milliseconds(stands_still ? 30'000 : below(1500)));
    if (below(4) == 0) return;
    for (std::uint32_t ticks = 1 + below(200); ticks > 0 && tick() == 1ms; --ticks) continue;
  }

  milliseconds tick() {
    const StoreTick tick = world_.table.tick(world_.now);
    REQUIRE(tick.next >= 1ms);
    REQUIRE(tick.next <= 1s);
    return tick.next;
  }

  bool small_;
  World world_;
  std::mt19937 random_;
  std::map<std::string, Known> schedules_;
  std::map<SessionId, std::string> living_;
  std::uint64_t accepted_ = 0;  // of imports and removed schedules
  std::uint64_t done_ = 0;
};

}  // namespace

TEST_CASE("whatever happens, every run of a schedule is told once", "[store][schedule][model]") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U);
  // In a small store there is often no room, and lines are forgotten.
  const bool small = seed % 2 == 0;
  const std::size_t work_per_call = seed % 4 < 2 ? kWorkPerCall : 7;
  INFO("seed " << seed << ", small " << small << ", work " << work_per_call);
  Witness witness(seed, small, work_per_call);
  for (int i = 0; i < 600; ++i) {
    INFO("step " << i);
    witness.step();
  }
  witness.finish();
}
