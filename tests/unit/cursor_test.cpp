// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "store/cursor.hpp"

#include <algorithm>
#include <string>

#include "support/catch.hpp"

using namespace probekit;
using namespace probekit::store;

namespace {

constexpr std::string_view kPrefix = "0123abcd";

bool is_opaque(const std::string& text) {
  return !text.empty() && text.find_first_not_of(
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                              "uvwxyz0123456789._~-") == std::string::npos;
}

}  // namespace

TEST_CASE("ids of batches and tasks carry the store, the batch and the place", "[store][cursor]") {
  CHECK(batch_text(kPrefix, BatchId{7}) == "b0123abcd-7");
  CHECK(task_text(kPrefix, TaskId::of(BatchId{7}, 0)) == "t0123abcd-7-0");
  CHECK(task_text(kPrefix, TaskId::of(BatchId{4294967295}, 4294967295)) ==
        "t0123abcd-4294967295-4294967295");
  CHECK(parse_batch_text(kPrefix, "b0123abcd-7") == BatchId{7});
  CHECK(parse_batch_text(kPrefix, "b0123abcd-4294967295") == BatchId{4294967295});
}

TEST_CASE("a text that no batch is called is nobody's id", "[store][cursor]") {
  for (const char* text :
       {"", "b", "b0123abcd", "b0123abcd-", "b0123abcd-0", "b0123abcd-07", "b0123abcd-7x",
        "b0123abcd-7-1", "b0123abcd-4294967296", "b0123abcd-99999999999999999999", "b0123abcd--7",
        "b0123abcd-+7", "b0123abcd- 7", "bffffffff-7", "t0123abcd-7", "B0123abcd-7"}) {
    INFO(text);
    CHECK_FALSE(parse_batch_text(kPrefix, text));
  }
}

TEST_CASE("a results cursor comes back as the position it was made of", "[store][cursor]") {
  for (const std::uint64_t position : {0ULL, 1ULL, 9999ULL, 1000000ULL, 4294967296ULL}) {
    const std::string text = result_cursor(kPrefix, BatchId{3}, position);
    CHECK(is_opaque(text));
    CHECK(parse_result_cursor(kPrefix, BatchId{3}, text) == position);
  }
  CHECK(parse_result_cursor(kPrefix, BatchId{3}, "") == 0U);
}

TEST_CASE("a cursor of another batch, store or kind is refused", "[store][cursor]") {
  const std::string text = result_cursor(kPrefix, BatchId{3}, 5);
  CHECK_FALSE(parse_result_cursor(kPrefix, BatchId{4}, text));
  CHECK_FALSE(parse_result_cursor("ffffffff", BatchId{3}, text));
  CHECK_FALSE(parse_result_cursor(kPrefix, BatchId{3}, text + "0x"));
  CHECK_FALSE(parse_result_cursor(kPrefix, BatchId{3}, "r0123abcd-3"));
  CHECK_FALSE(parse_result_cursor(kPrefix, BatchId{3}, "r0123abcd-3-"));
  CHECK_FALSE(parse_result_cursor(kPrefix, BatchId{3}, batch_cursor(kPrefix, BatchId{3})));
  CHECK(parse_batch_cursor(kPrefix, batch_cursor(kPrefix, BatchId{9})) == BatchId{9});
  CHECK_FALSE(parse_batch_cursor(kPrefix, batch_text(kPrefix, BatchId{9})));
}
