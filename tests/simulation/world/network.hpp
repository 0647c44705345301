// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Connections over a network that takes its time, and that the world can stall, cut and let go
/// silent. As TCP does, it keeps the order and loses nothing but a tail.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probekit/transport.hpp"
#include "protocol/messages.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

/// How the way between an agent and its master is.
struct Way {
  Time delay_min{0};
  Time delay_max{0};
  std::uint64_t bytes_per_second = 0;    ///< 0: no limit
  std::size_t window_bytes = 64 * 1024;  ///< sent and not read by the other side's process
};

/// Hears what both sides of all connections do, and may change what is sent: as a side with a bug
/// would have sent it.
class Tap {
 public:
  struct Line {
    std::uint64_t connection = 0;
    bool by_master = false;      ///< sent, read or closed by the master's side
    Machine* machine = nullptr;  ///< of that side
  };
  virtual ~Tap() = default;
  /// What really goes, in its order; by default the message itself.
  virtual std::vector<std::string> tamper(const Line& line, std::string message) = 0;
  virtual void on_sent(const Line& line, const protocol::Message& message, std::size_t bytes,
                       std::size_t held) = 0;
  /// Given to a connection that has ended, and nobody was told yet: it goes nowhere.
  virtual void on_dropped(const Line& line, const protocol::Message& message) = 0;
  virtual void on_read(const Line& line, const protocol::Message& message) = 0;
  virtual void on_closed(const Line& line, const CloseReason& reason) = 0;
};

class Network {
 public:
  Network(World& world, Tap& tap);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::unique_ptr<Listener> listener(Machine& master);
  std::unique_ptr<Connector> connector(Machine& agent);
  void set_way(const Machine& agent, Way way);

  // -- what goes wrong, for all connections of an agent's machine -------------------------------
  /// Nothing arrives for a while; then all does.
  void stall(const Machine& agent, Time until);
  /// Both sides are told that the connection is broken, if they can be reached.
  void cut(const Machine& agent);
  /// Nothing arrives any more, and nobody is told. One way only, when so wished.
  void silence(const Machine& agent, bool to_master, bool to_agent);
  /// No new connection comes about until then.
  void close_gate(const Machine& agent, Time until);
  /// A reading process takes so long for each message.
  void set_reading_time(const Machine& machine, Time time);
  void heal();
  /// Its process ends: the other sides hear of it, or not.
  void on_death(const Machine& machine, bool silent);

  struct End;
  struct Attempt;
  struct Hub;

 private:
  const std::shared_ptr<Hub> hub_;
};

}  // namespace probekit::simulation
