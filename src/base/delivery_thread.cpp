// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread.hpp"
#include "probekit/executor.hpp"

namespace probekit {
namespace {

// Shared with the thread, which outlives the DeliveryThread when it destroys it itself.
struct State {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::function<void()>> posted;
  bool closing = false;
  std::atomic<std::uint64_t> failures{0};
};

void deliver(State& state) {
  std::vector<std::function<void()>> batch;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(state.mutex);
      state.changed.wait(lock, [&] { return state.closing || !state.posted.empty(); });
      if (state.posted.empty()) return;
      batch.swap(state.posted);
    }
    for (auto& function : batch) {
      try {
        function();
        function = nullptr;
      } catch (...) {
        state.failures.fetch_add(1, std::memory_order_relaxed);
      }
    }
    batch.clear();
  }
}

}  // namespace

struct DeliveryThread::Impl {
  std::shared_ptr<State> state = std::make_shared<State>();
  std::thread thread;
};

DeliveryThread::DeliveryThread() : impl_(std::make_unique<Impl>()) {
  impl_->thread = start_thread("probekit-deliv", [state = impl_->state] { deliver(*state); });
}

DeliveryThread::~DeliveryThread() {
  {
    const std::lock_guard<std::mutex> lock(impl_->state->mutex);
    impl_->state->closing = true;
  }
  impl_->state->changed.notify_one();
  if (impl_->thread.get_id() == std::this_thread::get_id()) {
    impl_->thread.detach();
  } else {
    impl_->thread.join();
  }
}

void DeliveryThread::post(std::function<void()> function) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(impl_->state->mutex);
    first = impl_->state->posted.empty();
    impl_->state->posted.push_back(std::move(function));
  }
  if (first) impl_->state->changed.notify_one();
}

std::uint64_t DeliveryThread::failures() const noexcept {
  return impl_->state->failures.load(std::memory_order_relaxed);
}

}  // namespace probekit
