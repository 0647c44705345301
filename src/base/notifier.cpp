// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/notifier.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace probekit {

struct Notifier::Gate {
  std::mutex mutex;
  std::condition_variable left;
  // Under the mutex.
  bool closed = false;
  std::vector<std::thread::id> inside;  // an executor may run several at once
  std::uint64_t last_answer = 0;
  std::map<std::uint64_t, std::function<void()>> answers;  // not begun

  bool is_inside() const {
    return std::find(inside.begin(), inside.end(), std::this_thread::get_id()) != inside.end();
  }
  void leave() {
    const std::lock_guard<std::mutex> lock{mutex};
    inside.erase(std::find(inside.begin(), inside.end(), std::this_thread::get_id()));
    left.notify_all();
  }
};

namespace {

template <class Gate>
struct Leave {
  Gate& gate;
  ~Leave() { gate.leave(); }
};
template <class Gate>
Leave(Gate&) -> Leave<Gate>;

}  // namespace

Notifier::Notifier(std::shared_ptr<Executor> executor)
    : gate_(std::make_shared<Gate>()), executor_(std::move(executor)) {
  if (!executor_) executor_ = std::make_shared<DeliveryThread>();
}

Notifier::~Notifier() { close(); }

void Notifier::post(std::function<void()> notify) {
  executor_->post([gate = gate_, notify = std::move(notify)] {
    {
      const std::lock_guard<std::mutex> lock{gate->mutex};
      if (gate->closed) return;
      gate->inside.push_back(std::this_thread::get_id());
    }
    const Leave leave{*gate};
    notify();
  });
}

void Notifier::answer(std::function<void()> done) {
  std::uint64_t number = 0;
  {
    const std::lock_guard<std::mutex> lock{gate_->mutex};
    if (!gate_->closed) {
      number = ++gate_->last_answer;
      gate_->answers.emplace(number, std::move(done));
    }
  }
  if (number == 0) return executor_->post(std::move(done));
  executor_->post([gate = gate_, number] {
    std::function<void()> run;
    {
      const std::lock_guard<std::mutex> lock{gate->mutex};
      const auto found = gate->answers.find(number);
      if (gate->closed || found == gate->answers.end()) return;  // close() runs it
      run = std::move(found->second);
      gate->answers.erase(found);
      gate->inside.push_back(std::this_thread::get_id());
    }
    const Leave leave{*gate};
    run();
  });
}

void Notifier::close() {
  std::map<std::uint64_t, std::function<void()>> answers;
  {
    std::unique_lock<std::mutex> lock{gate_->mutex};
    gate_->closed = true;
    if (!gate_->is_inside()) gate_->left.wait(lock, [&] { return gate_->inside.empty(); });
    if (gate_->answers.empty()) return;
    answers.swap(gate_->answers);
    gate_->inside.push_back(std::this_thread::get_id());
  }
  const Leave leave{*gate_};
  for (const auto& one : answers) {
    try {
      one.second();
    } catch (...) {  // no executor is there to take it
    }
  }
}

}  // namespace probekit
