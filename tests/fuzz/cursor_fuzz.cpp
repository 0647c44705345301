// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Ids and cursors: each has one text, so what is understood is written the same.

#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "store/cursor.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace probekit;
  using fuzz::require;
  constexpr std::string_view kPrefix = "0123abcd";
  const std::string_view text = fuzz::text_of(data, size);

  if (const auto batch = store::parse_batch_text(kPrefix, text)) {
    require(batch->value > 0 && store::batch_text(kPrefix, *batch) == text, "an id has one text");
  }
  if (const auto last = store::parse_batch_cursor(kPrefix, text)) {
    require(last->value > 0 && store::batch_cursor(kPrefix, *last) == text,
            "a cursor of batches has one text");
  }
  for (const std::uint32_t value : {1U, 7U, 4294967295U}) {
    const BatchId id{value};
    const auto place = store::parse_result_cursor(kPrefix, id, text);
    if (!place) continue;
    require(text.empty() ? *place == 0 : store::result_cursor(kPrefix, id, *place) == text,
            "a cursor of results has one text");
    require(!store::parse_result_cursor("fedcba98", id, text) || text.empty(),
            "a cursor is its store's");
  }
  return 0;
}
