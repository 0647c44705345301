// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Holds a life to the promises: listens to every message of both sides, stands between the master
/// and its store, and keeps books of its own.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/messages.hpp"
#include "simulation/world/forwarding_store.hpp"
#include "simulation/world/network.hpp"
#include "simulation/world/probing.hpp"
#include "simulation/world/world.hpp"

namespace probekit::simulation {

/// What a batch was asked for with.
struct BatchTerms {
  milliseconds timeout{0};
  milliseconds within{0};  ///< from acceptance to the deadline
  bool last = false;       ///< asked for when all was well, or open until then
  Selector agents = {};
};

class Judge final : public Tap {
 public:
  explicit Judge(World& world);
  ~Judge() override;

  /// What a side with a bug would send instead.
  std::function<std::vector<std::string>(const Line&, std::string)> tamperer;

  // -- the store --------------------------------------------------------------------------------
  /// What the master is to use instead of `store`, which it watches.
  std::shared_ptr<TaskStore> watch(std::shared_ptr<TaskStore> store);
  /// Ledgers and lines are read from this one from now on; with no latency. What its disk held was
  /// due by wall time, and is from now on due by that of now.
  void read_from(std::shared_ptr<TaskStore> store);
  /// The store is gone with all it held.
  void store_lost();
  /// A durable one is about to be, and may have taken more than it has answered for.
  void store_closed();
  /// Its master is killed, and the store keeps what it has answered for.
  void master_crashed();
  /// The sessions of its master are over; what is done of them later says nothing any more.
  void master_ended();
  /// Batches have names of their own.
  void expect_batch(std::uint64_t upload, const std::string& name, BatchTerms terms);
  /// The store has it, whether its master heard of that or not.
  std::optional<BatchId> batch_named(const std::string& name) const;
  /// The master's.
  std::shared_ptr<const Clock> clock;
  std::size_t attempts_max = 5;
  /// How long after a deadline a store that stood still may take what had come before it.
  Time standstill{0};

  // -- the agents -------------------------------------------------------------------------------
  void agent_began(Machine& machine, SimulatedProbing& probing);
  void agent_ended(Machine& machine);
  /// No connection may end but for a drain: nothing goes wrong in this life.
  bool calm = false;

  // -- judgement --------------------------------------------------------------------------------
  /// After each step.
  void check();
  bool all_ended() const;
  /// When all has ended: reads all lines again, a few at a time.
  void check_all_lines();
  /// Of what was asked for when all was well.
  std::uint64_t last_not_done() const;
  /// Since the beginning, of stores that are gone, too.
  std::uint64_t ended_of_all() const noexcept { return ended_of_all_; }
  std::uint64_t connections() const noexcept { return talks_.size(); }
  std::string unfinished() const;
  /// Batches that may be cancelled.
  std::vector<BatchId> batches() const;

  // -- Tap --------------------------------------------------------------------------------------
  std::vector<std::string> tamper(const Line& line, std::string message) override;
  void on_sent(const Line& line, const protocol::Message& message, std::size_t bytes,
               std::size_t held) override;
  void on_dropped(const Line& line, const protocol::Message& message) override;
  void on_read(const Line& line, const protocol::Message& message) override;
  void on_closed(const Line& line, const CloseReason& reason) override;

 private:
  class Witness;
  friend class Witness;

  /// One connection, of which both sides are seen.
  struct Talk {
    Machine* agent = nullptr;
    SessionId session = 0;
    std::array<std::uint64_t, 2> tasks_sent{};   // other, high
    std::array<std::uint64_t, 2> credit_read{};  // by the master
    std::set<TaskId> given;                      // sent or listed as held
    std::set<TaskId> listed;
    std::uint64_t holds = 0;
    std::set<TaskId> wanted;
    std::set<TaskId> finished_listed;
    // Results.
    struct Sent {
      TaskId task;
      bool is_result;
      std::uint64_t bytes;
    };
    std::deque<Sent> unacked;
    std::uint64_t unacked_bytes = 0;
    std::uint64_t acked = 0;
    std::uint64_t results_sent = 0;
    std::uint64_t window = 0;  // as the agent was told
  };
  struct AgentView {
    SimulatedProbing* probing = nullptr;
    std::set<TaskId> kept;  // results given to the session and not acknowledged
    std::string store;
  };
  using Sessions = std::map<SessionId, NewSession>;
  struct Asked {
    std::string name;
    BatchTerms terms;
  };
  struct TaskView {
    std::uint32_t handed = 0;  // how often it was sent to an agent
    SessionId holder = 0;
    bool has_line = false;
    bool has_run = false;
    bool of_schedule = false;
    bool lost_unseen = false;  // leased perhaps, to a session that is over
    BatchTerms terms;
    Time accepted_at{0};
    SystemTime accepted_wall{};

    Time left(Time now) const { return accepted_at + terms.within - now; }
  };
  /// A batch, or a schedule.
  struct Book {
    std::string schedule;  // its name; empty: a batch
    std::string name;
    bool last_asked = false;
    std::uint64_t tasks = 0;
    std::string after;  // the cursor of lines read
    bool complete = false;
    bool cancelled = false;
    std::uint64_t done = 0, expired = 0, cancelled_lines = 0;
    Ledger last;
  };

  void sent_by_master(Talk& talk, const Line& line, const protocol::Message& message);
  void sent_by_agent(Talk& talk, const Line& line, const protocol::Message& message);
  void check_held(Talk& talk);
  void read_ack(Talk& talk, std::uint64_t seq);
  void check_ack(const Talk& talk, std::uint64_t seq);
  void end_welcome(Talk& talk);
  void check_batch(std::uint32_t id, Book& book);
  void check_schedule(Book& book);
  void check_ledger(const std::string& where, Book& book, const Ledger& ledger);
  void read_lines(const std::string& where, Book& book,
                  const std::function<void(Completion<ResultPage>)>& ask);
  void read_line(Book& book, std::string_view line);
  void check_expiry(const TaskView& view, std::string_view line);
  static std::size_t agents_fitting(const Selector& selector, const Sessions& sessions);
  void adopt();
  void accept(const Asked& asked, const BatchView& view, Time when, SystemTime wall);
  TaskView* task(TaskId id);
  void fail(std::string what) { world_.fail(std::move(what)); }
  std::string describe(const Line& line, const protocol::Message& message) const;

  World& world_;
  std::shared_ptr<TaskStore> reading_;
  Time opened_at_{0};
  std::unordered_map<std::uint64_t, Asked> uploads_;
  std::map<std::string, BatchTerms> asked_;  // by name
  Time closed_at_{0};
  SystemTime closed_wall_{};
  bool closed_ = false;  // what was not answered may have happened
  std::map<std::uint32_t, Book> books_;
  std::map<std::string, Book> schedules_;
  std::unordered_map<TaskId, TaskView> tasks_;
  std::uint64_t accepted_ = 0;
  std::uint64_t ended_of_all_ = 0;
  bool dirty_ = false;

  std::map<SessionId, std::uint64_t> committed_;  // reports
  Sessions living_;                               // that nobody has lost
  Sessions left_behind_;                          // of masters that ended; a store may count them
  bool sessions_moved_ = false;                   // since the last check
  std::unordered_map<std::uint64_t, Talk> talks_;
  std::map<const Machine*, AgentView> agents_;
};

}  // namespace probekit::simulation
