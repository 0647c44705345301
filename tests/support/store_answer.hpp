// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Waits for what a store answers, on whatever thread it does.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "store/task_store.hpp"

namespace probekit::test {

/// What `start`, given a completion, is answered within ten seconds; later, or a second answer,
/// throws.
template <class T, class Start>
Expected<T> answer_of(Start&& start) {
  struct Slot {
    std::mutex mutex;
    std::condition_variable filled;
    std::optional<Expected<T>> answer;
  };
  const auto slot = std::make_shared<Slot>();
  start(Completion<T>([slot](Expected<T> answer) {
    const std::lock_guard<std::mutex> lock(slot->mutex);
    if (slot->answer) throw std::logic_error("a store answered twice");
    slot->answer.emplace(std::move(answer));
    slot->filled.notify_all();
  }));
  std::unique_lock<std::mutex> lock(slot->mutex);
  if (!slot->filled.wait_for(lock, std::chrono::seconds(10), [&] { return !!slot->answer; })) {
    throw std::runtime_error("a store did not answer within 10 s");
  }
  return *slot->answer;
}

/// The same where an error is a failure of the test.
template <class T, class Start>
T value_of(Start&& start) {
  Expected<T> answer = answer_of<T>(std::forward<Start>(start));
  if (!answer) throw std::runtime_error("the store answered: " + answer.error().message());
  return std::move(*answer);
}

}  // namespace probekit::test
