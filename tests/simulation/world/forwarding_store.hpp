// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A store that asks another one: what watches, delays and corrupts stores is made of it.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/task_store.hpp"

namespace probekit::simulation {

class ForwardingStore : public TaskStore {
 public:
  explicit ForwardingStore(std::shared_ptr<TaskStore> store) : store_(std::move(store)) {}

  void observe(StoreObserver* observer) override { store_->observe(observer); }
  void open_upload(NewBatch batch, Completion<std::uint64_t> done) override {
    store_->open_upload(std::move(batch), std::move(done));
  }
  void append(std::uint64_t upload, const std::vector<NewTask>& tasks,
              Completion<std::uint64_t> done) override {
    store_->append(upload, tasks, std::move(done));
  }
  void extend_batch(BatchId batch, Completion<std::uint64_t> done) override {
    store_->extend_batch(batch, std::move(done));
  }
  using TaskStore::commit_upload;
  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override {
    store_->commit_upload(upload, rejected, std::move(answer), std::move(done));
  }
  void abandon_upload(std::uint64_t upload) override { store_->abandon_upload(upload); }
  void close_batch(BatchId batch, Completion<BatchView> done) override {
    store_->close_batch(batch, std::move(done));
  }
  void claim_key(IdempotencyKey key, Completion<KeyState> done) override {
    store_->claim_key(std::move(key), std::move(done));
  }
  void release_key(IdempotencyKey key) override { store_->release_key(std::move(key)); }
  void open_session(NewSession session, Completion<SessionOpened> done) override {
    store_->open_session(std::move(session), std::move(done));
  }
  void resume(ResumeRequest request, Completion<ResumeReply> done) override {
    store_->resume(std::move(request), std::move(done));
  }
  void lease(LeaseRequest request, Completion<LeaseReply> done) override {
    store_->lease(std::move(request), std::move(done));
  }
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    store_->record(session, std::move(reports), std::move(done));
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    store_->give_back(session, std::move(tasks), std::move(done));
  }
  void explain(std::string diagnosis) override { store_->explain(std::move(diagnosis)); }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    store_->lose_session(loss, std::move(done));
  }
  void renew(std::vector<SessionId> sessions) override { store_->renew(std::move(sessions)); }
  void tick(Completion<StoreTick> done) override { store_->tick(std::move(done)); }
  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override {
    store_->put_schedule(std::move(name), std::move(spec), std::move(done));
  }
  void schedule(std::string name, Completion<ScheduleView> done) override {
    store_->schedule(std::move(name), std::move(done));
  }
  void schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) override {
    store_->schedules(std::move(after), limit, std::move(done));
  }
  void remove_schedule(std::string name, Completion<ScheduleView> done) override {
    store_->remove_schedule(std::move(name), std::move(done));
  }
  void schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) override {
    store_->schedule_results(std::move(query), std::move(done));
  }
  void schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) override {
    store_->schedule_page_end(std::move(query), std::move(done));
  }
  void set_drained(SessionId session, bool drained) override {
    store_->set_drained(session, drained);
  }
  void abandon() override { store_->abandon(); }
  void set_name_drained(std::string name, bool drained, Completion<bool> done) override {
    store_->set_name_drained(std::move(name), drained, std::move(done));
  }
  std::vector<std::string> drained_names() const override { return store_->drained_names(); }
  std::string batch_name(BatchId id) const override { return store_->batch_name(id); }
  std::optional<BatchId> find_batch(std::string_view text) const override {
    return store_->find_batch(text);
  }
  void batch(BatchId id, Completion<BatchView> done) override {
    store_->batch(id, std::move(done));
  }
  void batches(BatchListQuery query, Completion<BatchList> done) override {
    store_->batches(std::move(query), std::move(done));
  }
  void results(ResultQuery query, Completion<ResultPage> done) override {
    store_->results(std::move(query), std::move(done));
  }
  void page_end(ResultQuery query, Completion<ResultPageEnd> done) override {
    store_->page_end(std::move(query), std::move(done));
  }
  void summary(BatchId id, Completion<BatchSummary> done) override {
    store_->summary(id, std::move(done));
  }
  void cancel(BatchId id, Completion<BatchView> done) override {
    store_->cancel(id, std::move(done));
  }
  void facts(Completion<StoreFacts> done) override { store_->facts(std::move(done)); }
  std::vector<Lane> lanes() const override { return store_->lanes(); }

 protected:
  TaskStore& inner() noexcept { return *store_; }

 private:
  const std::shared_ptr<TaskStore> store_;
};

}  // namespace probekit::simulation
