// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/task_store.hpp"
#include "support/catch.hpp"
#include "support/store_answer.hpp"

using namespace probekit;
using namespace probekit::test;
using namespace std::chrono_literals;

namespace {

/// Checks that it is never called by two threads at a time, and that no lock is held: it calls the
/// store back.
class Observer final : public StoreObserver {
 public:
  explicit Observer(TaskStore& store) : store_(store) {}
  void on_ready(const std::vector<Lane>&) override { heard(); }
  void on_gone(const std::vector<LaneId>&) override { heard(); }
  void on_progress(const std::vector<BatchId>& batches) override {
    heard();
    for (const BatchId id : batches) store_.batch_name(id);
  }
  void on_due() override { heard(); }
  std::atomic<int> overlaps{0};
  std::atomic<int> calls{0};

 private:
  void heard() {
    if (inside_.exchange(true)) ++overlaps;
    store_.lanes();
    ++calls;
    inside_ = false;
  }
  TaskStore& store_;
  std::atomic<bool> inside_{false};
};

int repeats() {
  const char* text = std::getenv("PROBEKIT_STRESS_REPEATS");
  return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

class Stress {
 public:
  static constexpr int kImporters = 2;
  static constexpr int kAgents = 4;
  static constexpr int kBatches = 20;
  static constexpr int kTasks = 250;

  void run() {
    Observer observer(*store_);
    store_->observe(&observer);
    std::vector<std::thread> threads;
    for (int i = 0; i < kImporters; ++i) threads.emplace_back([this] { import(); });
    for (int i = 0; i < kAgents; ++i) threads.emplace_back([this, i] { serve(i); });
    threads.emplace_back([this] { tick(); });
    threads.emplace_back([this] { read(); });
    for (std::thread& thread : threads) thread.join();
    store_->observe(nullptr);

    CHECK(observer.overlaps == 0);
    CHECK(observer.calls > 0);
    CHECK(faults_ == 0);
    const StoreFacts facts =
        value_of<StoreFacts>([&](auto done) { store_->facts(std::move(done)); });
    CHECK(facts.ledger.balanced());
    CHECK(facts.ledger.ended());
    CHECK(facts.ledger.accepted == std::uint64_t{kImporters} * kBatches * kTasks);
    CHECK(facts.ledger.done == recorded_);
    CHECK(lines_ == facts.ledger.accepted);
  }

 private:
  bool over() const { return ended_ == kImporters * kBatches; }

  void import() {
    const auto options = std::make_shared<ProbeOptions>();
    options->kind = "http";
    options->timeout = 1s;
    for (int i = 0; i < kBatches; ++i) {
      const auto upload = value_of<std::uint64_t>([&](auto done) {
        store_->open_upload({"", BatchOrigin::import}, std::move(done));
      });
      std::vector<std::string> targets;
      for (int k = 0; k < kTasks; ++k) targets.push_back("http://t/" + std::to_string(k));
      std::vector<NewTask> tasks;
      for (const std::string& target : targets) tasks.push_back({target, options, {}});
      value_of<std::uint64_t>([&](auto done) { store_->append(upload, tasks, std::move(done)); });
      const auto view = value_of<BatchView>(
          [&](auto done) { store_->commit_upload(upload, 0, std::move(done)); });
      const std::lock_guard<std::mutex> lock(mutex_);
      batches_.push_back(view.id);
    }
  }

  SessionId open(const std::string& name) {
    return value_of<TaskStore::SessionOpened>([&](auto done) {
             store_->open_session({name, {}, {"http"}}, std::move(done));
           })
        .session;
  }

  void serve(int number) {
    const std::string name = "agent-" + std::to_string(number);
    SessionId session = open(name);
    unsigned turn = static_cast<unsigned>(number);
    while (!over()) {
      LeaseRequest request{session, {}, 64};
      for (const Lane& lane : store_->lanes()) request.lanes.push_back(lane.id);
      const auto tasks =
          value_of<LeaseReply>([&](auto done) { store_->lease(request, std::move(done)); }).tasks;
      if (tasks.empty()) {
        std::this_thread::yield();
        continue;
      }
      if (++turn % 8 == 0) {  // gone with all of it, back with half
        value_of<std::uint64_t>([&](auto done) {
          store_->lose_session({session, 30s}, std::move(done));
        });
        ResumeRequest resume;
        resume.previous = session;
        resume.session = session = open(name);
        for (std::size_t i = 0; i < tasks.size(); i += 2) {
          resume.held.emplace_back(tasks[i].task, tasks[i].attempt);
        }
        const auto reply =
            value_of<ResumeReply>([&](auto done) { store_->resume(resume, std::move(done)); });
        std::vector<TaskReport> reports;
        for (const TaskId id : reply.wanted) reports.push_back(result(id));
        record(session, std::move(reports));
        continue;
      }
      std::vector<TaskReport> reports;
      for (const LeasedTask& task : tasks) {
        reports.push_back(result(task.task));
        if (reports.size() % 16 == 0) reports.back().kind = TaskReport::Kind::returned;
      }
      record(session, std::move(reports));
    }
  }

  static TaskReport result(TaskId task) {
    TaskReport report;
    report.task = task;
    report.verdict = Verdict::passed;
    report.fields = R"("verdict":"passed","failure":null,"started_at":"x","suspect":false)";
    return report;
  }

  void record(SessionId session, std::vector<TaskReport> reports) {
    recorded_ += value_of<RecordReply>([&](auto done) {
                   store_->record(session, std::move(reports), std::move(done));
                 }).recorded;
  }

  void tick() {
    while (!over()) {
      value_of<StoreTick>([&](auto done) { store_->tick(std::move(done)); });
      const auto facts = value_of<StoreFacts>([&](auto done) { store_->facts(std::move(done)); });
      if (!facts.ledger.balanced()) ++faults_;
      std::this_thread::yield();
    }
  }

  /// Follows each batch to its end, as an importer does.
  void read() {
    for (std::size_t next = 0; next < kImporters * kBatches;) {
      ResultQuery query;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (next < batches_.size()) query.batch = batches_[next];
      }
      if (query.batch.value == 0) {
        std::this_thread::yield();
        continue;
      }
      query.limit = 37;
      do {
        const auto page =
            value_of<ResultPage>([&](auto done) { store_->results(query, std::move(done)); });
        lines_ += page.count;
        query.after = page.next;
        if (page.count == 0) std::this_thread::yield();
      } while (!query.after.empty());
      ++next;
      ++ended_;
    }
  }

  const std::shared_ptr<TaskStore> store_ = make_memory_store();
  std::mutex mutex_;
  std::vector<BatchId> batches_;
  std::atomic<int> ended_{0};
  std::atomic<int> faults_{0};
  std::atomic<std::uint64_t> recorded_{0};
  std::atomic<std::uint64_t> lines_{0};
};

}  // namespace

TEST_CASE("importers, agents, readers and time share a memory store", "[stress][store]") {
  for (int i = 0; i < repeats(); ++i) Stress().run();
}

TEST_CASE("once the observer is unset it is not called any more", "[stress][store]") {
  const auto store = make_memory_store();
  std::atomic<bool> over{false};
  const auto options = std::make_shared<ProbeOptions>();
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!over) {
        const auto upload =
            value_of<std::uint64_t>([&](auto done) { store->open_upload({}, std::move(done)); });
        value_of<std::uint64_t>([&](auto done) {
          store->append(upload, {{"t", options, {}}}, std::move(done));
        });
        value_of<BatchView>([&](auto done) { store->commit_upload(upload, 0, std::move(done)); });
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    auto observer = std::make_unique<Observer>(*store);  // its memory goes, too
    store->observe(observer.get());
    while (observer->calls == 0) std::this_thread::yield();
    store->observe(nullptr);
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
}
