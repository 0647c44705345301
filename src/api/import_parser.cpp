// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/import_parser.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "probe/probe_spec_json.hpp"

namespace probekit::api {
namespace {

/// A held target too long to be one: its beginning is held, marked by a size beyond any other.
constexpr std::uint32_t kTooLong = 0x80000000;

/// What is shown of a target in an error: valid UTF-8, cut, without a URL's user and password.
std::string shown(std::string_view target) {
  std::string text = to_valid_utf8(target.substr(0, kTargetBytesMax));
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const std::size_t authority = scheme + 3;
  const std::size_t end = std::min(text.find_first_of("/?#\"", authority), text.size());
  const std::size_t at = text.rfind('@', end);
  if (at != std::string::npos && at >= authority) text.replace(authority, at - authority, "***");
  return text;
}

}  // namespace

ImportParser::ImportParser(ImportForm form, SpecDefaults defaults, const ProbeKinds& kinds,
                           std::size_t line_bytes_max, SelectorInterner::Resolve resolve)
    : form_(form),
      defaults_(std::move(defaults)),
      kinds_(kinds),
      line_bytes_max_(line_bytes_max),
      splitter_(line_bytes_max),
      scanner_(kSpecBytesMax),
      selectors_(std::move(resolve)) {}

std::size_t ImportParser::feed(std::string_view bytes) {
  std::string_view rest = bytes;
  if (form_ != ImportForm::json) {
    while (!rest.empty() && !slice_.full()) {
      if (const auto line = splitter_.next(rest)) take_line(*line);
    }
    return bytes.size() - rest.size();
  }
  if (!fault_) drain_held();
  while (!rest.empty() && !slice_.full() && !fault_) {
    if (const auto value = scanner_.next(rest)) take_value(*value);
    if (!scanner_.fault().empty()) fault_ = Error(errc::invalid_argument, scanner_.fault());
  }
  return fault_ ? bytes.size() : bytes.size() - rest.size();
}

bool ImportParser::finish() {
  if (form_ != ImportForm::json) {
    if (!std::exchange(line_finished_, true)) {
      if (const auto line = splitter_.finish()) take_line(*line);
    }
    return true;
  }
  if (fault_) return true;
  scanner_.finish();
  if (!scanner_.fault().empty()) {
    fault_ = Error(errc::invalid_argument, scanner_.fault());
    return true;
  }
  defaults_known_ = true;  // there are none
  drain_held();
  return held_sizes_.empty();
}

void ImportParser::take_line(const NumberedLine& line) {
  if (line.too_long) return reject_too_long(line.number, line.text, line_bytes_max_);
  const std::string_view text = trim(line.text);
  if (text.empty()) return;
  if (form_ == ImportForm::ndjson) return add_spec(line.number, json::Value::parse(text), text);
  if (text.front() != '#') add_plain(line.number, text);
}

void ImportParser::take_value(const ScannedValue& value) {
  if (value.place == ScannedValue::Place::defaults) return take_defaults(value);
  if (defaults_known_) {
    if (value.too_long) return reject_too_long(value.number, value.text, kSpecBytesMax);
    return take_target(value.number, value.text);
  }
  if (held_.size() + value.text.size() + (held_sizes_.size() + 1) * sizeof(std::uint32_t) >
      kHeldBytesMax) {
    fault_ = Error(errc::message_too_large,
                   "more than 64 MiB of targets stand before \"defaults\"; put \"defaults\" first, "
                   "or send application/x-ndjson");
    return;
  }
  held_.append(value.text);
  held_sizes_.push_back(static_cast<std::uint32_t>(value.text.size()) |
                        (value.too_long ? kTooLong : 0));
}

void ImportParser::take_defaults(const ScannedValue& value) {
  defaults_known_ = true;
  if (value.too_long) {
    fault_ = Error(errc::invalid_argument, "defaults: longer than 64 KiB");
    return;
  }
  const auto parsed = json::Value::parse(value.text);
  if (!parsed) {
    fault_ = Error(errc::invalid_argument, "defaults: " + parsed.error().message());
    return;
  }
  auto defaults = read_spec_defaults(*parsed, defaults_, kinds_, SpecPlace{"defaults.", {}});
  if (!defaults) {
    fault_ = defaults.error();
    return;
  }
  defaults_ = std::move(*defaults);
  drain_held();
}

void ImportParser::drain_held() {
  if (!defaults_known_ || held_sizes_.empty()) return;
  for (; held_next_ < held_sizes_.size(); ++held_next_) {
    if (slice_.full()) return;
    const std::uint32_t size = held_sizes_[held_next_] & ~kTooLong;
    const std::string_view text = std::string_view(held_).substr(held_offset_, size);
    held_offset_ += size;
    if ((held_sizes_[held_next_] & kTooLong) != 0) {
      reject_too_long(held_next_ + 1, text, kSpecBytesMax);
    } else {
      take_target(held_next_ + 1, text);
    }
  }
  held_ = {};
  held_sizes_ = {};
}

void ImportParser::take_target(std::uint64_t number, std::string_view text) {
  const auto value = json::Value::parse(text);
  const std::string* const target = value ? value->as_string() : nullptr;
  if (target) return add_plain(number, *target);
  if (value && !value->is_object()) {
    return reject(number, text,
                  "a target is a string or a spec, not " + std::string(value->kind()));
  }
  add_spec(number, value, text);
}

void ImportParser::add_plain(std::uint64_t number, std::string_view target) {
  const auto kind = check_target(target, defaults_.options, kinds_);
  if (!kind) return reject(number, target, kind.error().message());
  for (const auto& [known, options] : by_kind_) {
    if (known == *kind) return add(target, options, defaults_.agents);
  }
  ProbeOptions options = defaults_.options;
  options.kind = (*kind)->name;
  by_kind_.emplace_back(*kind, interner_.intern(std::move(options)));
  add(target, by_kind_.back().second, defaults_.agents);
}

void ImportParser::add_spec(std::uint64_t number, const Expected<json::Value>& value,
                            std::string_view text) {
  if (!value) return reject(number, text.substr(0, 256), value.error().message());
  auto parsed = read_spec(*value, defaults_, kinds_, SpecPlace{});
  if (!parsed) {
    const json::Value* const member = value->find("target");
    const std::string* const target = member ? member->as_string() : nullptr;
    return reject(number, target ? std::string_view(*target) : text.substr(0, 256),
                  parsed.error().message());
  }
  const auto options = interner_.intern(std::move(static_cast<ProbeOptions&>(parsed->spec)));
  add(parsed->spec.target, options, parsed->agents);
}

void ImportParser::add(std::string_view target, const std::shared_ptr<const ProbeOptions>& options,
                       const Selector& agents) {
  accepted_ += slice_.add(target, options, selectors_.intern(agents, options->kind));
}

void ImportParser::reject(std::uint64_t number, std::string_view target, std::string detail) {
  ++rejected_;
  if (errors_.size() >= kErrorsMax) return;
  errors_.push_back(ImportError{number, shown(target), std::move(detail)});
}

void ImportParser::reject_too_long(std::uint64_t number, std::string_view beginning,
                                   std::size_t max) {
  reject(number, beginning, "longer than " + std::to_string(max) + " bytes; this is its beginning");
}

}  // namespace probekit::api
