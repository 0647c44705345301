// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// The memory store: TaskTable behind one mutex, told the time. Completions run inside the call
/// that asked, after the lock is released; the observer hears after them.

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/text.hpp"
#include "store/store_options.hpp"
#include "store/task_table.hpp"

namespace probekit {
namespace {

using store::Now;
using store::TaskTable;

class MemoryStore final : public TaskStore {
 public:
  MemoryStore(const StoreOptions& options, std::string id)
      : clock_(options.clock), random_(options.random), table_(options, std::move(id)) {}

  void observe(StoreObserver* observer) override {
    std::unique_lock<std::mutex> lock(mutex_);
    StoreObserver* const previous = std::exchange(observer_, observer);
    if (previous == observer) return;
    told_.wait(lock, [&] { return telling_ == nullptr || telling_ != previous; });
  }

  void open_upload(NewBatch batch, Completion<std::uint64_t> done) override {
    run<std::uint64_t>(done, [&](Now) { return table_.open_upload(std::move(batch)); });
  }
  void extend_batch(BatchId batch, Completion<std::uint64_t> done) override {
    run<std::uint64_t>(done, [&](Now) { return table_.extend_batch(batch); });
  }
  void append(std::uint64_t upload, const std::vector<NewTask>& tasks,
              Completion<std::uint64_t> done) override {
    run<std::uint64_t>(done, [&](Now) { return table_.append(upload, tasks); });
  }
  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override {
    run<BatchView>(done, [&](Now now) {
      return table_.commit_upload(now, upload, rejected, std::move(answer));
    });
  }
  void abandon_upload(std::uint64_t upload) override {
    run<bool>(nullptr, [&](Now now) {
      table_.abandon_upload(now, upload);
      return true;
    });
  }
  void close_batch(BatchId batch, Completion<BatchView> done) override {
    run<BatchView>(done, [&](Now now) { return table_.close_batch(now, batch); });
  }
  void claim_key(IdempotencyKey key, Completion<KeyState> done) override {
    run<KeyState>(done, [&](Now) { return table_.keys().claim(key); });
  }
  void release_key(IdempotencyKey key) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    table_.keys().release(key);
  }

