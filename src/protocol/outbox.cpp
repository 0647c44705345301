// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/outbox.hpp"

#include <utility>

namespace probekit::protocol {

void Outbox::push(Item item) {
  bytes_ += item.text.size();
  if (item.high) ++high_unsent_;
  items_.push_back(std::move(item));
}

bool Outbox::can_compose(std::uint64_t window) const noexcept {
  return sent_ < items_.size() && (wire_bytes_ == 0 || wire_bytes_ + items_[sent_].bytes <= window);
}

Packed Outbox::compose(std::size_t bytes_target, std::uint64_t window) {
  Packed packed;
  if (!can_compose(window)) return packed;
  // With nothing unacknowledged one message may pass the window, but never its own target.
  const bool alone = wire_bytes_ == 0;
  ResultsWriter writer{sent_seq() + 1};
  while (sent_ < items_.size() && writer.items() < kItemsMax) {
    const Item& item = items_[sent_];
    if (writer.items() != 0 && writer.bytes_with(item.text.size()) > bytes_target) break;
    if (!alone && wire_bytes_ + item.bytes > window) break;
    writer.add(item.text);
    wire_bytes_ += item.bytes;
    sent_text_bytes_ += item.text.size();
    if (item.high) --high_unsent_;
    ++sent_;
  }
  packed.items = writer.items();
  packed.text = writer.take();
  return packed;
}

bool Outbox::acknowledge(std::uint64_t seq, std::vector<Item>& released) {
  if (seq > sent_seq()) return false;
  for (; acked_ < seq; ++acked_) {
    Item& item = items_.front();
    bytes_ -= item.text.size();
    sent_text_bytes_ -= item.text.size();
    wire_bytes_ -= item.bytes;
    --sent_;
    released.push_back(std::move(item));
    items_.pop_front();
  }
  return true;
}

template <class Drop>
void Outbox::drop_if(Drop drop, std::vector<Item>& dropped) {
  std::deque<Item> kept;
  high_unsent_ = 0;
  for (Item& item : items_) {
    if (drop(item)) {
      bytes_ -= item.text.size();
      dropped.push_back(std::move(item));
    } else {
      if (item.high) ++high_unsent_;
      kept.push_back(std::move(item));
    }
  }
  items_ = std::move(kept);
}

void Outbox::restart(std::vector<Item>& dropped) {
  sent_ = 0;
  acked_ = 0;
  sent_text_bytes_ = 0;
  wire_bytes_ = 0;
  drop_if([](const Item& item) { return !item.is_result; }, dropped);
}

void Outbox::drop(const std::unordered_set<TaskId>& tasks, std::vector<Item>& dropped) {
  drop_if([&](const Item& item) { return item.is_result && tasks.count(item.task) != 0; }, dropped);
}

}  // namespace probekit::protocol
