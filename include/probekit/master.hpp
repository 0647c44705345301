// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master: takes batches, keeps their ledger, leases tasks to the agents that have credit and
/// records every result. Its agents live on one IO thread; any thread may submit and read.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/error.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/executor.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/stores.hpp"
#include "probekit/task.hpp"
#include "probekit/token_set.hpp"
#include "probekit/transport.hpp"

namespace probekit {

struct MasterOptions {
  // behaviour
  std::string name;  ///< stable identity, 1 to 64 of A-Z a-z 0-9 . _ -; empty: the host's name
  ProbeKinds kinds;  ///< that specs may name
  /// Who may come over a network, and under which names; null: anyone, under any. A token that is
  /// taken out ends the sessions of those who came with it.
  std::shared_ptr<const TokenSet> agent_tokens;
  // limits
  std::size_t send_buffer_limit = 1024 * 1024;  ///< unsent bytes to one agent
  /// Window of unacknowledged results an agent may send, 128 KiB at least.
  std::size_t results_bytes = 1024 * 1024;
  /// Results waiting for the store, of all agents together: their windows are kept within it, but
  /// for 128 KiB that every agent has. So it is at most this and 128 KiB for each agent connected
  /// (1 MiB, one message, for each that does not keep to its window).
  std::size_t uncommitted_bytes_max = 64 * 1024 * 1024;
  std::size_t handshakes_per_second = 500;
  /// Connections that have not said hello; at it the oldest is closed for the newest.
  std::size_t newcomers_max = 1024;
  // timing
  /// 1 ms to 1 h, from a connection's arrival; also give a listener no longer to open it.
  std::chrono::milliseconds time_to_first_message{10'000};
  std::chrono::milliseconds heartbeat_interval{15'000};  ///< to 10 min; jittered by a tenth
  std::chrono::milliseconds dead_after{60'000};    ///< twice heartbeat_interval at least, to 1 h
  std::chrono::milliseconds resume_grace{30'000};  ///< 0 to 24 h
  // injected; null: the default
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<RandomSource> random;
  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
};

/// Tasks submitted together.
struct BatchRequest {
  std::string name;                  ///< for people; at most 256 bytes of UTF-8
  std::vector<std::string> targets;  ///< probed with `options`
  std::vector<ProbeSpec> specs;      ///< with their own options
  /// For `targets`; an empty kind follows from each target. Priority low, deadline 24 h by default.
  ProbeOptions options = [] {
    ProbeOptions defaults;
    defaults.priority = Priority::low;
    return defaults;
  }();
  Selector agents;
  /// More may follow: see Batch::extend(). It may be empty then. After an hour without, it closes
  /// itself.
  bool open = false;
};

enum class BatchState : std::uint8_t { open, running, done, cancelled };
PROBEKIT_EXPORT std::string_view to_string(BatchState state) noexcept;

struct BatchSnapshot {
  std::string id;
  std::string name;
  BatchState state = BatchState::running;
  Ledger ledger;
  std::uint64_t rejected = 0;
  SystemTime created_at{};
  std::optional<SystemTime> finished_at;
  double tasks_per_second = 0;
  std::optional<std::chrono::milliseconds> eta;
};

/// Lines of a batch, as text, from a cursor on.
struct ResultPage {
  std::string lines;  ///< NDJSON
  std::size_t count = 0;
  std::string next;  ///< cursor; empty on the last page of a finished batch
};

class Master;
class Batch;
class Upload;
class Schedule;
struct MasterAccess;
struct MasterCore;
struct ResultSource;

/// Iterates over results as they are recorded; blocks for the next one, ends with the batch. A line
/// that cannot be read is yielded as one that failed with `internal`, and says why. Single pass,
/// one thread.
class PROBEKIT_EXPORT ResultRange {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = TaskResult;
    using difference_type = std::ptrdiff_t;
    using pointer = const TaskResult*;
    using reference = const TaskResult&;

    iterator() = default;
    explicit iterator(ResultRange* range) : range_(range) {}
    reference operator*() const { return range_->current(); }
    pointer operator->() const { return &range_->current(); }
    iterator& operator++() {
      if (!range_->advance()) range_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) { return a.range_ == b.range_; }
    friend bool operator!=(const iterator& a, const iterator& b) { return !(a == b); }

   private:
    ResultRange* range_ = nullptr;
  };

  ~ResultRange();
  ResultRange(ResultRange&&) noexcept;
  ResultRange& operator=(ResultRange&&) noexcept;

  iterator begin();
  iterator end() { return iterator{}; }
  /// Why it ended early: the master stopped, the batch was forgotten. Empty: it ended with the
  /// batch.
  const std::optional<Error>& error() const noexcept;

 private:
  friend class Batch;
  friend class Schedule;
  struct Impl;
  explicit ResultRange(std::unique_ptr<Impl> impl);
  static ResultRange over(std::shared_ptr<MasterCore> core, ResultSource source);
  bool advance();
  const TaskResult& current() const noexcept;

  std::unique_ptr<Impl> impl_;
};

/// A handle on a batch; cheap to copy. It may outlive the master: what would have to wait then
/// answers `closed`, the rest goes on. *Threads*: safe to share. Calls that answer at once block
/// for the store only.
class PROBEKIT_EXPORT Batch {
 public:
  const std::string& id() const noexcept;
  Expected<BatchSnapshot> info() const;
  Ledger ledger() const;
  ResultRange results() const;
  /// One page; when there is nothing yet it waits up to `wait`. `done` runs once, on the Executor,
  /// or inside Master::stop() when that comes first; with `closed` then and for a call made after
  /// it. `after`: a page's `next`, empty for the start. `limit` 1 to 10000.
  void read_results(std::string after, std::size_t limit, std::chrono::milliseconds wait,
                    std::function<void(Expected<ResultPage>)> done) const;
  /// None of it is given to an agent any more. Queued tasks end at once (of a very large batch some
  /// 10,000 do, and the rest within a second or so); those in flight when their agent, which is
  /// told right away, confirms or is lost, or after 10 s.
  Expected<BatchSnapshot> cancel() const;

  /// More into a batch that is open; of the request, the targets, specs, options and agents. All or
  /// nothing; their deadlines begin now. Returns how many tasks they are. *Errors*: batch_closed;
  /// otherwise as Master::submit().
  Expected<std::uint64_t> add(const BatchRequest& request) const;
  /// The same bit by bit; takes `options` and `agents` of the request alone. *Errors*:
  /// batch_closed, also from the upload's commit(); otherwise as Master::open_upload().
  Expected<Upload> extend(const BatchRequest& request) const;
  /// Takes no more: it is done once every task has ended. Idempotent. *Errors*: not_found once it
  /// has been forgotten.
  Expected<BatchSnapshot> close() const;

 private:
  friend class Master;
  friend class Upload;
  struct Impl;
  explicit Batch(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

/// A batch that is being filled; all or nothing. Destroyed without commit() it leaves nothing.
/// *Threads*: one at a time.
class PROBEKIT_EXPORT Upload {
 public:
  ~Upload();
  Upload(Upload&&) noexcept;
  Upload& operator=(Upload&&) noexcept;

  /// One target with the request's options. *Errors*: invalid_argument (this one is not taken, the
  /// others stay), store_full (nothing can be added), store_failed.
  Expected<void> add(std::string_view target);
  Expected<void> add(ProbeSpec spec, const Selector& agents);
  std::uint64_t accepted() const noexcept;
  /// Makes the tasks count and dispatches them. `rejected`: lines the caller refused, for the
  /// ledger.
  Expected<Batch> commit(std::uint64_t rejected);

 private:
  friend class Master;
  friend class Batch;
  struct Impl;
  explicit Upload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Targets probed again and again: each once an interval, all of them spread evenly over it.
struct ScheduleRequest {
  std::chrono::milliseconds interval{60'000};  ///< 1 s to 366 days
  bool enabled = true;                         ///< false: no new runs
  std::vector<std::string> targets;            ///< probed with `options`
  std::vector<ProbeSpec> specs;                ///< with their own options
  /// For `targets`; an empty kind follows from each. Deadline: the interval and the timeout, from
  /// the start of a run, and 2 s beyond the timeout at least.
  ProbeOptions options;
  Selector agents;  ///< of each run; `all` are those connected when it is due
};

struct ScheduleSnapshot {
  std::string name;
  std::chrono::milliseconds interval{0};
  bool enabled = true;
  std::size_t targets = 0;
  SystemTime created_at{};
  SystemTime updated_at{};
  std::optional<SystemTime> next_at;  ///< its next run; empty while it is disabled
  Ledger ledger;                      ///< of all its runs, those forgotten too
  /// Tasks that ended `missed`, and runs a line stands for that nobody looked at in time.
  std::uint64_t missed = 0;
};

/// A handle on a schedule, by its name; cheap to copy. It may outlive the master as a Batch may.
/// *Threads*: safe to share.
class PROBEKIT_EXPORT Schedule {
 public:
  const std::string& name() const noexcept;
  /// *Errors*: not_found once it was removed.
  Expected<ScheduleSnapshot> info() const;
  /// As of a batch, from the oldest line that is kept on; it ends when the schedule is removed
  /// (`not_found`) or the master stops.
  ResultRange results() const;
  /// As Batch::read_results(), but there is never a last page.
  void read_results(std::string after, std::size_t limit, std::chrono::milliseconds wait,
                    std::function<void(Expected<ResultPage>)> done) const;

 private:
  friend class Master;
  struct Impl;
  explicit Schedule(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

struct LastDisconnect {
  SystemTime at{};
  std::string reason;
  Diagnosis diagnosis;
  std::uint64_t requeued = 0;  ///< its tasks given back to the queue since
};

/// One agent as the master sees it; a lost one stays listed.
struct AgentSnapshot {
  std::string name;
  std::string instance;
  std::vector<Label> tags;
  std::vector<std::string> kinds;
  std::string version;
  std::string master;
  bool connected = false;
  bool draining = false;
  std::string session;
  std::uint64_t credit_high = 0;  ///< tasks it would take now
  std::uint64_t credit_other = 0;
  std::size_t queued = 0;       ///< held by it, not started
  std::size_t in_flight = 0;    ///< leased to it
  double tasks_per_second = 0;  ///< results, over the last 10 s
  std::uint64_t results = 0;    ///< of all its sessions, repeated ones included
  /// Of its wall clock as it was when the agent started.
  std::int64_t clock_offset_ms = 0;
  std::chrono::microseconds heartbeat_rtt{0};
  std::chrono::milliseconds heartbeat_age{0};      ///< since the last one arrived
  std::chrono::milliseconds heartbeat_gap_max{0};  ///< longest time between two, this session
  std::chrono::microseconds loop_lag{0};
  // By its last heartbeat:
  std::size_t slots = 0;  ///< its concurrency
  std::size_t slots_busy = 0;
  double cpu_cores = 0;                        ///< used, between two heartbeats
  std::chrono::milliseconds queue_age{0};      ///< of the oldest task it has not started
  std::size_t waiting_for_host = 0;            ///< of `queued`
  std::optional<ProbeWaits> waits;             ///< of its running probes; empty: not told
  std::optional<LocalFailures> failures;       ///< since it started; empty: not told
  std::uint64_t unacked = 0;                   ///< its results that were not acknowledged then
  std::chrono::milliseconds unacked_age{0};    ///< of the oldest
  ConnectionFacts connection;                  ///< the master's end
  std::optional<SocketFacts> agent_socket;     ///< the agent's own; empty: not told
  bool direct = false;                         ///< both are ends of one TCP connection
  std::chrono::milliseconds last_received{0};  ///< ago
  std::chrono::milliseconds stalled{0};
  Diagnosis diagnosis;
  std::optional<LastDisconnect> last_disconnect;
};

struct MasterStatus {
  std::string version;
  std::string name;
  std::string store;  ///< "memory", "sqlite"
  std::string store_id;
  /// Why the store grants no work and takes none at the moment; empty: it does.
  std::string store_trouble;
  Ledger ledger;  ///< since the store began, forgotten batches included
  std::uint64_t queued_max = 0;
  std::uint64_t results_kept_max = 0;
  std::size_t agents_connected = 0;
  LoopLag loop_lag;
  std::chrono::microseconds store_latency_p50{0};
  std::chrono::microseconds store_latency_p99{0};
  std::chrono::milliseconds store_waits{0};  ///< how long the oldest call has no answer
  std::uint64_t uncommitted_bytes = 0;       ///< of results that wait for the store
  double loop_cpu = 0;                       ///< share of a core the IO thread used of late
  /// Connected agents by their verdict.
  std::array<std::size_t, kDiagnosisVerdicts> agents_diagnosed{};
  std::uint64_t results_duplicate = 0;       ///< repeated: acknowledged, counted, dropped
  std::uint64_t results_unknown = 0;         ///< of tasks nobody knows: likewise
  std::uint64_t returns_not_held = 0;        ///< tasks returned by who did not have them: likewise
  std::uint64_t results_malformed = 0;       ///< unusable: the task ended with failure internal
  std::uint64_t newcomers_unauthorized = 0;  ///< answered 401
  std::uint64_t newcomers_deferred = 0;      ///< answered 429
  std::uint64_t newcomers_dropped = 0;       ///< closed before hello: silent, slow, or in the way
  bool draining = false;
  Diagnosis diagnosis;
};

/// Callbacks run on MasterOptions::executor, exactly once each. stop() ends what is under way: it
/// runs the callbacks that wait, on its own thread, before it returns. A call made after stop() is
/// answered at once with `closed`, on the Executor.
/// *Threads*: all calls from any thread, callbacks too; none from the IO thread.
class PROBEKIT_EXPORT Master {
 public:
  /// Throws std::invalid_argument naming the option that is wrong.
  Master(std::shared_ptr<TaskStore> store, MasterOptions options);
  explicit Master(std::shared_ptr<TaskStore> store);
  /// Calls stop().
  ~Master();
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  /// Returns the URL agents connect to. Several listeners may be given. *Errors*:
  /// invalid_argument for null, closed, what the listener's start() says.
  Expected<std::string> listen(std::unique_ptr<Listener> listener);

  /// *Errors*: invalid_argument (names the target and the fault; nothing is accepted), store_full,
  /// draining, store_failed.
  Expected<Batch> submit(const BatchRequest& request);
  /// For lists that arrive bit by bit. *Errors*: as submit().
  Expected<Upload> open_upload(const BatchRequest& request);
  /// *Errors*: not_found.
  Expected<Batch> batch(const std::string& id) const;

  /// Makes a schedule, or changes the one of this name: runs in hand and lines stay, and, where the
  /// interval stays, the times of targets that stay. *Errors*: invalid_argument (names the field,
  /// or the target and its fault; nothing is changed), store_full, draining, store_failed.
  Expected<Schedule> put_schedule(const std::string& name, const ScheduleRequest& request);
  /// *Errors*: not_found.
  Expected<Schedule> schedule(const std::string& name) const;
  /// By name.
  std::vector<ScheduleSnapshot> schedules() const;
  /// No new runs; those in hand end as they end; its lines are gone. Returns what it was.
  /// *Errors*: not_found.
  Expected<ScheduleSnapshot> remove_schedule(const std::string& name);
  std::vector<AgentSnapshot> agents() const;
  MasterStatus status() const;
  /// Grows ten times a second at least while the IO thread's loop turns: for watchdogs. Waits for
  /// nothing; 0 after stop().
  std::uint64_t loop_turns() const noexcept;

  /// Takes no new work, leases nothing more, records what arrives, closes agents with 1001. `done`
  /// runs once: success, timed_out, or closed when stop() comes first or came before.
  void drain(std::chrono::milliseconds within, std::function<void(Expected<void>)> done);
  /// Ends at once. Callbacks that wait run inside, on this thread, and none of a call made before
  /// runs after it returned; so call it without a lock that a callback takes. From within a
  /// callback it does not wait for other callbacks. Idempotent, and safe from several threads at
  /// once. The store's tasks stay; those the agents have wait `resume_grace` for them to come back
  /// to another master of this store.
  void stop();

  /// For HttpApi: the parts it shares.
  MasterAccess& access() noexcept;

 private:
  const std::shared_ptr<MasterCore>& shared_core() const noexcept;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
