// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json/json_writer.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "base/text.hpp"
#include "json/json_value.hpp"
#include "support/catch.hpp"

namespace probekit::json {
namespace {

using namespace std::string_literals;

std::string quoted(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

TEST_CASE("commas come by themselves", "[json]") {
  std::string out = ">";
  Writer writer(out);
  writer.begin_object();
  writer.key("a").begin_array().int64(-1).uint64(2).begin_array().end_array().null().end_array();
  writer.key("b").begin_object().end_object();
  writer.key("c").raw("[1, 2]");
  writer.member("d", true).member("e", "text").member("f", 7U).member("g", -7).member("h", nullptr);
  writer.member("i", 0.5).member("j", "s"s);
  writer.end_object();
  CHECK(out ==
        ">{\"a\":[-1,2,[],null],\"b\":{},\"c\":[1, 2],\"d\":true,\"e\":\"text\",\"f\":7,\"g\":-7,"
        "\"h\":null,\"i\":0.5,\"j\":\"s\"}");
}

TEST_CASE("restart begins a new line of NDJSON", "[json]") {
  std::string out;
  Writer writer(out);
  writer.begin_object().end_object();
  out += '\n';
  writer.restart();
  writer.begin_object().end_object();
  CHECK(out == "{}\n{}");
}

TEST_CASE("numbers keep every bit, and what is not finite becomes null", "[json]") {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  writer.int64(std::numeric_limits<std::int64_t>::min());
  writer.uint64(std::numeric_limits<std::uint64_t>::max());
  writer.number(0.1).number(1e300).number(-0.0);
  writer.number(std::nan("")).number(INFINITY).number(-INFINITY);
  writer.end_array();
  CHECK(out == "[-9223372036854775808,18446744073709551615,0.1,1e+300,-0,null,null,null]");
  CHECK(Value::parse(out).has_value());
}

TEST_CASE("strings are escaped wherever the special byte stands", "[json]") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("a\"b\\c/d") == "\"a\\\"b\\\\c/d\"");
  CHECK(quoted("\b\f\n\r\t") == "\"\\b\\f\\n\\r\\t\"");
  CHECK(quoted("\0\x1f\x7f"s) == "\"\\u0000\\u001f\x7f\"");
  for (int byte = 0; byte < 128; ++byte) {
    for (std::size_t size = 1; size <= 20; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'x');
        text[at] = static_cast<char>(byte);
        const auto value = Value::parse(quoted(text));
        const bool same = value && *value->as_string() == text;
        if (same) continue;
        CAPTURE(byte, size, at);
        REQUIRE(same);
      }
    }
  }
  CHECK(quoted("sized") == "\"sized\"");
}

TEST_CASE("what is written is UTF-8 even where the text was not", "[json]") {
  CHECK(quoted("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80") == "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"");
  CHECK(quoted("12345678\xFF"
               "90") ==
        "\"12345678\xEF\xBF\xBD"
        "90\"");
  CHECK(quoted("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  for (int first = 128; first < 256; ++first) {
    const std::string text = "abcdefg"s + static_cast<char>(first) + "\x90"s;
    REQUIRE(is_valid_utf8(quoted(text)));
    std::string out;
    Writer(out).begin_object().member(text, text).end_object();
    REQUIRE(Value::parse(out).has_value());
  }
}

}  // namespace
}  // namespace probekit::json
