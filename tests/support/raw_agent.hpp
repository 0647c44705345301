// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An agent played by hand: a connection that says what the test tells it, true or not, and keeps
/// what the master answers.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "probekit/event_loop.hpp"
#include "probekit/transport.hpp"
#include "protocol/messages.hpp"
#include "support/run_until.hpp"

namespace probekit::test {

/// A result object that passed.
std::string passed_result();

/// *Threads*: the test's; the connection lives on a loop of its own.
class RawAgent final : private ConnectionObserver {
 public:
  explicit RawAgent(std::unique_ptr<Connector> connector);
  ~RawAgent() override;

  /// Waits until the connection is open.
  void connect();
  void say(const protocol::Message& message);
  void say_text(std::string text);
  /// Ends the connection as a cut would.
  void cut();
  void close(CloseCode code);

  static protocol::Hello hello(std::string name, std::string instance, std::uint64_t holds = 0);
  /// Connects, says hello and what it holds, and waits for the welcome, with all that is wanted.
  protocol::Welcome join(std::string name, std::string instance = "one",
                         std::vector<protocol::Held::Item> held = {}, std::string store = {});
  void grant(std::uint64_t high, std::uint64_t other);
  /// Says how each of these tasks passed, in one message.
  void pass(const std::vector<protocol::Tasks::Item>& tasks);
  void give_back(const std::vector<protocol::Tasks::Item>& tasks, protocol::Returned why);
  void say_items(std::vector<protocol::Results::Item> items);

  /// Waits for the next message of this type; others before it are dropped.
  template <class T>
  T wait_for() {
    std::optional<T> found;
    run_until([&] {
      found = find<T>();
      return found.has_value();
    });
    return std::move(*found);
  }
  /// Waits until it got so many tasks since the last call.
  std::vector<protocol::Tasks::Item> wait_for_tasks(std::size_t count);
  /// Tasks that came and were not asked for yet.
  std::size_t tasks_waiting();
  /// Waits for an ack up to here, in an ack or in a heartbeat.
  void wait_for_ack(std::uint64_t seq);
  CloseReason wait_for_close();
  bool is_closed();

 private:
  template <class T>
  std::optional<T> find() {
    const std::lock_guard<std::mutex> lock{mutex_};
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      auto* const one = std::get_if<T>(&messages_[i]);
      if (one == nullptr) continue;
      T found = std::move(*one);
      messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(i + 1));
      return found;
    }
    return std::nullopt;
  }

  void on_message(std::string message) override;
  void on_writable() override {}
  void on_closed(const CloseReason& reason) override;

  EventLoop loop_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Connection> connection_;  // the loop's
  std::uint64_t next_seq_ = 1;

  std::mutex mutex_;
  bool open_ = false;                         // under mutex_
  std::vector<protocol::Message> messages_;   // under mutex_, without tasks and acks
  std::vector<protocol::Tasks::Item> tasks_;  // under mutex_
  std::uint64_t acked_ = 0;                   // under mutex_
  std::optional<CloseReason> closed_;         // under mutex_
};

}  // namespace probekit::test
