// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Both ends of transports for tests: peers that record what they hear and check on which thread
/// and when, a door that lets them in, and loops to live on.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "probekit/event_loop.hpp"
#include "probekit/transport.hpp"

namespace probekit::test {

/// Runs `function` on the loop and returns when it is done; directly when called there, and when
/// the loop has ended.
void run_on(EventLoop& loop, const std::function<void()>& function);

/// Holds a loop inside one function until opened, as a thread that computes or waits would.
class Gate {
 public:
  explicit Gate(EventLoop& loop);
  ~Gate() { open(); }
  void open();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// One end of a connection. Its methods may be called from the test's thread.
class Peer final : public ConnectionObserver {
 public:
  Peer(EventLoop& loop, std::unique_ptr<Connection> connection);
  /// Fails the test when a callback came on a wrong thread, inside a call, or after the end.
  ~Peer() override;

  void start();
  void send(std::string message);
  /// All in one go, whatever the room.
  void send_all(std::vector<std::string> messages);
  /// As a good sender does: while there is room, again when told of room.
  void send_paced(std::deque<std::string> messages);
  void close(CloseCode code, const std::string& text);
  void abort(CloseCode code, const std::string& text);
  void destroy();
  std::size_t send_room();
  ConnectionFacts facts();
  Connection* connection() { return connection_.get(); }  ///< on the loop

  std::size_t count() const;
  std::uint64_t bytes() const;
  std::vector<std::string> messages() const;
  int writable_calls() const;
  std::optional<CloseReason> closed() const;
  CloseReason wait_closed(std::chrono::milliseconds timeout = std::chrono::seconds(15)) const;
  void wait_count(std::size_t count) const;

  /// Run at the end of the callback, on the loop. Set before start().
  std::function<void()> then_message;
  std::function<void()> then_writable;
  std::function<void()> then_closed;

 private:
  void on_message(std::string message) override;
  void on_writable() override;
  void on_closed(const CloseReason& reason) override;

  void call(const std::function<void(Connection&)>& function);
  void note(const char* callback);
  void pump();

  EventLoop& loop_;
  std::unique_ptr<Connection> connection_;
  bool calling_ = false;             // on the loop
  std::deque<std::string> waiting_;  // on the loop

  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
  std::uint64_t bytes_ = 0;
  int writable_calls_ = 0;
  std::optional<CloseReason> closed_;
  bool started_ = false;
  std::string violations_;
};

/// Lets newcomers in and keeps them.
class Door final : public AcceptObserver {
 public:
  explicit Door(EventLoop& loop) : loop_(loop) {}

  /// The next one who came, started unless told otherwise.
  std::unique_ptr<Peer> take();
  std::size_t waiting() const;

  // Set on the loop, or before it listens.
  bool open = true;
  bool start = true;
  std::chrono::seconds retry_after{0};
  std::function<void()> then_connection;

 private:
  void on_connection(std::unique_ptr<Connection> connection) override;
  bool authorizes(std::string_view) override { return true; }
  bool admits(std::chrono::seconds& retry_after) override;

  EventLoop& loop_;
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<Peer>> peers_;
};

/// What connect() came to.
struct Connected {
  std::unique_ptr<Peer> peer;  ///< not started; null when it failed
  std::error_code error;
  std::string text;
};

/// Calls connect() on the loop and waits for its end; checks that it is told later, on the loop.
Connected connect_and_wait(EventLoop& loop, Connector& connector);

/// A loop that runs.
std::unique_ptr<EventLoop> make_running_loop(const std::string& name);

}  // namespace probekit::test
