// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Walks through JSON text of a known shape without building anything: the reader asks for what
/// it expects and takes slices of the text. For the messages between masters and agents, where
/// most bytes are only passed on. It is strict (RFC 8259, valid UTF-8), never allocates but for
/// keys with escapes, and nothing it meets makes it throw or recurse.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit::json {

/// One pass over one text, which outlives it. The first fault stays; every call after it returns
/// false. Loops read `for (cursor.enter_object(); cursor.next_member(key);)` and ask ok() after.
class PROBEKIT_EXPORT Cursor {
 public:
  static constexpr std::size_t kDepthMax = 32;

  explicit Cursor(std::string_view text) noexcept : Cursor(text, kDepthMax) {}
  /// For text that will stand within another: `depth_max` is at most kDepthMax.
  Cursor(std::string_view text, std::size_t depth_max) noexcept
      : begin_(text.data()),
        at_(text.data()),
        end_(text.data() + text.size()),
        depth_max_(depth_max) {}

  /// The first character of what comes next, and so its kind; 0 at the end.
  char peek() noexcept;
  bool enter_object() { return enter('{'); }
  /// Leaves the object at its end: then, and at a fault, false. The key is valid until the next
  /// call.
  bool next_member(std::string_view& key);
  bool enter_array() { return enter('['); }
  bool next_item();

  bool read_bool(bool& value);
  /// Integers only: no fraction, no exponent, exact over the whole range.
  bool read_uint(std::uint64_t& value, std::uint64_t max);
  bool read_int(std::int64_t& value);
  /// Unescaped; at most `bytes_max` bytes.
  bool read_string(std::string& value, std::size_t bytes_max);
  /// The text of an object as it stands, checked to be valid.
  bool read_object_text(std::string_view& text, std::size_t bytes_max);
  /// The text of any value as it stands, checked to be valid.
  bool read_value_text(std::string_view& text, std::size_t bytes_max);
  /// True when a null stood there, which is taken; otherwise nothing happened.
  bool take_null();
  /// Any value.
  bool skip();
  /// Nothing but white space may follow.
  bool finish();

  bool ok() const noexcept { return fault_ == nullptr; }
  /// Makes the reader's own objection the fault. `what` is a literal. Always false.
  bool fail(const char* what);
  /// protocol_violation: what is wrong, and at which byte.
  Error error() const;

 private:
  bool enter(char bracket);
  bool separator(char closing, bool& ended);
  bool literal(std::string_view word);
  bool skip_number();
  bool scan_string(std::string_view& raw, bool& escaped);
  bool scan_escape();
  bool scan_utf8();
  static void unescape(std::string_view raw, std::string& out);
  void skip_space() noexcept;

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* fault_ = nullptr;
  const char* fault_at_ = nullptr;
  std::size_t depth_max_;
  std::size_t depth_ = 0;
  std::uint64_t fresh_ = 0;  // bit d: nothing read yet at depth d
  std::string key_;
};

}  // namespace probekit::json
