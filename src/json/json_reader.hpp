// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Reads JSON text as a stream of events, without building anything: for messages. Made for
/// hostile text: no recursion, a depth limit, UTF-8 validated, numbers left as their digits.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit::json {

struct ParseLimits {
  std::size_t depth_max = 32;  ///< nested arrays and objects
};

/// What is called for each token in order; returning false stops. Text given lives until the call
/// returns. Duplicate keys are reported as they come.
class PROBEKIT_EXPORT Visitor {
 public:
  virtual ~Visitor() = default;

  virtual bool null() = 0;
  virtual bool boolean(bool value) = 0;
  /// The digits as written, grammar checked; those of numbers beyond a double's range are
  /// refused unseen. See to_int64() and its kin.
  virtual bool number(std::string_view digits) = 0;
  /// Unescaped; may hold U+0000.
  virtual bool string(std::string_view text) = 0;
  virtual bool key(std::string_view name) = 0;
  /// `begin` is the offset of the bracket, `end` the offset just past it: the text between is
  /// the raw value.
  virtual bool begin_object(std::size_t begin) = 0;
  virtual bool end_object(std::size_t end) = 0;
  virtual bool begin_array(std::size_t begin) = 0;
  virtual bool end_array(std::size_t end) = 0;
};

/// Reads one value that fills all of `text`. *Errors*: errc::cancelled when the visitor stopped;
/// errc::limit_reached beyond `depth_max`; errc::invalid_argument for text that is not JSON, with
/// the fault and its byte offset in the message. The visitor has seen what came before.
PROBEKIT_EXPORT Expected<void> parse(std::string_view text, Visitor& visitor, ParseLimits limits);

/// A number's digits as an exact integer; empty when it has a fraction or an exponent, or does not
/// fit.
PROBEKIT_EXPORT std::optional<std::int64_t> to_int64(std::string_view digits) noexcept;
PROBEKIT_EXPORT std::optional<std::uint64_t> to_uint64(std::string_view digits) noexcept;
/// The nearest double; empty when it is out of a double's range.
PROBEKIT_EXPORT std::optional<double> to_double(std::string_view digits) noexcept;

}  // namespace probekit::json
