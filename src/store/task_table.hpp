// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What a store does, without I/O, clock or lock: every task from its upload to its line, told the
/// time at each call. The rules of the ledger, of leases, attempts, deadlines and of forgetting
/// are here; docs of each call are in task_store.hpp. *Threads*: one at a time.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "store/batch_set.hpp"
#include "store/batch_statistics.hpp"
#include "store/key_table.hpp"
#include "store/stored_batch.hpp"
#include "store/stored_schedule.hpp"
#include "store/task_store.hpp"

namespace probekit::store {

/// What time it is, by both clocks.
struct Now {
  SteadyTime steady;
  SystemTime system;
};

constexpr std::chrono::hours kImportDeadline{24};
constexpr std::chrono::seconds kProbeDeadlineBeyondTimeout{5};
/// A run's deadline is its interval and timeout, this beyond the timeout at least.
constexpr std::chrono::seconds kScheduleDeadlineBeyondTimeout{2};
/// A task a session returned `host_busy` is not offered to it for so long.
constexpr std::chrono::seconds kHostBusyDelay{1};
/// A cancelled task in flight ends without its agent's word after this.
constexpr std::chrono::seconds kCancelWait{10};
/// Tasks pinned to an agent that is away for longer expire.
constexpr std::chrono::minutes kAgentAwayMax{5};
/// How long a finished batch or segment that is being read is kept beyond results_kept_max, up to
/// twice that.
constexpr std::chrono::seconds kReadingGuard{60};
/// A lost session that holds nothing is remembered so long, for results still on their way.
constexpr std::chrono::seconds kLostSessionKept{60};
/// Names of absent agents, and lanes for names or tags, that are kept while idle.
constexpr std::size_t kIdleNamesMax = 10'000;
/// Different sets of tags that tasks may be waiting for, each counted once for every priority and
/// kind.
constexpr std::size_t kTagLanesMax = 1024;
/// Names that tasks may be waiting for, counted likewise: all agents a listener takes by default,
/// four times.
constexpr std::size_t kNameLanesMax = 65'536;
/// Batches open for more at once, those being uploaded for the first time among them.
constexpr std::size_t kOpenBatchesMax = 10'000;
constexpr std::size_t kSchedulesMax = 10'000;
/// Tasks after which a schedule begins another segment, so that old ones can be forgotten; fewer
/// where few results are kept or there are many schedules.
constexpr std::uint32_t kSegmentTasks = 1000;
/// Tasks of one batch, as many as its lines can number.
constexpr std::uint32_t kBatchTasksMax = std::uint32_t{1} << 30;
constexpr std::size_t kPageLinesMax = 10'000;
/// Longer than any kind's limit, in bytes.
constexpr std::size_t kStoredTargetMax = 64 * 1024;
/// Tasks one call moves or looks at because of time, a cancel or a loss, however many there are:
/// the IO thread waits for it, some 0.1 to 0.4 us for each. Ticks that follow at once do the rest.
constexpr std::size_t kWorkPerCall = 10'000;
/// Finished batches that a table with a journal remembers; of others it asks.
constexpr std::size_t kFinishedRemembered = 1000;
constexpr std::uint64_t kQueuedMaxLimit = std::uint64_t{1} << 30;
constexpr std::uint32_t kAttemptsMaxLimit = 1000;

struct LaneEntry {
  Lane lane;
  BatchQueue* ring = nullptr;  // whose turn it is
  std::uint64_t rings = 0;     // queues in the ring
  std::uint64_t queued = 0;
  std::uint64_t shunned = 0;  // of the queued
  std::uint64_t batches = 0;  // unfinished ones with a queue here
  bool in_news = false;
  bool idle_listed = false;
  // Connected agents that fit it, counted when `fitting_at` sessions had come and gone.
  std::uint64_t fitting_at = 0;
  std::uint32_t fitting = 0;
};

struct Reach;
struct StagedUpload;
struct TaskEnd;
class TaskJournal;

/// Sums over all there ever was, and the numbers given last.
struct StoredTotals {
  Ledger ledger;
  ResultCounters ended;
  std::uint32_t last_batch = 0;
  SessionId last_session = 0;
  std::uint64_t epoch_floor = 0;  ///< of names that were forgotten
};

class PROBEKIT_EXPORT TaskTable {
 public:
  /// `options` are valid; `id` is the store's, at least kIdPrefixLength characters.
  TaskTable(const StoreOptions& options, std::string id, std::size_t work_per_call = kWorkPerCall,
            TaskJournal* journal = nullptr);
  ~TaskTable();
  TaskTable(const TaskTable&) = delete;
  TaskTable& operator=(const TaskTable&) = delete;

