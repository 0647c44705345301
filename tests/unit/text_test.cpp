// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/text.hpp"

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::string_literals;

TEST_CASE("numbers are digits and nothing else", "[text]") {
  CHECK(parse_uint("0") == 0);
  CHECK(parse_uint("18446744073709551615") == ~std::uint64_t{0});
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "18446744073709551616", "1.0"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_uint(bad));
  }
  std::string out = "n=";
  append_uint(out, ~std::uint64_t{0});
  append_int(out, std::numeric_limits<std::int64_t>::min());
  CHECK(out == "n=18446744073709551615-9223372036854775808");
}

TEST_CASE("times are RFC 3339 in UTC with microseconds", "[text]") {
  const SystemTime time(seconds(1767323045) + microseconds(678901));
  CHECK(format_rfc3339(time) == "2026-01-02T03:04:05.678901Z");
  CHECK(format_rfc3339(SystemTime()) == "1970-01-01T00:00:00.000000Z");
  CHECK(format_rfc3339(SystemTime(microseconds(-1))) == "1969-12-31T23:59:59.999999Z");
  CHECK(format_rfc3339(SystemTime(seconds(951782400))) == "2000-02-29T00:00:00.000000Z");
  CHECK(format_rfc3339(SystemTime::max()) == "9999-12-31T23:59:59.999999Z");
  CHECK(format_rfc3339(SystemTime::min()) == "0000-01-01T00:00:00.000000Z");
}

TEST_CASE("every day of eight hundred years reads back", "[text]") {
  for (int day = -200 * 365; day < 600 * 365; ++day) {
    const SystemTime time(hours(24) * day + seconds(day % 86400) + microseconds(day % 1000000));
    REQUIRE(parse_rfc3339(format_rfc3339(time)) == time);
  }
}

TEST_CASE("all forms of RFC 3339 are read", "[text]") {
  const SystemTime time(seconds(1767323045));
  CHECK(parse_rfc3339("2026-01-02T03:04:05Z") == time);
  CHECK(parse_rfc3339("2026-01-02t03:04:05z") == time);
  CHECK(parse_rfc3339("2026-01-02 03:04:05Z") == time);
  CHECK(parse_rfc3339("2026-01-02T04:34:05+01:30") == time);
  CHECK(parse_rfc3339("2026-01-01T22:04:05-05:00") == time);
  CHECK(parse_rfc3339("2026-01-02T03:04:05.5Z") == time + milliseconds(500));
  CHECK(parse_rfc3339("2026-01-02T03:04:05.1234567899Z") == time + microseconds(123456));
  CHECK(parse_rfc3339("2016-12-31T23:59:60Z") == parse_rfc3339("2017-01-01T00:00:00Z"));
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z").has_value());
  for (const char* bad : {"", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z",
                          "2026-00-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-04-31T03:04:05Z",
                          "2026-01-00T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z",
                          "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx",
                          "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+24:00",
                          "2026-1-2T03:04:05Z", "+026-01-02T03:04:05Z", "2026-01-02T03:04:-5Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
}

TEST_CASE("hexadecimal has two digits a byte", "[text]") {
  std::string out;
  append_hex(out, "\x00\x7f\xff", 3);
  CHECK(out == "007fff");
  append_hex(out, std::uint64_t{0x1234});
  CHECK(out == "007fff0000000000001234");
}

TEST_CASE("trimming, prefixes and case", "[text]") {
  CHECK(trim(" \t a b\r\n") == "a b");
  CHECK(trim(" \n").empty());
  CHECK(trim("").empty());
  CHECK(starts_with("abc", "ab"));
  CHECK_FALSE(starts_with("a", "ab"));
  CHECK(ends_with("abc", "bc"));
  CHECK_FALSE(ends_with("c", "bc"));
  CHECK(to_lower("AbZ\xC3\x84") == "abz\xC3\x84");
  CHECK(equal_ignoring_case("Content-TYPE", "content-type"));
  CHECK_FALSE(equal_ignoring_case("a", "ab"));
  CHECK_FALSE(equal_ignoring_case("@", "`"));
}

TEST_CASE("UTF-8 is judged by the Unicode Standard's table", "[text]") {
  const std::vector<std::string> good = {"",
                                         "plain ascii, long enough for the fast way",
                                         "\xC2\x80",
                                         "\xDF\xBF",
                                         "\xE0\xA0\x80",
                                         "\xED\x9F\xBF",
                                         "\xEE\x80\x80",
                                         "\xEF\xBF\xBF",
                                         "\xF0\x90\x80\x80",
                                         "\xF4\x8F\xBF\xBF",
                                         "12345678\xE2\x82\xAC"
                                         "12345678"s,
                                         "a\0b"s};
  for (const auto& text : good) {
    CAPTURE(text);
    CHECK(is_valid_utf8(text));
    CHECK(to_valid_utf8(text) == text);
  }
  const std::vector<std::string> bad = {"\x80",
                                        "\xBF",
                                        "\xC0\x80",
                                        "\xC1\xBF",
                                        "\xC2",
                                        "\xC2\x41",
                                        "\xE0\x9F\xBF",
                                        "\xE2\x82",
                                        "\xED\xA0\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "12345678\xFF",
                                        "\xF0\x90\x80"};
  for (const auto& text : bad) {
    CAPTURE(text);
    CHECK_FALSE(is_valid_utf8(text));
    CHECK(is_valid_utf8(to_valid_utf8(text)));
  }
  CHECK(to_valid_utf8("a\xFF"
                      "b") ==
        "a\xEF\xBF\xBD"
        "b");
}

}  // namespace
}  // namespace probekit
