// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What waits to be sent on one connection, outside the transport so that it can be overtaken:
/// control before data (heartbeats, before both, wait nowhere: they are written when they leave).
/// Counts exactly what was handed over. Used on one thread.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/task.hpp"

namespace probekit::protocol {

class Lanes {
 public:
  /// A message of the data lane: the tasks it carries, for taking them back unsent.
  struct DataMessage {
    std::string text;
    std::vector<TaskId> tasks;
    std::size_t items = 0;
    SteadyTime queued_at{};
  };
  struct Leaving {
    std::string text;
    std::size_t items = 0;   ///< of tasks or results; 0 for control
    SteadyTime queued_at{};  ///< data only
    bool data = false;
  };

  void push_control(std::string text);
  void push_data(DataMessage message);

  /// The next message, counted as sent. For a transport with any room: it tells of room only when
  /// it had none, so one message may pass what is left.
  std::optional<Leaving> next();
  /// Counts items of a message that did not wait here.
  void count_sent(std::size_t items) noexcept { items_sent_ += items; }

  /// Items handed to the transport since the start or the last clear().
  std::uint64_t items_sent() const noexcept { return items_sent_; }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t waiting_items() const noexcept { return waiting_items_; }
  bool has_control() const noexcept { return !control_.empty(); }
  bool empty() const noexcept { return control_.empty() && data_.empty(); }

  /// Takes out the data that was not handed over, in order.
  std::vector<DataMessage> take_data();
  /// For a new connection: empty, and all counts 0.
  void clear();

 private:
  std::deque<std::string> control_;
  std::deque<DataMessage> data_;
  std::size_t bytes_ = 0;
  std::size_t waiting_items_ = 0;
  std::uint64_t items_sent_ = 0;
};

}  // namespace probekit::protocol
