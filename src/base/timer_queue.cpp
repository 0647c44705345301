// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/timer_queue.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace probekit {
namespace {

constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

}  // namespace

bool TimerQueue::before(const Entry& a, const Entry& b) noexcept {
  return a.when != b.when ? a.when < b.when : a.sequence < b.sequence;
}

TimerId TimerQueue::schedule(SteadyTime when, std::function<void()> function) {
  std::uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
    free_slots_.reserve(slots_.capacity());  // so that cancel() never allocates
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.function = std::move(function);
  slot.used = true;
  slot.fresh = running_;
  const Entry entry{when, sequence_++, index};
  if (running_) {
    slot.position = static_cast<std::uint32_t>(fresh_.size());
    fresh_.push_back(entry);
    ++fresh_count_;
  } else {
    slot.position = static_cast<std::uint32_t>(heap_.size());
    heap_.push_back(entry);
    sift_up(heap_.size() - 1);
  }
  return (static_cast<TimerId>(slot.generation) << 32) | (index + 1);
}

bool TimerQueue::cancel(TimerId timer) {
  const auto index = static_cast<std::uint32_t>(timer) - 1;  // of id 0: beyond every slot
  if (index >= slots_.size()) return false;
  Slot& slot = slots_[index];
  if (!slot.used || slot.generation != static_cast<std::uint32_t>(timer >> 32)) return false;
  // Destroying a function may come back here: take the timer out first.
  const std::function<void()> function = std::move(slot.function);
  if (slot.fresh) {
    fresh_[slot.position].slot = kNoSlot;
    --fresh_count_;
  } else {
    remove_at(slot.position);
  }
  free_slot(index);
  return true;
}

std::optional<SteadyTime> TimerQueue::next_wakeup() const {
  std::optional<SteadyTime> next;
  if (!heap_.empty()) next = heap_.front().when;
  if (fresh_count_ > 0) {
    for (const Entry& entry : fresh_) {
      if (entry.slot != kNoSlot && (!next || entry.when < *next)) next = entry.when;
    }
  }
  return next;
}

std::size_t TimerQueue::run_due(SteadyTime now) {
  assert(!running_);
  struct Running {
    explicit Running(TimerQueue& owner) : queue(owner) { queue.running_ = true; }
    ~Running() {
      queue.running_ = false;
      queue.merge_fresh();
    }
    TimerQueue& queue;
  };
  const Running running(*this);
  std::size_t count = 0;
  while (!heap_.empty() && heap_.front().when <= now) {
    const std::uint32_t index = heap_.front().slot;
    const std::function<void()> function = std::move(slots_[index].function);
    remove_at(0);
    free_slot(index);
    ++count;
    function();
  }
  return count;
}

void TimerQueue::clear() {
  while (!empty()) {
    std::vector<std::function<void()>> doomed;
    for (std::uint32_t index = 0; index < slots_.size(); ++index) {
      if (!slots_[index].used) continue;
      doomed.push_back(std::move(slots_[index].function));
      free_slot(index);
    }
    heap_.clear();
    for (Entry& entry : fresh_) entry.slot = kNoSlot;
    fresh_count_ = 0;
  }
}

void TimerQueue::place(std::size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<std::uint32_t>(position);
}

void TimerQueue::sift_up(std::size_t position) {
  const Entry entry = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!before(entry, heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, entry);
}

void TimerQueue::sift_down(std::size_t position) {
  const Entry entry = heap_[position];
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], entry)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, entry);
}

void TimerQueue::remove_at(std::size_t position) {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  heap_[position] = last;
  if (position > 0 && before(last, heap_[(position - 1) / 2])) {
    sift_up(position);
  } else {
    sift_down(position);
  }
}

void TimerQueue::free_slot(std::uint32_t slot) {
  slots_[slot].function = nullptr;
  slots_[slot].used = false;
  ++slots_[slot].generation;
  free_slots_.push_back(slot);
}

void TimerQueue::merge_fresh() {
  for (const Entry& entry : fresh_) {
    if (entry.slot == kNoSlot) continue;
    slots_[entry.slot].fresh = false;
    heap_.push_back(entry);
    sift_up(heap_.size() - 1);
  }
  fresh_.clear();
  fresh_count_ = 0;
}

}  // namespace probekit
