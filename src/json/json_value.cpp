// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "json/json_value.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace probekit::json {
namespace {

const std::string* duplicate_name(const Value::Object& members) {
  std::vector<const std::string*> names;
  names.reserve(members.size());
  for (const Member& member : members) names.push_back(&member.name);
  const auto less = [](const std::string* a, const std::string* b) { return *a < *b; };
  std::sort(names.begin(), names.end(), less);
  const auto twin = std::adjacent_find(names.begin(), names.end(),
                                       [](const auto* a, const auto* b) { return *a == *b; });
  return twin == names.end() ? nullptr : *twin;
}

}  // namespace

// Open containers wait on a stack; a finished value goes into the one on top.
class Value::Builder final : public Visitor {
 public:
  bool null() override { return add(Value()); }
  bool boolean(bool value) override { return add(from_bool(value)); }
  bool number(std::string_view digits) override {
    Value value;
    value.state_ = Number{std::string(digits)};
    return add(std::move(value));
  }
  bool string(std::string_view text) override { return add(from_string(std::string(text))); }
  bool key(std::string_view name) override {
    std::get<Object>(open_.back().state_).push_back({std::string(name), Value()});
    return true;
  }
  bool begin_object(std::size_t) override {
    open_.push_back(from_object({}));
    return true;
  }
  bool begin_array(std::size_t) override {
    open_.push_back(from_array({}));
    return true;
  }
  bool end_object(std::size_t) override {
    if (const auto* name = duplicate_name(std::get<Object>(open_.back().state_))) {
      duplicate_ = *name;
      return false;
    }
    return close();
  }
  bool end_array(std::size_t) override { return close(); }

  Value take() { return std::move(root_); }
  const std::optional<std::string>& duplicate() const { return duplicate_; }

 private:
  bool close() {
    Value value = std::move(open_.back());
    open_.pop_back();
    return add(std::move(value));
  }

  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* array = std::get_if<Array>(&open_.back().state_)) {
      array->push_back(std::move(value));
    } else {
      std::get<Object>(open_.back().state_).back().value = std::move(value);
    }
    return true;
  }

  std::vector<Value> open_;
  Value root_;
  std::optional<std::string> duplicate_;
};

Expected<Value> Value::parse(std::string_view text, ParseLimits limits) {
  Builder builder;
  const auto parsed = json::parse(text, builder, limits);
  if (builder.duplicate()) {
    return Error(errc::invalid_argument, "the key '" + *builder.duplicate() + "' occurs twice");
  }
  if (!parsed) return parsed.error();
  return builder.take();
}

Value Value::from_bool(bool value) {
  Value result;
  result.state_ = value;
  return result;
}

Value Value::from_int64(std::int64_t value) {
  Value result;
  result.state_ = Number{std::to_string(value)};
  return result;
}

Value Value::from_double(double value) {
  Value result;
  std::string digits;
  Writer(digits).number(value);
  if (digits != "null") result.state_ = Number{std::move(digits)};
  return result;
}

Value Value::from_string(std::string text) {
  Value result;
  result.state_ = std::move(text);
  return result;
}

Value Value::from_array(Array items) {
  Value result;
  result.state_ = std::move(items);
  return result;
}

Value Value::from_object(Object members) {
  Value result;
  result.state_ = std::move(members);
  return result;
}

std::string_view Value::kind() const noexcept {
  constexpr std::array<std::string_view, 6> kKinds = {"null",     "a boolean", "a number",
                                                      "a string", "an array",  "an object"};
  return kKinds[state_.index()];
}

std::optional<bool> Value::as_bool() const noexcept {
  const bool* value = std::get_if<bool>(&state_);
  return value != nullptr ? std::optional<bool>(*value) : std::nullopt;
}

std::optional<std::int64_t> Value::as_int64() const noexcept {
  const Number* number = std::get_if<Number>(&state_);
  return number != nullptr ? to_int64(number->digits) : std::nullopt;
}

std::optional<std::uint64_t> Value::as_uint64() const noexcept {
  const Number* number = std::get_if<Number>(&state_);
  return number != nullptr ? to_uint64(number->digits) : std::nullopt;
}

std::optional<double> Value::as_double() const noexcept {
  const Number* number = std::get_if<Number>(&state_);
  return number != nullptr ? to_double(number->digits) : std::nullopt;
}

const Value* Value::find(std::string_view name) const noexcept {
  const Object* members = as_object();
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(),
                                  [&](const Member& member) { return member.name == name; });
  return found == members->end() ? nullptr : &found->value;
}

void Value::write(Writer& writer) const {
  switch (state_.index()) {
    case 0:
      writer.null();
      return;
    case 1:
      writer.boolean(std::get<bool>(state_));
      return;
    case 2:
      writer.raw(std::get<Number>(state_).digits);
      return;
    case 3:
      writer.string(std::get<std::string>(state_));
      return;
    case 4:
      writer.begin_array();
      for (const Value& item : std::get<Array>(state_)) item.write(writer);
      writer.end_array();
      return;
    default:
      writer.begin_object();
      for (const Member& member : std::get<Object>(state_)) {
        writer.key(member.name);
        member.value.write(writer);
      }
      writer.end_object();
      return;
  }
}

std::string Value::to_json() const {
  std::string out;
  Writer writer(out);
  write(writer);
  return out;
}

}  // namespace probekit::json
