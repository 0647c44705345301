// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The one interface behind all stores. Calls are batched and asynchronous; they carry durations
/// and never instants, for the store owns time. A completion runs exactly once, on any thread,
/// possibly inside the call: callers that care post to their own loop. *Threads*: safe to share.

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.hpp"
#include "probe/task_times.hpp"
#include "probekit/clock.hpp"
#include "probekit/error.hpp"
#include "probekit/master.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/stores.hpp"
#include "probekit/task.hpp"
#include "store/key_table.hpp"
#include "store/result_counters.hpp"

namespace probekit {

template <class T>
using Completion = std::function<void(Expected<T>)>;

/// A registered connection's exclusive claim; counted by the store, never reused.
using SessionId = std::uint64_t;

/// Tasks of equal priority and kind for the same agents; numbered by the store, never reused.
using LaneId = std::uint32_t;

struct Lane {
  LaneId id = 0;
  Priority priority = Priority::low;
  std::string kind;
  std::string agent;        ///< pinned to this name; empty: any agent
  std::vector<Label> tags;  ///< that an agent must have, all of them
};

enum class BatchOrigin : std::uint8_t { import, probe, schedule };

struct NewBatch {
  std::string name;
  BatchOrigin origin = BatchOrigin::import;
  /// More uploads may follow, until it is closed, cancelled, or had none for kOpenBatchIdle.
  bool open = false;
};
constexpr std::chrono::hours kOpenBatchIdle{1};

/// What becomes as many tasks as its selector says. Options and selectors are shared: equal ones
/// should be one object.
struct NewTask {
  std::string_view target;
  std::shared_ptr<const ProbeOptions> options;
  /// Null: any one agent. `all` means that nobody was there for it: one task, which ends at once.
  std::shared_ptr<const Selector> agents;
};

/// An agent that has connected.
struct NewSession {
  std::string agent;
  std::vector<Label> tags;
  std::vector<std::string> kinds;
  /// A store that is opened again counts it as lost, its tasks waiting for so long as with
  /// SessionLoss.
  std::chrono::milliseconds grace{30'000};
};

/// The tasks of a session that is replaced while it lives wait so long for the one that replaces
/// it to say what it holds.
constexpr std::chrono::seconds kReplacedGrace{30};

/// What a session gets to do.
struct LeasedTask {
  TaskId task;
  std::uint32_t attempt = 1;
  std::string target;
  std::shared_ptr<const ProbeOptions> options;
  std::chrono::milliseconds left{0};  ///< until the deadline
};

struct LeaseRequest {
  SessionId session = 0;
  std::vector<LaneId> lanes;  ///< in order of preference
  std::size_t count = 0;
  /// Of tasks as they will be sent, roughly: the task that passes it is the last.
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();
};
struct LeaseReply {
  std::vector<LeasedTask> tasks;
  // Of the lanes asked:
  std::vector<LaneId> empty;  ///< no task is left for anybody
  std::vector<LaneId> unfit;  ///< none (more) for this session, though maybe for others
};

/// What an agent said of a task: its result, already a finished line, or why it comes back.
struct TaskReport {
  TaskId task;
  std::uint32_t attempt = 1;
  enum class Kind : std::uint8_t {
    result,
    returned,
    cancelled,
    unsupported,
    host_busy
  } kind = Kind::result;
  // for Kind::result
  Verdict verdict = Verdict::none;
  std::optional<FailureKind> failure;
  std::vector<Phase> phases;  ///< for the summary; of the last hop, with "duration_us"
  std::chrono::microseconds duration{0};
  std::string
      fields;  ///< the rest of the line: "address":... to ..."suspect":false, without braces
};
struct RecordReply {
  std::uint64_t recorded = 0;  ///< became the task's end
  /// The task had ended already; or this agent has another of the target's tasks, which is for
  /// different agents, and does not hold this one.
  std::uint64_t duplicate = 0;
  std::uint64_t unknown = 0;   ///< no such task
  std::uint64_t not_held = 0;  ///< returned by a session that does not hold it (any more)
  std::uint64_t requeued = 0;  ///< returned, queued again
  /// Other sessions that still hold a task recorded here: send them a cancel.
  std::vector<std::pair<SessionId, TaskId>> cancel;
};

struct ResumeRequest {
  SessionId previous = 0;  ///< the session that held them; 0: none known
  SessionId session = 0;   ///< the new one
  /// A new process of this name: what the previous one had in hand was lost with it, which counts
  /// as an attempt. False: what it does not hold never reached it.
  bool restarted = false;
  std::vector<std::pair<TaskId, std::uint32_t>> held;  ///< task and attempt
  bool last = true;  ///< false: more of what is held follows in the next request
};
struct ResumeReply {
  std::vector<TaskId> wanted;  ///< leased to the new session now, same attempt
  /// Others have these in hand by now. A result that is there already may still come first;
  /// anything else is better dropped.
  std::vector<TaskId> elsewhere;
  /// Leased to the previous one and not held, as far as the store came; ticks do the rest.
  std::uint64_t requeued = 0;
};

struct SessionLoss {
  SessionId session = 0;
  std::chrono::milliseconds grace{0};  ///< at most; less where a task's deadline is near
  /// What was wrong, "VERDICT: sentence", for the lines of tasks that end with it; may be empty.
  std::string diagnosis = {};
};

struct StoreTick {
  std::uint64_t expired = 0;
  std::uint64_t requeued = 0;
  /// Tasks taken from lost sessions since the last tick and not told otherwise, by session.
  std::vector<std::pair<SessionId, std::uint64_t>> requeued_by_session;
  /// Tasks cancelled that a living session still holds and has not been told of.
  std::vector<std::pair<SessionId, TaskId>> cancel;
  std::chrono::milliseconds next{1000};  ///< tick again by then
};

struct BatchView {
  BatchId id;
  BatchOrigin origin = BatchOrigin::import;
  BatchSnapshot info;
};

struct ResultQuery {
  BatchId batch;
  std::string after;                   ///< cursor; empty: from the start
  std::size_t limit = 1000;            ///< 1 to 10000 lines
  std::size_t bytes_max = 256 * 1024;  ///< stop after the line that passes this
  std::optional<Verdict> verdict;
  std::string until = {};  ///< cursor: no line after it; empty: no such bound
};

/// Where a page ends, before it is read: the API sends its cursor ahead of its lines.
struct ResultPageEnd {
  std::size_t count = 0;  ///< lines up to there, of the verdict asked for
  std::string next;       ///< cursor; empty on the last page of a finished batch
};

struct PhaseSummary {
  std::string name;
  std::uint64_t count = 0;
  std::uint64_t p50_us = 0, p90_us = 0, p99_us = 0, max_us = 0;
};
struct BatchSummary {
  Ledger ledger;
  std::vector<std::pair<std::string, std::uint64_t>> reasons;   ///< of expiry
  std::vector<std::pair<std::string, std::uint64_t>> failures;  ///< by failure kind
  std::vector<std::pair<std::string, std::uint64_t>> agents;
  std::vector<PhaseSummary> phases;
};

struct BatchListQuery {
  std::string after;
  std::size_t limit = 100;
};
struct BatchList {
  std::vector<BatchSnapshot> items;
  std::string next;  ///< empty: the end
};

struct ScheduledTarget {
  std::string target;
  std::shared_ptr<const ProbeOptions> options;
};
constexpr std::chrono::milliseconds kScheduleIntervalMin{1000};
constexpr std::chrono::milliseconds kScheduleIntervalMax = kLongestTime;
constexpr std::size_t kScheduleTargetsMax = 100'000;  ///< of all schedules, so of each
struct ScheduleSpec {
  std::chrono::milliseconds interval{60'000};  ///< kScheduleIntervalMin to kScheduleIntervalMax
  bool enabled = true;
  std::vector<ScheduledTarget> targets;  ///< one at least
  Selector agents;                       ///< of each run; `all` are those connected when it is due
};
struct ScheduleView {
  std::string name;
  std::shared_ptr<const ScheduleSpec> spec;
  SystemTime created_at{};
  SystemTime updated_at{};
  std::optional<SystemTime> next_at;  ///< empty while it is disabled
  Ledger ledger;                      ///< since it was made, forgotten runs included
  /// Tasks that ended `missed`, and runs that one line stands for.
  std::uint64_t missed = 0;
  BatchId watch;  ///< under this number on_progress() tells its lines; no batch has it
};
struct SchedulePut {
  ScheduleView view;
  bool created = false;
};
struct ScheduleList {
  std::vector<ScheduleView> items;  ///< by name
  std::string next;                 ///< empty: the end
};
struct ScheduleResultQuery {
  std::string name;
  std::string after;                   ///< cursor; empty: from the oldest line that is kept
  std::size_t limit = 1000;            ///< 1 to 10000 lines
  std::size_t bytes_max = 256 * 1024;  ///< stop after the line that passes this
  std::optional<Verdict> verdict;
  std::string until = {};  ///< as above
};

struct StoreFacts {
  std::string kind;  ///< "memory", "sqlite"
  std::string id;    ///< random, of this store
  Ledger ledger;     ///< since the store began
  std::uint64_t queued_max = 0;
  std::uint64_t results_kept_max = 0;
  std::uint64_t results_kept = 0;
  ResultCounters ended;  ///< likewise; sums to the ledger's `done` and `expired`
  /// Of the queued: no connected agent that is not drained may take them. Where very many lanes or
  /// agents are to be looked at, some are not counted.
  std::uint64_t unserved = 0;
  std::string unserved_for;  ///< "an agent named a that runs dns and others": the most first
  /// Why it grants no work and takes none at the moment, in words for people; empty: it does.
  std::string trouble;
};

/// Hears that something moved, coalesced; called on any thread with no lock held, must only post.
class StoreObserver {
 public:
  virtual ~StoreObserver() = default;
  /// These lanes have tasks to lease (again).
  virtual void on_ready(const std::vector<Lane>& lanes) = 0;
  /// These lanes are forgotten: they are told no more, nor leased from.
  virtual void on_gone(const std::vector<LaneId>& lanes) = 0;
  /// Lines were recorded in these batches, or they ended.
  virtual void on_progress(const std::vector<BatchId>& batches) = 0;
  /// tick() has something to do sooner than it said: a cancel to tell, or the rest of some work.
  virtual void on_due() = 0;
};

class TaskStore {
 public:
  virtual ~TaskStore() = default;

