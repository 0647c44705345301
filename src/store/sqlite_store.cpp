// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Calls wait in a queue; the store's thread takes what is there, runs all of it against the table,
/// commits once, and only then answers. While a commit fails, those that waited for it go on
/// waiting, so does what agents say, and whoever brings or wants new work is told why.

#include "store/sqlite_store.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread.hpp"
#include "store/store_options.hpp"

namespace probekit::store {
namespace {

/// Calls of one commit.
constexpr std::size_t kGroupMax = 1000;
/// Calls that wait; past it those that can be refused are.
constexpr std::size_t kCallsMax = 100'000;
constexpr std::chrono::milliseconds kRetryAfter{1000};
/// Between two transactions that only clean up.
constexpr std::chrono::milliseconds kCleanAfter{20};
/// Frames of the log, 4 KiB each, from which on they are copied into the file beside the work; and
/// those from which on the work waits for it.
constexpr int kLogFrames = 4'096;
constexpr int kLogFramesMax = 16'384;

/// What becomes of a call while the store cannot commit.
enum class While : std::uint8_t {
  held,     // it waits
  asked,    // likewise, but it is for nothing when whoever asked is gone
  refused,  // it is told why
  append,   // likewise, even when the table has it: its upload is over
  served    // it is answered: it changes nothing, or only lets go
};

class Call {
 public:
  explicit Call(While troubled) : troubled_(troubled) {}
  virtual ~Call() = default;

  While troubled() const noexcept { return troubled_; }
  virtual void apply(SqliteCore& core, Now now) = 0;
  /// Answers; with an error in place of what it came to, if there is one.
  virtual void finish(const Error* instead) = 0;
  /// What must happen all the same when it is not applied.
  virtual void pass_over(SqliteCore&, Now) {}
  /// Whoever asked is gone.
  void abandon() noexcept { abandoned_ = true; }
  bool abandoned() const noexcept { return abandoned_; }

 private:
  const While troubled_;
  bool abandoned_ = false;
};

template <class T, class Work>
class CallOf : public Call {
 public:
  CallOf(While troubled, Completion<T> done, Work work)
      : Call(troubled), done_(std::move(done)), work_(std::move(work)) {}

  void apply(SqliteCore& core, Now now) override { answer_.emplace(work_(core, now)); }
  void finish(const Error* instead) override {
    const Completion<T> done = std::exchange(done_, nullptr);
    if (!done) return;
    if (instead != nullptr) return done(*instead);
    done(std::move(*answer_));
  }

 private:
  Completion<T> done_;
  Work work_;
  std::optional<Expected<T>> answer_;
};

/// An upload ends with its commit, whatever that comes to.
template <class T, class Work>
class CommitCall final : public CallOf<T, Work> {
 public:
  CommitCall(std::uint64_t upload, Completion<T> done, Work work)
      : CallOf<T, Work>(While::refused, std::move(done), std::move(work)), upload_(upload) {}
  void pass_over(SqliteCore& core, Now now) override { core.table().abandon_upload(now, upload_); }

 private:
  const std::uint64_t upload_;
};

/// Copies the log into the file on a thread and a connection of its own.
class Checkpointer {
 public:
  explicit Checkpointer(const SqliteFile& file) : file_(file) {
    thread_ = start_thread("pk-checkpoint", [this] { loop(); });
  }
  ~Checkpointer() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wanted_.notify_all();
    thread_.join();
  }
  void request() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (std::exchange(open_, true)) return;
    }
    wanted_.notify_all();
  }

 private:
  void loop() {
    std::optional<Database> database;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wanted_.wait(lock, [this] { return stopping_ || open_; });
      if (stopping_) return;
      lock.unlock();
      try {
        if (!database) {
          database.emplace(file_.path, file_.vfs);
          // A connection that never read knows of no log: sqlite3_wal_checkpoint_v2() copies
          // nothing and reports success.
          database->number("PRAGMA schema_version");
        }
        database->checkpoint(false);
      } catch (const SqlError&) {  // the work goes on; the next request tries again
        database.reset();
      }
      lock.lock();
      open_ = false;
    }
  }

  const SqliteFile file_;
  std::mutex mutex_;
  std::condition_variable wanted_;
  bool open_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

