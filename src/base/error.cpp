// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/error.hpp"

#include <cerrno>

namespace probekit {
namespace {

class ErrorCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "probekit"; }

  std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::invalid_argument:
        return "invalid argument";
      case errc::not_found:
        return "not found";
      case errc::limit_reached:
        return "limit reached";
      case errc::store_full:
        return "store full";
      case errc::store_failed:
        return "store failed";
      case errc::batch_closed:
        return "batch closed";
      case errc::no_agent:
        return "no agent fits";
      case errc::draining:
        return "draining";
      case errc::closed:
        return "closed";
      case errc::cancelled:
        return "cancelled";
      case errc::timed_out:
        return "timed out";
      case errc::connection_failed:
        return "connection failed";
      case errc::connection_lost:
        return "connection lost";
      case errc::handshake_failed:
        return "opening handshake refused";
      case errc::unauthorized:
        return "token missing or not accepted";
      case errc::rejected:
        return "rejected";
      case errc::name_in_use:
        return "name in use";
      case errc::protocol_violation:
        return "protocol violation";
      case errc::accounting:
        return "counts of both sides differ";
      case errc::message_too_large:
        return "message too large";
      case errc::address_in_use:
        return "address in use";
      case errc::unsupported:
        return "unsupported";
      case errc::internal:
        return "internal error";
    }
    return "unknown error " + std::to_string(value);
  }
};

reaction reaction_to(errc code) noexcept {
  switch (code) {
    case errc::invalid_argument:
      return reaction::callers_bug;
    case errc::limit_reached:
    case errc::store_full:
    case errc::store_failed:
    case errc::no_agent:
    case errc::draining:
    case errc::timed_out:
    case errc::address_in_use:
      return reaction::retry_later;
    case errc::connection_failed:
    case errc::connection_lost:
    case errc::handshake_failed:
    case errc::name_in_use:  // the older one may be gone by then
    case errc::protocol_violation:
    case errc::accounting:
      return reaction::reconnect;
    case errc::not_found:
    case errc::batch_closed:
    case errc::closed:
    case errc::cancelled:
    case errc::unauthorized:
    case errc::rejected:
    case errc::message_too_large:
    case errc::unsupported:
    case errc::internal:
      return reaction::give_up;
  }
  return reaction::give_up;
}

reaction reaction_to_errno(int value) noexcept {
  switch (value) {
    case EAGAIN:
    case EINTR:
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
      return reaction::retry_later;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
    case ETIMEDOUT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return reaction::reconnect;
    case EINVAL:
    case EBADF:
      return reaction::callers_bug;
    default:
      return reaction::give_up;
  }
}

class ReactionCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "probekit reaction"; }

  std::string message(int value) const override {
    switch (static_cast<reaction>(value)) {
      case reaction::retry_later:
        return "retry later";
      case reaction::reconnect:
        return "reconnect";
      case reaction::give_up:
        return "give up";
      case reaction::callers_bug:
        return "caller's bug";
    }
    return "unknown reaction " + std::to_string(value);
  }

  bool equivalent(const std::error_code& code, int condition) const noexcept override {
    if (!code) return false;
    const auto what = static_cast<reaction>(condition);
    if (code.category() == probekit::error_category()) {
      return reaction_to(static_cast<errc>(code.value())) == what;
    }
    if (code.category() == std::system_category() || code.category() == std::generic_category()) {
      return reaction_to_errno(code.value()) == what;
    }
    return false;
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const ErrorCategory category;
  return category;
}

const std::error_category& reaction_category() noexcept {
  static const ReactionCategory category;
  return category;
}

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

std::error_condition make_error_condition(reaction what) noexcept {
  return {static_cast<int>(what), reaction_category()};
}

}  // namespace probekit