  /// One observer, set before use and unset (null) before it dies.
  virtual void observe(StoreObserver* observer) = 0;

  // -- uploads: nothing of one counts or is dispatched before commit_upload ---------------------
  /// Returns a token. *Errors*: store_failed; store_full when as many batches are open as may be.
  virtual void open_upload(NewBatch batch, Completion<std::uint64_t> done) = 0;
  /// Returns how many tasks the upload has. Copies what it needs before returning. *Errors*:
  /// store_full (the upload has the tasks it had; the message says what is full: tasks, results,
  /// names, or different sets of tags), not_found, invalid_argument.
  virtual void append(std::uint64_t upload, const std::vector<NewTask>& tasks,
                      Completion<std::uint64_t> done) = 0;
  /// Opens an upload into an open batch: its tasks join the batch, and their deadlines begin, with
  /// its commit. *Errors*: not_found, batch_closed.
  virtual void extend_batch(BatchId batch, Completion<std::uint64_t> done) = 0;
  /// Ends the upload, with an error too. An empty one is a batch that is done, unless it is open.
  /// `answer`: its key is answered with it from now on, as long as the batch is kept. *Errors*:
  /// not_found; store_failed; of an upload into an open batch also batch_closed, and store_full
  /// when the batch has as many tasks as one may.
  virtual void commit_upload(std::uint64_t upload, std::uint64_t rejected,
                             std::optional<KeyAnswer> answer, Completion<BatchView> done) = 0;
  void commit_upload(std::uint64_t upload, std::uint64_t rejected, Completion<BatchView> done) {
    commit_upload(upload, rejected, std::nullopt, std::move(done));
  }
  virtual void abandon_upload(std::uint64_t upload) = 0;
  /// Takes no more uploads; those under way fail at their commit. Of a batch that is closed: as
  /// batch(). *Errors*: not_found.
  virtual void close_batch(BatchId batch, Completion<BatchView> done) = 0;
  /// A claim ends with commit_upload() or release_key(). *Errors*: limit_reached: as many claims
  /// run, or as much is kept of answered ones, as may be.
  virtual void claim_key(IdempotencyKey key, Completion<KeyState> done) = 0;
  /// The claim came to nothing: the next one of this key is the first again.
  virtual void release_key(IdempotencyKey key) = 0;