class SqliteStore final : public TaskStore {
 public:
  SqliteStore(const StoreOptions& options, std::unique_ptr<SqliteCore> core, StoreThread thread)
      : clock_(options.clock), random_(options.random), core_(std::move(core)) {
    if (thread == StoreThread::caller) return;
    checkpointer_ = std::make_unique<Checkpointer>(core_->file());
    thread_ = start_thread("pk-store", [this] {
      loop();
      if (unowned_) delete this;
    });
  }

  /// A completion may be the last to hold the store: then its own thread is who lets go of it.
  static void release(SqliteStore* store) {
    if (store->thread_.get_id() != std::this_thread::get_id()) {
      delete store;
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(store->mutex_);
      store->stopping_ = true;
    }
    store->unowned_ = true;
    store->thread_.detach();
  }

  ~SqliteStore() override {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_all();
    thread_.join();
  }

  void observe(StoreObserver* observer) override {
    std::unique_lock<std::mutex> lock(mutex_);
    StoreObserver* const previous = std::exchange(observer_, observer);
    if (previous == observer) return;
    told_.wait(lock, [&] { return telling_ == nullptr || telling_ != previous; });
  }

  void open_upload(NewBatch batch, Completion<std::uint64_t> done) override {
    run(While::refused, std::move(done), [batch = std::move(batch)](SqliteCore& core, Now) mutable {
      return core.table().open_upload(std::move(batch));
    });
  }
  void extend_batch(BatchId batch, Completion<std::uint64_t> done) override {
    run(While::refused, std::move(done),
        [batch](SqliteCore& core, Now) { return core.table().extend_batch(batch); });
  }
  void append(std::uint64_t upload, const std::vector<NewTask>& tasks,
              Completion<std::uint64_t> done) override {
    // The texts are the caller's until this returns.
    std::size_t size = 0;
    for (const NewTask& task : tasks) size += task.target.size();
    auto text = std::make_unique<std::string>();
    text->reserve(size);
    std::vector<NewTask> kept = tasks;
    for (NewTask& task : kept) {
      const std::size_t at = text->size();
      *text += task.target;
      task.target = std::string_view{text->data() + at, task.target.size()};
    }
    run(While::append, std::move(done),
        [upload, text = std::move(text), tasks = std::move(kept)](SqliteCore& core, Now) {
          return core.table().append(upload, tasks);
        });
  }
  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override {
    auto work = [upload, rejected, answer = std::move(answer)](SqliteCore& core, Now now) mutable {
      return core.table().commit_upload(now, upload, rejected, std::move(answer));
    };
    put(std::make_unique<CommitCall<BatchView, decltype(work)>>(upload, std::move(done),
                                                                std::move(work)),
        true);
  }
  void abandon_upload(std::uint64_t upload) override {
    tell([upload](SqliteCore& core, Now now) { core.table().abandon_upload(now, upload); });
  }
  void close_batch(BatchId batch, Completion<BatchView> done) override {
    run(While::refused, std::move(done),
        [batch](SqliteCore& core, Now now) { return core.table().close_batch(now, batch); });
  }
  void claim_key(IdempotencyKey key, Completion<KeyState> done) override {
    run(While::refused, std::move(done),
        [key = std::move(key)](SqliteCore& core, Now) { return core.table().keys().claim(key); });
  }
  void release_key(IdempotencyKey key) override {
    tell([key = std::move(key)](SqliteCore& core, Now) { core.table().keys().release(key); });
  }

