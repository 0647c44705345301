// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/epoll_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace probekit {
namespace {

// The mark of the eventfd and of the urgent epoll; no descriptor has this number.
constexpr std::uint64_t kWakeMark = ~std::uint64_t{0};

std::uint64_t mark_of(int fd, std::uint32_t generation) {
  return (static_cast<std::uint64_t>(generation) << 32) | static_cast<std::uint32_t>(fd);
}

std::uint32_t to_epoll(unsigned events) {
  std::uint32_t mask = 0;
  if ((events & ProbeLoop::readable) != 0) mask |= EPOLLIN;
  if ((events & ProbeLoop::writable) != 0) mask |= EPOLLOUT;
  return mask;
}

unsigned from_epoll(std::uint32_t mask) {
  unsigned events = ProbeLoop::none;
  if ((mask & (EPOLLIN | EPOLLHUP)) != 0) events |= ProbeLoop::readable;
  if ((mask & EPOLLOUT) != 0) events |= ProbeLoop::writable;
  if ((mask & (EPOLLERR | EPOLLHUP)) != 0) events |= ProbeLoop::failed;
  return events;
}

}  // namespace

EpollLoop::EpollLoop(std::shared_ptr<const Clock> clock, std::shared_ptr<Log> log)
    : clock_(clock ? std::move(clock) : system_clock()), log_(std::move(log)) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  urgent_fd_ = epoll_fd_ < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
  event_fd_ = urgent_fd_ < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // Edge-triggered, so that the counter need not be read: every write is a new edge.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeMark;
  epoll_event any_urgent{};
  any_urgent.events = EPOLLIN;
  any_urgent.data.u64 = kWakeMark;
  if (event_fd_ < 0 || epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, event_fd_, &event) != 0 ||
      epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, urgent_fd_, &any_urgent) != 0) {
    const int error = errno;
    for (const int fd : {epoll_fd_, urgent_fd_, event_fd_}) {
      if (fd >= 0) close(fd);
    }
    throw std::system_error(error, std::system_category(), "epoll loop");
  }
  now_ = clock_->steady_now();
}

EpollLoop::~EpollLoop() {
  // What is destroyed here may still call back into the loop; nothing of that runs.
  idle_ = nullptr;
  interlude_ = nullptr;
  std::exchange(watches_, {}).clear();
  timers_.clear();
  for (bool more = true; more;) {
    std::vector<std::function<void()>> unrun;
    const std::lock_guard<std::mutex> lock(mutex_);
    unrun.swap(posted_);
    more = !unrun.empty();
  }
  close(event_fd_);
  close(urgent_fd_);
  close(epoll_fd_);
}

template <class Function>
void EpollLoop::guarded(Function&& function) noexcept {
  try {
    function();
  } catch (const std::exception& error) {
    count_failure(error.what());
  } catch (...) {
    count_failure("not a std::exception");
  }
}

void EpollLoop::count_failure(const char* what) noexcept {
  failures_.fetch_add(1, std::memory_order_relaxed);
  if (!log_) return;
  try {
    log_->write(LogLevel::error, "loop", "a function on a probing thread threw", {{"what", what}});
  } catch (...) {  // out of memory; it is counted
  }
}

void EpollLoop::run() {
  thread_id_.store(std::this_thread::get_id());
  now_ = clock_->steady_now();
  started_at_ = now_;
  schedule_tick();
  std::array<epoll_event, 256> events;
  while (!stopping_.load(std::memory_order_acquire)) {
    run_timers();
    run_posted();
    if (idle_ && !stopping_.load(std::memory_order_relaxed)) guarded(idle_);
    const int timeout = wait_milliseconds();
    const int count =
        epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout);
    now_ = clock_->steady_now();
    for (int i = 0; i < count && !stopping_.load(std::memory_order_relaxed); ++i) {
      serve_urgent();
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 != kWakeMark) deliver(event.data.u64, from_epoll(event.events));
    }
  }
  thread_id_.store(std::thread::id{});
}

void EpollLoop::serve_urgent() {
  bool posted = false;
  if (interlude_) guarded([&] { posted = interlude_(); });
  if (urgent_watched_ > 0) {
    std::array<epoll_event, 16> events;
    const int count = epoll_wait(urgent_fd_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count && !stopping_.load(std::memory_order_relaxed); ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      deliver(event.data.u64, from_epoll(event.events));
      posted = true;
    }
  }
  if (posted) run_posted();
}

void EpollLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof one);
}

int EpollLoop::wait_milliseconds() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!posted_.empty()) return 0;
    sleeping_ = true;
  }
  const auto next = timers_.next_wakeup();
  if (!next) return static_cast<int>(LagMeter::kTick.count());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_->steady_now());
  // A tick at most, as an injected clock need not move with the kernel's.
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), LagMeter::kTick).count());
}

