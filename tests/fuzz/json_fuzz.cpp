// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The three readers of JSON, which must agree: events, values in memory, and the cursor.

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.hpp"
#include "fuzz/harness.hpp"
#include "json/json_cursor.hpp"
#include "json/json_reader.hpp"
#include "json/json_value.hpp"
#include "json/json_writer.hpp"

namespace {

using namespace probekit;
using fuzz::require;
using json::Cursor;
using json::Value;

constexpr std::size_t kDepthMax = 32;

/// Checks each event and writes the text anew.
class Recorder final : public json::Visitor {
 public:
  explicit Recorder(std::string_view text) : text_(text) {}

  bool null() override { return writer_.null(), true; }
  bool boolean(bool value) override { return writer_.boolean(value), true; }
  bool number(std::string_view digits) override {
    check_number(digits);
    return writer_.raw(digits), true;
  }
  bool string(std::string_view text) override {
    require(is_valid_utf8(text), "a string is UTF-8");
    return writer_.string(text), true;
  }
  bool key(std::string_view name) override {
    require(is_valid_utf8(name), "a key is UTF-8");
    return writer_.key(name), true;
  }
  bool begin_object(std::size_t begin) override { return writer_.begin_object(), open(begin, '{'); }
  bool end_object(std::size_t end) override { return writer_.end_object(), close(end, '}'); }
  bool begin_array(std::size_t begin) override { return writer_.begin_array(), open(begin, '['); }
  bool end_array(std::size_t end) override { return writer_.end_array(), close(end, ']'); }

  const std::string& out() const { return out_; }
  std::size_t depth() const { return deepest_; }

 private:
  static void check_number(std::string_view digits) {
    const auto wide = json::to_double(digits);
    if (wide) {
      require(std::isfinite(*wide), "a number is finite");
      std::string again;
      json::Writer(again).number(*wide);
      require(json::to_double(again) == wide, "a number reads back as itself");
    }
    const auto whole = json::to_int64(digits);
    const auto natural = json::to_uint64(digits);
    if (whole && natural) require(static_cast<std::uint64_t>(*whole) == *natural, "integers agree");
    if (whole && *whole >= 0 && digits.front() != '-') {
      require(natural.has_value(), "a positive integer is a natural number");
    }
  }
  bool open(std::size_t at, char bracket) {
    require(at < text_.size() && text_[at] == bracket, "begin is at the bracket");
    deepest_ = std::max(deepest_, ++depth_);
    require(depth_ <= kDepthMax, "depth is bounded");
    return true;
  }
  bool close(std::size_t end, char bracket) {
    require(end >= 1 && end <= text_.size() && text_[end - 1] == bracket, "end is past it");
    --depth_;
    return true;
  }

  std::string_view text_;
  std::string out_;
  json::Writer writer_{out_};
  std::size_t depth_ = 0;
  std::size_t deepest_ = 0;
};

// Reads with the cursor what `value` says is there.
void walk(Cursor& cursor, const Value& value) {
  if (const auto* const text = value.as_string()) {
    Cursor strict = cursor;
    std::string read;
    require(cursor.read_string(read, text->size()) && read == *text, "strings agree");
    if (!text->empty()) {
      require(!strict.read_string(read, text->size() - 1), "a longer string is refused");
    }
  } else if (const auto* const items = value.as_array()) {
    std::size_t next = 0;
    for (cursor.enter_array(); cursor.next_item(); ++next) {
      require(next < items->size(), "lists are as long");
      walk(cursor, (*items)[next]);
    }
    require(next == items->size(), "lists are as long");
  } else if (const auto* const members = value.as_object()) {
    std::size_t next = 0;
    std::string_view key;
    for (cursor.enter_object(); cursor.next_member(key); ++next) {
      require(next < members->size() && key == (*members)[next].name, "keys agree");
      walk(cursor, (*members)[next].value);
    }
    require(next == members->size(), "objects are as large");
  } else if (value.is_number()) {
    Cursor other = cursor;
    std::uint64_t natural = 0;
    std::int64_t whole = 0;
    // -0 is a whole number and no natural one.
    const auto wanted = cursor.peek() == '-' ? std::nullopt : value.as_uint64();
    require(Cursor(cursor).read_uint(natural, UINT64_MAX) == wanted.has_value(), "numbers agree");
    if (wanted) {
      require(natural == *wanted, "numbers agree");
      if (natural > 0) {
        require(!Cursor(cursor).read_uint(natural, natural - 1), "a larger number is refused");
      }
    }
    if (other.read_int(whole)) require(value.as_int64() == whole, "integers agree");
    cursor.skip();
  } else if (value.is_bool()) {
    bool read = false;
    require(cursor.read_bool(read) && read == *value.as_bool(), "truths agree");
  } else {
    require(cursor.take_null(), "nulls agree");
  }
  require(cursor.ok(), "the cursor reads what the value has");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  Recorder recorder(text);
  const auto parsed = json::parse(text, recorder, {kDepthMax});
  Cursor skipping(text);
  const bool skipped = skipping.skip() && skipping.finish();
  const auto value = Value::parse(text, {kDepthMax});

  if (!parsed) {
    require(parsed.error().code() == errc::limit_reached ||
                parsed.error().code() == errc::invalid_argument,
            "a refusal is one of two");
    // The cursor passes numbers on, whatever their size.
    require(!skipped || parsed.error().message().find("Number too big") == 0,
            "the cursor refuses what the reader refuses");
    require(!value, "no value comes of it");
    return 0;
  }
  require(skipped, "the cursor takes what the reader takes");
  require(is_valid_utf8(text), "what is taken is UTF-8");

  const std::size_t shallower = recorder.depth() == 0 ? 0 : recorder.depth() - 1;
  Recorder unused(text);
  require(recorder.depth() == 0 || !json::parse(text, unused, {shallower}),
          "depth is what is said");
  Cursor shallow(text, shallower);
  require(recorder.depth() == 0 || !shallow.skip(), "depth is what is said to the cursor");

  Recorder again(recorder.out());
  require(
      json::parse(recorder.out(), again, {kDepthMax}).has_value() && again.out() == recorder.out(),
      "what is written reads back as the same");

  if (!value) {
    require(value.error().message().find("occurs twice") != std::string::npos,
            "only a key that stands twice comes between");
    return 0;
  }
  require(value->to_json() == recorder.out(), "a value writes what the events were");
  Cursor cursor(text);
  walk(cursor, *value);
  require(cursor.finish(), "the cursor is at the end with the value");
  return 0;
}