  // -- uploads
  Expected<std::uint64_t> open_upload(NewBatch batch);
  Expected<std::uint64_t> append(std::uint64_t upload, const std::vector<NewTask>& tasks);
  Expected<std::uint64_t> extend_batch(BatchId id);
  Expected<BatchView> commit_upload(Now now, std::uint64_t upload, std::uint64_t rejected,
                                    std::optional<KeyAnswer> answer = std::nullopt);
  void abandon_upload(Now now, std::uint64_t upload);
  Expected<BatchView> close_batch(Now now, BatchId id);
  KeyTable& keys() noexcept { return keys_; }

  // -- sessions and leases
  TaskStore::SessionOpened open_session(NewSession opened);
  Expected<ResumeReply> resume(Now now, const ResumeRequest& request);
  Expected<LeaseReply> lease(Now now, const LeaseRequest& request);
  RecordReply record(Now now, SessionId session, const std::vector<TaskReport>& reports);
  std::uint64_t give_back(Now now, SessionId session, const std::vector<TaskId>& tasks);
  std::uint64_t lose_session(Now now, const SessionLoss& loss);
  StoreTick tick(Now now);

  // -- schedules
  /// `phase`: from 0 to less than 1, at random; of a schedule that is there it is kept.
  Expected<SchedulePut> put_schedule(Now now, const std::string& name, ScheduleSpec spec,
                                     double phase);
  Expected<ScheduleView> schedule(Now now, const std::string& name) const;
  Expected<ScheduleList> schedules(Now now, const std::string& after, std::size_t limit) const;
  Expected<ScheduleView> remove_schedule(Now now, const std::string& name);
  Expected<ResultPage> schedule_results(Now now, const ScheduleResultQuery& query);
  Expected<ResultPageEnd> schedule_page_end(Now now, const ScheduleResultQuery& query);
  void set_drained(SessionId id, bool drained);
  /// See TaskStore::explain().
  void explain(std::string diagnosis) { diagnosis_ = std::move(diagnosis); }
  void set_name_drained(const std::string& name, bool drained);
  std::vector<std::string> drained_names() const;

  // -- for the journal
  /// Everything was written, and the news were taken: what need not be kept here any more goes.
  void let_go(Now now);
  StoredTotals totals() const;
  /// Null when there is none. A batch that is read is not forgotten for a while.
  StoredBatch* find_to_read(BatchId id) const { return find(id); }
  const StoredSchedule* find_to_read(const std::string& schedule) const {
    return find_schedule(schedule);
  }
  const std::string& id_prefix() const noexcept { return prefix_; }
  /// With those that have not ended and are not as they were accepted: (id, task, holder).
  void visit_moved(const std::function<void(TaskId, const StoredTask&, SessionId)>& visit) const;

