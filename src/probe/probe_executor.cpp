// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_executor.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "probe/callback_observer.hpp"
#include "probe/is_high.hpp"
#include "probe/probing_thread.hpp"

namespace probekit {
namespace {

constexpr std::size_t kConcurrencyMax = 65536;
constexpr std::size_t kQueueMax = 1048576;
constexpr std::size_t kThreadsMax = 64;
constexpr std::size_t kThreadsDefault = 4;

constexpr std::size_t kTasksAThread = 32;  // for so many new tasks one more thread is woken

constexpr std::chrono::hours kSuspectLagMax{1};

void check_range(const char* name, std::size_t value, std::size_t min, std::size_t max) {
  if (value >= min && value <= max) return;
  throw std::invalid_argument("ProbeExecutorOptions." + std::string{name} + ": " +
                              std::to_string(value) + " is not " + std::to_string(min) + " to " +
                              std::to_string(max));
}

ProbeExecutorOptions checked(ProbeExecutorOptions options) {
  check_range("concurrency", options.concurrency, 1, kConcurrencyMax);
  check_range("queue", options.queue, 1, kQueueMax);
  check_range("threads", options.threads, 0, kThreadsMax);
  if (options.suspect_lag <= std::chrono::milliseconds{0}) {
    throw std::invalid_argument("ProbeExecutorOptions.suspect_lag: not over 0");
  }
  options.suspect_lag = std::min<std::chrono::milliseconds>(options.suspect_lag, kSuspectLagMax);
  if (options.threads == 0) {
    options.threads =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsDefault);
  }
  options.threads = std::min(options.threads, options.concurrency);
  if (!options.clock) options.clock = system_clock();
  if (!options.random) options.random = system_random();
  return options;
}

TaskQueueOptions queue_options(const ProbeExecutorOptions& options) {
  TaskQueueOptions out;
  out.concurrency = options.concurrency;
  out.queue = options.queue;
  out.per_host = options.per_host;
  return out;
}

bool has_high(const std::vector<Task>& tasks) noexcept {
  return std::any_of(tasks.begin(), tasks.end(), [](const Task& task) { return is_high(task); });
}

}  // namespace

struct ProbeExecutor::Impl {
  explicit Impl(ProbeExecutorOptions options) : core(checked(std::move(options))) {
    core.queue = std::make_unique<TaskQueue>(queue_options(core.options));
    core.environment.address_policy = core.options.address_policy;
    core.environment.dns_servers = core.options.dns_servers;
    core.environment.random = core.options.random;
    core.environment.log = core.options.log;
    core.environment.concurrency = slots_a_thread();
  }

  std::size_t slots_a_thread() const noexcept {
    return (core.options.concurrency + core.options.threads - 1) / core.options.threads;
  }

  void start(TaskObserver* observer) {
    if (open || stopped) throw std::logic_error("ProbeExecutor: start() after start() or stop()");
    core.observer = observer;
    for (std::size_t i = 0; i < core.options.threads; ++i) {
      core.threads.push_back(std::make_unique<ProbingThread>(core, i, slots_a_thread()));
    }
    open = true;
    try {
      for (const auto& thread : core.threads) thread->start();
    } catch (...) {
      stop();
      throw;
    }
  }

  void stop() {
    const std::lock_guard<std::mutex> stop_lock(stop_mutex);
    if (stopped) return;
    {
      const std::lock_guard<std::mutex> lock(submit_mutex);
      open = false;
      stopped = true;
    }
    for (const auto& thread : core.threads) thread->stop();
    for (const auto& thread : core.threads) {
      std::vector<Task> running = thread->join();
      for (Task& task : running) {
        core.queue->finish(task);
        if (callbacks) callbacks->on_stopped(std::move(task));
      }
    }
    std::vector<Task> queued = core.queue->remove_all();
    for (Task& task : queued) {
      if (callbacks) callbacks->on_stopped(std::move(task));
    }
  }

  void wake_for(std::size_t tasks) {
    core.wake(std::min(core.threads.size(), (tasks + kTasksAThread - 1) / kTasksAThread), nullptr);
  }

  bool has_prober(const std::string& kind) const {
    return std::any_of(core.probers.begin(), core.probers.end(),
                       [&](const auto& prober) { return prober->kind().name == kind; });
  }

  ProbingCore core;
  ProbeKinds kinds;
  std::unique_ptr<CallbackObserver> callbacks;
  std::atomic<bool> open{false};
  std::atomic<bool> stopped{false};
  std::atomic<std::uint64_t> next_id{1};
  std::mutex submit_mutex;  // a task is pushed before stop() empties the queue, or not at all
  std::mutex stop_mutex;
};

