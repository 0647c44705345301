// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/lanes.hpp"

#include <iterator>
#include <utility>

namespace probekit::protocol {

void Lanes::push_control(std::string text) {
  bytes_ += text.size();
  control_.push_back(std::move(text));
}

void Lanes::push_data(DataMessage message) {
  bytes_ += message.text.size();
  waiting_items_ += message.items;
  data_.push_back(std::move(message));
}

std::optional<Lanes::Leaving> Lanes::next() {
  Leaving leaving;
  if (!control_.empty()) {
    leaving.text = std::move(control_.front());
    control_.pop_front();
  } else if (!data_.empty()) {
    DataMessage& front = data_.front();
    leaving.text = std::move(front.text);
    leaving.items = front.items;
    leaving.queued_at = front.queued_at;
    leaving.data = true;
    data_.pop_front();
    waiting_items_ -= leaving.items;
    items_sent_ += leaving.items;
  } else {
    return std::nullopt;
  }
  bytes_ -= leaving.text.size();
  return leaving;
}

std::vector<Lanes::DataMessage> Lanes::take_data() {
  std::vector<DataMessage> taken{std::make_move_iterator(data_.begin()),
                                 std::make_move_iterator(data_.end())};
  for (const DataMessage& message : taken) bytes_ -= message.text.size();
  data_.clear();
  waiting_items_ = 0;
  return taken;
}

void Lanes::clear() { *this = Lanes{}; }

}  // namespace probekit::protocol