  // What a journal read, into a table that has nothing yet, in this order. False: it contradicts
  // itself.
  void restore(const StoredTotals& totals);
  void restore_agent(Now now, const std::string& name, std::uint64_t epoch);
  bool restore_session(Now now, SessionId id, const NewSession& session);
  void restore_drained(const std::string& name) { drained_names_.insert(name); }
  /// Its segments are told by their batches.
  bool restore_schedule(std::unique_ptr<StoredSchedule> schedule);
  StoredSchedule* find_watch(BatchId watch) const;
  bool restore_finished(const StoredBatch& batch);
  /// Its tasks are queued, in flight without links, or ended; `lanes` are those of its bindings.
  bool restore_batch(Now now, std::unique_ptr<StoredBatch> batch, const std::vector<Lane>& lanes);
  bool restore_held(TaskId id, SessionId session);
  void restore_key(KeyAnswer answer, BatchId batch) { keys_.answer(std::move(answer), batch); }
  std::uint64_t agent_key(const std::string& name) { return agent_named(name).key; }
  std::shared_ptr<const std::string> agent_name(const std::string& name) {
    return agent_named(name).name;
  }
  /// After all else.
  bool restored(Now now);

  // -- reading
  std::string batch_name(BatchId id) const;  ///< from any thread
  /// With a journal: from any thread; the journal is not asked.
  std::optional<BatchId> find_batch(std::string_view text) const;
  Expected<BatchView> batch(Now now, BatchId id) const;
  Expected<BatchList> batches(Now now, const BatchListQuery& query) const;
  Expected<ResultPage> results(Now now, const ResultQuery& query);
  Expected<ResultPageEnd> page_end(Now now, const ResultQuery& query);
  Expected<BatchSummary> summary(BatchId id) const;
  Expected<BatchView> cancel(Now now, BatchId id);
  StoreFacts facts() const;
  std::vector<Lane> lanes() const;

  /// What moved since this was asked last, and what has been forgotten: destroy that where it
  /// holds nobody up.
  struct News {
    std::vector<Lane> ready;
    std::vector<LaneId> gone;
    std::vector<BatchId> progress;
    std::vector<std::unique_ptr<StoredBatch>> forgotten;
    bool due = false;  ///< a tick has something to do now
    bool empty() const noexcept {
      return !due && ready.empty() && gone.empty() && progress.empty() && forgotten.empty();
    }
  };
  News take_news();

  /// Counts everything again by walking over it; empty, or the first contradiction found. For
  /// tests: it takes as long as there are tasks.
  std::string audit() const;
  /// Tasks moved or looked at since the beginning, but in reading and in uploads. For tests of what
  /// one call costs.
  std::uint64_t work_done() const noexcept { return work_done_; }

 private:
  struct Agent {
    std::shared_ptr<const std::string> name;
    std::uint64_t key = 0;
    std::uint64_t epoch = 0;
    std::vector<SessionId> sessions;  // remembered ones, lost ones too
    std::uint32_t connected = 0;
    SteadyTime away_since{};
  };
  /// What becomes of the tasks of a lost session.
  enum class Fate : std::uint8_t {
    wait,     // for their agent, as long as the grace lasts
    requeue,  // their agent is back and does not hold them
    lost      // their agent is back as another process
  };
  struct Session {
    SessionId id = 0;
    std::uint32_t slot = 0;
    Agent* agent = nullptr;
    std::vector<Label> tags;
    std::vector<std::string> kinds;
    bool connected = true;
    bool drained = false;
    std::string diagnosis;  // why it was lost, while it holds tasks
    SteadyTime lost_at{};
    std::chrono::milliseconds grace{0};
    SteadyTime due = kNever;  // when lost: its next task to give out again, or to be forgotten
    std::uint64_t head = kNoTaskId;
    std::uint64_t tail = kNoTaskId;
    std::uint64_t held = 0;
    std::uint64_t requeued = 0;  // since it was lost, not yet told
    Fate fate = Fate::wait;
    // A walk over what it holds, from the tail, which may take several calls.
    bool walking = false;
    std::uint64_t walk = kNoTaskId;  // the next
    SteadyTime walk_due = kNever;    // the least it has seen
  };
  struct Shun {
    SessionId session;
    SteadyTime until;
  };
  struct Place {
    StoredBatch* batch = nullptr;
    StoredTask* task = nullptr;
    std::uint32_t index = 0;
    explicit operator bool() const noexcept { return task != nullptr; }
    TaskId id() const noexcept { return TaskId::of(batch->id, index); }
    Binding& binding() const { return batch->bindings[task->binding]; }
    BatchQueue& queue() const { return batch->queues[binding().queue]; }
  };
  enum class End : std::uint8_t { front, back };

