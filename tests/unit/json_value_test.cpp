// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json/json_value.hpp"

#include <string>

#include "support/catch.hpp"

namespace probekit::json {
namespace {

using namespace std::string_literals;

TEST_CASE("a value is read, asked and written back", "[json]") {
  const std::string text =
      R"({"n":null,"b":true,"i":-7,"d":0.5,"s":"x\ty","a":[1,[],{}],"o":{"k":"v"},"":0})";
  const auto value = Value::parse(text);
  REQUIRE(value);
  CHECK(value->is_object());
  CHECK(value->find("n")->is_null());
  CHECK(value->find("b")->as_bool() == true);
  CHECK(value->find("i")->as_int64() == -7);
  CHECK_FALSE(value->find("i")->as_uint64());
  CHECK(value->find("d")->as_double() == 0.5);
  CHECK_FALSE(value->find("d")->as_int64());
  CHECK(*value->find("s")->as_string() == "x\ty");
  CHECK(value->find("a")->as_array()->size() == 3);
  CHECK(*value->find("o")->find("k")->as_string() == "v");
  CHECK(value->find("")->as_uint64() == 0U);
  CHECK(value->find("none") == nullptr);
  CHECK(value->find("a")->find("k") == nullptr);
  CHECK(value->to_json() == text);
}

TEST_CASE("asking for another kind gives nothing", "[json]") {
  const Value text = Value::from_string("1");
  CHECK_FALSE(text.as_int64());
  CHECK_FALSE(text.as_double());
  CHECK_FALSE(text.as_bool());
  CHECK(text.as_array() == nullptr);
  CHECK(text.as_object() == nullptr);
  CHECK(text.kind() == "a string");
  CHECK(Value().kind() == "null");
  CHECK(Value::from_int64(1).as_string() == nullptr);
}

TEST_CASE("a key that occurs twice is an error that names it", "[json]") {
  const auto twice = Value::parse(R"([{"a":1,"b":2,"\u0061":3}])");
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code() == errc::invalid_argument);
  CHECK(twice.error().message() == "the key 'a' occurs twice");
  CHECK(Value::parse(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})").has_value());

  std::string many = "{";
  for (int i = 0; i < 100000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  CHECK(Value::parse(many + "\"x\":0}").has_value());
  CHECK_FALSE(Value::parse(many + "\"k77777\":0}").has_value());
}

TEST_CASE("large integers keep their last digit", "[json]") {
  const auto value = Value::parse("[9007199254740993,18446744073709551615]");
  REQUIRE(value);
  CHECK(value->as_array()->at(0).as_int64() == 9007199254740993);
  CHECK(value->as_array()->at(1).as_uint64() == 18446744073709551615U);
  CHECK(value->to_json() == "[9007199254740993,18446744073709551615]");
}

TEST_CASE("hostile text gives an error and no more", "[json]") {
  for (const auto& text :
       {std::string(1000000, '['), "[1"s, ""s, "\"\xFF\""s, "{\"a\""s, "[NaN]"s}) {
    CHECK_FALSE(Value::parse(text).has_value());
  }
  const auto killers =
      Value::parse("[0.0000000001e-2147483639,128.74836467836484838364836483643636483648e-336]");
  REQUIRE(killers);
  for (const Value& number : *killers->as_array()) {
    CHECK(number.is_number());
    CHECK_FALSE(number.as_double());
  }
}

TEST_CASE("a string of a hundred megabytes is only as large as it is", "[json]") {
  const std::string text = '"' + std::string(100000000, 'x') + '"';
  const auto value = Value::parse(text);
  REQUIRE(value);
  CHECK(value->as_string()->size() == 100000000);
}

TEST_CASE("values are built by hand too", "[json]") {
  Value::Object members;
  members.push_back({"list", Value::from_array({Value::from_bool(false), Value::from_int64(-1)})});
  members.push_back({"x", Value::from_double(1.5)});
  members.push_back({"nan", Value::from_double(0.0 / 0.0)});
  CHECK(Value::from_object(std::move(members)).to_json() ==
        R"({"list":[false,-1],"x":1.5,"nan":null})");
}

}  // namespace
}  // namespace probekit::json
