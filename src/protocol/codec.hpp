// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// probekit.v1 as text: every message is one JSON object whose first member, `type`, names it.
/// Decoding never throws and never trusts: sizes, ranges and types are checked, unknown members
/// skipped. docs/protocol.md shows each message.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

/// Appends the message's JSON to `out`; nothing for Ignored.
void encode(const Message& message, std::string& out);

/// *Errors*: protocol_violation, with what was wrong and where; message_too_large for a hello or
/// held over its limit. A message of an unknown type that says `"optional":true` is Ignored.
Expected<Message> decode(std::string_view text);

/// A finished message and the items of tasks or results in it.
struct Packed {
  std::string text;
  std::size_t items = 0;
};

/// Packs tasks into `tasks` messages of at most kMessageBytesTarget (one task alone may be
/// longer), each with the options its tasks share written once.
class TasksWriter {
 public:
  explicit TasksWriter(std::size_t bytes_target = kMessageBytesTarget)
      : bytes_target_(bytes_target) {}

  void add(TaskId task, std::uint32_t attempt, const std::shared_ptr<const ProbeOptions>& options,
           std::chrono::milliseconds left, std::string_view target);
  /// What was packed since the last call, in order.
  std::vector<Packed> take();

 private:
  void finish_message();

  std::size_t bytes_target_;
  std::vector<Packed> done_;
  std::string options_text_;
  std::string tasks_text_;
  std::size_t items_ = 0;
  std::vector<const ProbeOptions*> options_;
  std::vector<std::shared_ptr<const ProbeOptions>> kept_;  // so that addresses stay unique
  std::size_t last_ = 0;
};

/// Says in a finished `tasks` message how long it waited to be sent; at most once.
void append_waited(std::string& text, std::chrono::milliseconds waited);

/// One item of `results` as text.
void append_result_item(std::string& out, TaskId task, std::uint32_t attempt,
                        std::string_view result);
void append_returned_item(std::string& out, TaskId task, std::uint32_t attempt, Returned why);

/// Builds one `results` message out of items written by the two functions above.
class ResultsWriter {
 public:
  explicit ResultsWriter(std::uint64_t seq);
  /// Bytes the message would have with an item of this size more.
  std::size_t bytes_with(std::size_t item_bytes) const noexcept;
  void add(std::string_view item);
  std::size_t items() const noexcept { return items_; }
  std::string take();

 private:
  std::string text_;
  std::size_t items_ = 0;
};

/// The text of a closing frame that asks the peer to stay away for a while, and what such a text
/// asks for (0: nothing). At most 123 bytes.
std::string close_text(std::string_view why, std::chrono::seconds retry_after);
std::chrono::seconds retry_after_of(std::string_view close_text) noexcept;

}  // namespace probekit::protocol
