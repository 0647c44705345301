// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A store that can stand still: while it does, calls are made on the store behind it only once it
/// goes on, or are made and their completions held back. For tests of what masters do meanwhile.

#include <atomic>
#include <cstddef>
#include <memory>

#include "store/task_store.hpp"

namespace probekit::test {

/// *Threads*: safe to share.
class StallingStore final : public TaskStore {
 public:
  enum class Stall {
    calls,       ///< nothing reaches the store: as a disk that does not answer
    completions  ///< the store acts, and nobody hears of it
  };

  explicit StallingStore(std::shared_ptr<TaskStore> store);
  ~StallingStore() override;

  void stall(Stall what);
  /// Everything held back happens, in its order, on this thread; then the store is itself again.
  void go_on();
  /// What is held back now.
  std::size_t held() const;
  /// The one that was set last, for a test to tell it things; null: none.
  StoreObserver* observer() const;

  void observe(StoreObserver* observer) override;
  void open_upload(NewBatch batch, Completion<std::uint64_t> done) override;
  /// While calls are held back, the tasks are copied.
  void append(std::uint64_t upload, const std::vector<NewTask>& tasks,
              Completion<std::uint64_t> done) override;
  void extend_batch(BatchId batch, Completion<std::uint64_t> done) override;
  using TaskStore::commit_upload;
  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override;
  void abandon_upload(std::uint64_t upload) override;
  void close_batch(BatchId batch, Completion<BatchView> done) override;
  void claim_key(IdempotencyKey key, Completion<KeyState> done) override;
  void release_key(IdempotencyKey key) override;
  void open_session(NewSession session, Completion<SessionOpened> done) override;
  void resume(ResumeRequest request, Completion<ResumeReply> done) override;
  void lease(LeaseRequest request, Completion<LeaseReply> done) override;
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override;
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override;
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override;
  void renew(std::vector<SessionId> sessions) override;
  void explain(std::string diagnosis) override;
  void tick(Completion<StoreTick> done) override;
  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override;
  void schedule(std::string name, Completion<ScheduleView> done) override;
  void schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) override;
  void remove_schedule(std::string name, Completion<ScheduleView> done) override;
  void schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) override;
  void schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) override;
  void set_drained(SessionId session, bool drained) override;
  void abandon() override { store_->abandon(); }
  void set_name_drained(std::string name, bool drained, Completion<bool> done) override;
  std::vector<std::string> drained_names() const override { return store_->drained_names(); }
  std::string batch_name(BatchId id) const override;
  std::optional<BatchId> find_batch(std::string_view text) const override;
  void batch(BatchId id, Completion<BatchView> done) override;
  void batches(BatchListQuery query, Completion<BatchList> done) override;
  void results(ResultQuery query, Completion<ResultPage> done) override;
  void page_end(ResultQuery query, Completion<ResultPageEnd> done) override;
  void summary(BatchId id, Completion<BatchSummary> done) override;
  void cancel(BatchId id, Completion<BatchView> done) override;
  void facts(Completion<StoreFacts> done) override;
  std::vector<Lane> lanes() const override;

 private:
  struct Gate;

  template <class T>
  Completion<T> gated(Completion<T> done);

  const std::shared_ptr<TaskStore> store_;
  const std::shared_ptr<Gate> gate_;
  std::atomic<StoreObserver*> observer_{nullptr};
};

}  // namespace probekit::test
