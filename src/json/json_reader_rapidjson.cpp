// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A namespace of our own, so that a host may use RapidJSON with other settings; and its assertions
// become exceptions, caught below.
#include <charconv>
#include <exception>
#include <stdexcept>
#include <string>

#define RAPIDJSON_NAMESPACE probekit_rapidjson
#define RAPIDJSON_ASSERT(condition) \
  static_cast<void>((condition) || (throw std::logic_error("RapidJSON: " #condition), false))
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "base/text.hpp"
#include "json/json_reader.hpp"

namespace probekit::json {
namespace {

namespace rj = probekit_rapidjson;

// Numbers stay text: converting untrusted ones crashes RapidJSON 1.1.0 (CVE-2024-38517).
constexpr unsigned kFlags =
    rj::kParseIterativeFlag | rj::kParseValidateEncodingFlag | rj::kParseNumbersAsStringsFlag;

// RapidJSON's events as ours. It reports brackets before it takes them off the stream.
class Events {
 public:
  Events(Visitor& visitor, const rj::MemoryStream& stream, std::size_t depth_max)
      : visitor_(visitor), stream_(stream), depth_max_(depth_max) {}

  bool Null() { return visitor_.null(); }
  bool Bool(bool value) { return visitor_.boolean(value); }
  bool RawNumber(const char* digits, rj::SizeType size, bool) {
    return visitor_.number({digits, size});
  }
  bool String(const char* text, rj::SizeType size, bool) {
    return check({text, size}) && visitor_.string({text, size});
  }
  bool Key(const char* name, rj::SizeType size, bool) {
    return check({name, size}) && visitor_.key({name, size});
  }
  bool StartObject() { return enter() && visitor_.begin_object(stream_.Tell()); }
  bool EndObject(rj::SizeType) { return leave() && visitor_.end_object(stream_.Tell() + 1); }
  bool StartArray() { return enter() && visitor_.begin_array(stream_.Tell()); }
  bool EndArray(rj::SizeType) { return leave() && visitor_.end_array(stream_.Tell() + 1); }

  // Part of the interface; numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  bool too_deep() const { return too_deep_; }
  bool lone_surrogate() const { return lone_surrogate_; }

 private:
  // RapidJSON lets an escaped low surrogate through and encodes it, as ED B0..BF xx.
  bool check(std::string_view text) {
    lone_surrogate_ = text.find('\xED') != std::string_view::npos && !is_valid_utf8(text);
    return !lone_surrogate_;
  }
  bool enter() {
    too_deep_ = depth_ == depth_max_;
    ++depth_;
    return !too_deep_;
  }
  bool leave() {
    --depth_;
    return true;
  }

  Visitor& visitor_;
  const rj::MemoryStream& stream_;
  std::size_t depth_max_;
  std::size_t depth_ = 0;
  bool too_deep_ = false;
  bool lone_surrogate_ = false;
};

Error error_at(errc code, std::string_view what, std::size_t offset) {
  std::string message(what);
  message += " at byte ";
  message += std::to_string(offset);
  return {code, std::move(message)};
}

template <class Number>
std::optional<Number> convert(std::string_view digits) noexcept {
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

Expected<void> parse(std::string_view text, Visitor& visitor, ParseLimits limits) {
  rj::MemoryStream stream(text.data(), text.size());
  Events events(visitor, stream, limits.depth_max);
  rj::ParseResult result;
  try {
    rj::Reader reader;
    result = reader.Parse<kFlags>(stream, events);
  } catch (const std::logic_error& error) {
    return error_at(errc::internal, error.what(), stream.Tell());
  }
  if (events.too_deep()) {
    return error_at(errc::limit_reached, "nested deeper than " + std::to_string(limits.depth_max),
                    stream.Tell());
  }
  if (events.lone_surrogate()) {
    return error_at(errc::invalid_argument, "A surrogate without its pair before", stream.Tell());
  }
  if (result.Code() == rj::kParseErrorTermination) {
    return error_at(errc::cancelled, "stopped", stream.Tell());
  }
  if (result.IsError()) {
    std::string what = rj::GetParseError_En(result.Code());
    if (!what.empty() && what.back() == '.') what.pop_back();
    return error_at(errc::invalid_argument, what, result.Offset());
  }
  // A NUL ends the text for RapidJSON.
  if (stream.Tell() != text.size()) {
    return error_at(errc::invalid_argument, "The document has a NUL", stream.Tell());
  }
  return {};
}

std::optional<std::int64_t> to_int64(std::string_view digits) noexcept {
  return convert<std::int64_t>(digits);
}

std::optional<std::uint64_t> to_uint64(std::string_view digits) noexcept {
  return convert<std::uint64_t>(digits);
}

std::optional<double> to_double(std::string_view digits) noexcept {
  return convert<double>(digits);
}

}  // namespace probekit::json