  StoredBatch* find(BatchId id) const;
  Place find(TaskId id);
  Session* find_session(SessionId id) const;

  // How tasks come in.
  Expected<void> check_room(std::uint64_t tasks) const;
  bool lines_fit(std::uint64_t tasks) const;
  Expected<void> bind(StagedUpload& upload, const NewTask& task);
  Expected<std::uint32_t> binding_for(StagedUpload& upload,
                                      const std::shared_ptr<const ProbeOptions>& options,
                                      std::uint32_t reach);
  Expected<std::uint32_t> queue_for(StagedUpload& upload, const ProbeOptions& options,
                                    const Reach& reach);
  static void add_task(StoredBatch& batch, ArenaText target, std::uint32_t binding);
  Expected<StoredBatch*> open_batch(BatchId id) const;
  std::uint32_t live_queue(StoredBatch& batch, LaneEntry& lane);
  StoredBatch& begin_batch(Now now, std::unique_ptr<StoredBatch> batch);
  void merge(StoredBatch& batch, StoredBatch& staged);
  void offer(BatchQueue& queue, std::uint32_t added);
  void accept(Now now, StoredBatch& batch, std::uint32_t tasks, std::size_t first_binding);
  void end_extension(Now now, StoredBatch& batch);
  void close(Now now, StoredBatch& batch);
  void set_close_at(StoredBatch& batch, SteadyTime at);

  // The three places a living task can be in.
  static void link(BatchQueue::List& list, StoredTasks& tasks, std::uint32_t index, End end);
  static void unlink(BatchQueue::List& list, StoredTasks& tasks, std::uint32_t index);
  static void enter_ring(BatchQueue& queue);
  static void leave_ring(BatchQueue& queue);
  void enqueue(Place place, End end, bool shunned);
  void dequeue(Place place);
  void hold(Session& session, Place place);
  void release(Place place);
  void take(Session& session, Place place);

  StoredSchedule* find_schedule(const std::string& name) const;
  void change(Now now, StoredSchedule& schedule, std::shared_ptr<const ScheduleSpec> spec);
  void set_due(StoredSchedule& schedule, SteadyTime due);
  void run_schedules(Now now, std::size_t& budget);
  enum class Runs : std::uint8_t { begin, are_told };
  Expected<void> settle(Now now, StoredSchedule& schedule, const ScheduleSpec& next);
  bool run(Now now, StoredSchedule& schedule, const ScheduleDue& due, Runs runs,
           std::size_t& budget);
  void end_missed(Now now, StoredSchedule::Target& target, std::size_t& budget);
  void resolve_all(Selector& agents, const std::string& kind) const;
  std::uint32_t segment_full() const;
  StoredBatch* segment_for(Now now, StoredSchedule& schedule, std::uint32_t tasks);
  void forget_segment(StoredSchedule& schedule, BatchId id);
  ScheduleView view(Now now, const StoredSchedule& schedule) const;
  template <class Visit>
  Expected<ResultPageEnd> walk(Now now, const ScheduleResultQuery& query, Visit visit);

  // Tasks of one target for different agents.
  template <class Visit>
  static bool any_neighbour(Place place, Visit visit);
  bool apart_from(Place place, const Agent& agent) const;
  static std::uint32_t agents_used(Place place);
  static void shun_neighbours(Place place);