ProbeExecutor::ProbeExecutor(ProbeExecutorOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

ProbeExecutor::~ProbeExecutor() { stop(); }

void ProbeExecutor::add(std::unique_ptr<Prober> prober) {
  if (!prober) throw std::invalid_argument("ProbeExecutor::add: no prober");
  if (impl_->open || impl_->stopped) throw std::logic_error("ProbeExecutor: add() after start()");
  impl_->kinds.add(prober->kind());
  auto& probers = impl_->core.probers;
  const auto same = std::find_if(probers.begin(), probers.end(), [&](const auto& known) {
    return known->kind().name == prober->kind().name;
  });
  if (same != probers.end()) {
    *same = std::move(prober);
  } else {
    probers.push_back(std::move(prober));
  }
}

const ProbeKinds& ProbeExecutor::kinds() const noexcept { return impl_->kinds; }

void ProbeExecutor::start(TaskObserver* observer) {
  if (observer == nullptr) throw std::invalid_argument("ProbeExecutor::start: no observer");
  impl_->start(observer);
}

void ProbeExecutor::start() {
  if (impl_->open || impl_->stopped) {
    throw std::logic_error("ProbeExecutor: start() after start() or stop()");
  }
  TaskQueueOptions options = queue_options(impl_->core.options);
  options.waiting = impl_->core.queue->window().high + impl_->core.queue->window().other;
  impl_->core.queue = std::make_unique<TaskQueue>(options);
  impl_->callbacks =
      std::make_unique<CallbackObserver>(impl_->core.options.executor, impl_->core.queue->window());
  impl_->start(impl_->callbacks.get());
}

Expected<void> ProbeExecutor::submit(ProbeSpec spec, std::function<void(TaskResult)> done) {
  Impl& impl = *impl_;
  if (!impl.open) return Error{errc::closed, "the executor does not run"};
  if (!impl.callbacks) {
    return Error{errc::unsupported, "this executor's tasks go to an observer"};
  }
  Task task;
  try {
    if (auto fine = complete_spec(spec, impl.kinds); !fine) return fine;
    if (!impl.has_prober(spec.kind)) {
      return Error{errc::unsupported, "no prober of kind " + spec.kind + " was added"};
    }
    const ProbeKind* const kind = impl.kinds.find(spec.kind);
    if (kind->host_key) task.host_key = kind->host_key(spec.target);
  } catch (const std::exception& error) {
    return Error{errc::internal, std::string{"the prober threw: "} + error.what()};
  }
  const Priority priority = spec.priority;
  const SteadyTime now = impl.core.options.clock->steady_now();
  task.id = TaskId{impl.next_id.fetch_add(1, std::memory_order_relaxed)};
  task.target = std::move(spec.target);
  if (spec.deadline) task.deadline = now + *spec.deadline;
  auto options = std::make_shared<CallbackOptions>();
  static_cast<ProbeOptions&>(*options) = std::move(static_cast<ProbeOptions&>(spec));
  options->done = std::move(done);
  task.options = std::move(options);

  std::vector<Task> tasks;
  tasks.push_back(std::move(task));
  {
    const std::lock_guard<std::mutex> lock(impl.submit_mutex);
    if (!impl.open) return Error{errc::closed, "the executor has stopped"};
    if (!impl.callbacks->take(priority)) {
      return Error{errc::limit_reached, "too many tasks wait to run or for their callback"};
    }
    tasks = impl.core.queue->push(std::move(tasks), now);
    if (!tasks.empty()) impl.callbacks->give_back(priority);
  }
  if (!tasks.empty()) return Error{errc::limit_reached, "the queue of tasks is full"};
  if (is_high(priority)) impl.core.high_waits.store(true);
  impl.wake_for(1);
  return {};
}

Expected<TaskResult> ProbeExecutor::probe(ProbeSpec spec) {
  const auto promise = std::make_shared<std::promise<TaskResult>>();
  auto result = promise->get_future();
  auto submitted = submit(std::move(spec),
                          [promise](TaskResult found) { promise->set_value(std::move(found)); });
  if (!submitted) return submitted.error();
  return result.get();
}

std::vector<Task> ProbeExecutor::submit(std::vector<Task> tasks) {
  if (!impl_->open || impl_->callbacks) return tasks;
  const std::size_t count = tasks.size();
  const bool high = has_high(tasks);
  std::vector<Task> refused =
      impl_->core.queue->push(std::move(tasks), impl_->core.options.clock->steady_now());
  if (high) impl_->core.high_waits.store(true);
  if (refused.size() < count) impl_->wake_for(count - refused.size());
  return refused;
}

bool ProbeExecutor::cancel(TaskId id, std::function<void(TaskId)> cancelled) {
  if (const auto task = impl_->core.queue->remove(id)) {
    impl_->wake_for(1);  // another task of its host may have become ready
    if (impl_->callbacks) impl_->callbacks->on_taken_back(*task);
    return true;
  }
  const auto shared = std::make_shared<const std::function<void(TaskId)>>(std::move(cancelled));
  for (const auto& thread : impl_->core.threads) thread->cancel(CancelRequest{id, shared});
  return false;
}

std::vector<Task> ProbeExecutor::take_back() {
  std::vector<Task> tasks = impl_->core.queue->remove_all();
  if (impl_->callbacks) {
    for (const Task& task : tasks) impl_->callbacks->on_taken_back(task);
  }
  return tasks;
}

void ProbeExecutor::set_paused(bool paused) {
  impl_->core.queue->set_paused(paused);
  if (!paused) impl_->core.wake(impl_->core.threads.size(), nullptr);
}

bool ProbeExecutor::is_queued(TaskId id) const { return impl_->core.queue->is_queued(id); }

TaskQueueWindow ProbeExecutor::window() const noexcept { return impl_->core.queue->window(); }

ProbeExecutorFacts ProbeExecutor::facts() const {
  ProbeExecutorFacts facts;
  facts.queue = impl_->core.queue->facts(impl_->core.options.clock->steady_now());
  for (const auto& thread : impl_->core.threads) thread->add_facts(facts);
  return facts;
}

void ProbeExecutor::stop() { impl_->stop(); }

}  // namespace probekit
