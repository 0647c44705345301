// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/outbox.hpp"

#include "support/catch.hpp"

namespace probekit::protocol {
namespace {

constexpr std::uint64_t kWide = 1 << 20;

Outbox::Item result(std::uint64_t id, std::size_t bytes = 100) {
  Outbox::Item item;
  item.task = TaskId{id};
  item.is_result = true;
  const std::string json = "{\"x\":\"" + std::string(bytes, 'x') + "\"}";
  append_result_item(item.text, item.task, 1, json);
  item.bytes = json.size() + kResultItemBytes;
  return item;
}

Outbox::Item returned(std::uint64_t id) {
  Outbox::Item item;
  item.task = TaskId{id};
  append_returned_item(item.text, item.task, 1, Returned::expired);
  item.bytes = kResultItemBytes;
  return item;
}

Results sent(Outbox& outbox, std::size_t target = kMessageBytesTarget,
             std::uint64_t window = kWide) {
  const Packed packed = outbox.compose(target, window);
  REQUIRE_FALSE(packed.text.empty());
  const auto decoded = decode(packed.text);
  REQUIRE(decoded);
  const Results& results = std::get<Results>(*decoded);
  CHECK(results.items.size() == packed.items);
  return results;
}

}  // namespace

TEST_CASE("items leave in order, numbered from 1, and stay until they are acknowledged",
          "[protocol][outbox]") {
  Outbox outbox;
  for (std::uint64_t id = 1; id <= 5; ++id) outbox.push(result(id));
  const std::size_t all = outbox.bytes();
  CHECK(sent(outbox).seq == 1);
  CHECK_FALSE(outbox.can_compose(kWide));
  CHECK(outbox.compose(kMessageBytesTarget, kWide).text.empty());
  CHECK(outbox.bytes() == all);
  CHECK(outbox.unsent_bytes() == 0);
  outbox.push(returned(6));
  CHECK(sent(outbox).seq == 6);

  std::vector<Outbox::Item> released;
  CHECK(outbox.acknowledge(4, released));
  CHECK(released.size() == 4);
  CHECK(outbox.acknowledge(2, released));  // an old one changes nothing
  CHECK(released.size() == 4);
  CHECK_FALSE(outbox.acknowledge(7, released));
  CHECK(outbox.acknowledge(6, released));
  CHECK(outbox.empty());
  CHECK(outbox.bytes() == 0);
  CHECK(outbox.wire_bytes() == 0);
}

TEST_CASE("a message is filled to its target, and a larger item goes alone", "[protocol][outbox]") {
  Outbox outbox;
  for (std::uint64_t id = 1; id <= 20; ++id) outbox.push(result(id, id == 10 ? 5000 : 100));
  std::uint64_t next = 1;
  while (next <= 20) {
    const Results results = sent(outbox, 1000);
    CHECK(results.seq == next);
    std::string text;
    encode(results, text);
    CHECK((text.size() <= 1000 || results.items.size() == 1));
    next += results.items.size();
  }
}

TEST_CASE("the window bounds what is on the wire, but for one message on an empty one",
          "[protocol][outbox]") {
  Outbox outbox;
  for (std::uint64_t id = 1; id <= 4; ++id) outbox.push(result(id, 1000));
  CHECK(sent(outbox, 500, 100).items.size() == 1);  // nothing was unacknowledged
  CHECK_FALSE(outbox.can_compose(100));
  CHECK(sent(outbox, 500, 2500).items.size() == 1);
  CHECK_FALSE(outbox.can_compose(2500));
  std::vector<Outbox::Item> released;
  CHECK(outbox.acknowledge(1, released));
  CHECK(outbox.can_compose(2500));
}

TEST_CASE("a restart sends unacknowledged results again and forgets what only came back",
          "[protocol][outbox]") {
  Outbox outbox;
  outbox.push(result(1));
  outbox.push(returned(2));
  outbox.push(result(3));
  sent(outbox);
  std::vector<Outbox::Item> released;
  CHECK(outbox.acknowledge(1, released));
  outbox.push(result(4));
  outbox.push(returned(5));
  std::vector<Outbox::Item> dropped;
  outbox.restart(dropped);
  REQUIRE(dropped.size() == 2);
  CHECK(dropped[0].task.value == 2);
  CHECK(dropped[1].task.value == 5);
  dropped.clear();
  outbox.drop({TaskId{4}, TaskId{99}}, dropped);
  CHECK(dropped.size() == 1);
  const Results again = sent(outbox);
  CHECK(again.seq == 1);
  REQUIRE(again.items.size() == 1);
  CHECK(again.items[0].task.value == 3);
  CHECK(outbox.acknowledge(1, released));
  CHECK(outbox.bytes() == 0);
}

TEST_CASE("what has high priority is urgent until it is sent, and again in a new session",
          "[protocol][outbox]") {
  Outbox outbox;
  outbox.push(result(1));
  CHECK_FALSE(outbox.is_urgent());
  Outbox::Item high = result(2);
  high.high = true;
  outbox.push(std::move(high));
  CHECK(outbox.is_urgent());
  outbox.compose(1, kWide);  // the first alone
  CHECK(outbox.is_urgent());
  outbox.compose(1, kWide);
  CHECK_FALSE(outbox.is_urgent());

  std::vector<Outbox::Item> dropped;
  outbox.restart(dropped);
  CHECK(outbox.is_urgent());
  outbox.drop({TaskId{2}}, dropped);
  CHECK_FALSE(outbox.is_urgent());
}

}  // namespace probekit::protocol
