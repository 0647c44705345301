// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/target_list_scanner.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace probekit::api;

namespace {

struct Scan {
  std::vector<std::string> values;  // "defaults: ..." or "1: ..."
  std::string fault;
};

Scan scan(const std::string& text, std::size_t piece, std::size_t value_bytes_max = 1024) {
  TargetListScanner scanner(value_bytes_max);
  Scan scan;
  for (std::size_t at = 0; at < text.size() && scanner.fault().empty(); at += piece) {
    std::string_view bytes = std::string_view(text).substr(at, piece);
    while (!bytes.empty() && scanner.fault().empty()) {
      const auto value = scanner.next(bytes);
      if (!value) continue;
      std::string line = value->place == ScannedValue::Place::defaults
                             ? "defaults"
                             : std::to_string(value->number);
      line += value->too_long ? " too long: " : ": ";
      scan.values.push_back(line + std::string(value->text));
    }
  }
  if (scanner.fault().empty()) scanner.finish();
  scan.fault = scanner.fault();
  return scan;
}

}  // namespace

TEST_CASE("targets and defaults are cut out whole however their bytes arrive", "[api][scanner]") {
  const std::string text =
      "\xEF\xBB\xBF {\"defaults\" : {\"http\":{\"a\":\"}]\\\"\"}} ,\n \"targets\":[\"a,]\\\\\","
      "{\"target\":\"b\",\"labels\":{}} , 12,null ] }\r\n";
  const std::vector<std::string> expected = {
      "defaults: {\"http\":{\"a\":\"}]\\\"\"}}", "1: \"a,]\\\\\"",
      "2: {\"target\":\"b\",\"labels\":{}}", "3: 12", "4: null"};
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
    INFO("pieces of " << piece);
    const Scan result = scan(text, piece);
    CHECK(result.fault.empty());
    CHECK((result.values == expected));
  }
}

TEST_CASE("a part of a byte order mark is no mark", "[api][scanner]") {
  const std::string body = "{\"targets\":[]}";
  CHECK(scan("\xEF\xBB\xBF" + body, 1).fault.empty());
  for (const char* const start :
       {"\xEF", "\xEF\xBB", " \xBB", "  \xBF", "\xEF\xBB\xBF\xEF", "\xEF "}) {
    INFO(start);
    CHECK_FALSE(scan(start + body, 1).fault.empty());
  }
  CHECK_FALSE(scan("\xEF", 1).fault.empty());
}

TEST_CASE("of a value too long the same beginning is kept however its bytes arrive",
          "[api][scanner]") {
  const std::string text = "{\"targets\":[\"" + std::string(400, 'a') + "\",1]}";
  const std::string begin = '"' + std::string(255, 'a');
  for (const std::size_t piece : {1u, 7u, 20u, 100u, 1000u}) {
    INFO("pieces of " << piece);
    CHECK(
        (scan(text, piece, 10).values == std::vector<std::string>{"1 too long: " + begin, "2: 1"}));
  }
}

TEST_CASE("an empty list of targets is a list", "[api][scanner]") {
  CHECK(scan("{\"targets\":[]}", 1).fault.empty());
  CHECK(scan("{}", 1).fault.empty());
}

TEST_CASE("what is no list of targets is refused with the byte where it went wrong",
          "[api][scanner]") {
  const auto [text, fault] = GENERATE(table<std::string, std::string>({
      {"", "the body ends before its JSON does (at byte 0)"},
      {"[", "the body must be an object with \"targets\" (at byte 1)"},
      {"{\"targets\":[\"a\"", "the body ends before its JSON does (at byte 15)"},
      {"{\"targets\":[\"a\"]", "the body ends before its JSON does (at byte 16)"},
      {"{\"targets\":[\"a\",]}", "targets: a value is missing (at byte 17)"},
      {"{\"targets\":[,\"a\"]}", "targets: a value is missing (at byte 13)"},
      {"{\"targets\":[\"a\" \"b\"]}",
       "targets: a comma or the closing bracket is missing (at byte 17)"},
      {"{\"targets\":{}}", "targets: must be an array (at byte 12)"},
      {"{\"defaults\":[]}", "defaults: must be an object (at byte 13)"},
      {"{\"target\":[]}", "target: unknown field (at byte 9)"},
      {"{\"targets\":[],\"targets\":[]}", "targets: given twice (at byte 23)"},
      {"{\"targets\":[],}", "a member's name in quotes is missing (at byte 15)"},
      {"{\"targets\":[]} x", "something follows the end of the object (at byte 16)"},
      {"{\"targets\" []}", "a colon is missing (at byte 12)"},
      {"{" + std::string(2, '"') + ":1}", ": unknown field (at byte 3)"},
  }));
  INFO(text);
  CHECK(scan(text, 1).fault == fault);
  CHECK(scan(text, 1000).fault == fault);
}

TEST_CASE("a value beyond the limit is told as such and spoils no other", "[api][scanner]") {
  const std::string longest = '"' + std::string(1022, 'a') + '"';
  const std::string longer = '"' + std::string(1023, 'b') + '"';
  const std::string text = "{\"targets\":[" + longest + "," + longer + ",1]}";
  for (const std::size_t piece : {1u, 100u, 10'000u}) {
    INFO("pieces of " << piece);
    const Scan result = scan(text, piece);
    CHECK(result.fault.empty());
    REQUIRE(result.values.size() == 3);
    CHECK(result.values[0] == "1: " + longest);
    CHECK(result.values[1].rfind("2 too long: \"bbb", 0) == 0);
    CHECK(result.values[2] == "3: 1");
  }
}

TEST_CASE("deep nesting costs neither stack nor memory", "[api][scanner]") {
  const std::string text =
      "{\"targets\":[" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + ",\"a\"]}";
  const Scan result = scan(text, 4096);
  CHECK(result.fault.empty());
  REQUIRE(result.values.size() == 2);
  CHECK(result.values[1] == "2: \"a\"");
}
