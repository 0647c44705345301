// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "support/stalling_store.hpp"

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace probekit::test {

/// What is held back. Shared with completions, which may outlive the store.
struct StallingStore::Gate {
  mutable std::mutex mutex;
  bool calls_held = false;
  bool completions_held = false;
  bool emptying = false;  // go_on() is on its way: what comes meanwhile queues behind
  std::deque<std::function<void()>> held;

  void pass(bool Gate::*closed, std::function<void()> act) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (this->*closed || (emptying && closed == &Gate::calls_held)) {
        held.push_back(std::move(act));
        return;
      }
    }
    act();
  }

  void open() {
    std::unique_lock<std::mutex> lock(mutex);
    calls_held = completions_held = false;
    if (std::exchange(emptying, true)) return;
    while (!held.empty()) {
      const std::function<void()> act = std::move(held.front());
      held.pop_front();
      lock.unlock();
      act();
      lock.lock();
    }
    emptying = false;
  }
};

namespace {

/// Tasks that own what NewTask only looks at.
struct OwnedTasks {
  explicit OwnedTasks(const std::vector<NewTask>& tasks) {
    for (const NewTask& task : tasks) {
      targets.emplace_back(task.target);
      options.push_back(task.options);
      agents.push_back(task.agents);
    }
  }
  std::vector<NewTask> view() const {
    std::vector<NewTask> tasks;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      tasks.push_back({targets[i], options[i], agents[i]});
    }
    return tasks;
  }
  std::deque<std::string> targets;
  std::vector<std::shared_ptr<const ProbeOptions>> options;
  std::vector<std::shared_ptr<const Selector>> agents;
};

}  // namespace

StallingStore::StallingStore(std::shared_ptr<TaskStore> store)
    : store_(std::move(store)), gate_(std::make_shared<Gate>()) {}

StallingStore::~StallingStore() { gate_->open(); }

void StallingStore::stall(Stall what) {
  const std::lock_guard<std::mutex> lock(gate_->mutex);
  gate_->calls_held = what == Stall::calls;
  gate_->completions_held = what == Stall::completions;
}

void StallingStore::go_on() { gate_->open(); }

std::size_t StallingStore::held() const {
  const std::lock_guard<std::mutex> lock(gate_->mutex);
  return gate_->held.size();
}

template <class T>
Completion<T> StallingStore::gated(Completion<T> done) {
  return [gate = gate_, done = std::move(done)](Expected<T> answer) {
    gate->pass(&Gate::completions_held, [done, answer = std::move(answer)] {
      if (done) done(answer);
    });
  };
}

void StallingStore::observe(StoreObserver* observer) {
  observer_ = observer;
  store_->observe(observer);
}

StoreObserver* StallingStore::observer() const { return observer_; }