  // -- sessions and leases ----------------------------------------------------------------------
  // What comes of these calls is told in the order of the calls; a refusal may come sooner.
  struct SessionOpened {
    SessionId session = 0;
    std::uint64_t epoch = 0;  ///< one more than the last of this name
  };
  virtual void open_session(NewSession session, Completion<SessionOpened> done) = 0;
  virtual void resume(ResumeRequest request, Completion<ResumeReply> done) = 0;
  virtual void lease(LeaseRequest request, Completion<LeaseReply> done) = 0;
  /// In order; the completion means committed.
  virtual void record(SessionId session, std::vector<TaskReport> reports,
                      Completion<RecordReply> done) = 0;
  /// Tasks leased but never handed to the transport: queued again, no attempt counted.
  virtual void give_back(SessionId session, std::vector<TaskId> tasks,
                         Completion<std::uint64_t> done) = 0;
  /// The connection is gone; its tasks wait for a resume, then go to others. Returns how many it
  /// held.
  virtual void lose_session(SessionLoss loss, Completion<std::uint64_t> done) = 0;
  virtual void renew(std::vector<SessionId> sessions) = 0;
  /// What stands in the way at the moment, "VERDICT: sentence", for the lines of tasks that expire
  /// from now on; empty: nothing. A store may leave it out.
  virtual void explain(std::string /*diagnosis*/) {}
  /// Lets time act: deadlines, graces, cancels. Call it at least once a second.
  virtual void tick(Completion<StoreTick> done) = 0;

