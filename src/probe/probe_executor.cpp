// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/probe_executor.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/epoll_loop.hpp"
#include "base/lag_meter.hpp"
#include "base/thread.hpp"
#include "probe/task_times.hpp"

namespace probekit {
namespace {

constexpr std::size_t kConcurrencyMax = 65536;
constexpr std::size_t kQueueMax = 1048576;
constexpr std::size_t kThreadsMax = 64;
constexpr std::size_t kThreadsDefault = 4;

constexpr std::size_t kBurst = 64;         // tasks taken from the queue at once
constexpr std::size_t kBurstsInARow = 8;   // before sockets and timers get their turn
constexpr std::size_t kTasksAThread = 32;  // for so many new tasks one more thread is woken

constexpr std::chrono::seconds kCheckInterval{1};
constexpr std::chrono::hours kSuspectLagMax{1};
constexpr std::chrono::seconds kOverdue{1};  // what a prober gets beyond the timeout

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

// Options given to submit(vector<Task>) were checked by nobody; a longer one counts as this.
std::chrono::milliseconds timeout_of(const Task& task) noexcept {
  return std::min(task.options->timeout, kLongestTime);
}

TaskQueueOptions queue_options(const ProbeExecutorOptions& options) {
  TaskQueueOptions out;
  out.concurrency = options.concurrency;
  out.queue = options.queue;
  out.per_host = options.per_host;
  return out;
}

bool has_high(const std::vector<Task>& tasks) noexcept {
  return std::any_of(tasks.begin(), tasks.end(),
                     [](const Task& task) { return task.options->priority == Priority::high; });
}

/// Told to every probing thread; the one that runs the task acts.
struct CancelRequest {
  TaskId id;
  std::shared_ptr<const std::function<void(TaskId)>> cancelled;
};

class ProbingThread;

/// What all threads share.
struct Core {
  explicit Core(ProbeExecutorOptions given)
      : options(checked(std::move(given))),
        queue(std::make_unique<TaskQueue>(queue_options(options))) {}

  /// Wakes up to `count` threads that sleep and have free slots.
  void wake(std::size_t count, const ProbingThread* but);

  const ProbeExecutorOptions options;
  std::unique_ptr<TaskQueue> queue;
  std::vector<std::unique_ptr<Prober>> probers;
  ProbeEnvironment environment;
  TaskObserver* observer = nullptr;
  std::vector<std::unique_ptr<ProbingThread>> threads;
  std::atomic<std::size_t> next_thread{0};
  std::atomic<bool> high_waits{false};  // in the queue, for a thread between two events
};

/// One thread with its loop, its runners and its share of the slots. Everything but the public
/// part runs on that thread.
class ProbingThread final : private ProbeSink {
 public:
  ProbingThread(Core& core, std::size_t index, std::size_t slots_max)
      : core_(core),
        index_(index),
        slots_max_(slots_max),
        loop_(core.options.clock, core.options.log) {
    loop_.set_idle([this] { pull(); });
    loop_.set_interlude([this] { return start_high(); });
  }

  void start() {
    thread_ = start_thread("probekit-pr" + std::to_string(index_), [this] { run(); });
  }

  void stop() { loop_.stop(); }

  /// Returns the tasks that ran when the loop ended.
  std::vector<Task> join() {
    if (thread_.joinable()) thread_.join();
    return std::move(abandoned_);
  }

  /// True: it slept with free slots, and looks into the queue now.
  bool wake() {
    if (!hungry_.load(std::memory_order_relaxed) || !hungry_.exchange(false)) return false;
    loop_.post([] {});
    return true;
  }

  void cancel(CancelRequest request) {
    bool first;
    {
      const std::lock_guard<std::mutex> lock(cancels_mutex_);
      first = cancels_.empty();
      cancels_.push_back(std::move(request));
    }
    if (first) loop_.post([this] { run_cancels(); });
  }

  void add_facts(ProbeExecutorFacts& facts) const {
    facts.started += started_.load(std::memory_order_relaxed);
    facts.finished += finished_.load(std::memory_order_relaxed);
    const LoopLag lag = loop_.lag();
    facts.lag.last = std::max(facts.lag.last, lag.last);
    facts.lag.max = std::max(facts.lag.max, lag.max);
    const std::lock_guard<std::mutex> lock(told_mutex_);
    facts.waits.dns += waits_.dns;
    facts.waits.connect += waits_.connect;
    facts.waits.tls += waits_.tls;
    facts.waits.first_byte += waits_.first_byte;
    facts.waits.receive += waits_.receive;
    facts.waits.dns_longest = std::max(facts.waits.dns_longest, waits_.dns_longest);
    facts.failures.ports += failures_.ports;
    facts.failures.descriptors += failures_.descriptors;
    facts.failures.memory += failures_.memory;
  }