  void open_session(NewSession session, Completion<SessionOpened> done) override {
    run(While::refused, std::move(done),
        [session = std::move(session)](SqliteCore& core, Now) mutable -> Expected<SessionOpened> {
          return core.table().open_session(std::move(session));
        });
  }
  void resume(ResumeRequest request, Completion<ResumeReply> done) override {
    run(While::asked, std::move(done), [request = std::move(request)](SqliteCore& core, Now now) {
      return core.table().resume(now, request);
    });
  }
  void lease(LeaseRequest request, Completion<LeaseReply> done) override {
    run(While::asked, std::move(done), [request = std::move(request)](SqliteCore& core, Now now) {
      return core.table().lease(now, request);
    });
  }
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    run(While::held, std::move(done),
        [session, reports = std::move(reports)](SqliteCore& core, Now now)
            -> Expected<RecordReply> { return core.table().record(now, session, reports); });
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    run(While::held, std::move(done),
        [session, tasks = std::move(tasks)](SqliteCore& core, Now now) -> Expected<std::uint64_t> {
          return core.table().give_back(now, session, tasks);
        });
  }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    run(While::held, std::move(done), [loss](SqliteCore& core, Now now) -> Expected<std::uint64_t> {
      return core.table().lose_session(now, loss);
    });
  }
  /// The file has one master, whose end ends its sessions: none is ever left to expire.
  void renew(std::vector<SessionId>) override {}
  void tick(Completion<StoreTick> done) override {
    run(While::served, std::move(done), [this](SqliteCore& core, Now now) -> Expected<StoreTick> {
      if (trouble_) return StoreTick{};  // time stands still
      return core.table().tick(now);
    });
  }

  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override {
    const double phase = static_cast<double>(random_->next() >> 11) * 0x1p-53;
    run(While::refused, std::move(done),
        [name = std::move(name), spec = std::move(spec), phase](SqliteCore& core, Now now) mutable {
          return core.table().put_schedule(now, name, std::move(spec), phase);
        });
  }
  void schedule(std::string name, Completion<ScheduleView> done) override {
    run(While::served, std::move(done), [name = std::move(name)](SqliteCore& core, Now now) {
      return core.table().schedule(now, name);
    });
  }
  void schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) override {
    run(While::served, std::move(done),
        [after = std::move(after), limit](SqliteCore& core, Now now) {
          return core.table().schedules(now, after, limit);
        });
  }
  void remove_schedule(std::string name, Completion<ScheduleView> done) override {
    run(While::refused, std::move(done), [name = std::move(name)](SqliteCore& core, Now now) {
      return core.table().remove_schedule(now, name);
    });
  }
  void schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) override {
    run(While::served, std::move(done), [query = std::move(query)](SqliteCore& core, Now now) {
      return core.journal().schedule_results(now, query);
    });
  }
  void schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) override {
    run(While::served, std::move(done), [query = std::move(query)](SqliteCore& core, Now now) {
      return core.journal().schedule_page_end(now, query);
    });
  }
  void set_drained(SessionId session, bool drained) override {
    run<bool>(While::held, nullptr, [session, drained](SqliteCore& core, Now) -> Expected<bool> {
      core.table().set_drained(session, drained);
      return true;
    });
  }
  void explain(std::string diagnosis) override {
    run<bool>(While::served, nullptr,
              [diagnosis = std::move(diagnosis)](SqliteCore& core, Now) -> Expected<bool> {
                core.table().explain(diagnosis);
                return true;
              });
  }
  void set_name_drained(std::string name, bool drained, Completion<bool> done) override {
    run<bool>(While::refused, std::move(done),
              [name = std::move(name), drained](SqliteCore& core, Now) -> Expected<bool> {
                core.table().set_name_drained(name, drained);
                return true;
              });
  }
  std::vector<std::string> drained_names() const override {
    const std::lock_guard<std::mutex> lock(table_mutex_);
    return core_->table().drained_names();
  }

  // Without the lock: whoever has it may be waiting for the disk.
  std::string batch_name(BatchId id) const override { return core_->table().batch_name(id); }
  std::optional<BatchId> find_batch(std::string_view text) const override {
    return core_->table().find_batch(text);
  }
  void batch(BatchId id, Completion<BatchView> done) override {
    run(While::served, std::move(done),
        [id](SqliteCore& core, Now now) { return core.table().batch(now, id); });
  }
  void batches(BatchListQuery query, Completion<BatchList> done) override {
    run(While::served, std::move(done), [query = std::move(query)](SqliteCore& core, Now now) {
      return core.table().batches(now, query);
    });
  }
  void results(ResultQuery query, Completion<ResultPage> done) override {
    run(While::served, std::move(done), [query = std::move(query)](SqliteCore& core, Now now) {
      return core.journal().results(now, query);
    });
  }
  void page_end(ResultQuery query, Completion<ResultPageEnd> done) override {
    run(While::served, std::move(done), [query = std::move(query)](SqliteCore& core, Now now) {
      return core.journal().page_end(now, query);
    });
  }
  void summary(BatchId id, Completion<BatchSummary> done) override {
    run(While::served, std::move(done),
        [id](SqliteCore& core, Now) { return core.table().summary(id); });
  }
  void cancel(BatchId id, Completion<BatchView> done) override {
    run(While::refused, std::move(done),
        [id](SqliteCore& core, Now now) { return core.table().cancel(now, id); });
  }
  void facts(Completion<StoreFacts> done) override {
    run(While::served, std::move(done), [this](SqliteCore& core, Now) -> Expected<StoreFacts> {
      StoreFacts facts = core.table().facts();
      if (trouble_) facts.trouble = trouble_->message();
      return facts;
    });
  }
  void abandon() override {
    tell([this](SqliteCore&, Now) { abandon_waiting(); });
  }
  std::vector<Lane> lanes() const override {
    const std::lock_guard<std::mutex> lock(table_mutex_);
    return core_->table().lanes();
  }

 private:
  using Calls = std::vector<std::unique_ptr<Call>>;

  template <class T, class Work>
  void run(While troubled, Completion<T> done, Work work) {
    put(std::make_unique<CallOf<T, Work>>(troubled, std::move(done), std::move(work)));
  }

  /// Nobody hears what becomes of it, so it is never refused.
  template <class Work>
  void tell(Work work) {
    auto always = [work = std::move(work)](SqliteCore& core, Now now) -> Expected<bool> {
      work(core, now);
      return true;
    };
    put(std::make_unique<CallOf<bool, decltype(always)>>(While::served, nullptr, std::move(always)),
        true);
  }

  static bool waits(While troubled) noexcept {
    return troubled == While::held || troubled == While::asked;
  }

  /// `always`: even past kCallsMax.
  void put(std::unique_ptr<Call> call, bool always = false) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool refusable = !always && !waits(call->troubled());
    if (refusable && calls_.size() >= kCallsMax) {
      lock.unlock();
      const Error busy{make_error_code(errc::limit_reached), "too many calls wait for the store"};
      return call->finish(&busy);
    }
    calls_.push_back(std::move(call));
    if (thread_.joinable()) {
      if (calls_.size() == 1) arrived_.notify_all();
      return;
    }
    // The thread that is at it goes on with this one.
    if (std::exchange(running_, true)) return;
    while (!calls_.empty()) {
      Calls group = take_group();
      lock.unlock();
      step(std::move(group), true);
      lock.lock();
    }
    running_ = false;
  }

  /// Under the lock.
  Calls take_group() {
    Calls group;
    while (!calls_.empty() && group.size() < kGroupMax) {
      group.push_back(std::move(calls_.front()));
      calls_.pop_front();
    }
    return group;
  }

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      const auto something = [this] { return stopping_ || !calls_.empty(); };
      if (trouble_ && !core_->broken()) {
        arrived_.wait_for(lock, kRetryAfter, something);
      } else if (core_->unclean() && !core_->broken()) {
        arrived_.wait_for(lock, kCleanAfter, something);
      } else {
        arrived_.wait(lock, something);
      }
      if (stopping_ && calls_.empty()) break;
      Calls group = take_group();
      const bool idle = group.empty();
      lock.unlock();
      step(std::move(group), idle);
      lock.lock();
    }
    lock.unlock();
    const Error closed{make_error_code(errc::closed), "the store has ended"};
    fail_waiting(closed);
  }

  Now now() const { return {clock_->steady_now(), clock_->system_now()}; }

  /// Runs the calls and answers what it can. `clean`: with nothing to commit, what was forgotten.
  void step(Calls group, bool clean) {
    for (auto& call : group) {
      if (trouble_) {
        pass(std::move(call));
      } else {
        apply(std::move(call));
      }
    }
    if (std::exchange(abandoning_, false)) let_go_abandoned();
    if (core_->broken()) return stop_for_good();
    if (trouble_ && clock_->steady_now() < retry_at_) return;
    if (!trouble_ && !core_->changed() && !(clean && core_->unclean())) return done();
    if (const auto committed = core_->commit(now()); !committed) {
      trouble_ = committed.error();
      retry_at_ = clock_->steady_now() + kRetryAfter;
      if (core_->broken()) return stop_for_good();
      for (auto& call : std::exchange(applied_, {})) {
        if (call->troubled() == While::append) {
          call->finish(&*trouble_);  // its upload is over; it may be what takes the room
        } else if (call->troubled() == While::served) {
          call->finish(nullptr);
        } else if (call->abandoned()) {
          finish_abandoned(*call);
        } else {
          applied_.push_back(std::move(call));
        }
      }
      return;
    }
    done();
    copy_log();
    if (!trouble_) return;
    trouble_.reset();
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto call = held_.rbegin(); call != held_.rend(); ++call) {
      calls_.push_front(std::move(*call));
    }
    held_.clear();
  }

  void apply(std::unique_ptr<Call> call) {
    try {
      const std::lock_guard<std::mutex> lock(table_mutex_);
      call->apply(*core_, now());
      applied_.push_back(std::move(call));
    } catch (const std::exception& error) {
      broke(error);
      call->finish(&*trouble_);
    }
  }

  void broke(const std::exception& error) {
    core_->give_up();
    trouble_.emplace(make_error_code(errc::store_failed),
                     std::string{"the store's file cannot be read: "} + error.what());
  }

  /// While nothing can be committed.
  void pass(std::unique_ptr<Call> call) {
    const bool broken = core_->broken();
    if (waits(call->troubled()) && !broken) {
      held_.push_back(std::move(call));
      return;
    }
    try {
      const std::lock_guard<std::mutex> lock(table_mutex_);
      if (call->troubled() == While::served) {
        call->apply(*core_, now());
      } else if (!broken) {
        call->pass_over(*core_, now());
      }
    } catch (const std::exception& error) {
      broke(error);
      return call->finish(&*trouble_);
    }
    call->finish(call->troubled() == While::served ? nullptr : &*trouble_);
  }

  /// All that was applied is on the disk, or changed nothing.
  void done() {
    TaskTable::News news;
    {
      const std::lock_guard<std::mutex> lock(table_mutex_);
      news = core_->table().take_news();
      core_->table().let_go(now());
    }
    Calls finished = std::exchange(applied_, {});
    for (auto& call : finished) call->finish(nullptr);
    finished.clear();
    if (!news.empty()) tell_observer(news);
  }

  /// After a commit: nothing else makes the log longer.
  void copy_log() {
    if (core_->log_frames() < copied_whole_at_) copied_whole_at_ = 0;  // it began anew
    if (core_->log_frames() < kLogFrames) return;
    if (checkpointer_ == nullptr) {
      core_->checkpoint(false);
    } else if (core_->log_frames() > copied_whole_at_ + kLogFramesMax) {
      // Waits for the one beside, and does the rest. Where somebody else reads the file for long it
      // waits in vain: the next try is as far away as the first was.
      copied_whole_at_ = core_->checkpoint(true) > 0 ? core_->log_frames() : 0;
    } else {
      checkpointer_->request();
    }
  }

  void tell_observer(const TaskTable::News& news) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      telling_ = observer_;
    }
    if (telling_ == nullptr) return;
    if (!news.ready.empty()) telling_->on_ready(news.ready);
    if (!news.gone.empty()) telling_->on_gone(news.gone);
    if (!news.progress.empty()) telling_->on_progress(news.progress);
    if (news.due) telling_->on_due();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      telling_ = nullptr;
    }
    told_.notify_all();
  }

  void abandon_waiting() {
    for (Calls* calls : {&applied_, &held_}) {
      for (auto& call : *calls) call->abandon();
    }
    abandoning_ = true;
  }

  /// What waits is answered; what it was to change is still to be changed.
  void let_go_abandoned() {
    for (auto& call : std::exchange(held_, {})) {
      if (call->abandoned()) finish_abandoned(*call);
      if (!call->abandoned() || call->troubled() == While::held) held_.push_back(std::move(call));
    }
    if (!trouble_) return;  // the commit tells
    for (auto& call : std::exchange(applied_, {})) {
      if (call->abandoned()) {
        finish_abandoned(*call);
      } else {
        applied_.push_back(std::move(call));
      }
    }
  }

  static void finish_abandoned(Call& call) {
    const Error closed{make_error_code(errc::closed), "the master has stopped"};
    call.finish(&closed);
  }

  void stop_for_good() {
    if (!trouble_) {
      trouble_.emplace(make_error_code(errc::store_failed), "the store has stopped");
    }
    fail_waiting(*trouble_);
  }

  void fail_waiting(const Error& error) {
    for (Calls* calls : {&applied_, &held_}) {
      for (auto& call : std::exchange(*calls, {})) call->finish(&error);
    }
  }

  const std::shared_ptr<const Clock> clock_;
  const std::shared_ptr<RandomSource> random_;

  // Of the thread that runs calls.
  std::unique_ptr<SqliteCore> core_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::optional<Error> trouble_;
  SteadyTime retry_at_{};
  int copied_whole_at_ = 0;  // frames there were when a whole copy had not come to its end
  bool abandoning_ = false;  // calls are marked
  bool unowned_ = false;     // the thread deletes the store when it ends
  Calls applied_;            // not committed
  Calls held_;               // not applied, as there is trouble

  // The table, against lanes() and drained_names(). A call that reads the file holds it.
  mutable std::mutex table_mutex_;

  std::mutex mutex_;  // all below
  std::condition_variable arrived_;
  std::condition_variable told_;
  std::deque<std::unique_ptr<Call>> calls_;
  bool running_ = false;
  bool stopping_ = false;
  StoreObserver* observer_ = nullptr;
  StoreObserver* telling_ = nullptr;  // the one being told now; its thread alone changes it
  std::thread thread_;
};

}  // namespace

Expected<std::shared_ptr<TaskStore>> open_sqlite_store(const SqliteFile& file, StoreOptions options,
                                                       StoreThread thread) {
  options = completed(std::move(options));
  auto core = SqliteCore::open(file, options);
  if (!core) return core.error();
  return std::shared_ptr<TaskStore>(new SqliteStore(options, std::move(*core), thread),
                                    &SqliteStore::release);
}

}  // namespace probekit::store

namespace probekit {

Expected<std::shared_ptr<TaskStore>> make_sqlite_store(const std::string& path,
                                                       StoreOptions options) {
  return store::open_sqlite_store({path, {}}, std::move(options), store::StoreThread::own);
}

}  // namespace probekit
