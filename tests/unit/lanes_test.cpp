// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/lanes.hpp"

#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

Lanes::DataMessage data(const std::string& text, std::size_t items) {
  Lanes::DataMessage message;
  message.text = text;
  message.items = items;
  for (std::size_t i = 0; i < items; ++i) message.tasks.push_back(TaskId{i});
  return message;
}

}  // namespace

TEST_CASE("control overtakes data, and each lane keeps its order", "[protocol][lanes]") {
  Lanes lanes;
  lanes.push_data(data("d1", 3));
  lanes.push_data(data("d2", 4));
  lanes.push_control("c1");
  lanes.push_control("c2");
  CHECK(lanes.bytes() == 8);
  CHECK(lanes.next()->text == "c1");
  CHECK(lanes.next()->text == "c2");
  CHECK(lanes.items_sent() == 0);
  const auto first = lanes.next();
  CHECK(first->text == "d1");
  CHECK(first->data);
  CHECK(first->items == 3);
  CHECK(lanes.items_sent() == 3);
  CHECK(lanes.waiting_items() == 4);
  lanes.push_control("c3");
  CHECK(lanes.next()->text == "c3");
  CHECK(lanes.next()->text == "d2");
  CHECK(lanes.items_sent() == 7);
  CHECK_FALSE(lanes.next());
  CHECK(lanes.empty());
  CHECK(lanes.bytes() == 0);
}

TEST_CASE("data that was not handed over can be taken back, uncounted", "[protocol][lanes]") {
  Lanes lanes;
  lanes.push_data(data("d1", 3));
  lanes.push_data(data("d2", 4));
  lanes.push_control("c");
  CHECK(lanes.next());
  CHECK(lanes.next()->items == 3);
  const auto taken = lanes.take_data();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].tasks.size() == 4);
  CHECK(lanes.items_sent() == 3);
  CHECK(lanes.empty());
  CHECK(lanes.bytes() == 0);
  lanes.clear();
  CHECK(lanes.items_sent() == 0);
}

}  // namespace probekit::protocol
