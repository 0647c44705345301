// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json/json_reader.hpp"

#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace probekit::json {
namespace {

using namespace std::string_literals;

// Writes down what it sees; stops after `stop_after` tokens.
class Recorder final : public Visitor {
 public:
  explicit Recorder(std::size_t stop_after = std::numeric_limits<std::size_t>::max())
      : left_(stop_after) {}

  bool null() override { return add("null"); }
  bool boolean(bool value) override { return add(value ? "true" : "false"); }
  bool number(std::string_view digits) override { return add("n:" + std::string(digits)); }
  bool string(std::string_view text) override { return add("s:" + std::string(text)); }
  bool key(std::string_view name) override { return add("k:" + std::string(name)); }
  bool begin_object(std::size_t begin) override { return add("{" + std::to_string(begin)); }
  bool end_object(std::size_t end) override { return add("}" + std::to_string(end)); }
  bool begin_array(std::size_t begin) override { return add("[" + std::to_string(begin)); }
  bool end_array(std::size_t end) override { return add("]" + std::to_string(end)); }

  std::vector<std::string> tokens;

 private:
  bool add(std::string token) {
    tokens.push_back(std::move(token));
    return --left_ > 0;
  }
  std::size_t left_;
};

std::error_code fault_of(std::string_view text) {
  Recorder recorder;
  const auto parsed = parse(text, recorder, ParseLimits());
  return parsed ? std::error_code() : parsed.error().code();
}

TEST_CASE("tokens come in order, and brackets with their offsets", "[json]") {
  const std::string text = R"( {"a": [1, -2.5e3, "x\ny"], "b":{}, "c":[true,false,null]} )";
  Recorder recorder;
  REQUIRE(parse(text, recorder, ParseLimits()).has_value());
  const std::size_t array = text.find('[');
  const std::size_t array_end = text.find(']') + 1;
  const std::size_t inner = text.find("{}");
  const std::size_t last = text.rfind('[');
  CHECK(recorder.tokens ==
        std::vector<std::string>{"{1", "k:a", "[" + std::to_string(array), "n:1", "n:-2.5e3",
                                 "s:x\ny", "]" + std::to_string(array_end), "k:b",
                                 "{" + std::to_string(inner), "}" + std::to_string(inner + 2),
                                 "k:c", "[" + std::to_string(last), "true", "false", "null",
                                 "]" + std::to_string(text.rfind(']') + 1),
                                 "}" + std::to_string(text.rfind('}') + 1)});
}

TEST_CASE("a single scalar is a document", "[json]") {
  for (const char* text : {"1", "\"a\"", "true", "null", " 0 "}) {
    CAPTURE(text);
    CHECK_FALSE(fault_of(text));
  }
}

TEST_CASE("text that is not JSON is refused with the place of the fault", "[json]") {
  for (const auto& text :
       {""s,          " "s,         "{"s,        "["s,        "[1,]"s,      "{\"a\":1,}"s,
        "{a:1}"s,     "[1 2]"s,     "01"s,       "+1"s,       ".5"s,        "1."s,
        "1e"s,        "-"s,         "NaN"s,      "Infinity"s, "-Infinity"s, "[NaN]"s,
        "nul"s,       "tru"s,       "True"s,     "'a'"s,      "\"a"s,       "\"\\x\""s,
        "\"\\u12\""s, "\"a\nb\""s,  "1 1"s,      "{} x"s,     "// c\n1"s,   "]"s,
        "}"s,         "{\"a\" 1}"s, "{\"a\":}"s, "[}"s,       "{]"s,        "\xEF\xBB\xBF{}"s,
        "[1]\0"s,     "\0"s,        "[1\0]"s,    "\"a\0b\""s}) {
    CAPTURE(text);
    CHECK(fault_of(text) == errc::invalid_argument);
  }
  Recorder recorder;
  const auto parsed = parse("[1, x]", recorder, ParseLimits());
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message() == "Invalid value at byte 4");
}

