// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One libcurl multi handle on a ProbeLoop. *Threads*: the loop's. libcurl is never entered from
/// its own callbacks: what they ask for happens after they returned.

#include <memory>
#include <optional>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"

namespace probekit {

class CurlMultiUser {
 public:
  /// A transfer ended with a CURLcode; its handle is out of the multi and may be used again.
  virtual void on_transfer_end(void* easy, int code) = 0;
  /// libcurl returned: what its callbacks saw begin has been done by now.
  virtual void on_action_end() = 0;
  /// Whether the transfer's sockets are served before others.
  virtual bool is_urgent(void* easy) = 0;

 protected:
  ~CurlMultiUser() = default;
};

class CurlMulti {
 public:
  /// Throws std::bad_alloc. libcurl must have been initialised.
  CurlMulti(ProbeLoop& loop, CurlMultiUser& user);
  /// Every handle must have been removed.
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  /// Starts a transfer; it moves after this call. False: libcurl refused, and nothing follows.
  bool add(void* easy);
  /// Ends a transfer without on_transfer_end(). Not from libcurl's callbacks.
  void remove(void* easy);

 private:
  struct Calls;  // what libcurl calls

  void act(int fd, int events);
  void kick();
  void arm();
  void on_timer();

  ProbeLoop& loop_;
  CurlMultiUser& user_;
  void* multi_ = nullptr;
  bool kick_posted_ = false;
  std::optional<SteadyTime> due_;  // when libcurl wants to be called; the timer may be set earlier
  SteadyTime armed_for_{};
  TimerId timer_ = 0;
  std::shared_ptr<CurlMulti*> self_;  // null inside once destroyed: for what was posted
};

}  // namespace probekit
