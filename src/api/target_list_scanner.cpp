// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/target_list_scanner.hpp"

#include <utility>

namespace probekit::api {
namespace {

constexpr std::size_t kKeyBytesMax = 64;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::optional<ScannedValue> TargetListScanner::next(std::string_view& bytes) {
  if (state_ == State::after_value) kept_.clear();
  while (!bytes.empty() && fault_.empty()) {
    if (state_ != State::value) {
      const char c = bytes.front();
      bytes.remove_prefix(1);
      ++offset_;
      step(c);
      continue;
    }
    bool complete = false;
    const std::size_t taken = scan_value(bytes, complete);
    keep(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    offset_ += taken;
    if (!complete) continue;
    state_ = State::after_value;
    ScannedValue value;
    value.place = place_;
    value.too_long = std::exchange(too_long_, false);
    value.text = kept_;
    if (place_ == ScannedValue::Place::target) value.number = ++number_;
    return value;
  }
  return std::nullopt;
}

void TargetListScanner::finish() {
  if (fault_.empty() && state_ != State::done) fail("the body ends before its JSON does");
}

void TargetListScanner::step(char c) {
  switch (state_) {
    case State::start:
      // A byte order mark, as some editors write it, counts for nothing; a part of one is no mark.
      if (offset_ == mark_bytes_ + 1 && mark_bytes_ < kByteOrderMark.size() &&
          c == kByteOrderMark[mark_bytes_]) {
        ++mark_bytes_;
        return;
      }
      if (is_space(c) && mark_bytes_ % kByteOrderMark.size() == 0) return;
      if (c != '{' || mark_bytes_ % kByteOrderMark.size() != 0)
        return fail("the body must be an object with \"targets\"");
      state_ = State::first_key;
      return;
    case State::first_key:
    case State::key_start:
      if (is_space(c)) return;
      if (c == '}' && state_ == State::first_key) {
        state_ = State::done;
      } else if (c == '"') {
        kept_.clear();
        state_ = State::key;
      } else {
        fail("a member's name in quotes is missing");
      }
      return;
    case State::key:
      if (c == '"') return end_key();
      if (kept_.size() >= kKeyBytesMax) return fail("unknown field: " + kept_ + "...");
      kept_ += c;
      return;
    case State::colon:
      if (is_space(c)) return;
      if (c != ':') return fail("a colon is missing");
      state_ = kept_ == "targets" ? State::targets_start : State::defaults_start;
      kept_.clear();
      return;
    case State::defaults_start:
      if (is_space(c)) return;
      if (c != '{') return fail("defaults: must be an object");
      return begin_value(c, ScannedValue::Place::defaults);
    case State::targets_start:
      if (is_space(c)) return;
      if (c != '[') return fail("targets: must be an array");
      state_ = State::first_target;
      return;
    case State::first_target:
    case State::target:
      if (is_space(c)) return;
      if (c == ']' && state_ == State::first_target) {
        state_ = State::after_member;
      } else if (c == ',' || c == ']' || c == '}' || c == ':') {
        fail("targets: a value is missing");
      } else {
        begin_value(c, ScannedValue::Place::target);
      }
      return;
    case State::after_value:
      if (is_space(c)) return;
      if (place_ == ScannedValue::Place::target) {
        if (c == ',') {
          state_ = State::target;
        } else if (c == ']') {
          state_ = State::after_member;
        } else {
          fail("targets: a comma or the closing bracket is missing");
        }
        return;
      }
      [[fallthrough]];
    case State::after_member:
      if (is_space(c)) return;
      if (c == ',') {
        state_ = State::key_start;
      } else if (c == '}') {
        state_ = State::done;
      } else {
        fail("a comma or the closing brace is missing");
      }
      return;
    case State::done:
      if (!is_space(c)) fail("something follows the end of the object");
      return;
    case State::value:
      return;
  }
}

void TargetListScanner::end_key() {
  if (kept_ != "targets" && kept_ != "defaults") return fail(kept_ + ": unknown field");
  bool& had = kept_ == "targets" ? had_targets_ : had_defaults_;
  if (std::exchange(had, true)) return fail(kept_ + ": given twice");
  state_ = State::colon;
}

void TargetListScanner::begin_value(char c, ScannedValue::Place place) {
  place_ = place;
  kept_.assign(1, c);
  form_ = c == '"' ? Form::text : c == '{' || c == '[' ? Form::nested : Form::word;
  depth_ = form_ == Form::nested ? 1 : 0;
  in_string_ = form_ == Form::text;
  escaped_ = false;
  state_ = State::value;
}

std::size_t TargetListScanner::scan_value(std::string_view bytes, bool& complete) {
  std::size_t i = 0;
  for (; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        if (form_ == Form::text) {
          complete = true;
          return i + 1;
        }
      }
      continue;
    }
    if (form_ == Form::word) {
      if (is_space(c) || c == ',' || c == ']' || c == '}') {
        complete = true;
        return i;
      }
      continue;
    }
    if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      complete = true;
      return i + 1;
    }
  }
  return i;
}

void TargetListScanner::keep(std::string_view bytes) {
  if (!too_long_ && kept_.size() + bytes.size() <= value_bytes_max_) {
    kept_.append(bytes);
    return;
  }
  too_long_ = true;
  if (kept_.size() < kBeginningBytes) {
    kept_.append(bytes.substr(0, kBeginningBytes - kept_.size()));
  } else {
    kept_.resize(kBeginningBytes);
  }
}

void TargetListScanner::fail(std::string what) {
  fault_ = std::move(what) + " (at byte " + std::to_string(offset_) + ")";
}

}  // namespace probekit::api
