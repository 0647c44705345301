// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One question on its way to one server, and what can become of it.

#include <cstdint>
#include <string>
#include <string_view>

#include "probekit/address_policy.hpp"
#include "probekit/export.hpp"

namespace probekit {

enum class DnsOutcome : std::uint8_t {
  answered,      ///< `packet` is a whole message that answers the question; its rcode may be any
  unreachable,   ///< the server's host or port said no, or there is no route
  cut_off,       ///< the TCP connection ended before the answer
  bad_question,  ///< the name cannot be asked for
  agent_fault,   ///< no descriptor, port or memory here
};

struct DnsReply {
  DnsOutcome outcome = DnsOutcome::answered;
  bool tcp = false;
  /// The answer is as long as a UDP answer may be here, so what does not decode was cut.
  bool at_limit = false;
  int os_error = 0;         ///< errno behind unreachable and agent_fault; 0 where there is none
  std::string_view packet;  ///< valid during the call
};

/// Owned by whoever asks; abandon it before it is destroyed.
class DnsQuery {
 public:
  DnsQuery() = default;
  DnsQuery(const DnsQuery&) = delete;
  DnsQuery& operator=(const DnsQuery&) = delete;

  /// Once for each DnsClient::ask() that was not abandoned, and never inside it. May ask again.
  virtual void on_reply(const DnsReply& reply) = 0;

 protected:
  ~DnsQuery() = default;

 private:
  friend class DnsClient;
  friend class DnsChannel;

  enum class State : std::uint8_t { idle, waiting, asked, deferred };
  State state_ = State::idle;
  bool tcp_ = false;
  bool asked_plain_ = false;
  std::uint16_t type_ = 0;
  Address server_;
  std::string name_;
  class DnsChannel* channel_ = nullptr;
  void* slot_ = nullptr;
};

/// What happened, for a failure message: "connection refused".
PROBEKIT_EXPORT std::string describe(const DnsReply& reply);

}  // namespace probekit