  // From one state to the next, with the ledger.
  void requeue(Now now, Place place);
  void end_done(Now now, Place place, const TaskReport& report, const Agent& agent);
  void end_expired(Now now, Place place, ExpiryReason reason, const std::string& diagnosis);
  void end_cancelled(Now now, Place place);
  void end(Now now, Place place, const TaskEnd& how);
  void tell_moved(Place place);
  void release_tasks(StoredBatch& batch);
  void remember_finished(std::unique_ptr<StoredBatch> batch) const;
  void finish(Now now, StoredBatch& batch);
  void move_terms(StoredBatch& batch, std::uint64_t Ledger::*from, std::uint64_t Ledger::*to);
  void expire_queued(Now now, Place place);
  void expire_held(Now now, Place place);
  std::string nobody_fits(Place place);
  std::string connected_text() const;
  std::string because_of(const Session& lost) const;
  std::string because() const;
  /// Of the batch, of the schedule it is of, and of all.
  template <class Change>
  void for_ledgers(StoredBatch& batch, Change change) {
    change(batch.ledger);
    change(total_);
    if (batch.schedule == nullptr) return;
    change(batch.schedule->ledger);
    if (journal_ != nullptr) tell_counts(*batch.schedule);
  }
  void tell_counts(const StoredSchedule& schedule);

  LeasedTask leased(Now now, Place place) const;
  std::size_t lease_from(Now now, BatchQueue& queue, Session& session, std::size_t count,
                         std::size_t& bytes_left, std::size_t& expiries_left, LeaseReply& reply);
  static bool fits(const Session& session, const Lane& lane);
  static bool runs(const Session& session, const Lane& lane);
  bool offered(Now now, Place place, const Session& session) const;
  void add_shun(Now now, Place place, SessionId session, SteadyTime until);
  void end_host_busy_delays(Now now, std::size_t& budget);

  void disconnect(Now now, Session& session);
  void lose_attempt(Now now, Place place, const Session& session);
  std::uint64_t give_up(Now now, Session& session, std::size_t& budget);
  void tell_requeued(Session& session, std::uint64_t count);
  void set_session_due(Session& session, SteadyTime due);
  void forget_session(Session& session);
  Agent& agent_named(const std::string& name);
  void forget_agents();

  void expire_due(Now now, std::size_t& budget);
  bool scan(Now now, StoredBatch& batch, std::size_t& budget);
  SteadyTime scan_cancelled(Now now, Place place);
  void set_due(StoredBatch& batch, SteadyTime due);
  void lower_due(StoredBatch& batch, SteadyTime due);
  void expire_for_absent_agents(Now now, std::size_t& budget);
  bool forget_batches(Now now);
  void forget_batch(StoredBatch& batch);

  LaneEntry* lane_for(Priority priority, const std::string& kind, const std::string& agent,
                      const std::vector<Label>& tags);
  std::uint32_t agents_fitting(LaneEntry& lane);
  bool served(const Lane& lane, std::size_t& looks) const;
  void count_unserved(StoreFacts& facts) const;
  void leave_lane(LaneEntry& lane);
  void forget_lanes();
  void tell_ready(LaneEntry& lane);
  void tell_progress(StoredBatch& batch);
  BatchView view(Now now, const StoredBatch& batch) const;
  void append_line(std::string& out, const StoredBatch& batch, std::uint32_t index,
                   std::string_view batch_text) const;
  template <class Visit>
  Expected<ResultPageEnd> walk(const ResultQuery& query, Visit visit) const;
  std::uint64_t tasks_uploading() const;

  const std::uint64_t queued_max_;
  const std::uint64_t results_kept_max_;
  const std::uint32_t attempts_max_;
  const std::size_t work_per_call_;
  TaskJournal* const journal_;
  const std::string id_;
  const std::string prefix_;

  Ledger total_;
  ResultCounters ended_;
  std::uint64_t uploading_ = 0;  // tasks of open uploads
  std::uint64_t next_upload_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<StagedUpload>> uploads_;