void EpollLoop::run_timers() {
  const auto next = timers_.next_wakeup();
  if (!next || *next > now_) return;
  lag_.record(now_, now_ - std::max(*next, started_at_));
  for (bool done = false; !done && !stopping_.load(std::memory_order_relaxed);) {
    guarded([&] {
      timers_.run_due(now_);
      done = true;
    });
  }
}

void EpollLoop::run_posted() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    sleeping_ = false;
    burst_.swap(posted_);
  }
  for (auto& function : burst_) {
    if (stopping_.load(std::memory_order_relaxed)) break;
    guarded([&] {
      function();
      function = nullptr;
    });
  }
  burst_.clear();
}

void EpollLoop::schedule_tick() {
  timers_.schedule(now_ + LagMeter::kTick, [this] { schedule_tick(); });
}

void EpollLoop::deliver(std::uint64_t mark, unsigned events) {
  const auto fd = static_cast<std::uint32_t>(mark);
  const auto generation = static_cast<std::uint32_t>(mark >> 32);
  {
    Watch& watch = watches_[fd];
    if (!watch.watched || watch.generation != generation) return;
    events &= watch.events | unsigned{failed};
    if (events == none) return;
  }
  // The callback may unwatch or replace itself, and watching others moves the table.
  auto ready = std::move(watches_[fd].ready);
  guarded([&] { ready(events); });
  Watch& watch = watches_[fd];
  if (watch.watched && watch.generation == generation && !watch.ready) {
    watch.ready = std::move(ready);
  }
}

void EpollLoop::watch(int fd, unsigned events, std::function<void(unsigned)> ready) {
  assert(fd >= 0);
  const auto index = static_cast<std::size_t>(fd);
  if (index >= watches_.size()) watches_.resize(std::max(index + 1, 2 * watches_.size()));
  Watch& watch = watches_[index];
  if (!watch.watched) {
    assert(ready);
    watch.watched = true;
    ++watch.generation;
  }
  if (ready) watch.ready.swap(ready);
  apply(fd, events);
}

void EpollLoop::remove_from_epoll(int fd, Watch& watch) {
  if (!std::exchange(watch.in_epoll, false)) return;
  epoll_event unused{};
  epoll_ctl(watch.urgent ? urgent_fd_ : epoll_fd_, EPOLL_CTL_DEL, fd, &unused);
  if (watch.urgent) --urgent_watched_;
}

void EpollLoop::apply(int fd, unsigned asked) {
  const unsigned events = asked & (readable | writable);
  const bool first = (asked & urgent) != 0;
  Watch& watch = watches_[static_cast<std::size_t>(fd)];
  if (watch.in_epoll && watch.events == events && watch.urgent == first) return;
  watch.events = static_cast<std::uint8_t>(events);
  // Taken out, for epoll reports errors and hang-ups even where nothing was asked for.
  if (events == none || watch.urgent != first) remove_from_epoll(fd, watch);
  watch.urgent = first;
  if (events == none) return;
  epoll_event event{};
  event.events = to_epoll(events);
  event.data.u64 = mark_of(fd, watch.generation);
  const int epoll = first ? urgent_fd_ : epoll_fd_;
  // The other operation is tried where the descriptor was closed behind the loop's back.
  const int usual = watch.in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  const int other = watch.in_epoll ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll, usual, fd, &event) == 0 ||
      ((errno == ENOENT || errno == EEXIST) && epoll_ctl(epoll, other, fd, &event) == 0)) {
    if (first && !watch.in_epoll) ++urgent_watched_;
    watch.in_epoll = true;
    return;
  }
  if (first && watch.in_epoll) --urgent_watched_;
  watch.in_epoll = false;
  post([this, mark = mark_of(fd, watch.generation)] { deliver(mark, failed); });
}

void EpollLoop::unwatch(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (fd < 0 || index >= watches_.size() || !watches_[index].watched) return;
  Watch& watch = watches_[index];
  apply(fd, watch.urgent ? unsigned{urgent} : unsigned{none});
  watch.watched = false;
  ++watch.generation;
  const auto ready = std::move(watch.ready);  // destroyed last: it may come back here
  watch.ready = nullptr;
}

TimerId EpollLoop::call_at(SteadyTime when, std::function<void()> function) {
  // Not before now, or a moment already past would look like a loop that is late.
  return timers_.schedule(std::max(when, now_), std::move(function));
}

void EpollLoop::post(std::function<void()> function) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(function));
    wake = sleeping_;
    sleeping_ = false;
  }
  if (!wake) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof one);
}

bool EpollLoop::on_loop_thread() const noexcept {
  return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

}  // namespace probekit
