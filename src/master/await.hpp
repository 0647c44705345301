// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Blocking calls made of asynchronous ones, for threads that may block.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "probekit/error.hpp"
#include "store/task_store.hpp"

namespace probekit {

/// Calls `start` with a completion and returns what that is given. A completion destroyed uncalled
/// reads as `closed`.
template <class T, class Start>
Expected<T> await(Start&& start) {
  struct State {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Expected<T>> value;
    void set(Expected<T> given) {
      const std::lock_guard<std::mutex> lock{mutex};
      if (value) return;
      value.emplace(std::move(given));
      arrived.notify_all();
    }
  };
  // Dies with the last copy of the completion.
  struct Promise {
    explicit Promise(std::shared_ptr<State> given) : state(std::move(given)) {}
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;
    std::shared_ptr<State> state;
    ~Promise() { state->set(Error{make_error_code(errc::closed), "the master has stopped"}); }
  };
  const auto state = std::make_shared<State>();
  std::forward<Start>(start)(
      Completion<T>{[promise = std::make_shared<Promise>(state)](Expected<T> value) {
        promise->state->set(std::move(value));
      }});
  std::unique_lock<std::mutex> lock{state->mutex};
  state->arrived.wait(lock, [&] { return state->value.has_value(); });
  return std::move(*state->value);
}

}  // namespace probekit