 private:
  struct Slot {
    Task task;  // its texts stay in place while the probe runs: runners hold views of them
    ProbeRunner* runner = nullptr;
    SteadyTime started{};
    std::uint32_t generation = 0;
    bool used = false;
  };

  struct Runner {
    std::string kind;
    std::unique_ptr<ProbeRunner> runner;  // null: could not be made
    std::string error;
  };

  void run() {
    for (const auto& prober : core_.probers) make_runner(*prober);
    schedule_check(loop_.clock_now() + kCheckInterval);
    idle_end_ = loop_.clock_now();
    loop_.run();
    ended_ = true;
    runners_.clear();
    for (Slot& slot : slots_) {
      if (slot.used) abandoned_.push_back(std::move(slot.task));
    }
  }

  void make_runner(const Prober& prober) {
    Runner made;
    made.kind = prober.kind().name;
    try {
      made.runner = prober.make_runner(loop_, core_.environment, *this);
      if (!made.runner) made.error = "the prober could not start";
    } catch (const std::exception& error) {
      made.error = std::string{"the prober could not start: "} + error.what();
    } catch (...) {
      made.error = "the prober could not start";
    }
    if (!made.error.empty()) log(LogLevel::error, made.error, made.kind);
    runners_.push_back(std::move(made));
  }

  void log(LogLevel level, std::string message, const std::string& kind) {
    if (core_.options.log) {
      core_.options.log->write(level, "probe", std::move(message), {{"kind", kind}});
    }
  }

  /// Before each sleep: starts what there is room for.
  void pull() {
    for (std::size_t burst = 0;; ++burst) {
      if (burst == kBurstsInARow) {
        loop_.post([] {});
        break;
      }
      const std::size_t asked = std::min(slots_max_ - busy_, kBurst);
      // Before the look into the queue: what is pushed after it finds the flag set.
      hungry_.store(asked > 0);
      freed_ = false;
      if (asked == 0) break;
      TaskQueue::Popped popped = core_.queue->pop(asked, loop_.clock_now());
      const bool more = popped.start.size() == asked;
      if (more) core_.wake(1, this);
      hand_back(popped);
      for (Task& task : popped.start) start_task(std::move(task));
      if (!more && !freed_) break;
    }
    if (std::exchange(reported_, false)) core_.observer->on_burst_end();
    idle_end_ = loop_.clock_now();
    busy_for_ = idle_end_ - loop_.now();
  }

  /// A task that somebody waits for does not wait for the round's end, if it may start when it is
  /// first looked for.
  bool start_high() {
    if (!core_.high_waits.load(std::memory_order_relaxed) || busy_ >= slots_max_ ||
        !core_.high_waits.exchange(false)) {
      return false;
    }
    TaskQueue::Popped popped = core_.queue->pop(1, loop_.clock_now());
    hand_back(popped);
    for (Task& task : popped.start) {
      if (task.options->priority == Priority::high) core_.high_waits.store(true);  // maybe more
      start_task(std::move(task));
    }
    return true;
  }

  void hand_back(TaskQueue::Popped& popped) {
    for (Task& task : popped.expired) {
      hand_back(std::move(task), TaskObserver::Returned::expired);
    }
    for (Task& task : popped.host_busy) {
      hand_back(std::move(task), TaskObserver::Returned::host_busy);
    }
  }

  void hand_back(Task task, TaskObserver::Returned why) {
    reported_ = true;
    core_.observer->on_returned(std::move(task), why);
  }

