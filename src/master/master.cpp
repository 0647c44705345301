// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/master.hpp"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/loop_turns.hpp"
#include "base/text.hpp"
#include "master/await.hpp"
#include "master/fleet.hpp"
#include "master/master_access.hpp"
#include "master/master_core.hpp"
#include "master/upload.hpp"
#include "probe/task_times.hpp"
#include "probekit/version.hpp"
#include "protocol/messages.hpp"

namespace probekit {

namespace {

constexpr std::chrono::minutes kHeartbeatIntervalMax{10};
constexpr std::chrono::milliseconds kStoreFactsWait{500};  // then those of a moment ago do
constexpr std::chrono::hours kTimeMax{1};  // the most an agent lets a master ask for
constexpr std::chrono::hours kGraceMax{24};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string{"MasterOptions."} + what);
}

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "master";
  std::string text = name;
  std::replace_if(
      text.begin(), text.end(),
      [](char c) {
        return !is_valid_name(std::string_view{&c, 1});
      },
      '-');
  if (text.size() > 64) text.resize(64);
  return text;
}

MasterOptions completed(MasterOptions options) {
  using std::chrono::milliseconds;
  if (options.name.empty()) options.name = host_name();
  require(is_valid_name(options.name), "name: must be 1 to 64 of A-Z a-z 0-9 . _ -");
  require(options.send_buffer_limit >= 1, "send_buffer_limit: at least 1");
  require(options.results_bytes >= protocol::kResultsBytesMin, "results_bytes: at least 131072");
  require(options.uncommitted_bytes_max >= protocol::kResultsBytesMin,
          "uncommitted_bytes_max: at least 131072");
  require(options.handshakes_per_second >= 1, "handshakes_per_second: at least 1");
  require(options.newcomers_max >= 1, "newcomers_max: at least 1");
  require(options.time_to_first_message > milliseconds{0}, "time_to_first_message: more than 0");
  require(options.time_to_first_message <= kTimeMax, "time_to_first_message: at most 1 h");
  require(options.heartbeat_interval > milliseconds{0}, "heartbeat_interval: more than 0");
  require(options.heartbeat_interval <= kHeartbeatIntervalMax,
          "heartbeat_interval: at most 10 min");
  // Two may come an interval and a fifth apart.
  require(options.dead_after >= 2 * options.heartbeat_interval,
          "dead_after: at least twice heartbeat_interval");
  require(options.dead_after <= kTimeMax, "dead_after: at most 1 h");
  require(options.resume_grace >= milliseconds{0}, "resume_grace: at least 0");
  require(options.resume_grace <= kGraceMax, "resume_grace: at most 24 h");
  if (!options.clock) options.clock = system_clock();
  if (!options.random) options.random = system_random();
  return options;
}

}  // namespace

std::string_view to_string(BatchState state) noexcept {
  switch (state) {
    case BatchState::open:
      return "open";
    case BatchState::running:
      return "running";
    case BatchState::done:
      return "done";
    case BatchState::cancelled:
      return "cancelled";
  }
  return "unknown";
}

Error closed_error() { return Error{make_error_code(errc::closed), "the master has stopped"}; }

// -- MasterCore -----------------------------------------------------------------------------------

MasterCore::MasterCore(std::shared_ptr<TaskStore> given_store, MasterOptions given_options)
    : store(std::move(given_store)),
      options(completed(std::move(given_options))),
      notifier(options.executor) {
  if (!store) throw std::invalid_argument("Master: the store is null");
}

bool MasterCore::post(std::function<void()> function) {
  const std::lock_guard<std::mutex> lock{loop_mutex};
  if (loop == nullptr) return false;
  loop->post(std::move(function));
  return true;
}

bool MasterCore::call_after(std::chrono::nanoseconds delay, std::function<void()> function) {
  return post([this, delay, function = std::move(function)]() mutable {
    const std::lock_guard<std::mutex> lock{loop_mutex};
    if (loop != nullptr) loop->call_after(delay, std::move(function));
  });
}

// -- Master ---------------------------------------------------------------------------------------

struct Master::Impl final : MasterAccess {
  Impl(std::shared_ptr<TaskStore> given_store, MasterOptions options)
      : core(std::make_shared<MasterCore>(std::move(given_store), std::move(options))),
        loop(EventLoopOptions{"probekit-master", core->options.clock, core->options.log}) {
    auto facts = await<StoreFacts>([&](auto done) { core->store->facts(std::move(done)); });
    if (!facts) throw std::runtime_error("Master: " + facts.error().message());
    fleet = std::make_unique<Fleet>(core, loop, facts->id);
    loop.start();
    core->loop = &loop;
    core->store->observe(fleet.get());
    core->post([this] { fleet->start(); });
  }

  ~Impl() override { stop(); }

