// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/schedule.hpp"

#include <utility>

#include "base/text.hpp"
#include "master/await.hpp"
#include "master/master_core.hpp"
#include "master/result_reading.hpp"
#include "master/upload.hpp"
#include "probe/options_interner.hpp"

namespace probekit {

namespace {

constexpr std::size_t kListPage = 1000;

ScheduleSnapshot snapshot(ScheduleView&& view) {
  ScheduleSnapshot made;
  made.name = std::move(view.name);
  made.interval = view.spec->interval;
  made.enabled = view.spec->enabled;
  made.targets = view.spec->targets.size();
  made.created_at = view.created_at;
  made.updated_at = view.updated_at;
  made.next_at = view.next_at;
  made.ledger = view.ledger;
  made.missed = view.missed;
  return made;
}

Error of_target(const char* list, std::size_t at, const std::string& target, const Error& error) {
  return Error{error.code(), std::string{list} + ' ' + std::to_string(at + 1) + " (" +
                                 to_valid_utf8(target.substr(0, 200)) + "): " + error.message()};
}

Expected<ScheduleView> view_of(MasterCore& core, const std::string& name) {
  return await<ScheduleView>([&](auto done) { core.store->schedule(name, std::move(done)); });
}

}  // namespace

struct Schedule::Impl {
  std::shared_ptr<MasterCore> core;
  std::string name;
  BatchId watch;

  ResultSource source() const {
    return {watch, [core = core, name = name](const std::string& after, std::size_t limit,
                                              Completion<ResultPage> done) {
              ScheduleResultQuery query;
              query.name = name;
              query.after = after;
              query.limit = limit;
              core->store->schedule_results(std::move(query), std::move(done));
            }};
  }
};

Expected<ScheduleSpec> schedule_spec(const ScheduleRequest& request, const ProbeKinds& kinds) {
  ScheduleSpec made;
  made.interval = request.interval;
  made.enabled = request.enabled;
  auto agents = completed_selector(request.agents);
  if (!agents) return agents.error();
  made.agents = std::move(*agents);
  OptionsInterner interner;
  const auto add = [&](ProbeSpec spec) -> Expected<void> {
    const auto complete = complete_spec(spec, kinds);
    if (!complete) return complete.error();
    std::string target = std::move(spec.target);
    made.targets.push_back(
        {std::move(target), interner.intern(std::move(static_cast<ProbeOptions&>(spec)))});
    return {};
  };
  for (std::size_t i = 0; i < request.targets.size(); ++i) {
    ProbeSpec spec;
    static_cast<ProbeOptions&>(spec) = request.options;
    spec.target = request.targets[i];
    const auto added = add(std::move(spec));
    if (!added) return of_target("target", i, request.targets[i], added.error());
  }
  for (std::size_t i = 0; i < request.specs.size(); ++i) {
    const auto added = add(request.specs[i]);
    if (!added) return of_target("spec", i, request.specs[i].target, added.error());
  }
  return made;
}

Schedule::Schedule(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Schedule::name() const noexcept { return impl_->name; }

Expected<ScheduleSnapshot> Schedule::info() const {
  auto view = view_of(*impl_->core, impl_->name);
  if (!view) return view.error();
  return snapshot(std::move(*view));
}

ResultRange Schedule::results() const { return ResultRange::over(impl_->core, impl_->source()); }

void Schedule::read_results(std::string after, std::size_t limit, std::chrono::milliseconds wait,
                            std::function<void(Expected<ResultPage>)> done) const {
  read_when_there(impl_->core, impl_->source(), std::move(after), limit, wait, std::move(done));
}

Expected<Schedule> Master::put_schedule(const std::string& name, const ScheduleRequest& request) {
  const std::shared_ptr<MasterCore>& core = shared_core();
  if (core->stopped) return closed_error();
  if (core->draining) return Error{make_error_code(errc::draining), "the master is draining"};
  auto spec = schedule_spec(request, core->options.kinds);
  if (!spec) return spec.error();
  const auto put = await<SchedulePut>(
      [&](auto done) { core->store->put_schedule(name, std::move(*spec), std::move(done)); });
  if (!put) return put.error();
  return Schedule{std::make_shared<Schedule::Impl>(Schedule::Impl{core, name, put->view.watch})};
}

Expected<Schedule> Master::schedule(const std::string& name) const {
  const std::shared_ptr<MasterCore>& core = shared_core();
  const auto view = view_of(*core, name);
  if (!view) return view.error();
  return Schedule{std::make_shared<Schedule::Impl>(Schedule::Impl{core, name, view->watch})};
}

std::vector<ScheduleSnapshot> Master::schedules() const {
  std::vector<ScheduleSnapshot> all;
  std::string after;
  do {
    auto page = await<ScheduleList>(
        [&](auto done) { shared_core()->store->schedules(after, kListPage, std::move(done)); });
    if (!page) break;
    for (ScheduleView& view : page->items) all.push_back(snapshot(std::move(view)));
    after = page->next;
  } while (!after.empty());
  return all;
}

Expected<ScheduleSnapshot> Master::remove_schedule(const std::string& name) {
  auto view = await<ScheduleView>(
      [&](auto done) { shared_core()->store->remove_schedule(name, std::move(done)); });
  if (!view) return view.error();
  return snapshot(std::move(*view));
}

}  // namespace probekit