  void start_task(Task task) {
    const auto found = std::find_if(runners_.begin(), runners_.end(), [&](const Runner& runner) {
      return runner.kind == task.options->kind;
    });
    if (found == runners_.end()) {
      core_.queue->finish(task);
      freed_ = true;
      hand_back(std::move(task), TaskObserver::Returned::unsupported);
      return;
    }
    if (free_slots_.empty()) {
      free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    ++busy_;
    Slot& slot = slots_[index];
    slot.task = std::move(task);
    slot.runner = found->runner.get();
    slot.started = loop_.now();
    slot.used = true;
    count(started_);

    const std::uint64_t probe = number_of(index);
    if (slot.runner == nullptr) {
      answer(probe, failed_result(FailureKind::internal, found->error));
      return;
    }
    std::string error;
    try {
      slot.runner->start(probe, slot.task.target, *slot.task.options);
      return;
    } catch (const std::exception& thrown) {
      error = std::string{"the prober threw: "} + thrown.what();
    } catch (...) {
      error = "the prober threw";
    }
    end_probe(probe);
    answer(probe, failed_result(FailureKind::internal, std::move(error)));
  }

  void on_result(std::uint64_t probe, ProbeResult result) override {
    if (!ended_) answer(probe, std::move(result));
  }

  /// Late answers, and second ones, find their slot used by another generation.
  void answer(std::uint64_t probe, ProbeResult result) {
    Slot* const slot = slot_of(probe);
    if (slot == nullptr) return;
    if (result.verdict == Verdict::none) {
      result.verdict = Verdict::failed;
      result.failure = Failure{FailureKind::internal, "the prober gave no verdict"};
    } else if (result.verdict == Verdict::failed && !result.failure) {
      result.failure = Failure{FailureKind::internal, "the prober gave no reason"};
    } else if (result.failure) {
      result.verdict = Verdict::failed;  // a master takes no passed result with a failure
    }
    if (result.started_at == SystemTime{}) {
      result.started_at =
          loop_.system_now() -
          std::chrono::duration_cast<std::chrono::microseconds>(loop_.clock_now() - slot->started);
    }
    result.suspect = result.suspect || is_late();
    Task task = release(*slot, probe);
    const bool high = task.options->priority == Priority::high;
    reported_ = !high;
    core_.observer->on_result(std::move(task), std::move(result));
    if (high) core_.observer->on_burst_end();
  }

  /// Whether this thread was late in this round or the one before, or slept longer than it asked.
  bool is_late() const noexcept {
    const std::chrono::nanoseconds limit = core_.options.suspect_lag;
    return loop_.lag().last > limit || busy_for_ > limit ||
           loop_.now() - idle_end_ > LagMeter::kTick + limit ||
           loop_.clock_now() - loop_.now() > limit;
  }

  Task release(Slot& slot, std::uint64_t probe) {
    Task task = std::move(slot.task);
    slot.used = false;
    ++slot.generation;
    free_slots_.push_back(static_cast<std::uint32_t>(probe));
    --busy_;
    count(finished_);
    core_.queue->finish(task);
    freed_ = true;
    return task;
  }

  std::uint64_t number_of(std::uint32_t index) const noexcept {
    return (std::uint64_t{slots_[index].generation} << 32) | index;
  }

  Slot* slot_of(std::uint64_t probe) noexcept {
    const auto index = static_cast<std::uint32_t>(probe);
    if (index >= slots_.size() || !slots_[index].used || number_of(index) != probe) return nullptr;
    return &slots_[index];
  }

  void end_probe(std::uint64_t probe) noexcept {
    Slot* const slot = slot_of(probe);
    if (slot == nullptr) return;
    try {
      slot->runner->cancel(probe);
    } catch (...) {  // it is given up either way
    }
  }

  void run_cancels() {
    std::vector<CancelRequest> requests;
    {
      const std::lock_guard<std::mutex> lock(cancels_mutex_);
      requests.swap(cancels_);
    }
    std::unordered_map<TaskId, const CancelRequest*> wanted;
    for (const CancelRequest& request : requests) wanted.emplace(request.id, &request);
    for (std::uint32_t index = 0; index < slots_.size(); ++index) {
      if (!slots_[index].used) continue;
      const auto found = wanted.find(slots_[index].task.id);
      if (found == wanted.end()) continue;
      const std::uint64_t probe = number_of(index);
      end_probe(probe);
      Slot* const slot = slot_of(probe);
      if (slot == nullptr) continue;  // it answered inside cancel()
      release(*slot, probe);
      reported_ = true;
      if (*found->second->cancelled) (*found->second->cancelled)(found->first);
    }
  }

  void schedule_check(SteadyTime when) {
    loop_.call_at(when, [this, when] {
      schedule_check(loop_.now() + kCheckInterval);
      if (loop_.now() - when <= kCheckInterval / 2) return check();
      // After a freeze every socket and timer gets its turn before a probe counts as overdue.
      loop_.call_at(loop_.now(), [this] { check(); });
    });
  }

  void check() {
    const SteadyTime now = loop_.now();
    for (std::uint32_t index = 0; index < slots_.size(); ++index) {
      const Slot& slot = slots_[index];
      if (!slot.used || now - slot.started <= timeout_of(slot.task) + kOverdue) continue;
      const std::uint64_t probe = number_of(index);
      log(LogLevel::error, "a prober did not answer within its timeout", slot.task.options->kind);
      end_probe(probe);
      ProbeResult result =
          failed_result(FailureKind::internal, "the prober did not answer within its timeout");
      if (const Slot* const still = slot_of(probe)) {
        result.duration =
            std::chrono::duration_cast<std::chrono::microseconds>(now - still->started);
      }
      answer(probe, std::move(result));
    }
    // Tasks expire in line while every slot is busy, too.
    TaskQueue::Popped popped = core_.queue->pop(0, now);
    if (!popped.expired.empty()) core_.wake(1, this);  // the next of their hosts may be ready
    hand_back(popped);
    ask_runners();
  }

  void ask_runners() {
    ProbeWaits waits;
    LocalFailures failures;
    for (const Runner& one : runners_) {
      if (one.runner) one.runner->tell(waits, failures);
    }
    const std::lock_guard<std::mutex> lock(told_mutex_);
    waits_ = waits;
    failures_ = failures;
  }

  static void count(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  Core& core_;
  const std::size_t index_;
  const std::size_t slots_max_;
  EpollLoop loop_;
  std::vector<Runner> runners_;
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Task> abandoned_;
  std::size_t busy_ = 0;
  SteadyTime idle_end_{};
  std::chrono::nanoseconds busy_for_{0};  // the round before
  bool reported_ = false;
  bool freed_ = false;  // a slot, after the last look into the queue
  bool ended_ = false;
  std::atomic<bool> hungry_{false};
  std::atomic<std::uint64_t> started_{0};
  std::atomic<std::uint64_t> finished_{0};

  mutable std::mutex told_mutex_;  // once a second, and when somebody asks for facts
  ProbeWaits waits_;               // under told_mutex_
  LocalFailures failures_;         // under told_mutex_

  std::mutex cancels_mutex_;
  std::vector<CancelRequest> cancels_;  // under cancels_mutex_

  std::thread thread_;
};

void Core::wake(std::size_t count, const ProbingThread* but) {
  const std::size_t first = next_thread.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < threads.size() && count > 0; ++i) {
    ProbingThread& thread = *threads[(first + i) % threads.size()];
    if (&thread != but && thread.wake()) --count;
  }
}

/// The options of a task that a callback waits for.
struct CallbackOptions : ProbeOptions {
  mutable std::function<void(TaskResult)> done;  // taken once, by whoever ends the task
};

/// Tasks taken whose callback was not called yet: results that wait for the host count, too.
/// Shared with what was posted to the host's Executor, which may outlive the executor here.
struct Unanswered {
  std::atomic<std::size_t> high{0};
  std::atomic<std::size_t> other{0};

