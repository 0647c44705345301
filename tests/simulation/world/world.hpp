// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A world of one thread in which a seed decides everything: machines with clocks of their own,
/// event loops that run bit by bit, and things that happen at their time. Of what may happen at one
/// moment, chance picks the next.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/stepped_loop.hpp"
#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/testing/seeded_random.hpp"

namespace probekit::simulation {

using Time = std::chrono::nanoseconds;  ///< since the world began
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class World;

/// Chance, out of testing's seeded source.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : source_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return source_.next() % bound; }
  /// From `min` to `max`, both included.
  std::int64_t between(std::int64_t min, std::int64_t max) {
    return min + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(max - min + 1)));
  }
  template <class Rep, class Period>
  std::chrono::duration<Rep, Period> between(std::chrono::duration<Rep, Period> min,
                                             std::chrono::duration<Rep, Period> max) {
    return std::chrono::duration<Rep, Period>{
        between(std::int64_t{min.count()}, std::int64_t{max.count()})};
  }
  /// True in one of `n`.
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::uint64_t seed() { return source_.next(); }

 private:
  testing::SeededRandom source_;
};

/// A process on a host of its own: its clocks, and the loop that is its IO thread.
class Machine {
 public:
  Machine(World& world, std::string name, Time steady_offset, microseconds wall_offset);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const std::string& name() const noexcept { return name_; }
  const std::shared_ptr<const Clock>& clock() const noexcept { return clock_; }
  void step_wall_clock(microseconds by) { wall_offset_ += by; }

  /// A process begins: a new loop.
  EventLoop& boot();
  /// It is gone; what its loop was to run is destroyed unrun. What it owned is to be gone before.
  void halt();
  bool running() const noexcept { return loop_ != nullptr; }
  EventLoop& loop() noexcept { return *loop_; }
  /// Grows with each process: for what must not reach the next one.
  std::uint64_t life() const noexcept { return life_; }

  /// Stands still, the longest of all calls counting.
  void freeze(Time until);
  void thaw();
  bool frozen() const noexcept { return frozen_; }
  /// What was posted, now: for who ends a process as it should.
  void run_posted() { stepped_->run_posted(); }

 private:
  friend class World;
  class MachineClock;

  SteadyTime steady() const noexcept;

  World& world_;
  const std::string name_;
  const Time steady_offset_;
  microseconds wall_offset_;
  std::shared_ptr<const Clock> clock_;
  std::unique_ptr<EventLoop> loop_;
  std::optional<SteppedLoop> stepped_;
  std::uint64_t life_ = 0;
  bool frozen_ = false;
  Time frozen_until_{0};
  std::vector<std::pair<std::uint64_t, std::function<void()>>> backlog_;  // with the life it is of
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Time now() const noexcept { return now_; }
  Chance& chance() noexcept { return chance_; }

  /// Runs at its time, whatever machine is frozen or dead.
  void at(Time when, std::function<void()> function);
  /// Runs on a thread of this process: never when it has ended, and while it is frozen only after.
  void at(Time when, Machine& machine, std::function<void()> function);

  /// Does one thing; at most until `end`. False: nothing is left until then, and it is `end`.
  bool step(Time end);
  std::uint64_t steps() const noexcept { return steps_; }

  // -- what is told -----------------------------------------------------------------------------
  /// The first one counts; the life ends.
  void fail(std::string what);
  bool failed() const noexcept { return failure_.has_value(); }
  const std::string& failure() const { return *failure_; }

  void set_trace(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }
  bool tracing() const noexcept { return static_cast<bool>(trace_); }
  /// `text` is made only when somebody reads it.
  template <class Text>
  void trace(Text text) {
    if (trace_) write_trace(text());
  }

 private:
  friend class Machine;
  struct Event {
    Time when;
    std::uint64_t turn;  // chance, among equals
    Machine* machine;
    std::uint64_t life;
    std::shared_ptr<std::function<void()>> function;
    bool operator<(const Event& other) const noexcept {
      return when != other.when ? when > other.when : turn > other.turn;
    }
  };
  void run_event();
  void write_trace(const std::string& text);

  Time now_{0};
  Chance chance_;
  std::priority_queue<Event> events_;
  std::vector<Machine*> machines_;
  std::uint64_t steps_ = 0;
  std::optional<std::string> failure_;
  std::function<void(const std::string&)> trace_;
};

}  // namespace probekit::simulation
