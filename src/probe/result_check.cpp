// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/result_check.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>

#include "json/json_cursor.hpp"
#include "json/json_reader.hpp"

namespace probekit {
namespace {

struct Shape;

struct Field {
  std::string_view name;
  const Shape* shape;
};

struct Shape {
  enum class Kind : std::uint8_t { any, text, integer, flag, list, object };
  Kind kind = Kind::any;
  std::int64_t min = 0;         // of an integer
  std::int64_t max = 0;         // of an integer
  const Shape* each = nullptr;  // of a list's items and an object's other members; null: any
  const Field* fields = nullptr;
  std::size_t count = 0;
  bool or_null = false;  // a text or an integer

  const Shape& of(std::string_view name) const noexcept;
};

constexpr Shape kAny;
constexpr Shape kFlag{Shape::Kind::flag};
constexpr Shape kString{Shape::Kind::text};
constexpr Shape kText{Shape::Kind::text, 0, 0, nullptr, nullptr, 0, true};
constexpr Shape integer(std::int64_t min, std::int64_t max) {
  return {Shape::Kind::integer, min, max, nullptr, nullptr, 0, true};
}
constexpr Shape kInt =
    integer(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
constexpr Shape kUint32 = integer(0, std::numeric_limits<std::uint32_t>::max());
constexpr Shape kSize = integer(0, std::numeric_limits<std::int64_t>::max());

constexpr Shape list_of(const Shape& item) { return {Shape::Kind::list, 0, 0, &item}; }
template <std::size_t N>
constexpr Shape object(const Field (&fields)[N]) {
  return {Shape::Kind::object, 0, 0, nullptr, fields, N};
}

constexpr Shape kObject{Shape::Kind::object};
constexpr Shape kDuration{Shape::Kind::integer, 0, std::numeric_limits<std::int64_t>::max()};
constexpr Shape kPhases{Shape::Kind::object, 0, 0, &kDuration};
constexpr Field kHopFields[] = {
    {"url", &kText}, {"status", &kInt}, {"address", &kText}, {"phases", &kPhases}};
constexpr Shape kHop = object(kHopFields);
constexpr Shape kHops = list_of(kHop);
constexpr Field kHttpFields[] = {{"status", &kInt}, {"version", &kText},    {"url", &kText},
                                 {"hops", &kHops},  {"body_bytes", &kSize}, {"truncated", &kFlag}};
constexpr Shape kHttp = object(kHttpFields);
constexpr Field kRecordFields[] = {
    {"name", &kText}, {"type", &kText}, {"class", &kText}, {"ttl", &kUint32}, {"value", &kText}};
constexpr Shape kRecord = object(kRecordFields);
constexpr Shape kRecords = list_of(kRecord);
constexpr Shape kFlags = list_of(kString);
constexpr Field kDnsFields[] = {{"rcode", &kText},        {"flags", &kFlags},
                                {"server", &kText},       {"transport", &kText},
                                {"answers", &kRecords},   {"authority", &kRecords},
                                {"additional", &kRecords}};
constexpr Shape kDns = object(kDnsFields);
constexpr Field kMemberFields[] = {{"http", &kHttp}, {"dns", &kDns}, {"tls", &kObject}};
constexpr Shape kMembers = object(kMemberFields);

const Shape& Shape::of(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if (fields[i].name == name) return *fields[i].shape;
  }
  return each != nullptr ? *each : kAny;
}

// Shorter digits without an exponent are within a double's range.
constexpr std::size_t kDigitsSafe = 300;

}  // namespace

/// Recurses as deep as the cursor allows.
class ResultCheck::Walk {
 public:
  Walk(std::string_view text, json::Cursor& in, ResultCheck& check)
      : text_(text), in_(in), keys_(check.keys_), unescaped_(check.unescaped_) {}

  bool value(const Shape& shape) {
    switch (shape.kind) {
      case Shape::Kind::text:
        if (shape.or_null && in_.take_null()) return true;
        return in_.peek() == '"' ? in_.skip() : in_.fail("expected a string");
      case Shape::Kind::integer: {
        if (shape.or_null && in_.take_null()) return true;
        std::int64_t number = 0;
        if (!in_.read_int(number)) return false;
        return (number >= shape.min && number <= shape.max) || in_.fail("number out of range");
      }
      case Shape::Kind::flag: {
        bool flag = false;
        return in_.read_bool(flag);
      }
      case Shape::Kind::list:
        return list(shape);
      case Shape::Kind::object:
        return object(shape);
      case Shape::Kind::any:
        break;
    }
    switch (in_.peek()) {
      case '{':
        return object(shape);
      case '[':
        return list(shape);
      case '"':
      case 't':
      case 'f':
      case 'n':
        return in_.skip();
      default:
        return number();
    }
  }

 private:
  bool list(const Shape& shape) {
    const Shape& item = shape.of({});
    for (in_.enter_array(); in_.next_item();) {
      if (!value(item)) return false;
    }
    return in_.ok();
  }

  bool object(const Shape& shape) {
    const std::size_t before = keys_.size();
    std::string_view key;
    for (in_.enter_object(); in_.next_member(key);) {
      const Shape& member = shape.of(key);
      keys_.push_back(lasting(key));
      if (!value(member)) return false;
    }
    if (has_twice(before)) in_.fail("a key stands twice");
    keys_.resize(before);
    return in_.ok();
  }

  // A key without escapes is a part of the text; another lives until the next one.
  std::string_view lasting(std::string_view key) {
    const std::less<const char*> before;
    const bool part =
        !before(key.data(), text_.data()) && before(key.data(), text_.data() + text_.size());
    return part ? key : unescaped_.emplace_back(key);
  }

  bool has_twice(std::size_t from) {
    constexpr std::size_t kFew = 12;  // comparing all is faster than sorting
    const auto first = keys_.begin() + static_cast<std::ptrdiff_t>(from);
    if (keys_.size() - from > kFew) {
      std::sort(first, keys_.end());
      return std::adjacent_find(first, keys_.end()) != keys_.end();
    }
    for (auto one = first; one != keys_.end(); ++one) {
      if (std::find(first, one, *one) != one) return true;
    }
    return false;
  }

  bool number() {
    std::string_view digits;
    if (!in_.read_value_text(digits, std::string_view::npos)) return false;
    if (digits.size() < kDigitsSafe && digits.find_first_of("eE") == std::string_view::npos) {
      return true;
    }
    return json::to_double(digits).has_value() || in_.fail("number out of range");
  }

  const std::string_view text_;
  json::Cursor& in_;
  std::vector<std::string_view>& keys_;
  std::deque<std::string>& unescaped_;
};

Expected<void> ResultCheck::check(std::string_view name, std::string_view json,
                                  std::size_t depth_max) {
  keys_.clear();
  unescaped_.clear();
  json::Cursor cursor(json, depth_max);
  Walk walk(json, cursor, *this);
  if (walk.value(kMembers.of(name)) && cursor.finish()) return {};
  return cursor.error();
}

}  // namespace probekit