  // Runs on the IO thread, and waits; closed once stopped.
  template <class T>
  Expected<T> on_loop(std::function<Expected<T>()> work) {
    return await<T>([&](Completion<T> done) {
      core->post([work = std::move(work), done = std::move(done)] { done(work()); });
    });
  }

  // Calls `done` from the IO thread; with `closed` once stopped.
  template <class T>
  void view(Completion<T> done, std::function<Expected<T>()> work) {
    const auto shared = std::make_shared<Completion<T>>(std::move(done));
    if (!core->post([shared, work = std::move(work)] { (*shared)(work()); })) {
      (*shared)(closed_error());
    }
  }

  void stop();
  void end();

  TaskStore& store() noexcept override { return *core->store; }
  const ProbeKinds& kinds() const noexcept override { return core->options.kinds; }
  const Clock& clock() const noexcept override { return *core->options.clock; }
  RandomSource& random() noexcept override { return *core->options.random; }
  std::shared_ptr<Log> log() const override { return core->options.log; }

  void agents(Completion<std::vector<AgentSnapshot>> done) override {
    view<std::vector<AgentSnapshot>>(std::move(done), [this] { return fleet->agents(); });
  }
  void agent(std::string name, Completion<AgentSnapshot> done) override {
    view<AgentSnapshot>(std::move(done),
                        [this, name = std::move(name)] { return found(fleet->agent(name), name); });
  }
  void set_agent_drained(std::string name, bool drained, Completion<AgentSnapshot> done) override;
  static Expected<AgentSnapshot> found(std::optional<AgentSnapshot> info, const std::string& name) {
    if (info) return std::move(*info);
    return Error{make_error_code(errc::not_found), "no agent is called `" + name + "`"};
  }
  void status(Completion<MasterStatus> done) override;
  void figures(Completion<MasterFigures> done) override;
  // As view(), with what the store knows.
  template <class T>
  void view_with_facts(Completion<T> done, std::function<T(const StoreFacts&)> work);
  MasterStatus status_of(const StoreFacts& facts);  // on the IO thread
  bool draining() const noexcept override { return core->draining; }
  bool has_agent(const std::string& kind, const Selector& agents) const override {
    return core->directory.has(kind, agents);
  }
  Selector resolve(const Selector& agents, const std::string& kind) const override {
    return core->directory.resolve(agents, kind);
  }
  std::uint64_t watch(BatchId batch, std::function<void()> moved) override {
    return core->watches.watch(batch, std::move(moved));
  }
  void unwatch(std::uint64_t token) override { core->watches.unwatch(token); }

  const std::shared_ptr<MasterCore> core;
  EventLoop loop;
  std::unique_ptr<Fleet> fleet;
  std::mutex stop_mutex;                             // held while the parts end
  std::vector<std::unique_ptr<Listener>> listeners;  // the IO thread's
};

template <class T>
void Master::Impl::view_with_facts(Completion<T> done, std::function<T(const StoreFacts&)> work) {
  // Answered once: by the store or, when that stands still, with what it told last; for then it
  // matters most what the master has to say.
  struct Once {
    Completion<T> done;
    std::atomic<bool> answered{false};
    void answer(Expected<T> with) {
      if (!answered.exchange(true)) done(std::move(with));
    }
  };
  const auto once = std::make_shared<Once>();
  once->done = std::move(done);
  core->store->facts([once, kept = core, work](Expected<StoreFacts> facts) {
    if (!facts) return once->answer(facts.error());
    const bool posted = kept->post([once, work, facts = std::move(*facts)] {
      if (!once->answered) once->answer(work(facts));
    });
    if (!posted) once->answer(closed_error());
  });
  if (once->answered) return;
  const bool waiting = core->call_after(kStoreFactsWait, [this, once, work] {
    if (!once->answered) once->answer(work(fleet->store_facts()));
  });
  if (!waiting) once->answer(closed_error());
}

MasterStatus Master::Impl::status_of(const StoreFacts& facts) {
  MasterStatus status = fleet->status();
  status.version = std::string{version()};
  status.name = core->options.name;
  status.store = facts.kind;
  status.store_id = facts.id;
  status.store_trouble = facts.trouble;
  status.ledger = facts.ledger;
  status.queued_max = facts.queued_max;
  status.results_kept_max = facts.results_kept_max;
  status.draining = core->draining;
  status.diagnosis = fleet->diagnose(facts);
  return status;
}

void Master::Impl::set_agent_drained(std::string name, bool drained,
                                     Completion<AgentSnapshot> done) {
  const auto shared = std::make_shared<Completion<AgentSnapshot>>(std::move(done));
  const auto kept = [this, core = core, name, drained, shared](const Expected<bool>& remembered) {
    if (!remembered) return (*shared)(remembered.error());
    const bool posted = core->post([this, name, drained, shared] {
      (*shared)(found(fleet->set_drained(name, drained), name));
    });
    if (!posted) (*shared)(closed_error());
  };
  const bool posted = core->post([this, name, drained, shared, kept] {
    if (!fleet->knows(name)) return (*shared)(found(std::nullopt, name));
    core->store->set_name_drained(name, drained, kept);
  });
  if (!posted) (*shared)(closed_error());
}

