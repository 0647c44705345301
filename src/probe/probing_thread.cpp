// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/probing_thread.hpp"

#include <algorithm>
#include <exception>
#include <unordered_map>
#include <utility>

#include "base/lag_meter.hpp"
#include "base/thread.hpp"
#include "probe/is_high.hpp"
#include "probe/task_times.hpp"

namespace probekit {
namespace {

constexpr std::size_t kBurst = 64;        // tasks taken from the queue at once
constexpr std::size_t kBurstsInARow = 8;  // before sockets and timers get their turn

constexpr std::chrono::seconds kCheckInterval{1};
constexpr std::chrono::seconds kOverdue{1};  // what a prober gets beyond the timeout

// Options given to submit(vector<Task>) were checked by nobody; a longer one counts as this.
std::chrono::milliseconds timeout_of(const Task& task) noexcept {
  return std::min(task.options->timeout, kLongestTime);
}

}  // namespace

ProbingThread::ProbingThread(ProbingCore& core, std::size_t index, std::size_t slots_max)
    : core_(core),
      index_(index),
      slots_max_(slots_max),
      loop_(core.options.clock, core.options.log) {
  loop_.set_idle([this] { pull(); });
  loop_.set_interlude([this] { return start_high(); });
}

void ProbingThread::start() {
  thread_ = start_thread("probekit-pr" + std::to_string(index_), [this] { run(); });
}

std::vector<Task> ProbingThread::join() {
  if (thread_.joinable()) thread_.join();
  return std::move(abandoned_);
}

bool ProbingThread::wake() {
  if (!hungry_.load(std::memory_order_relaxed) || !hungry_.exchange(false)) return false;
  loop_.post([] {});
  return true;
}

void ProbingThread::cancel(CancelRequest request) {
  bool first;
  {
    const std::lock_guard<std::mutex> lock(cancels_mutex_);
    first = cancels_.empty();
    cancels_.push_back(std::move(request));
  }
  if (first) loop_.post([this] { run_cancels(); });
}

void ProbingThread::add_facts(ProbeExecutorFacts& facts) const {
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

void ProbingThread::run() {
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

void ProbingThread::make_runner(const Prober& prober) {
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

void ProbingThread::log(LogLevel level, std::string message, const std::string& kind) {
  if (core_.options.log) {
    core_.options.log->write(level, "probe", std::move(message), {{"kind", kind}});
  }
}

void ProbingThread::pull() {
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

bool ProbingThread::start_high() {
  if (!core_.high_waits.load(std::memory_order_relaxed) || busy_ >= slots_max_ ||
      !core_.high_waits.exchange(false)) {
    return false;
  }
  TaskQueue::Popped popped = core_.queue->pop(1, loop_.clock_now());
  hand_back(popped);
  for (Task& task : popped.start) {
    if (is_high(task)) core_.high_waits.store(true);  // maybe more
    start_task(std::move(task));
  }
  return true;
}

void ProbingThread::hand_back(TaskQueue::Popped& popped) {
  for (Task& task : popped.expired) {
    hand_back(std::move(task), TaskObserver::Returned::expired);
  }
  for (Task& task : popped.host_busy) {
    hand_back(std::move(task), TaskObserver::Returned::host_busy);
  }
}

void ProbingThread::hand_back(Task task, TaskObserver::Returned why) {
  reported_ = true;
  core_.observer->on_returned(std::move(task), why);
}

void ProbingThread::start_task(Task task) {
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

void ProbingThread::on_result(std::uint64_t probe, ProbeResult result) {
  if (!ended_) answer(probe, std::move(result));
}

void ProbingThread::answer(std::uint64_t probe, ProbeResult&& result) {
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
    result.started_at = loop_.system_now() - std::chrono::duration_cast<std::chrono::microseconds>(
                                                 loop_.clock_now() - slot->started);
  }
  result.suspect = result.suspect || is_late();
  Task task = release(*slot, probe);
  const bool high = is_high(task);
  reported_ = !high;
  core_.observer->on_result(std::move(task), std::move(result));
  if (high) core_.observer->on_burst_end();
}

bool ProbingThread::is_late() const noexcept {
  const std::chrono::nanoseconds limit = core_.options.suspect_lag;
  return loop_.lag().last > limit || busy_for_ > limit ||
         loop_.now() - idle_end_ > LagMeter::kTick + limit ||
         loop_.clock_now() - loop_.now() > limit;
}

Task ProbingThread::release(Slot& slot, std::uint64_t probe) {
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

std::uint64_t ProbingThread::number_of(std::uint32_t index) const noexcept {
  return (std::uint64_t{slots_[index].generation} << 32) | index;
}

ProbingThread::Slot* ProbingThread::slot_of(std::uint64_t probe) noexcept {
  const auto index = static_cast<std::uint32_t>(probe);
  if (index >= slots_.size() || !slots_[index].used || number_of(index) != probe) return nullptr;
  return &slots_[index];
}

void ProbingThread::end_probe(std::uint64_t probe) noexcept {
  Slot* const slot = slot_of(probe);
  if (slot == nullptr) return;
  try {
    slot->runner->cancel(probe);
  } catch (...) {  // it is given up either way
  }
}

void ProbingThread::run_cancels() {
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

void ProbingThread::schedule_check(SteadyTime when) {
  loop_.call_at(when, [this, when] {
    schedule_check(loop_.now() + kCheckInterval);
    if (loop_.now() - when <= kCheckInterval / 2) return check();
    // After a freeze every socket and timer gets its turn before a probe counts as overdue.
    loop_.call_at(loop_.now(), [this] { check(); });
  });
}

void ProbingThread::check() {
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
      result.duration = std::chrono::duration_cast<std::chrono::microseconds>(now - still->started);
    }
    answer(probe, std::move(result));
  }
  // Tasks expire in line while every slot is busy, too.
  TaskQueue::Popped popped = core_.queue->pop(0, now);
  if (!popped.expired.empty()) core_.wake(1, this);  // the next of their hosts may be ready
  hand_back(popped);
  ask_runners();
}

void ProbingThread::ask_runners() {
  ProbeWaits waits;
  LocalFailures failures;
  for (const Runner& one : runners_) {
    if (one.runner) one.runner->tell(waits, failures);
  }
  const std::lock_guard<std::mutex> lock(told_mutex_);
  waits_ = waits;
  failures_ = failures;
}

void ProbingThread::count(std::atomic<std::uint64_t>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void ProbingCore::wake(std::size_t count, const ProbingThread* but) {
  const std::size_t first = next_thread.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < threads.size() && count > 0; ++i) {
    ProbingThread& thread = *threads[(first + i) % threads.size()];
    if (&thread != but && thread.wake()) --count;
  }
}

}  // namespace probekit
