// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "stop_signal.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include "command_line.hpp"

namespace examples {
namespace {

// Ends the waiting thread; not a signal users send.
constexpr int kQuit = SIGUSR2;

sigset_t stop_signals(bool with_hangup) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, kQuit);
  if (with_hangup) sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

StopSignal::StopSignal(bool takes_hangup) {
  fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  const auto set = stop_signals(takes_hangup);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread{[this, set] {
    for (;;) {
      int number = 0;
      if (sigwait(&set, &number) != 0) continue;
      if (number == kQuit) return;
      if (number == SIGHUP) {
        const std::lock_guard lock{hangup_mutex_};
        if (hangup_) hangup_();
        continue;
      }
      const std::lock_guard lock{mutex_};
      if (stopped_) _exit(128 + number);
      stopped_ = true;
      eventfd_write(fd_, 1);
      changed_.notify_all();
    }
  }};
}

StopSignal::~StopSignal() {
  pthread_kill(thread_.native_handle(), kQuit);
  thread_.join();
  close(fd_);
}

void StopSignal::wait() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return stopped_; });
}

void StopSignal::on_hangup(std::function<void()> function) {
  const std::lock_guard lock{hangup_mutex_};
  hangup_ = std::move(function);
}

bool StopSignal::stopped() const {
  const std::lock_guard lock{mutex_};
  return stopped_;
}

int drain_and_wait(
    const std::string& program,
    const std::function<void(std::function<void(probekit::Expected<void>)>)>& drain) {
  auto ended = std::make_shared<std::promise<probekit::Expected<void>>>();
  auto future = ended->get_future();
  drain([ended](probekit::Expected<void> how) { ended->set_value(std::move(how)); });
  const auto how = future.get();
  return how ? kExitDone : failure(program, how.error().message());
}

}  // namespace examples