  std::uint32_t last_batch_ = 0;
  std::unordered_map<std::uint32_t, std::unique_ptr<StoredBatch>> batches_;
  mutable StoredBatch* found_last_ = nullptr;
  // With a journal: finished ones, without their tasks, that are in no other list of batches.
  mutable std::unordered_map<std::uint32_t, std::unique_ptr<StoredBatch>> remembered_;
  mutable std::deque<std::uint32_t> remembered_order_;
  std::vector<BatchId> just_finished_;
  BatchSet visible_;         // with a journal: those people may ask for
  StoredTask ended_task_{};  // stands for those of finished batches
  std::set<std::uint32_t> listed_;
  std::deque<BatchId> finished_;    // in the order they ended; without orphans
  std::uint64_t results_kept_ = 0;  // lines of finished batches; an empty one counts as one
  std::uint64_t results_open_ = 0;  // lines of the others
  std::set<std::pair<SteadyTime, std::uint32_t>> batches_due_;

  std::set<std::pair<SteadyTime, std::uint32_t>>
      batches_closing_;  // that no upload is under way to
  std::size_t open_batches_ = 0;
  KeyTable keys_;

  std::map<std::string, std::unique_ptr<StoredSchedule>> schedules_;
  std::unordered_map<std::uint32_t, StoredSchedule*> schedules_by_watch_;
  std::set<std::pair<SteadyTime, std::uint32_t>> schedules_due_;  // by watch
  std::size_t schedule_targets_ = 0;
  std::deque<BatchId> orphans_;  // finished segments of schedules that are gone

  LaneId last_lane_ = 0;
  // Priority, kind, agent and the text of its tags.
  using LaneKey = std::tuple<Priority, std::string, std::string, std::string>;
  std::map<LaneKey, std::unique_ptr<LaneEntry>> lanes_;
  std::unordered_map<LaneId, LaneEntry*> lanes_by_id_;
  std::vector<LaneId> idle_lanes_;  // for a name or tags; may be in use again
  std::size_t tag_lanes_ = 0;
  std::size_t name_lanes_ = 0;

  SessionId last_session_ = 0;
  std::unordered_map<SessionId, std::uint32_t> slots_;
  std::vector<std::unique_ptr<Session>> sessions_;  // by slot
  std::vector<std::uint32_t> free_slots_;
  std::set<std::pair<SteadyTime, SessionId>> sessions_due_;
  std::unordered_map<std::string, Agent> agents_;
  std::set<std::string> drained_names_;
  std::size_t agents_swept_at_;
  std::uint64_t last_agent_key_ = 0;
  std::uint64_t epoch_floor_ = 0;  // of names that were forgotten
  std::string diagnosis_;          // the master's, of what stands in the way
  std::uint64_t connected_ = 0;
  std::uint64_t sessions_moved_ = 1;  // how often one came or went

  std::unordered_map<TaskId, std::vector<Shun>> shuns_;
  std::deque<std::pair<SteadyTime, TaskId>> busy_;     // host_busy delays, the earliest first
  std::vector<std::pair<SessionId, TaskId>> cancels_;  // to tell at the next tick
  std::uint64_t work_done_ = 0;
  std::uint64_t expired_since_tick_ = 0;
  std::uint64_t requeued_since_tick_ = 0;
  std::vector<SessionId> requeued_sessions_;
  std::optional<SteadyTime> absence_checked_;
  std::optional<LaneKey> absence_from_;  // where the check goes on
  std::uint64_t absence_left_ = 0;       // queues of that lane
  SteadyTime ticked_{};                  // last

  std::vector<LaneId> ready_news_;
  std::vector<LaneId> gone_news_;
  std::vector<StoredBatch*> progress_news_;
  std::vector<BatchId> progress_ids_;  // of schedules
  bool due_news_ = false;
  std::vector<std::unique_ptr<StoredBatch>> forgotten_;
};

}  // namespace probekit::store
