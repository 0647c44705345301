// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/notifier.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace probekit {

struct Notifier::Gate {
  std::mutex mutex;
  std::condition_variable left;
  bool closed = false;
  std::vector<std::thread::id> inside;  // an executor may run several at once

  bool enter() {
    const std::lock_guard<std::mutex> lock{mutex};
    if (closed) return false;
    inside.push_back(std::this_thread::get_id());
    return true;
  }
  void leave() {
    const std::lock_guard<std::mutex> lock{mutex};
    inside.erase(std::find(inside.begin(), inside.end(), std::this_thread::get_id()));
    left.notify_all();
  }
};

Notifier::Notifier(std::shared_ptr<Executor> executor)
    : gate_(std::make_shared<Gate>()), executor_(std::move(executor)) {
  if (!executor_) executor_ = std::make_shared<DeliveryThread>();
}

Notifier::~Notifier() { close(); }

void Notifier::post(std::function<void()> notify) {
  executor_->post([gate = gate_, notify = std::move(notify)] {
    if (!gate->enter()) return;
    struct Leave {
      Gate& gate;
      ~Leave() { gate.leave(); }
    } leave{*gate};
    notify();
  });
}

void Notifier::close() {
  std::unique_lock<std::mutex> lock{gate_->mutex};
  gate_->closed = true;
  const std::thread::id self = std::this_thread::get_id();
  gate_->left.wait(lock, [&] {
    return std::all_of(gate_->inside.begin(), gate_->inside.end(),
                       [&](std::thread::id one) { return one == self; });
  });
}

}  // namespace probekit
