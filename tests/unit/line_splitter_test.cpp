// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/line_splitter.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace probekit::api;

namespace {

struct Seen {
  std::uint64_t number;
  std::string text;
  bool too_long;
  bool operator==(const Seen& other) const {
    return number == other.number && text == other.text && too_long == other.too_long;
  }
};

std::vector<Seen> split(const std::string& text, std::size_t piece, std::size_t line_bytes_max) {
  LineSplitter splitter(line_bytes_max);
  std::vector<Seen> seen;
  const auto add = [&seen](const NumberedLine& line) {
    seen.push_back(Seen{line.number, std::string(line.text), line.too_long});
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    std::string_view bytes = std::string_view(text).substr(at, piece);
    while (!bytes.empty()) {
      if (const auto line = splitter.next(bytes)) add(*line);
    }
  }
  if (const auto line = splitter.finish()) add(*line);
  CHECK_FALSE(splitter.finish());
  return seen;
}

}  // namespace

TEST_CASE("lines come out the same however their bytes arrive", "[api][lines]") {
  const std::string text = "\xEF\xBB\xBFone\r\n\n\r\nfour\nfive \r";
  const std::vector<Seen> expected = {
      {1, "one", false}, {2, "", false}, {3, "", false}, {4, "four", false}, {5, "five ", false}};
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 100u}) {
    INFO("pieces of " << piece);
    CHECK((split(text, piece, 64) == expected));
  }
  CHECK(split("", 1, 64).empty());
  CHECK((split("a\n", 1, 64) == std::vector<Seen>{{1, "a", false}}));
}

TEST_CASE("of a line too long the same beginning is kept however its bytes arrive",
          "[api][lines]") {
  const std::string mark = "\xEF\xBB\xBF";
  std::string middle(400, 'x');
  middle[258] = '\r';  // at a line's end only it would count for nothing
  for (const std::size_t line_bytes_max : {16u, 256u, 300u}) {
    for (const std::string& start : {mark, std::string()}) {
      const std::string text = start + middle + "\r\nshort\n";
      const std::vector<Seen> expected = {{1, middle.substr(0, 256), true}, {2, "short", false}};
      for (const std::size_t piece : {1u, 2u, 3u, 7u, 100u, 260u, 1000u}) {
        INFO("at most " << line_bytes_max << ", pieces of " << piece);
        CHECK((split(text, piece, line_bytes_max) == expected));
      }
    }
  }
}

TEST_CASE("a byte order mark belongs to the first line alone", "[api][lines]") {
  const auto seen = split("\xEF\xBB\xBF\n\xEF\xBB\xBFx\n", 2, 64);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].text.empty());
  CHECK(seen[1].text == "\xEF\xBB\xBFx");
}

TEST_CASE("a line beyond the limit keeps its number and spoils no other", "[api][lines]") {
  const std::string exact(1000, 'a');
  const std::string longer(1001, 'b');
  const std::string text = exact + "\r\n" + longer + "\n" + std::string(100'000, 'c') + "\nlast";
  for (const std::size_t piece : {1u, 999u, 1000u, 1001u, 4096u, 1'000'000u}) {
    INFO("pieces of " << piece);
    const auto seen = split(text, piece, 1000);
    REQUIRE(seen.size() == 4);
    CHECK((seen[0] == Seen{1, exact, false}));
    CHECK((seen[1] == Seen{2, longer.substr(0, LineSplitter::kBeginningBytes), true}));
    CHECK((seen[2] == Seen{3, std::string(LineSplitter::kBeginningBytes, 'c'), true}));
    CHECK((seen[3] == Seen{4, "last", false}));
  }
}
