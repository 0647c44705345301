// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "json/json_cursor.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "json/json_reader.hpp"
#include "support/catch.hpp"

namespace probekit::json {
namespace {

bool accepts(std::string_view text) {
  Cursor in{text};
  return in.skip() && in.finish();
}

struct Anything final : Visitor {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number(std::string_view) override { return true; }
  bool string(std::string_view) override { return true; }
  bool key(std::string_view) override { return true; }
  bool begin_object(std::size_t) override { return true; }
  bool end_object(std::size_t) override { return true; }
  bool begin_array(std::size_t) override { return true; }
  bool end_array(std::size_t) override { return true; }
};

bool reader_accepts(std::string_view text) {
  Anything anything;
  return parse(text, anything, ParseLimits{}).has_value();
}

const std::vector<std::string> kTexts{
    "{}",
    "[]",
    " [ 1 , 2 ] ",
    R"({"a":[1,{"b":null}],"c":"d"})",
    "[1,]",
    "[,1]",
    R"({"a":1,})",
    R"({"a"})",
    R"({"a":})",
    R"({a:1})",
    R"({"a":1 "b":2})",
    "[1 2]",
    "[1",
    "[",
    "{",
    "",
    " ",
    "nul",
    "null",
    "truefalse",
    "true",
    "[true,false,null]",
    "-",
    "-0",
    "01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1e+5",
    "1.5E-3",
    "-1.0",
    "+1",
    "0x10",
    "NaN",
    "Infinity",
    "0.0000000001e-2147483639",
    "128.74836467836484838364836483643636483648e-336",
    R"("\u0041\n\"\\\/")",
    R"("\ud83d\ude00")",
    R"("\ud83d")",
    R"("\ud83d\u0041")",
    R"("\u12g4")",
    R"("\u12")",
    R"("\x41")",
    "\"\\",
    "\"tab\there\"",
    "\"long plain text without any end",
    "\"\x7f\"",
    "\"\xc3\xa9\"",
    "\"\xc3\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\xff\"",
    "{\"\xff\":1}",
    "[1]x",
    "[1]]",
    "{}{}",
    std::string(31, '[') + std::string(31, ']'),
    std::string(32, '[') + std::string(32, ']'),
    std::string(33, '[') + std::string(33, ']'),
    std::string(1'000'000, '['),
    std::string(1'000'000, '{'),
};

}  // namespace

TEST_CASE("the cursor accepts exactly what the reader accepts", "[json][cursor]") {
  for (const std::string& text : kTexts) {
    INFO(text.substr(0, 80));
    CHECK(accepts(text) == reader_accepts(text));
  }
}

TEST_CASE("a valid text with any one byte changed or cut off is judged as the reader judges it",
          "[json][cursor]") {
  const std::string text =
      "{\"type\":\"t\",\"n\":[0,184,-1.5e+3],\"s\":\"a\\u00e9\\n\xc3\xa9\","
      "\"o\":{\"p\":true,\"q\":null}}";
  REQUIRE(accepts(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string cut = text.substr(0, i);
    CHECK(accepts(cut) == reader_accepts(cut));
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      if (accepts(changed) != reader_accepts(changed)) FAIL("byte " << byte << " at " << i);
    }
  }
}

TEST_CASE("the cursor follows RFC 8259 where the reader does not", "[json][cursor]") {
  // A skipped number has no range; half of a surrogate pair is no text (8.2).
  CHECK(accepts("1e999999999999999999999"));
  CHECK_FALSE(accepts(R"("\ude00")"));
}

TEST_CASE("integers are exact over their whole range and refused beyond it", "[json][cursor]") {
  std::uint64_t value = 0;
  std::int64_t number = 0;
  CHECK((Cursor{"18446744073709551615"}.read_uint(value, ~std::uint64_t{0}) &&
         value == 18446744073709551615ULL));
  CHECK((Cursor{"9007199254740993"}.read_uint(value, ~std::uint64_t{0}) &&
         value == 9007199254740993ULL));
  CHECK((Cursor{"-9223372036854775807"}.read_int(number) && number == -9223372036854775807LL));
  CHECK((Cursor{"0"}.read_uint(value, 0) && value == 0));
  for (const char* bad : {"18446744073709551616", "99999999999999999999999", "-1", "1.0", "1e3",
                          "01", "\"1\"", "", "null"}) {
    INFO(bad);
    CHECK_FALSE(Cursor{bad}.read_uint(value, ~std::uint64_t{0}));
  }
  CHECK_FALSE(Cursor{"11"}.read_uint(value, 10));
  for (const char* bad :
       {"9223372036854775808", "-9223372036854775809", "-", "--1", "- 1", "-1.5"}) {
    INFO(bad);
    CHECK_FALSE(Cursor{bad}.read_int(number));
  }
}

TEST_CASE("strings come unescaped and bounded", "[json][cursor]") {
  std::string text;
  CHECK(Cursor{R"("a\u0000b\ud83d\ude00\t\/")"}.read_string(text, 100));
  CHECK(text == std::string("a\0b\xf0\x9f\x98\x80\t/", 9));
  CHECK(Cursor{R"("abc")"}.read_string(text, 3));
  CHECK_FALSE(Cursor{R"("abcd")"}.read_string(text, 3));
  CHECK_FALSE(Cursor{R"("ab\u0063d")"}.read_string(text, 3));
  CHECK(Cursor{R"("ab\u0063")"}.read_string(text, 3));
}

TEST_CASE("an object's text is a slice, checked and bounded", "[json][cursor]") {
  Cursor in{R"([ {"a" : [1, 2]} , 7])"};
  std::string_view slice;
  REQUIRE(in.enter_array());
  REQUIRE(in.next_item());
  REQUIRE(in.read_object_text(slice, 100));
  CHECK(slice == R"({"a" : [1, 2]})");
  CHECK(in.next_item());
  CHECK(in.skip());
  CHECK_FALSE(in.next_item());
  CHECK(in.finish());
  CHECK_FALSE(Cursor{R"({"a":1})"}.read_object_text(slice, 6));
  CHECK_FALSE(Cursor{"[1]"}.read_object_text(slice, 100));
  CHECK_FALSE(Cursor{R"({"a":1)"}.read_object_text(slice, 100));
}

TEST_CASE("the first fault stays and says where it was", "[json][cursor]") {
  Cursor in{R"({"a":1,"b":x})"};
  std::string_view key;
  REQUIRE(in.enter_object());
  REQUIRE(in.next_member(key));
  CHECK(key == "a");
  CHECK(in.skip());
  REQUIRE(in.next_member(key));
  CHECK_FALSE(in.skip());
  CHECK_FALSE(in.fail("another"));
  CHECK_FALSE(in.next_member(key));
  CHECK(in.error().message() == "expected a value at byte 11");
}

TEST_CASE("keys with escapes are unescaped", "[json][cursor]") {
  Cursor in{R"({"\u0074ype":1})"};
  std::string_view key;
  REQUIRE(in.enter_object());
  REQUIRE(in.next_member(key));
  CHECK(key == "type");
}

}  // namespace probekit::json
