// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master that says only what a test tells it to: for an Agent's tests.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "probekit/event_loop.hpp"
#include "probekit/transport.hpp"
#include "protocol/codec.hpp"
#include "support/catch.hpp"

namespace probekit::test {

/// Takes one connection at a time. *Threads*: its methods from the test's thread.
class ScriptedMaster final : private AcceptObserver, private ConnectionObserver {
 public:
  explicit ScriptedMaster(std::unique_ptr<Listener> listener);
  ~ScriptedMaster() override;

  void send(const protocol::Message& message);
  void close(CloseCode code, const std::string& text);
  /// Connections so far.
  std::size_t connections() const;
  /// How the last connection ended; nothing while it is open.
  std::optional<CloseReason> closed() const;

  /// Messages of this type on the present connection, so far, in order.
  template <class T>
  std::vector<T> got() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    std::vector<T> found;
    for (const protocol::Message& message : messages_)
      if (const T* one = std::get_if<T>(&message)) found.push_back(*one);
    return found;
  }
  /// Items of all results on the present connection.
  std::vector<protocol::Results::Item> items() const;

 private:
  void on_connection(std::unique_ptr<Connection> connection) override;
  bool authorizes(std::string_view) override { return true; }
  bool admits(std::chrono::seconds&) override { return true; }
  void on_message(std::string message) override;
  void on_writable() override {}
  void on_closed(const CloseReason& reason) override;
  void on_loop(std::function<void()> work);

  EventLoop loop_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;  // the loop's
  mutable std::mutex mutex_;
  std::vector<protocol::Message> messages_;
  std::size_t connections_ = 0;
  std::optional<CloseReason> closed_;
};

/// A welcome with long intervals to the store `store`.
protocol::Welcome plain_welcome(std::vector<TaskId> wanted);
/// Tasks of kind `fake` with these ids and targets.
protocol::Tasks fake_tasks(const std::vector<std::uint64_t>& ids, const std::string& target);

}  // namespace probekit::test