TEST_CASE("ill-formed UTF-8 and lone surrogates are refused", "[json]") {
  for (const auto& text :
       {"\"\xFF\""s, "\"\xC0\x80\""s, "\"\xED\xA0\x80\""s, "\"\xE2\x82\""s, "\"\xF4\x90\x80\x80\""s,
        "{\"\x80\":1}"s, "\"\\ud800\""s, "\"\\ud800\\u0041\""s, "\"\\udc00\""s}) {
    CAPTURE(text);
    CHECK(fault_of(text) == errc::invalid_argument);
  }
  Recorder recorder;
  REQUIRE(parse("\"\\ud83d\\ude00\\u00e9\"", recorder, ParseLimits()).has_value());
  CHECK(recorder.tokens.at(0) == "s:\xF0\x9F\x98\x80\xC3\xA9");
}

TEST_CASE("a string may hold U+0000", "[json]") {
  Recorder recorder;
  REQUIRE(parse(R"(["a\u0000b"])", recorder, ParseLimits()).has_value());
  CHECK(recorder.tokens.at(1) == "s:a\0b"s);
}

TEST_CASE("a million brackets are refused at the depth limit", "[json]") {
  CHECK(fault_of(std::string(1000000, '[')) == errc::limit_reached);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK(fault_of(objects) == errc::limit_reached);
  CHECK_FALSE(fault_of(std::string(32, '[') + std::string(32, ']')));
  CHECK(fault_of(std::string(33, '[') + std::string(33, ']')) == errc::limit_reached);

  // Depth is what is open at once, not how often something was opened.
  std::string wide = "[";
  for (int i = 0; i < 100; ++i) wide += "[{}],";
  CHECK_FALSE(fault_of(wide + "0]"));

  Recorder deep;
  ParseLimits limits;
  limits.depth_max = 1000000;
  CHECK(parse(std::string(1000000, '[') + std::string(1000000, ']'), deep, limits).has_value());
}

TEST_CASE("numbers that crash RapidJSON's own conversion are only digits", "[json]") {
  for (const auto& digits : {"0." + std::string(9, '0') + "1e-2147483639",
                             "0." + std::string(40, '0') + "1e-2147483648"s,
                             "128.74836467836484838364836483643636483648e-336"s, "1e308"s,
                             "1e-99999999999"s, std::string(300, '9')}) {
    CAPTURE(digits);
    Recorder recorder;
    REQUIRE(parse("[" + digits + "]", recorder, ParseLimits()).has_value());
    CHECK(recorder.tokens.at(1) == "n:" + digits);
  }
  // Beyond a double's range: refused.
  CHECK(fault_of("1e99999999999999999999") == errc::invalid_argument);
  CHECK(fault_of(std::string(100000, '9')) == errc::invalid_argument);
}

TEST_CASE("a visitor stops the reading", "[json]") {
  Recorder recorder(3);
  const auto parsed = parse("[1,2,3,4", recorder, ParseLimits());
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code() == errc::cancelled);
  CHECK(recorder.tokens.size() == 3);
}

TEST_CASE("integers are exact or nothing", "[json]") {
  CHECK(to_int64("9007199254740993") == 9007199254740993);
  CHECK(to_uint64("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  CHECK(to_int64("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(to_uint64("18446744073709551616"));
  CHECK_FALSE(to_int64("9223372036854775808"));
  CHECK_FALSE(to_uint64("-1"));
  CHECK_FALSE(to_int64("1.0"));
  CHECK_FALSE(to_int64("1e3"));
  CHECK_FALSE(to_int64(""));
}

TEST_CASE("doubles are the nearest, and out of range they are nothing", "[json]") {
  CHECK(to_double("0.1") == 0.1);
  CHECK(to_double("1e3") == 1000.0);
  CHECK(to_double("-0") == 0.0);
  CHECK_FALSE(to_double("1e999"));
  CHECK_FALSE(to_double("-1e999"));
  CHECK_FALSE(to_double("0.0000000001e-2147483639"));
}

}  // namespace
}  // namespace probekit::json
