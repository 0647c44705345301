// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The agent's end of probekit.v1, without connections, threads or clock. It lives as long as the
/// process: connections come and go, what the agent holds stays. Told what happened and what time
/// it is, it answers with events, with the next message to send and with when to be woken.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/task_queue.hpp"
#include "probekit/transport.hpp"
#include "protocol/backoff.hpp"
#include "protocol/codec.hpp"
#include "protocol/credit.hpp"
#include "protocol/heartbeats.hpp"
#include "protocol/lanes.hpp"
#include "protocol/messages.hpp"
#include "protocol/outbox.hpp"

namespace probekit::protocol {

struct AgentSessionOptions {
  std::string name;
  std::string instance;  ///< 128 random bits a process, hex
  std::string version;
  std::vector<Label> tags;
  std::vector<std::string> kinds;
  std::size_t concurrency = 512;
  std::size_t queue = 4096;
  std::size_t threads = 1;
  std::size_t outbox_bytes_max = 16 * 1024 * 1024;
  std::chrono::milliseconds backoff_min{500};
  std::chrono::milliseconds backoff_max{30'000};
};

class AgentSession {
 public:
  /// A message of results is filled to this: what a heartbeat waits behind at most, besides what
  /// the transport holds already.
  static constexpr std::size_t kDataBytesTarget = 32 * 1024;
  /// While more results are to come, the first waits this long for company; none of high priority
  /// does.
  static constexpr std::chrono::milliseconds kLinger{2};
  /// How long a task counts as held after it came back for its host.
  static constexpr std::chrono::milliseconds kHostBusyHold{1000};
  /// Without a byte from the master for this long before the welcome, the connection is given up.
  static constexpr std::chrono::milliseconds kWelcomeTimeout{30'000};
  /// A session that lasted this long makes the next wait to reconnect short again.
  static constexpr std::chrono::seconds kStable{5};
  /// What was sent beyond the credit and is not acknowledged as returned: at most the largest
  /// window of both classes and this, then the session ends. Credit is absolute: an honest master
  /// never overdraws.
  static constexpr std::size_t kOverdrawnMax = 1024;
  /// A name in use is asked for again no sooner than this.
  static constexpr std::chrono::seconds kNameInUseRetry{5};

  enum class Stage : std::uint8_t {
    disconnected,
    greeting,  ///< said hello, waits for the welcome
    resuming,  ///< waits for the rest of the wanted tasks
    active,
    closing,
  };

  // -- what the owner is to do ------------------------------------------------------------------
  struct Deliver {
    std::vector<Task> tasks;  ///< without host_key
  };
  /// Answer each with cancelled() when it ended so; its result or return may come instead.
  struct CancelTasks {
    std::vector<TaskId> tasks;
  };
  /// Take back what did not start, and answer with returned(..., draining).
  struct TakeBack {};
  struct Pause {
    bool paused = false;  ///< while true no probe may start
  };
  struct Close {
    CloseCode code = CloseCode::normal;
    std::string text;
    bool abort = false;
  };
  struct Welcomed {
    std::string session;
    std::string master;
    std::size_t resumed = 0;   ///< tasks still ours
    std::size_t unwanted = 0;  ///< tasks that are not any more
  };
  /// Another store: the tasks of the one before are dropped.
  struct StoreChanged {
    std::string before;
    std::string now;
    std::size_t dropped = 0;
  };
  struct Rejected {
    Reject reject;
  };
  struct Drained {};
  using Event = std::variant<Deliver, CancelTasks, TakeBack, Pause, Close, Welcomed, StoreChanged,
                             Rejected, Drained>;

  /// A result as append_result_item() wrote it.
  struct Finished {
    TaskId task;
    std::string item;
    std::size_t result_bytes = 0;
  };

  /// Throws std::invalid_argument when name, tags and kinds do not fit into a hello.
  /// `measure` fills in what heartbeats say of the agent itself. `random` outlives this.
  AgentSession(AgentSessionOptions options, RandomSource& random,
               std::function<void(Heartbeat&)> measure);

  // -- told: the connection ---------------------------------------------------------------------
  /// `is_queued` tells of a task held whether it has not started; called within this call only.
  void connected(SteadyTime now, std::uint64_t bytes_received,
                 const std::function<bool(TaskId)>& is_queued);
  void message(std::string_view text, SteadyTime now, SystemTime wall);
  void closed(SteadyTime now);
  /// `bytes_received`: the connection's count at this moment; `late`: how late this call is.
  void tick(SteadyTime now, std::uint64_t bytes_received, std::chrono::nanoseconds late);

  // -- told: the tasks --------------------------------------------------------------------------
  void finished(std::vector<Finished> results, SteadyTime now);
  void returned(TaskId task, Returned why, SteadyTime now);
  void cancelled(TaskId task, SteadyTime now) { returned(task, Returned::cancelled, now); }

  /// Takes no new tasks, gives back and finishes what it has, then closes: Drained follows, at once
  /// when nothing is held and nothing connected.
  void drain(SteadyTime now);

  // -- answers ----------------------------------------------------------------------------------
  std::vector<Event> take_events() { return std::exchange(events_, {}); }
  /// The next message for a transport with this room, or nothing. Any room is enough.
  std::optional<std::string> next_message(std::size_t room, SteadyTime now, SystemTime wall);
  /// The next moment after `now` at which tick() or next_message() may have something to do.
  std::optional<SteadyTime> next_wakeup(SteadyTime now) const;
  /// How long to wait after a connection ended or could not be made; `told`: what the transport
  /// heard the server ask for.
  std::chrono::milliseconds reconnect_delay(std::chrono::seconds told);

  Stage stage() const noexcept { return stage_; }
  bool draining() const noexcept { return draining_; }
  const std::string& session() const noexcept { return session_; }
  std::size_t held() const noexcept;
  std::size_t unacknowledged() const noexcept { return outbox_.size(); }
  std::uint64_t received_total() const noexcept { return received_total_; }
  std::uint64_t results_total() const noexcept { return results_total_; }
  const Heartbeats& heartbeats() const noexcept { return beats_; }
  /// The master's last heartbeat of this session; its seq is 0 before the first.
  const Heartbeat& heard() const noexcept { return heard_; }
  /// Bytes that wait here for the transport; results that wait for their window not among them.
  std::size_t unsent_bytes() const noexcept { return lanes_.bytes(); }
  /// Items on the wire and not acknowledged, and since when the oldest waits.
  std::size_t sent_unacknowledged() const noexcept { return outbox_.sent(); }
  SteadyTime oldest_unacknowledged() const noexcept { return outbox_.oldest_sent(); }
  /// When the last byte came, as far as tick() was told.
  SteadyTime last_life() const noexcept { return liveness_.last(); }

 private:
  enum class State : std::uint8_t {
    held,        // the executor has it
    cancelling,  // the same, and the master asked to end it
    dropping,    // the same, and the master does not want it
    forgotten,   // the same, and nobody wants to hear of it
    orphan,      // forgotten, of another store: its id may mean another task now
    busy,        // came back for its host, and counts as held for a while
    finished,    // its result is in the outbox
  };
  static constexpr std::size_t kStates = 7;
  struct Entry {
    std::uint32_t attempt = 1;
    State state = State::held;
    bool high = false;
    bool listed = false;  // in the held messages of this session
  };
  using Table = std::unordered_map<TaskId, Entry>;
  struct BusyTask {
    TaskId task;
    SteadyTime until;
  };

  void handle(Welcome& welcome, SteadyTime now);
  void handle(Wanted& wanted, SteadyTime now);
  void handle(Reject& reject);
  void handle(Tasks& tasks, SteadyTime now);
  void handle(const Cancel& cancel, SteadyTime now);
  void handle(const Heartbeat& beat, SteadyTime now, SystemTime wall);
  void acknowledge(std::uint64_t seq);
  void resume(SteadyTime now);
  void drop_store(std::string before);
  void drop_unwanted(SteadyTime now);

  Table::iterator erase(Table::iterator entry);
  void set_state(Entry& entry, State state);
  std::size_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }
  std::uint64_t occupied(bool high) const noexcept { return held_[high] + unacked_[high]; }
  void push(Outbox::Item item);
  void push_returned(TaskId task, std::uint32_t attempt, bool high, Returned why, SteadyTime now);
  std::size_t overdrawn_max() const noexcept;
  bool take_wanted(const std::vector<TaskId>& tasks);
  void release(const std::vector<Outbox::Item>& items);