void Master::Impl::status(Completion<MasterStatus> done) {
  view_with_facts<MasterStatus>(std::move(done),
                                [this](const StoreFacts& facts) { return status_of(facts); });
}

void Master::Impl::figures(Completion<MasterFigures> done) {
  view_with_facts<MasterFigures>(std::move(done), [this](const StoreFacts& facts) {
    return MasterFigures{status_of(facts), facts, fleet->store_latency(), fleet->agents()};
  });
}

void Master::Impl::stop() {
  {
    const std::lock_guard<std::mutex> stopping{stop_mutex};
    if (!core->stopped.exchange(true)) end();
  }
  // With no lock held: one that runs may itself be on its way into stop().
  core->notifier.close();
}

void Master::Impl::end() {
  core->watches.notify_all();
  core->close_reads();
  core->store->observe(nullptr);
  const auto on_loop_now = [this](const std::function<void()>& work) {
    (void)await<bool>([&](Completion<bool> done) {
      loop.post([&work, done = std::move(done)] {
        work();
        done(true);
      });
    });
  };
  // Sockets end on their own thread, while its loop still runs.
  on_loop_now([this] {
    {
      const std::lock_guard<std::mutex> lock{core->loop_mutex};
      core->loop = nullptr;
    }
    for (const auto& listener : listeners) listener->stop();
    fleet->abort_all();
  });
  // What came in just before runs, and is answered; nothing comes behind it.
  on_loop_now([] {});
  loop.stop();
  listeners.clear();
  core->store->abandon();
}

Master::Master(std::shared_ptr<TaskStore> store, MasterOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(options))) {}
Master::Master(std::shared_ptr<TaskStore> store) : Master(std::move(store), MasterOptions{}) {}
Master::~Master() = default;

Expected<std::string> Master::listen(std::unique_ptr<Listener> listener) {
  if (!listener) return Error{make_error_code(errc::invalid_argument), "the listener is null"};
  const auto shared = std::make_shared<std::unique_ptr<Listener>>(std::move(listener));
  return impl_->on_loop<std::string>([this, shared] {
    auto url = (*shared)->start(impl_->loop, *impl_->fleet);
    if (url) impl_->listeners.push_back(std::move(*shared));
    return url;
  });
}

Expected<Upload> Master::open_upload(const BatchRequest& request) {
  auto inside = Upload::Impl::start(impl_->core, request, std::nullopt);
  if (!inside) return inside.error();
  return Upload{std::move(*inside)};
}

Expected<Batch> Master::submit(const BatchRequest& request) {
  auto upload = open_upload(request);
  if (!upload) return upload.error();
  const auto filled = upload->impl_->fill(request);
  if (!filled) return filled.error();
  return upload->commit(0);
}

Expected<Batch> Master::batch(const std::string& id) const {
  const auto found = impl_->core->store->find_batch(id);
  if (!found) return Error{make_error_code(errc::not_found), "no batch `" + id + "`"};
  auto batch = std::make_shared<Batch::Impl>();
  batch->core = impl_->core;
  batch->batch = *found;
  batch->id = id;
  return Batch{std::move(batch)};
}

std::vector<AgentSnapshot> Master::agents() const {
  auto all = await<std::vector<AgentSnapshot>>([&](auto done) { impl_->agents(std::move(done)); });
  return all ? std::move(*all) : std::vector<AgentSnapshot>{};
}

MasterStatus Master::status() const {
  auto status = await<MasterStatus>([&](auto done) { impl_->status(std::move(done)); });
  return status ? std::move(*status) : MasterStatus{};
}

std::uint64_t Master::loop_turns() const noexcept {
  const std::lock_guard<std::mutex> lock{impl_->core->loop_mutex};
  return impl_->core->loop != nullptr ? probekit::loop_turns(*impl_->core->loop) : 0;
}

void Master::drain(std::chrono::milliseconds within, std::function<void(Expected<void>)> done) {
  const auto core = impl_->core;
  core->draining = true;
  const auto finish = [core, done = std::move(done)](const Expected<void>& drained) {
    core->notifier.answer([done, drained] { done(drained); });
  };
  const auto bounded =
      std::clamp<std::chrono::milliseconds>(within, std::chrono::milliseconds{0}, kLongestTime);
  if (!core->post([impl = impl_.get(), bounded, finish] { impl->fleet->drain(bounded, finish); })) {
    finish(closed_error());
  }
}

void Master::stop() { impl_->stop(); }

MasterAccess& Master::access() noexcept { return *impl_; }

const std::shared_ptr<MasterCore>& Master::shared_core() const noexcept { return impl_->core; }

}  // namespace probekit
