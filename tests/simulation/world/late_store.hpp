// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A store that takes its time: what is asked happens later, in its order, as on a thread with a
/// disk; and for a while it may stand still.

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "simulation/world/forwarding_store.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

/// Of one process of a master: what it has not done when that ends, never happens.
class LateStore final : public ForwardingStore {
 public:
  LateStore(World& world, Machine& machine, std::shared_ptr<TaskStore> store, Time latency_max)
      : ForwardingStore(std::move(store)),
        world_(world),
        machine_(machine),
        latency_max_(latency_max) {}

  void stand_still(Time until) { not_before_ = std::max(not_before_, until); }
  /// Of results that wait to be recorded.
  std::size_t bytes() const noexcept { return bytes_; }
  /// Its process is gone: what waits never happens. It holds on to who asked, who holds on to this.
  void forget_calls() { calls_.clear(); }
  /// Does at once what waits, and what comes of it.
  void finish() {
    while (!calls_.empty()) {
      const std::function<void()> call = std::move(calls_.front());
      call();
      calls_.pop_front();
    }
  }

  void commit_upload(std::uint64_t upload, std::uint64_t rejected, std::optional<KeyAnswer> answer,
                     Completion<BatchView> done) override {
    later([=, done = std::move(done)]() mutable {
      inner().commit_upload(upload, rejected, answer, std::move(done));
    });
  }
  void extend_batch(BatchId batch, Completion<std::uint64_t> done) override {
    later([this, batch, done = std::move(done)]() mutable {
      inner().extend_batch(batch, std::move(done));
    });
  }
  void close_batch(BatchId batch, Completion<BatchView> done) override {
    later([this, batch, done = std::move(done)]() mutable {
      inner().close_batch(batch, std::move(done));
    });
  }
  void put_schedule(std::string name, ScheduleSpec spec, Completion<SchedulePut> done) override {
    later([=, done = std::move(done)]() mutable {
      inner().put_schedule(name, spec, std::move(done));
    });
  }
  void open_session(NewSession session, Completion<SessionOpened> done) override {
    later(
        [=, done = std::move(done)]() mutable { inner().open_session(session, std::move(done)); });
  }
  void resume(ResumeRequest request, Completion<ResumeReply> done) override {
    later([=, done = std::move(done)]() mutable { inner().resume(request, std::move(done)); });
  }
  void lease(LeaseRequest request, Completion<LeaseReply> done) override {
    later([=, done = std::move(done)]() mutable { inner().lease(request, std::move(done)); });
  }
  void record(SessionId session, std::vector<TaskReport> reports,
              Completion<RecordReply> done) override {
    std::size_t bytes = 0;
    for (const TaskReport& report : reports) bytes += report.fields.size();
    bytes_ += bytes;
    later([this, session, bytes, reports = std::move(reports), done = std::move(done)]() mutable {
      bytes_ -= bytes;
      inner().record(session, std::move(reports), std::move(done));
    });
  }
  void give_back(SessionId session, std::vector<TaskId> tasks,
                 Completion<std::uint64_t> done) override {
    later([=, done = std::move(done)]() mutable {
      inner().give_back(session, tasks, std::move(done));
    });
  }
  void lose_session(SessionLoss loss, Completion<std::uint64_t> done) override {
    later([=, done = std::move(done)]() mutable { inner().lose_session(loss, std::move(done)); });
  }
  void tick(Completion<StoreTick> done) override {
    later([this, done = std::move(done)]() mutable { inner().tick(std::move(done)); });
  }
  void set_drained(SessionId session, bool drained) override {
    later([this, session, drained] { inner().set_drained(session, drained); });
  }
  void cancel(BatchId id, Completion<BatchView> done) override {
    later([this, id, done = std::move(done)]() mutable { inner().cancel(id, std::move(done)); });
  }
  void facts(Completion<StoreFacts> done) override {
    later([this, done = std::move(done)]() mutable { inner().facts(std::move(done)); });
  }

 private:
  void later(std::function<void()> call) {
    calls_.push_back(std::move(call));
    if (calls_.size() == 1) next();
  }

  void next() {
    const Time when =
        std::max(world_.now() + world_.chance().between(Time{0}, latency_max_), not_before_);
    world_.at(when, machine_, [this] {
      if (not_before_ > world_.now()) return next();  // it came to a standstill meanwhile
      const std::function<void()> call = std::move(calls_.front());
      call();
      calls_.pop_front();
      if (!calls_.empty()) next();
    });
  }

  World& world_;
  Machine& machine_;
  const Time latency_max_;
  Time not_before_{0};
  std::size_t bytes_ = 0;
  std::deque<std::function<void()>> calls_;
};

}  // namespace probekit::simulation
