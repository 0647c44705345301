// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The master's end of one connection to an agent, without the connection: told what arrived and
/// what time it is, it says what happened, what to send and when to be woken. It keeps the counts
/// that both sides must agree on, and closes when they do not. *Threads*: one.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "probekit/transport.hpp"
#include "protocol/codec.hpp"
#include "protocol/heartbeats.hpp"
#include "protocol/lanes.hpp"
#include "protocol/messages.hpp"

namespace probekit::protocol {

/// Waits count as a year at most.
struct MasterSessionOptions {
  std::string master;  ///< its name
  std::string store;   ///< id of the store
  std::uint64_t results_bytes = 1024 * 1024;
  std::chrono::milliseconds time_to_first_message{10'000};
  std::chrono::milliseconds opening_time{0};             ///< of it, that has passed already
  std::chrono::milliseconds heartbeat_interval{15'000};  ///< jittered by a tenth
  std::chrono::milliseconds dead_after{60'000};
  std::chrono::milliseconds resume_grace{30'000};
};

/// What a hello may claim: those of the largest agent that AgentOptions allow.
constexpr std::uint64_t kCapacityTasksMax = 65'536 + 1'048'576;
constexpr std::uint64_t kCapacityHighMax = 2 * 65'536;

class PROBEKIT_EXPORT MasterSession {
 public:
  /// Messages of tasks are filled to this. A message leaves while the transport has any room, so
  /// it is in the transport's hands with less than Connection::kSendRoom before it, and a heartbeat
  /// waits behind 96 KiB at most.
  static constexpr std::size_t kDataBytesTarget = 32 * 1024;

  enum class Stage : std::uint8_t {
    opening,    ///< waits for hello
    holding,    ///< waits for the rest of what the agent holds
    admitting,  ///< waits for welcome() or reject()
    active,
    closing,
  };

  // -- what happened ----------------------------------------------------------------------------
  /// Answer with welcome() or reject().
  struct HelloArrived {
    Hello hello;
    std::vector<Held::Item> held;  ///< empty when they are tasks of another store
  };
  /// Answer with on_committed(last) once all are recorded.
  struct ResultsArrived {
    std::vector<Results::Item> items;
    std::uint64_t last = 0;   ///< sequence number of the last one
    std::uint64_t bytes = 0;  ///< what they count in the results window
  };
  struct CreditArrived {};
  struct HeartbeatArrived {
    Heartbeat beat;
  };
  struct DrainArrived {};
  using Event =
      std::variant<HelloArrived, ResultsArrived, CreditArrived, HeartbeatArrived, DrainArrived>;

  /// Why and how to end the connection. Send what next_message() still gives, then close.
  struct Closing {
    CloseCode code = CloseCode::normal;
    std::string text;
    bool abort = false;  ///< the peer will not answer a closing handshake
  };

  MasterSession(MasterSessionOptions options, RandomSource& random, SteadyTime now);

  // -- told -------------------------------------------------------------------------------------
  void on_message(std::string_view text, SteadyTime now, SystemTime system_now);
  /// All bytes received so far: life, even when no message is complete.
  void on_bytes_received(std::uint64_t total, SteadyTime now);
  void on_wakeup(SteadyTime now);
  void on_committed(std::uint64_t last);

  // -- decided by its owner ---------------------------------------------------------------------
  void welcome(std::string session, std::uint64_t epoch, const std::vector<TaskId>& wanted,
               SteadyTime now);
  void reject(std::string reason, std::string detail, std::chrono::milliseconds retry_after);
  void close(CloseCode code, std::string text);
  /// Sends a heartbeat as soon as there is room: is anybody there?
  void ask_for_life(SteadyTime now);
  /// At least kResultsBytesMin; told in heartbeats.
  void set_results_bytes(std::uint64_t bytes, SteadyTime now);
  /// LeasedTask or the like, of one class; at most room(high) of them.
  template <class Range>
  void send_tasks(const Range& tasks, bool high, SteadyTime now);
  void cancel(const std::vector<TaskId>& tasks);

  // -- answers ----------------------------------------------------------------------------------
  /// What happened since the last call, in order.
  std::vector<Event> take_events() { return std::exchange(events_, {}); }
  std::optional<SteadyTime> next_wakeup() const;
  /// What heartbeats say of the master itself; asked for while a heartbeat is due.
  bool wants_facts(SteadyTime now) const noexcept { return beats_.due(now); }
  void set_facts(std::int64_t loop_lag_us, std::int64_t cpu_us, const ConnectionFacts& facts);
  /// The next message, given the transport's room; empty: none now.
  std::string next_message(std::size_t room, SteadyTime now, SystemTime system_now);
  const std::optional<Closing>& closing() const noexcept { return closing_; }
  /// Tasks given to send_tasks() that no message took away yet; they are dropped here.
  std::vector<TaskId> take_unsent();

  Stage stage() const noexcept { return stage_; }
  const Hello& hello() const noexcept { return hello_; }
  bool draining() const noexcept { return draining_; }
  /// How many tasks more the agent would take.
  std::uint64_t room(bool high) const noexcept;
  /// What waits here.
  std::size_t unsent_bytes() const noexcept { return lanes_[0].bytes() + lanes_[1].bytes(); }
  SteadyTime last_life() const noexcept { return last_life_; }
  /// To add to the agent's clock for the master's; 0 until known.
  std::chrono::microseconds clock_offset() const noexcept {
    return -beats_.clock_offset().value_or(std::chrono::microseconds{0});
  }
  bool knows_clock_offset() const noexcept { return beats_.clock_offset().has_value(); }
  std::chrono::microseconds rtt() const noexcept {
    return beats_.rtt().value_or(std::chrono::microseconds{0});
  }

 private:
  struct Unacked {
    std::uint64_t last;
    std::uint64_t bytes;
    bool committed;
  };
  struct Grant {
    std::uint64_t credit = 0;  // the agent's total
    std::uint64_t given = 0;   // by send_tasks()
    std::uint64_t capacity = 0;
  };

  void handle(Hello& hello, SteadyTime now);
  void handle(Held& held);
  void handle(Results& results);
  void handle(Heartbeat& beat, SteadyTime now, SystemTime system_now);
  void handle(const Credit& credit);
  void all_held();
  void close_when_dead(SteadyTime now);
  void violate(std::string text);
  void push_control(const Message& message);
  void push_data(Packed packed, std::vector<TaskId> tasks, bool high, SteadyTime now);
  std::string write_heartbeat(SteadyTime now, SystemTime system_now);

  const MasterSessionOptions options_;
  Stage stage_ = Stage::opening;
  std::optional<Closing> closing_;
  std::vector<Event> events_;

  Hello hello_;
  std::vector<Held::Item> held_;
  SteadyTime hello_by_;
  SteadyTime held_by_{};
  SteadyTime last_life_;
  std::uint64_t bytes_received_ = 0;

  // A heartbeat overtakes control, control overtakes data, high overtakes the rest.
  std::array<Lanes, 2> lanes_;  // control and high; other

  std::array<Grant, 2> grants_;  // high, other
  bool draining_ = false;

  std::uint64_t results_bytes_;
  std::uint64_t results_bytes_told_;  // the largest ever
  std::uint64_t received_ = 0;        // results
  std::deque<Unacked> unacked_;
  std::uint64_t unacked_bytes_ = 0;
  std::uint64_t committed_ = 0;
  bool ack_due_ = false;

  Heartbeats beats_;
  bool beat_waits_ = false;  // due, and no room for it
  Heartbeat own_;            // the facts of the next heartbeat
};

template <class Range>
void MasterSession::send_tasks(const Range& tasks, bool high, SteadyTime now) {
  TasksWriter writer{kDataBytesTarget};
  for (const auto& one : tasks) {
    writer.add(one.task, one.attempt, one.options, one.left, one.target);
  }
  auto task = tasks.begin();
  for (Packed& packed : writer.take()) {
    std::vector<TaskId> ids;
    ids.reserve(packed.items);
    for (std::size_t i = 0; i < packed.items; ++i, ++task) ids.push_back(task->task);
    push_data(std::move(packed), std::move(ids), high, now);
  }
}

}  // namespace probekit::protocol
