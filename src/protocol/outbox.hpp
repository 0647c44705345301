// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What an agent has to say of its tasks, in order, from the moment it is known until the master
/// has acknowledged it. Numbers run from 1 in each session. No I/O, no clock; one thread.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/task.hpp"
#include "protocol/codec.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

class Outbox {
 public:
  struct Item {
    TaskId task;
    bool high = false;
    bool is_result = false;   ///< otherwise the task comes back
    bool overdrawn = false;   ///< it comes back because no credit was there for it
    std::string text;         ///< as append_result_item() and append_returned_item() write it
    std::uint64_t bytes = 0;  ///< what it counts in the results window
    SteadyTime since{};
  };

  void push(Item item);

  /// One message of what is not sent yet, counted as on the wire: filled to `bytes_target`, within
  /// a window of unacknowledged bytes. An item alone may pass the target, and one message the
  /// window when nothing is unacknowledged. Empty when nothing may go.
  Packed compose(std::size_t bytes_target, std::uint64_t window);
  /// True when compose() would give something.
  bool can_compose(std::uint64_t window) const noexcept;

  /// Everything up to `seq` is done with. False when that was never sent. `released` is moved to.
  bool acknowledge(std::uint64_t seq, std::vector<Item>& released);

  /// A new session: what was not acknowledged will be sent again from number 1 on. What only came
  /// back is dropped: the master takes what it does not hear of as come back.
  void restart(std::vector<Item>& dropped);
  /// Before anything is sent: takes out the results of these tasks.
  void drop(const std::unordered_set<TaskId>& tasks, std::vector<Item>& dropped);

  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  std::size_t unsent() const noexcept { return items_.size() - sent_; }
  std::uint64_t sent_seq() const noexcept { return acked_ + sent_; }
  /// Memory in texts, sent or not.
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t unsent_bytes() const noexcept { return bytes_ - sent_text_bytes_; }
  std::uint64_t wire_bytes() const noexcept { return wire_bytes_; }
  /// An item of a task of high priority is not sent yet: somebody waits for it.
  bool is_urgent() const noexcept { return high_unsent_ != 0; }
  /// When the oldest item not sent was pushed; only while there is one.
  SteadyTime oldest_unsent() const noexcept { return items_[sent_].since; }
  /// How many are on the wire, and since when the first of them is here; only while there is one.
  std::size_t sent() const noexcept { return sent_; }
  SteadyTime oldest_sent() const noexcept { return items_.front().since; }

 private:
  /// While nothing is sent.
  template <class Drop>
  void drop_if(Drop drop, std::vector<Item>& dropped);

  std::deque<Item> items_;  // the first `sent_` are on the wire
  std::size_t sent_ = 0;
  std::size_t high_unsent_ = 0;
  std::uint64_t acked_ = 0;
  std::size_t bytes_ = 0;
  std::size_t sent_text_bytes_ = 0;
  std::uint64_t wire_bytes_ = 0;
};

}  // namespace probekit::protocol
