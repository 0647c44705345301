// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/event_loop_asio.hpp"

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cassert>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/lag_meter.hpp"
#include "base/loop_turns.hpp"
#include "base/stepped_loop.hpp"
#include "base/thread.hpp"
#include "base/timer_queue.hpp"
#include "probekit/log.hpp"

namespace probekit {

// Asio sees one timer, armed for the earliest of ours, and one posted handler a burst of posts.
struct EventLoop::Impl {
  explicit Impl(EventLoopOptions given)
      : options(std::move(given)), context(1), work(context.get_executor()), alarm(context) {
    if (!options.clock) options.clock = system_clock();
  }

  SteadyTime now() const noexcept { return options.clock->steady_now(); }

  void run();
  void run_posted();
  void run_timers();
  void arm();
  void schedule_tick();
  void count_failure(const char* what) noexcept;

  EventLoopOptions options;
  std::atomic<std::thread::id> thread_id{};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<bool> stopping{false};
  LagMeter lag;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  bool closed = false;                        // under mutex

  std::vector<std::function<void()>> burst;  // the posts being run
  TimerQueue timers;
  std::optional<SteadyTime> armed_for;
  bool running_timers = false;
  bool stepped = false;  // no thread runs it
  SteadyTime started_at{};
  std::thread thread;

  // Last, so that handlers which Asio destroys still find the rest alive.
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer alarm;
};

void EventLoop::Impl::count_failure(const char* what) noexcept {
  failures.fetch_add(1, std::memory_order_relaxed);
  if (!options.log) return;
  try {
    options.log->write(LogLevel::error, "loop", "a function on the loop threw",
                       {{"loop", options.name}, {"what", what}});
  } catch (...) {  // out of memory; it is counted
  }
}

void EventLoop::Impl::run() {
  thread_id.store(std::this_thread::get_id());
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception& error) {
      count_failure(error.what());
    } catch (...) {
      count_failure("not a std::exception");
    }
  }
}

void EventLoop::Impl::run_posted() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    burst.swap(posted);
  }
  for (auto& function : burst) {
    if (stopping.load(std::memory_order_relaxed)) break;
    try {
      function();
      function = nullptr;
    } catch (const std::exception& error) {
      count_failure(error.what());
    } catch (...) {
      count_failure("not a std::exception");
    }
  }
  burst.clear();
}

void EventLoop::Impl::run_timers() {
  armed_for.reset();
  const SteadyTime time = now();
  const auto next = timers.next_wakeup();
  if (next && *next <= time) lag.record(time, time - std::max(*next, started_at));
  running_timers = true;
  for (bool done = false; !done && !stopping.load(std::memory_order_relaxed);) {
    try {
      timers.run_due(time);
      done = true;
    } catch (const std::exception& error) {
      count_failure(error.what());
    } catch (...) {
      count_failure("not a std::exception");
    }
  }
  running_timers = false;
  arm();
}

void EventLoop::Impl::arm() {
  const auto next = timers.next_wakeup();
  if (!next || running_timers || stepped || (armed_for && *armed_for <= *next)) return;
  armed_for = next;
  // A tick at most, as an injected clock need not move with Asio's.
  const auto wait = std::clamp<std::chrono::nanoseconds>(*next - now(), std::chrono::nanoseconds(0),
                                                         LagMeter::kTick);
  alarm.expires_after(wait);
  alarm.async_wait([this](const std::error_code& error) {
    if (!error) run_timers();
  });
}

void EventLoop::Impl::schedule_tick() {
  timers.schedule(now() + LagMeter::kTick, [this] { schedule_tick(); });
}

EventLoop::EventLoop(EventLoopOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

EventLoop::~EventLoop() { stop(); }

void EventLoop::start() {
  assert(!impl_->thread.joinable());
  impl_->started_at = now();
  impl_->schedule_tick();
  impl_->arm();
  impl_->thread = start_thread(impl_->options.name, [impl = impl_.get()] { impl->run(); });
}

void EventLoop::post(std::function<void()> function) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    if (impl_->closed) return;
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(function));
  }
  if (first && !impl_->stepped)
    asio::post(impl_->context, [impl = impl_.get()] { impl->run_posted(); });
}

TimerId EventLoop::call_at(SteadyTime when, std::function<void()> function) {
  // Not before now, or a moment already past would look like a loop that is late.
  const TimerId timer = impl_->timers.schedule(std::max(when, now()), std::move(function));
  impl_->arm();
  return timer;
}

TimerId EventLoop::call_after(std::chrono::nanoseconds delay, std::function<void()> function) {
  return call_at(now() + std::max(delay, std::chrono::nanoseconds(0)), std::move(function));
}

void EventLoop::cancel(TimerId timer) { impl_->timers.cancel(timer); }

bool EventLoop::on_loop_thread() const noexcept {
  return impl_->thread_id.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

const Clock& EventLoop::clock() const noexcept { return *impl_->options.clock; }

LoopLag EventLoop::lag() const noexcept { return impl_->lag.read(); }
std::uint64_t loop_turns(EventLoop& loop) noexcept { return loop.impl().lag.measured(); }

std::uint64_t EventLoop::failures() const noexcept {
  return impl_->failures.load(std::memory_order_relaxed);
}

void EventLoop::stop() {
  assert(!on_loop_thread() || impl_->stepped);
  impl_->stopping.store(true);
  impl_->context.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->thread_id.store(std::thread::id{});
  std::vector<std::function<void()>> unrun;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->closed = true;
    unrun.swap(impl_->posted);
  }
  unrun.clear();
  impl_->timers.clear();
}

// -- SteppedLoop ----------------------------------------------------------------------------------

SteppedLoop::SteppedLoop(EventLoop& loop) : loop_(loop.impl()) {
  assert(!loop_.thread.joinable());
  loop_.stepped = true;
  loop_.thread_id.store(std::this_thread::get_id());
  loop_.started_at = loop_.now();
}

bool SteppedLoop::has_posted() const {
  const std::lock_guard<std::mutex> lock(loop_.mutex);
  return !loop_.posted.empty();
}

std::optional<SteadyTime> SteppedLoop::next_timer() const { return loop_.timers.next_wakeup(); }
void SteppedLoop::run_posted() { loop_.run_posted(); }
void SteppedLoop::run_timers() { loop_.run_timers(); }

asio::io_context& asio_context(EventLoop& loop) noexcept { return loop.impl().context; }

}  // namespace probekit