void StallingStore::open_upload(NewBatch batch, Completion<std::uint64_t> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, batch = std::move(batch), done = gated(std::move(done))] {
                store->open_upload(batch, done);
              });
}
void StallingStore::append(std::uint64_t upload, const std::vector<NewTask>& tasks,
                           Completion<std::uint64_t> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, upload, owned = OwnedTasks(tasks), done = gated(std::move(done))] {
                store->append(upload, owned.view(), done);
              });
}
void StallingStore::extend_batch(BatchId batch, Completion<std::uint64_t> done) {
  gate_->pass(&Gate::calls_held, [store = store_, batch, done = gated(std::move(done))] {
    store->extend_batch(batch, done);
  });
}
void StallingStore::commit_upload(std::uint64_t upload, std::uint64_t rejected,
                                  std::optional<KeyAnswer> answer, Completion<BatchView> done) {
  gate_->pass(&Gate::calls_held, [store = store_, upload, rejected, answer = std::move(answer),
                                  done = gated(std::move(done))] {
    store->commit_upload(upload, rejected, answer, done);
  });
}
void StallingStore::close_batch(BatchId batch, Completion<BatchView> done) {
  gate_->pass(&Gate::calls_held, [store = store_, batch, done = gated(std::move(done))] {
    store->close_batch(batch, done);
  });
}
void StallingStore::claim_key(IdempotencyKey key, Completion<KeyState> done) {
  gate_->pass(&Gate::calls_held, [store = store_, key = std::move(key),
                                  done = gated(std::move(done))] { store->claim_key(key, done); });
}
void StallingStore::release_key(IdempotencyKey key) {
  gate_->pass(&Gate::calls_held,
              [store = store_, key = std::move(key)] { store->release_key(key); });
}
void StallingStore::abandon_upload(std::uint64_t upload) {
  gate_->pass(&Gate::calls_held, [store = store_, upload] { store->abandon_upload(upload); });
}
void StallingStore::open_session(NewSession session, Completion<SessionOpened> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, session = std::move(session), done = gated(std::move(done))] {
                store->open_session(session, done);
              });
}
void StallingStore::resume(ResumeRequest request, Completion<ResumeReply> done) {
  gate_->pass(&Gate::calls_held, [store = store_, request = std::move(request),
                                  done = gated(std::move(done))] { store->resume(request, done); });
}
void StallingStore::lease(LeaseRequest request, Completion<LeaseReply> done) {
  gate_->pass(&Gate::calls_held, [store = store_, request = std::move(request),
                                  done = gated(std::move(done))] { store->lease(request, done); });
}
void StallingStore::record(SessionId session, std::vector<TaskReport> reports,
                           Completion<RecordReply> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, session, reports = std::move(reports),
               done = gated(std::move(done))] { store->record(session, reports, done); });
}
void StallingStore::give_back(SessionId session, std::vector<TaskId> tasks,
                              Completion<std::uint64_t> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, session, tasks = std::move(tasks), done = gated(std::move(done))] {
                store->give_back(session, tasks, done);
              });
}
void StallingStore::lose_session(SessionLoss loss, Completion<std::uint64_t> done) {
  gate_->pass(&Gate::calls_held, [store = store_, loss, done = gated(std::move(done))] {
    store->lose_session(loss, done);
  });
}
void StallingStore::renew(std::vector<SessionId> sessions) {
  gate_->pass(&Gate::calls_held,
              [store = store_, sessions = std::move(sessions)] { store->renew(sessions); });
}
void StallingStore::explain(std::string diagnosis) {
  gate_->pass(&Gate::calls_held,
              [store = store_, diagnosis = std::move(diagnosis)] { store->explain(diagnosis); });
}
void StallingStore::tick(Completion<StoreTick> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, done = gated(std::move(done))] { store->tick(done); });
}
void StallingStore::put_schedule(std::string name, ScheduleSpec spec,
                                 Completion<SchedulePut> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, name = std::move(name), spec = std::move(spec),
               done = gated(std::move(done))] { store->put_schedule(name, spec, done); });
}
void StallingStore::schedule(std::string name, Completion<ScheduleView> done) {
  gate_->pass(&Gate::calls_held, [store = store_, name = std::move(name),
                                  done = gated(std::move(done))] { store->schedule(name, done); });
}
void StallingStore::schedules(std::string after, std::size_t limit, Completion<ScheduleList> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, after = std::move(after), limit, done = gated(std::move(done))] {
                store->schedules(after, limit, done);
              });
}
void StallingStore::remove_schedule(std::string name, Completion<ScheduleView> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, name = std::move(name), done = gated(std::move(done))] {
                store->remove_schedule(name, done);
              });
}
void StallingStore::schedule_results(ScheduleResultQuery query, Completion<ResultPage> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, query = std::move(query), done = gated(std::move(done))] {
                store->schedule_results(query, done);
              });
}
void StallingStore::schedule_page_end(ScheduleResultQuery query, Completion<ResultPageEnd> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, query = std::move(query), done = gated(std::move(done))] {
                store->schedule_page_end(query, done);
              });
}
void StallingStore::set_drained(SessionId session, bool drained) {
  gate_->pass(&Gate::calls_held,
              [store = store_, session, drained] { store->set_drained(session, drained); });
}
void StallingStore::set_name_drained(std::string name, bool drained, Completion<bool> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, name = std::move(name), drained, done = gated(std::move(done))] {
                store->set_name_drained(name, drained, done);
              });
}
std::string StallingStore::batch_name(BatchId id) const { return store_->batch_name(id); }
std::optional<BatchId> StallingStore::find_batch(std::string_view text) const {
  return store_->find_batch(text);
}
void StallingStore::batch(BatchId id, Completion<BatchView> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, id, done = gated(std::move(done))] { store->batch(id, done); });
}
void StallingStore::batches(BatchListQuery query, Completion<BatchList> done) {
  gate_->pass(&Gate::calls_held, [store = store_, query = std::move(query),
                                  done = gated(std::move(done))] { store->batches(query, done); });
}
void StallingStore::results(ResultQuery query, Completion<ResultPage> done) {
  gate_->pass(&Gate::calls_held, [store = store_, query = std::move(query),
                                  done = gated(std::move(done))] { store->results(query, done); });
}
void StallingStore::page_end(ResultQuery query, Completion<ResultPageEnd> done) {
  gate_->pass(&Gate::calls_held, [store = store_, query = std::move(query),
                                  done = gated(std::move(done))] { store->page_end(query, done); });
}
void StallingStore::summary(BatchId id, Completion<BatchSummary> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, id, done = gated(std::move(done))] { store->summary(id, done); });
}
void StallingStore::cancel(BatchId id, Completion<BatchView> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, id, done = gated(std::move(done))] { store->cancel(id, done); });
}
void StallingStore::facts(Completion<StoreFacts> done) {
  gate_->pass(&Gate::calls_held,
              [store = store_, done = gated(std::move(done))] { store->facts(done); });
}
std::vector<Lane> StallingStore::lanes() const { return store_->lanes(); }

}  // namespace probekit::test
