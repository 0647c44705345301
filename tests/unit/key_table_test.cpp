// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "store/key_table.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit;
using store::KeyTable;
using Kind = KeyState::Kind;

namespace {

KeyState claim(KeyTable& table, const IdempotencyKey& key) {
  const auto state = table.claim(key);
  REQUIRE(state);
  return *state;
}

}  // namespace

TEST_CASE("a key is claimed once, answered, and forgotten with its batch", "[store][key]") {
  KeyTable table;
  const IdempotencyKey key{"/v1/batches", "k"};
  CHECK(claim(table, key).kind == Kind::claimed);
  CHECK(claim(table, key).kind == Kind::running);
  table.answer(KeyAnswer{key, "digest", "answer"}, BatchId{7});
  const KeyState state = claim(table, key);
  CHECK(state.kind == Kind::answered);
  CHECK(state.digest == "digest");
  CHECK(state.answer == "answer");
  CHECK(state.batch == BatchId{7});
  table.release(key);  // too late to count
  table.answer(KeyAnswer{key, "other", ""}, BatchId{8});
  CHECK(claim(table, key).digest == "digest");
  table.forget(BatchId{8});
  CHECK(table.size() == 1);
  table.forget(BatchId{7});
  CHECK(table.size() == 0);
  CHECK(table.bytes() == 0);
  CHECK(claim(table, key).kind == Kind::claimed);
}

TEST_CASE("a key that is released was never there", "[store][key]") {
  KeyTable table;
  const IdempotencyKey key{"", "k"};
  CHECK(claim(table, key).kind == Kind::claimed);
  table.release(key);
  CHECK(table.size() == 0);
  table.release(key);
  CHECK(claim(table, key).kind == Kind::claimed);
}

TEST_CASE("the same key in another scope is another one", "[store][key]") {
  KeyTable table;
  CHECK(claim(table, {"a", "bc"}).kind == Kind::claimed);
  CHECK(claim(table, {"ab", "c"}).kind == Kind::claimed);
  table.answer(KeyAnswer{{"a", "bc"}, "1", ""}, BatchId{1});
  table.answer(KeyAnswer{{"ab", "c"}, "2", ""}, BatchId{1});
  CHECK(claim(table, {"a", "bc"}).digest == "1");
  CHECK(claim(table, {"ab", "c"}).digest == "2");
  table.forget(BatchId{1});
  CHECK(table.size() == 0);
}

TEST_CASE("keys that run, and what is kept of others, are bounded", "[store][key]") {
  KeyTable running;
  for (std::size_t i = 0; i < KeyTable::kRunningMax; ++i) {
    REQUIRE(running.claim({"", std::to_string(i)}));
  }
  const auto refused = running.claim({"", "one more"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::limit_reached);
  running.release({"", "0"});
  CHECK(running.claim({"", "one more"}));

  KeyTable small(10);
  CHECK(claim(small, {"", "k"}).kind == Kind::claimed);
  small.answer(KeyAnswer{{"", "k"}, "digest", "answer"}, BatchId{1});
  CHECK_FALSE(small.claim({"", "l"}));
  CHECK(claim(small, {"", "k"}).kind == Kind::answered);
  small.forget(BatchId{1});
  CHECK(small.claim({"", "l"}));
}
