// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/world.hpp"

#include <algorithm>
#include <cstdio>

namespace probekit::simulation {

namespace {

// 2026-01-01T00:00:00Z.
constexpr microseconds kWallStart = seconds(1'767'225'600);

}  // namespace

// -- Machine --------------------------------------------------------------------------------------

class Machine::MachineClock final : public Clock {
 public:
  explicit MachineClock(const Machine& machine) : machine_(machine) {}
  SteadyTime steady_now() const noexcept override { return machine_.steady(); }
  SystemTime system_now() const noexcept override {
    return SystemTime{kWallStart + machine_.wall_offset_ +
                      std::chrono::duration_cast<microseconds>(machine_.world_.now())};
  }

 private:
  const Machine& machine_;
};

Machine::Machine(World& world, std::string name, Time steady_offset, microseconds wall_offset)
    : world_(world),
      name_(std::move(name)),
      steady_offset_(steady_offset),
      wall_offset_(wall_offset),
      clock_(std::make_shared<MachineClock>(*this)) {
  world_.machines_.push_back(this);
}

Machine::~Machine() {
  halt();
  auto& machines = world_.machines_;
  machines.erase(std::find(machines.begin(), machines.end(), this));
}

SteadyTime Machine::steady() const noexcept { return SteadyTime{steady_offset_ + world_.now()}; }

EventLoop& Machine::boot() {
  halt();
  ++life_;
  frozen_ = false;
  loop_ = std::make_unique<EventLoop>(EventLoopOptions{name_, clock_, nullptr});
  stepped_.emplace(*loop_);
  return *loop_;
}

void Machine::halt() {
  if (!loop_) return;
  ++life_;
  frozen_ = false;
  backlog_.clear();
  loop_->stop();
  stepped_.reset();
  loop_.reset();
}

void Machine::freeze(Time until) {
  if (!running()) return;
  frozen_ = true;
  frozen_until_ = std::max(frozen_until_, until);
  world_.at(until, [this, life = life_] {
    if (life == life_ && frozen_ && frozen_until_ <= world_.now()) thaw();
  });
}

void Machine::thaw() {
  if (!frozen_) return;
  frozen_ = false;
  for (auto& [life, function] : std::exchange(backlog_, {})) {
    if (life == life_) world_.at(world_.now(), *this, std::move(function));
  }
}

// -- World ----------------------------------------------------------------------------------------

World::World(std::uint64_t seed) : chance_(seed * 0x9E3779B97F4A7C15ULL + 0x2545F4914F6CDD1DULL) {}
World::~World() = default;

void World::at(Time when, std::function<void()> function) {
  events_.push({std::max(when, now_), chance_.seed(), nullptr, 0,
                std::make_shared<std::function<void()>>(std::move(function))});
}

void World::at(Time when, Machine& machine, std::function<void()> function) {
  events_.push({std::max(when, now_), chance_.seed(), &machine, machine.life_,
                std::make_shared<std::function<void()>>(std::move(function))});
}

void World::run_event() {
  const Event event = events_.top();
  events_.pop();
  if (event.machine == nullptr) return (*event.function)();
  if (event.life != event.machine->life_) return;
  if (!event.machine->frozen_) return (*event.function)();
  event.machine->backlog_.emplace_back(event.life, std::move(*event.function));
}

bool World::step(Time end) {
  struct Choice {
    Machine* machine;
    bool timers;
  };
  static thread_local std::vector<Choice> choices;
  for (;;) {
    choices.clear();
    std::optional<Time> next;
    if (!events_.empty()) next = events_.top().when;
    if (next && *next <= now_) choices.push_back({nullptr, false});
    for (Machine* const machine : machines_) {
      if (!machine->loop_ || machine->frozen_) continue;
      if (machine->stepped_->has_posted()) choices.push_back({machine, false});
      const auto timer = machine->stepped_->next_timer();
      if (!timer || *timer == SteadyTime::max()) continue;
      const Time when = timer->time_since_epoch() - machine->steady_offset_;
      if (when <= now_) choices.push_back({machine, true});
      if (!next || when < *next) next = when;
    }
    if (!choices.empty()) break;
    if (!next || *next > end) {
      now_ = std::max(now_, end);
      return false;
    }
    now_ = *next;
  }
  const Choice choice =
      choices.size() == 1 ? choices.front() : choices[chance_.below(choices.size())];
  ++steps_;
  if (choice.machine == nullptr) {
    run_event();
  } else if (choice.timers) {
    choice.machine->stepped_->run_timers();
  } else {
    choice.machine->stepped_->run_posted();
  }
  for (Machine* const machine : machines_) {
    if (machine->loop_ && machine->loop_->failures() != 0)
      fail(machine->name() + ": a function on its loop threw");
  }
  return true;
}

void World::fail(std::string what) {
  if (failure_) return;
  trace([&] { return "BROKEN: " + what; });
  failure_ = std::move(what);
}

void World::write_trace(const std::string& text) {
  char time[32];
  std::snprintf(time, sizeof time, "%12.6f  ", std::chrono::duration<double>(now_).count());
  trace_(time + text);
}

}  // namespace probekit::simulation