  // -- schedules --------------------------------------------------------------------------------
  // Each target is due once an interval, at an offset of its own that is the same in each; every
  // due is a run, and each run a line at least, never two. One that still waits when the next of
  // its target is due, or that no attempt fits any more, ends `expired`, `missed`. After dues that
  // nobody looked at, a line stands for all but the latest, with `count`, `first` and `last`. A
  // task's deadline is by default the interval and its timeout from the run's start.
  /// Makes it, or changes it: what is in hand and the lines stay, and so do, where the interval
  /// stays, the times of targets that stay. Runs that are due and not begun do so, where the change
  /// would drop them; or a line tells of them. *Errors*: invalid_argument; store_full, saying what
  /// is.
  virtual void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) = 0;
  /// Here and below, *Errors*: not_found.
  virtual void schedule(std::string name, Completion<ScheduleView> done) = 0;
  /// `after`: the end of the page before. *Errors*: invalid_argument.
  virtual void schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) = 0;
  /// No new runs; those in hand end as they end; its lines are gone.
  virtual void remove_schedule(std::string name, Completion<ScheduleView> done) = 0;
  /// As results(), but never a last page. Lines are forgotten like those of batches, those being
  /// read a while later: a cursor before them goes on with the oldest there is.
  virtual void schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) = 0;
  virtual void schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) = 0;
  /// Whether a session takes tasks; one that does not is not of `all`.
  virtual void set_drained(SessionId session, bool drained) = 0;
  /// What operators decided about agents by name. The store only remembers it, as long as itself;
  /// `done` when it does.
  virtual void set_name_drained(std::string name, bool drained, Completion<bool> done) = 0;
  /// As lanes(), for a master that begins: it may wait for the disk.
  virtual std::vector<std::string> drained_names() const = 0;

  // -- reading ----------------------------------------------------------------------------------
  virtual std::string batch_name(BatchId id) const = 0;  ///< the text people see
  /// Neither waits for a disk: loops that must not stand still ask.
  virtual std::optional<BatchId> find_batch(std::string_view text) const = 0;
  /// Here and below, *Errors*: not_found for a batch that is unknown or forgotten.
  virtual void batch(BatchId id, Completion<BatchView> done) = 0;
  virtual void batches(BatchListQuery query, Completion<BatchList> done) = 0;
  /// *Errors*: also invalid_argument for a cursor that is not this batch's.
  virtual void results(ResultQuery query, Completion<ResultPage> done) = 0;
  /// The end of the page results() would give with no bound in bytes: later calls of results()
  /// from `query.after`, `until` its `next`, give these lines and no others, or fewer once some
  /// are forgotten. With no line in it, `next` stands after all lines looked at.
  virtual void page_end(ResultQuery query, Completion<ResultPageEnd> done) = 0;
  virtual void summary(BatchId id, Completion<BatchSummary> done) = 0;
  /// Nothing of it is leased any more. Ends what is queued, some 10,000 tasks at once and the rest
  /// in ticks; the holders of others are named by the next tick.
  virtual void cancel(BatchId id, Completion<BatchView> done) = 0;
  virtual void facts(Completion<StoreFacts> done) = 0;
  virtual std::vector<Lane> lanes() const = 0;
  /// Whoever asked is gone: what waits because the store cannot keep it is answered `closed`, and
  /// still happens, but for leases. From any thread. Completions hold on to their masters, and
  /// those on to the store.
  virtual void abandon() {}
};

}  // namespace probekit
