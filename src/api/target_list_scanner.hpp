// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Cuts `{"defaults":{...},"targets":[...]}`, arriving in pieces, into the raw texts of its values.
/// It finds where a value ends and leaves what is in it to the strict reader. Without I/O; one
/// thread; no recursion.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace probekit::api {

struct ScannedValue {
  enum class Place : std::uint8_t { defaults, target } place = Place::target;
  std::uint64_t number = 0;  ///< of a target: its place from 1
  std::string_view text;     ///< raw; valid until the next call; of a long one the beginning
  bool too_long = false;
};

/// Holds one value: at most `value_bytes_max` bytes.
class TargetListScanner {
 public:
  static constexpr std::size_t kBeginningBytes = 256;

  explicit TargetListScanner(std::size_t value_bytes_max) : value_bytes_max_(value_bytes_max) {}

  /// Takes bytes from the front of `bytes`, up to the end of the next value; empty when all were
  /// taken, or at a fault.
  std::optional<ScannedValue> next(std::string_view& bytes);
  /// All bytes were given. A body that is not complete is a fault.
  void finish();

  /// What is wrong with the body as a whole; nothing can be read after it. Empty: nothing.
  const std::string& fault() const noexcept { return fault_; }

 private:
  enum class State : std::uint8_t {
    start,
    first_key,
    key_start,
    key,
    colon,
    defaults_start,
    targets_start,
    first_target,
    target,
    value,
    after_value,
    after_member,
    done,
  };
  enum class Form : std::uint8_t { text, nested, word };

  void step(char c);
  void begin_value(char c, ScannedValue::Place place);
  std::size_t scan_value(std::string_view bytes, bool& complete);
  void end_key();
  void keep(std::string_view bytes);
  void fail(std::string what);

  std::size_t value_bytes_max_;
  State state_ = State::start;
  ScannedValue::Place place_ = ScannedValue::Place::target;
  Form form_ = Form::word;
  std::uint64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool too_long_ = false;
  bool had_defaults_ = false;
  bool had_targets_ = false;
  std::size_t mark_bytes_ = 0;  // of a byte order mark
  std::uint64_t offset_ = 0;    // bytes taken before the current piece
  std::uint64_t number_ = 0;
  std::string kept_;
  std::string fault_;
};

}  // namespace probekit::api