  std::atomic<std::size_t>& of(Priority priority) noexcept {
    return priority == Priority::high ? high : other;
  }
};

/// Turns what happens to tasks into calls of their callbacks.
class CallbackObserver final : public TaskObserver {
 public:
  CallbackObserver(std::shared_ptr<Executor> executor, TaskQueueWindow window)
      : executor_(std::move(executor)), window_(window) {
    if (!executor_) executor_ = std::make_shared<DeliveryThread>();
  }

  /// False: as many wait for their callback as may. By one thread at a time.
  bool take(Priority priority) noexcept {
    std::atomic<std::size_t>& count = unanswered_->of(priority);
    if (count >= (priority == Priority::high ? window_.high : window_.other)) return false;
    ++count;
    return true;
  }
  void give_back(Priority priority) noexcept { --unanswered_->of(priority); }

  void on_result(Task task, ProbeResult result) override {
    TaskResult out;
    static_cast<ProbeResult&>(out) = std::move(result);
    deliver(std::move(task), std::move(out));
  }

  void on_returned(Task task, Returned why) override {
    TaskResult out;
    if (why == Returned::expired) {
      out.state = TaskState::expired;
      out.reason = ExpiryReason::deadline;
      out.diagnosis = "no slot was free before its deadline";
    } else {
      static_cast<ProbeResult&>(out) =
          failed_result(FailureKind::internal, "no prober took the task");
    }
    deliver(std::move(task), std::move(out));
  }

  void on_burst_end() override {}

  void on_stopped(Task task) {
    on_result(std::move(task), failed_result(FailureKind::internal, "stopped"));
  }

  void on_taken_back(const Task& task) {
    TaskResult out;
    out.state = TaskState::cancelled;
    deliver(task, std::move(out));
  }

 private:
  void deliver(Task task, TaskResult result) {
    const auto& options = static_cast<const CallbackOptions&>(*task.options);
    result.task = std::to_string(task.id.value);
    result.target = std::move(task.target);
    result.kind = options.kind;
    result.attempt = task.attempt;
    result.labels = options.labels;
    executor_->post([done = std::move(options.done), result = std::move(result),
                     unanswered = unanswered_, priority = options.priority]() mutable {
      --unanswered->of(priority);  // first: a callback may submit the next
      if (done) done(std::move(result));
    });
  }

  std::shared_ptr<Executor> executor_;
  const TaskQueueWindow window_;
  const std::shared_ptr<Unanswered> unanswered_ = std::make_shared<Unanswered>();
};

}  // namespace

struct ProbeExecutor::Impl {
  explicit Impl(ProbeExecutorOptions options) : core(std::move(options)) {
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

  Core core;
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
  if (priority == Priority::high) impl.core.high_waits.store(true);
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