  void open_session(NewSession session, Completion<SessionOpened> done) override {
    run<SessionOpened>(done, [&](Now) { return table_.open_session(std::move(session)); });
  }
  void resume(ResumeRequest request, Completion<ResumeReply> done) override {
    run<ResumeReply>(done, [&](Now now) { return table_.resume(now, request); });
  }
  void lease(LeaseRequest request, Completion<LeaseReply> done) override {
    run<LeaseReply>(done, [&](Now now) { return table_.lease(now, request); });
  }
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    run<RecordReply>(done, [&](Now now) { return table_.record(now, session, reports); });
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    run<std::uint64_t>(done, [&](Now now) { return table_.give_back(now, session, tasks); });
  }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    run<std::uint64_t>(done, [&](Now now) { return table_.lose_session(now, loss); });
  }
  /// A master loses its sessions when it stops, and what dies without a stop takes this store
  /// along: no session is ever left to expire.
  void renew(std::vector<SessionId>) override {}
  void explain(std::string diagnosis) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    table_.explain(std::move(diagnosis));
  }
  void tick(Completion<StoreTick> done) override {
    run<StoreTick>(done, [&](Now now) { return table_.tick(now); });
  }

  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override {
    const double phase = static_cast<double>(random_->next() >> 11) * 0x1p-53;
    run<SchedulePut>(
        done, [&](Now now) { return table_.put_schedule(now, name, std::move(spec), phase); });
  }
  void schedule(std::string name, Completion<ScheduleView> done) override {
    run<ScheduleView>(done, [&](Now now) { return table_.schedule(now, name); });
  }
  void schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) override {
    run<ScheduleList>(done, [&](Now now) { return table_.schedules(now, after, limit); });
  }
  void remove_schedule(std::string name, Completion<ScheduleView> done) override {
    run<ScheduleView>(done, [&](Now now) { return table_.remove_schedule(now, name); });
  }
  void schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) override {
    run<ResultPage>(done, [&](Now now) { return table_.schedule_results(now, query); });
  }
  void schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) override {
    run<ResultPageEnd>(done, [&](Now now) { return table_.schedule_page_end(now, query); });
  }
  void set_drained(SessionId session, bool drained) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    table_.set_drained(session, drained);
  }
  void set_name_drained(std::string name, bool drained, Completion<bool> done) override {
    run<bool>(done, [&](Now) -> Expected<bool> {
      table_.set_name_drained(name, drained);
      return true;
    });
  }
  std::vector<std::string> drained_names() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_.drained_names();
  }

  std::string batch_name(BatchId id) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_.batch_name(id);
  }
  std::optional<BatchId> find_batch(std::string_view text) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_.find_batch(text);
  }
  void batch(BatchId id, Completion<BatchView> done) override {
    run<BatchView>(done, [&](Now now) { return table_.batch(now, id); });
  }
  void batches(BatchListQuery query, Completion<BatchList> done) override {
    run<BatchList>(done, [&](Now now) { return table_.batches(now, query); });
  }
  void results(ResultQuery query, Completion<ResultPage> done) override {
    run<ResultPage>(done, [&](Now now) { return table_.results(now, query); });
  }
  void page_end(ResultQuery query, Completion<ResultPageEnd> done) override {
    run<ResultPageEnd>(done, [&](Now now) { return table_.page_end(now, query); });
  }
  void summary(BatchId id, Completion<BatchSummary> done) override {
    run<BatchSummary>(done, [&](Now) { return table_.summary(id); });
  }
  void cancel(BatchId id, Completion<BatchView> done) override {
    run<BatchView>(done, [&](Now now) { return table_.cancel(now, id); });
  }
  void facts(Completion<StoreFacts> done) override {
    run<StoreFacts>(done, [&](Now) { return table_.facts(); });
  }
  std::vector<Lane> lanes() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return table_.lanes();
  }

 private:
  template <class T, class Work>
  void run(const Completion<T>& done, Work work) {
    const auto answer = [&]() -> Expected<T> {
      const std::lock_guard<std::mutex> lock(mutex_);
      // Read under the lock, so that the table never sees time go back.
      return work(Now{clock_->steady_now(), clock_->system_now()});
    };
    Expected<T> answered = answer();
    if (done) done(std::move(answered));
    notify();
  }

  /// One thread at a time tells the observer; what moves meanwhile is told by the same thread.
  void notify() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (notifying_) return;
    TaskTable::News news = table_.take_news();
    if (news.empty()) return;
    notifying_ = true;
    while (!news.empty()) {
      telling_ = observer_;
      lock.unlock();
      if (telling_ != nullptr && !news.ready.empty()) telling_->on_ready(news.ready);
      if (telling_ != nullptr && !news.gone.empty()) telling_->on_gone(news.gone);
      if (telling_ != nullptr && !news.progress.empty()) telling_->on_progress(news.progress);
      if (telling_ != nullptr && news.due) telling_->on_due();
      news = {};  // a forgotten batch is freed here
      lock.lock();
      telling_ = nullptr;
      told_.notify_all();
      news = table_.take_news();
    }
    notifying_ = false;
  }

  const std::shared_ptr<const Clock> clock_;
  const std::shared_ptr<RandomSource> random_;
  mutable std::mutex mutex_;
  std::condition_variable told_;
  // Guarded by mutex_.
  TaskTable table_;
  StoreObserver* observer_ = nullptr;
  StoreObserver* telling_ = nullptr;  // the one being told now; its thread alone changes it
  bool notifying_ = false;
};

}  // namespace

std::shared_ptr<TaskStore> make_memory_store(StoreOptions options) {
  options = store::completed(std::move(options));
  std::string id;
  append_hex(id, options.random->next());
  return std::make_shared<MemoryStore>(options, std::move(id));
}

std::shared_ptr<TaskStore> make_memory_store() { return make_memory_store(StoreOptions{}); }

}  // namespace probekit
