// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// What a service manager is told, by the protocol of sd_notify(3): a datagram to $NOTIFY_SOCKET.
// Without one nothing is told.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace examples {

class ServiceNotifier {
 public:
  /// Reads the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
  ServiceNotifier();
  ~ServiceNotifier();
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  /// Everything is open. From now on the watchdog is fed as long as all `turns` move: numbers that
  /// grow ten times a second while the loop behind them turns. They are read on another thread.
  void ready(std::vector<std::function<std::uint64_t()>> turns);
  /// A line for people.
  void status(const std::string& status);
  /// A drain begins; the watchdog is fed until its end.
  void stopping();
  /// No number is read any more. The destructor calls it.
  void end();

 private:
  void tell(const std::string& lines, int flags);
  void feed();

  std::string socket_;
  std::atomic<bool> complained_{false};
  std::chrono::microseconds watchdog_{0};
  std::vector<std::function<std::uint64_t()>> turns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace examples