  void fail(CloseCode code, std::string text);
  void update(SteadyTime now);
  void check_drained();
  bool talks() const noexcept { return stage_ != Stage::disconnected && stage_ != Stage::closing; }
  bool data_ready(SteadyTime now) const noexcept;
  std::string write_heartbeat(SteadyTime now, SystemTime wall);
  std::string write_held();
  Hello hello() const;

  const AgentSessionOptions options_;
  std::function<void(Heartbeat&)> measure_;
  Stage stage_ = Stage::disconnected;
  std::vector<Event> events_;

  // What lives as long as the process.
  Table tasks_;
  std::array<std::size_t, kStates> counts_{};
  std::array<std::uint64_t, 2> held_{};     // by class, [1] is high: all states but finished
  std::array<std::uint64_t, 2> unacked_{};  // items in the outbox
  std::size_t overdrawn_ = 0;               // of those, sent beyond the credit
  std::deque<BusyTask> busy_;               // in order of `until`
  Outbox outbox_;
  RecentCount recent_;  // results of class other
  Backoff backoff_;
  std::string store_;
  std::chrono::milliseconds resume_grace_{0};
  std::chrono::milliseconds asked_wait_{0};
  bool paused_ = false;
  bool draining_ = false;
  bool drained_ = false;
  std::uint64_t received_total_ = 0;
  std::uint64_t results_total_ = 0;

  // What lives as long as a session.
  std::string session_;
  std::string master_;
  std::optional<SteadyTime> welcomed_at_;
  Lanes lanes_;
  Heartbeats beats_;
  Heartbeat heard_;
  Liveness liveness_;
  CreditGranter credit_;
  bool credit_due_ = false;
  bool credit_begun_ = false;
  std::uint64_t resent_by_ = 0;  // results of before go up to this number
  std::uint64_t received_ = 0;   // tasks
  std::uint64_t results_window_ = kResultsBytesMin;
  std::vector<Held::Item> held_list_;
  std::size_t held_sent_ = 0;
  bool held_done_ = true;
  std::unordered_set<TaskId> wanted_;
};

}  // namespace probekit::protocol
