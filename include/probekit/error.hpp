// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Errors of probekit: codes for what the network and the stores do, one axis that tells what to
/// do about them, and Expected<T>, a value or an Error. A failed probe is not an error: it is a
/// result with a failure kind. Distinct objects may be used from any threads.

#include <cassert>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "probekit/export.hpp"

namespace probekit {

/// What went wrong. Compare an `std::error_code` with these; compare it with a `reaction` to
/// learn what to do.
enum class errc {
  invalid_argument = 1,  ///< an option, field or call is wrong; the message names it
  not_found,             ///< no such batch, task, agent or cursor
  limit_reached,         ///< a documented limit is at its end; try again when there is room
  store_full,            ///< the store holds as many tasks as it may
  store_failed,          ///< the store could not do what was asked
  batch_closed,          ///< the batch takes no more
  no_agent,              ///< no connected agent fits the selector
  draining,              ///< takes no new work: it is about to stop
  closed,                ///< the object or connection has ended
  cancelled,             ///< the caller gave up first
  timed_out,             ///< it took longer than allowed
  connection_failed,     ///< the peer could not be reached
  connection_lost,       ///< the peer was reached and then was not
  handshake_failed,      ///< the opening handshake was refused
  unauthorized,          ///< the token is missing or not accepted
  rejected,              ///< the other side understood and said no
  name_in_use,           ///< another living agent holds this name
  protocol_violation,    ///< the peer broke the protocol
  accounting,            ///< counts of both sides differ: a bug; resume repairs it
  message_too_large,     ///< over message_bytes_max
  address_in_use,        ///< cannot listen there
  unsupported,           ///< known, but not by this build or peer
  internal,              ///< a defect of probekit's own
};

/// What to do about an error; an error condition, so `if (code == reaction::retry_later)` works.
enum class reaction {
  retry_later = 1,  ///< the same call may succeed later
  reconnect,        ///< a new connection may succeed
  give_up,          ///< repeating changes nothing
  callers_bug,      ///< the caller's arguments or order of calls are wrong
};

PROBEKIT_EXPORT const std::error_category& error_category() noexcept;
PROBEKIT_EXPORT const std::error_category& reaction_category() noexcept;
PROBEKIT_EXPORT std::error_code make_error_code(errc code) noexcept;
PROBEKIT_EXPORT std::error_condition make_error_condition(reaction what) noexcept;

/// A code and a sentence for a person. The sentence never holds a secret of a URL.
class Error {
 public:
  Error(std::error_code code, std::string message) : code_(code), message_(std::move(message)) {}

  const std::error_code& code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

 private:
  std::error_code code_;
  std::string message_;
};

/// A value, or the Error that stands in its place. Reading the one that is not there is a broken
/// precondition and asserts.
template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return *get(); }
  const T& value() const& { return *get(); }
  T&& value() && { return std::move(*get()); }
  T& operator*() & { return *get(); }
  const T& operator*() const& { return *get(); }
  T&& operator*() && { return std::move(*get()); }
  T* operator->() { return get(); }
  const T* operator->() const { return get(); }

  const Error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  T* get() {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  const T* get() const {
    assert(has_value());
    return std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)), ok_(false) {}

  bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_{std::error_code{}, std::string{}};
  bool ok_ = true;
};

}  // namespace probekit

template <>
struct std::is_error_code_enum<probekit::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<probekit::reaction> : std::true_type {};
