// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/plan.hpp"

#include <algorithm>

namespace probekit::simulation {

namespace {

constexpr std::string_view kIncidents[] = {
    "cut",         "silence",      "half_silence",   "stall",       "freeze_agent", "freeze_master",
    "crash_agent", "crash_master", "restart_master", "drain_agent", "drain_master", "rival",
    "clock_step",  "slow_reader",  "standing_store", "cancel_batch"};
constexpr std::size_t kIncidentKinds = std::size(kIncidents);

Way make_way(Chance& chance) {
  Way way;
  way.delay_min = chance.between(Time{microseconds{50}}, Time{milliseconds{20}});
  way.delay_max = way.delay_min + chance.between(Time{0}, Time{milliseconds{60}});
  if (chance.one_in(4)) {
    constexpr std::uint64_t kRates[] = {8'000, 64'000, 1'000'000};
    way.bytes_per_second = kRates[chance.below(std::size(kRates))];
  }
  way.window_bytes = std::size_t{4096} << chance.below(6);
  return way;
}

AgentPlan make_agent(Chance& chance, std::size_t number, bool big_results) {
  AgentPlan plan;
  plan.name = "agent" + std::to_string(number);
  plan.tags = {{"site", number % 2 == 0 ? "even" : "odd"}};
  plan.options.name = plan.name;
  plan.options.tags = plan.tags;
  plan.options.concurrency = static_cast<std::size_t>(chance.between(1, 6));
  plan.options.queue = static_cast<std::size_t>(chance.between(1, 12));
  plan.options.threads = 1;
  plan.options.per_host = chance.one_in(4) ? static_cast<std::size_t>(chance.between(1, 2)) : 0;
  plan.options.outbox_bytes_max = 128 * 1024;
  plan.options.backoff_min = milliseconds{chance.between(50, 500)};
  plan.options.backoff_max = milliseconds{chance.between(500, 3000)};
  plan.probing.queue.concurrency = plan.options.concurrency;
  plan.probing.queue.queue = plan.options.queue;
  plan.probing.queue.per_host = plan.options.per_host;
  plan.probing.duration_min = milliseconds{1};
  plan.probing.duration_max = milliseconds{chance.one_in(3) ? 800 : 60};
  if (chance.one_in(4)) plan.probing.hang_one_in = 6;
  if (big_results) plan.probing.result_bytes_max = 40'000;
  plan.way = make_way(chance);
  plan.begins = chance.between(Time{0}, Time{milliseconds{800}});
  plan.steady_offset = chance.between(Time{seconds{100}}, Time{std::chrono::hours{1000}});
  plan.wall_offset = chance.between(microseconds{seconds{-5}}, microseconds{seconds{5}});
  return plan;
}

BatchPlan make_batch(Chance& chance, const Plan& plan, Time at, bool short_deadline) {
  BatchPlan batch;
  batch.at = at;
  batch.targets =
      static_cast<std::size_t>(chance.one_in(4) ? chance.between(20, 60) : chance.between(1, 15));
  batch.hosts = static_cast<std::size_t>(chance.between(1, 4));
  batch.options.kind = "http";
  batch.options.timeout = milliseconds{chance.between(100, 2000)};
  batch.options.priority = static_cast<Priority>(chance.below(3));
  batch.options.deadline = short_deadline
                               ? batch.options.timeout + milliseconds{chance.between(2000, 9000)}
                               : milliseconds{std::chrono::hours{1}};
  if (chance.one_in(4)) {
    const std::size_t agents = plan.agents.size() - plan.never_back;
    switch (chance.below(3)) {
      case 0:
        batch.agents.kind = Selector::Kind::names;
        batch.agents.names = {plan.agents[chance.below(agents)].name};
        break;
      case 1:
        batch.agents.kind = Selector::Kind::tags;
        batch.agents.tags = plan.agents[chance.below(agents)].tags;
        break;
      default:
        batch.agents.count = static_cast<std::uint32_t>(agents);
        break;
    }
  }
  return batch;
}

SchedulePlan make_schedule(Chance& chance, Time within) {
  SchedulePlan plan;
  plan.at = chance.between(Time{0}, within);
  plan.spec.interval = milliseconds{chance.between(1000, 3000)};
  auto options = std::make_shared<ProbeOptions>();
  options->kind = "http";
  options->timeout = milliseconds{chance.between(100, 1000)};
  options->priority = static_cast<Priority>(chance.below(3));
  for (auto left = chance.between(1, 4); left > 0; --left)
    plan.spec.targets.push_back({"http://host1/" + std::to_string(left), options});
  if (chance.one_in(3)) plan.spec.agents.kind = Selector::Kind::all;
  return plan;
}

Incident make_incident(Chance& chance, const Plan& plan, Time within) {
  Incident incident;
  incident.kind = static_cast<Incident::Kind>(chance.below(kIncidentKinds));
  incident.at = chance.between(Time{0}, within);
  const Time dead_after = plan.master.dead_after;
  switch (chance.below(3)) {
    case 0:
      incident.lasts = chance.between(Time{milliseconds{1}}, Time{milliseconds{300}});
      break;
    case 1:
      incident.lasts = chance.between(Time{milliseconds{100}}, dead_after);
      break;
    default:
      incident.lasts = chance.between(dead_after / 2, dead_after * 2);
      break;
  }
  incident.agent = static_cast<std::size_t>(chance.below(plan.agents.size()));
  incident.choice = chance.seed();
  return incident;
}

}  // namespace

std::string_view to_string(Incident::Kind kind) noexcept {
  return kIncidents[static_cast<std::size_t>(kind)];
}

microseconds size_of(const Incident& step) noexcept {
  return microseconds{static_cast<std::int64_t>(step.choice % 7'200'000'000)} -
         microseconds{std::chrono::hours{1}};
}

Plan make_plan(Chance& chance, bool durable) {
  Plan plan;
  plan.calm = chance.one_in(5);
  const bool big_results = chance.one_in(10);
  if (chance.one_in(2)) plan.store_latency = milliseconds{chance.between(1, 40)};
  plan.attempts_max = chance.one_in(4) ? static_cast<std::uint32_t>(chance.between(1, 3)) : 5;
  plan.master_steady_offset = chance.between(Time{seconds{100}}, Time{std::chrono::hours{1000}});

  MasterOptions& master = plan.master;
  master.name = "master";
  master.heartbeat_interval = milliseconds{chance.between(300, 2000)};
  master.dead_after = master.heartbeat_interval * chance.between(2, 4) + milliseconds{500};
  master.resume_grace = milliseconds{chance.one_in(5) ? 0 : chance.between(200, 4000)};
  master.time_to_first_message = milliseconds{3000};
  master.results_bytes = 128 * 1024;
  master.uncommitted_bytes_max = 128 * 1024;
  if (chance.one_in(3)) master.send_buffer_limit = std::size_t{256} << chance.below(8);

  const auto agents = static_cast<std::size_t>(chance.between(1, 3));
  for (std::size_t i = 0; i < agents; ++i)
    plan.agents.push_back(make_agent(chance, i, big_results));
  if (!plan.calm && agents > 1 && chance.one_in(4)) plan.never_back = 1;
  const bool unsupported = chance.one_in(10);
  if (unsupported) plan.agents[0].probing.unsupported_one_in = 3;

  const Time length = chance.between(Time{seconds{1}}, Time{seconds{12}});
  plan.heals = length + milliseconds{500};
  for (auto left = chance.between(1, 3); left > 0; --left) {
    const Time at = chance.between(Time{0}, length);
    plan.batches.push_back(make_batch(chance, plan, at, unsupported || chance.one_in(3)));
  }
  if (chance.one_in(4)) {
    BatchPlan& open = plan.batches[chance.below(plan.batches.size())];
    open.more_at = chance.between(open.at, length) + milliseconds{1};
  }
  if (chance.one_in(5)) plan.schedules.push_back(make_schedule(chance, length));
  // What comes when all is well, and known to be, is done.
  plan.last_is_done = !unsupported;
  BatchPlan last =
      make_batch(chance, plan, plan.heals + 3 * plan.master.dead_after + seconds{1}, unsupported);
  last.targets = static_cast<std::size_t>(chance.between(1, 5));
  plan.batches.push_back(std::move(last));

  if (!plan.calm) {
    for (auto left = chance.between(1, 6); left > 0; --left)
      plan.incidents.push_back(make_incident(chance, plan, length));
    for (auto left = durable ? chance.between(0, 3) : 0; left > 0; --left) {
      Incident incident = make_incident(chance, plan, length);
      incident.kind = Incident::Kind::crash_master;
      plan.incidents.push_back(incident);
    }
  } else {
    // What no connection has to suffer from.
    for (const auto kind : {Incident::Kind::slow_reader, Incident::Kind::standing_store,
                            Incident::Kind::clock_step, Incident::Kind::cancel_batch}) {
      if (!chance.one_in(3)) continue;
      Incident incident = make_incident(chance, plan, length);
      incident.kind = kind;
      plan.incidents.push_back(incident);
    }
  }

  for (const Incident& incident : plan.incidents) {
    switch (incident.kind) {
      case Incident::Kind::standing_store:
      case Incident::Kind::freeze_master:
      case Incident::Kind::restart_master:
      case Incident::Kind::drain_master:
        plan.standstill += incident.lasts;
        break;
      default:
        break;
    }
  }

  Time work{0};
  for (const BatchPlan& batch : plan.batches) {
    work += (Time{batch.options.timeout} + seconds{2}) * (batch.more_at > Time{0} ? 2 : 1) *
            static_cast<std::int64_t>(batch.targets * batch.agents.count);
  }
  plan.patience = seconds{240} + 2 * work;
  // A store that is opened again takes its deadlines from the wall clock.
  for (const Incident& incident : plan.incidents) {
    if (durable && incident.kind == Incident::Kind::clock_step && !is_of_agent(incident))
      plan.patience += std::max(-size_of(incident), microseconds{0});
  }
  if (big_results) plan.patience += seconds{600};  // at 8 kB/s
  return plan;
}

}  // namespace probekit::simulation
