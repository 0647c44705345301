// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "service_notifier.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace examples {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

ServiceNotifier::ServiceNotifier() : socket_(environment("NOTIFY_SOCKET")) {
  const auto pid = environment("WATCHDOG_PID");
  if (!socket_.empty() && (pid.empty() || pid == std::to_string(getpid())))
    watchdog_ =
        std::chrono::microseconds{std::strtoll(environment("WATCHDOG_USEC").c_str(), nullptr, 10)};
}

ServiceNotifier::~ServiceNotifier() { end(); }

void ServiceNotifier::end() {
  {
    const std::lock_guard lock{mutex_};
    ended_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ServiceNotifier::tell(const std::string& lines, int flags) {
  if (socket_.empty()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool told = false;
  if (fd >= 0 && socket_.size() < sizeof address.sun_path) {
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_.front() == '@') address.sun_path[0] = '\0';  // no file
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    told = sendto(fd, lines.data(), lines.size(), MSG_NOSIGNAL | flags,
                  reinterpret_cast<const sockaddr*>(&address), size) >= 0 ||
           errno == EAGAIN;
  }
  // The service manager will see for itself that it was not told.
  if (!told && !complained_.exchange(true))
    std::fprintf(stderr, "NOTIFY_SOCKET: cannot be written: %s\n", std::strerror(errno));
  if (fd >= 0) close(fd);
}

void ServiceNotifier::ready(std::vector<std::function<std::uint64_t()>> turns) {
  tell("READY=1", 0);
  turns_ = std::move(turns);
  if (watchdog_.count() > 0) thread_ = std::thread{[this] { feed(); }};
}

void ServiceNotifier::status(const std::string& status) { tell("STATUS=" + status, 0); }

void ServiceNotifier::stopping() { tell("STOPPING=1\nSTATUS=draining", 0); }

void ServiceNotifier::feed() {
  // Loops count every 100 ms at the latest.
  const auto interval =
      std::max<std::chrono::microseconds>(watchdog_ / 4, std::chrono::milliseconds{250});
  std::vector<std::uint64_t> before(turns_.size());
  std::unique_lock lock{mutex_};
  do {
    bool all_turn = true;
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      const auto now = turns_[i]();
      all_turn = all_turn && now != before[i];
      before[i] = now;
    }
    // One too many may get lost: the next one comes.
    if (all_turn) tell("WATCHDOG=1", MSG_DONTWAIT);
  } while (!changed_.wait_for(lock, interval, [this] { return ended_; }));
}

}  // namespace examples
