// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master's agents: connections, sessions and records, joined to the dispatcher and the store.
/// *Threads*: the IO thread, but where said otherwise.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/duration_buckets.hpp"
#include "base/histogram.hpp"
#include "dispatch/dispatcher.hpp"
#include "dispatch/result_intake.hpp"
#include "master/agent_record.hpp"
#include "master/master_core.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/transport.hpp"
#include "protocol/master_session.hpp"
#include "store/task_store.hpp"

namespace probekit {

class Fleet;

/// One connection and its session.
class AgentLink final : public ConnectionObserver {
 public:
  AgentLink(Fleet& fleet, std::uint64_t id, std::unique_ptr<Connection> connection,
            protocol::MasterSessionOptions options, SteadyTime now);

  void on_message(std::string message) override;
  void on_writable() override;
  void on_closed(const CloseReason& reason) override;

 private:
  friend class Fleet;

  Fleet& fleet_;
  const std::uint64_t id_;
  std::unique_ptr<Connection> connection_;
  protocol::MasterSession session_;
  AgentRecord* record_ = nullptr;  // once it has, or asks for, a name
  SessionId store_session_ = 0;
  std::uint64_t epoch_ = 0;
  std::size_t asks_open_ = 0;  // leases that the store has not answered
  bool welcomed_ = false;
  bool ended_ = false;         // has left its record; only the connection is still to close
  std::size_t send_room_ = 0;  // as the dispatcher was told
  std::vector<protocol::Held::Item> held_;  // until resumed
  std::size_t resumed_ = 0;                 // of these, asked about
  ResumeRequest resume_;                    // the latest
  std::vector<TaskId> wanted_;              // so far
  std::uint64_t window_ = 0;                // of results; the largest it was told
  std::uint64_t uncommitted_ = 0;           // bytes of results the store has not answered for
  bool flush_listed_ = false;
  TimerId timer_ = 0;
  SteadyTime timer_at_{};
};

class Fleet final : public AcceptObserver, public StoreObserver {
 public:
  Fleet(std::shared_ptr<MasterCore> core, EventLoop& loop, std::string store_id);
  ~Fleet() override;

  /// Begins the ticks of the store.
  void start();
  /// Ends every connection without a word, and loses its session in the store: nobody else could
  /// tell that it is gone. A drain ends with `closed`, then and from now on.
  void abort_all();
  using Drained = std::function<void(const Expected<void>&)>;
  /// Leases nothing more and admits nobody. `done` runs once: success when every agent had given
  /// back or finished all it held and was closed, timed_out when time was up first.
  void drain(std::chrono::milliseconds within, Drained done);

  void on_connection(std::unique_ptr<Connection> connection) override;
  bool authorizes(std::string_view token) override;
  bool admits(std::chrono::seconds& retry_after) override;
  void on_dropped() override { ++newcomers_dropped_; }

  /// From any thread.
  void on_ready(const std::vector<Lane>& lanes) override;
  void on_gone(const std::vector<LaneId>& lanes) override;
  void on_progress(const std::vector<BatchId>& batches) override;
  void on_due() override;

  std::vector<AgentSnapshot> agents();
  std::optional<AgentSnapshot> agent(const std::string& name);
  bool knows(const std::string& name) const { return records_.count(name) > 0; }
  /// When the store knows it, so that it stays so.
  std::optional<AgentSnapshot> set_drained(const std::string& name, bool drained);
  /// All but what the store knows.
  MasterStatus status();
  Diagnosis diagnose(const StoreFacts& store);
  const DurationBuckets& store_latency() const noexcept { return latency_all_; }
  /// As of the last tick.
  const StoreFacts& store_facts() const noexcept { return store_facts_; }

 private:
  friend class AgentLink;
  using Link = AgentLink;

  // A timer this late means that the process stood still: sockets are read before it judges.
  static constexpr std::chrono::seconds kLagMax{1};
  static constexpr std::chrono::milliseconds kReadFirst{100};
  static constexpr std::chrono::seconds kDrainRetryAfter{5};

  // Each part in a file of its own: fleet_admission.cpp and so on.

  // admission
  bool may_be_called(const Link& link, const std::string& name) const;
  void judge_tokens();
  void judge_token(Link& link);
  void make_room();
  void admit(Link& link);
  void refuse_name(Link& link);
  void begin_challenge(AgentRecord& record, Link& newcomer);
  void judge_challenge(AgentRecord& record, SteadyTime due);
  void end_challenge(AgentRecord& record);

  // sessions
  void take_name(AgentRecord& record, Link& link);
  void on_opened(std::uint64_t link_id, Expected<TaskStore::SessionOpened> opened);
  void resume_more(Link& link);
  void on_resumed(std::uint64_t link_id, SessionId session, Expected<ResumeReply> reply);
  void on_closed(Link& link, const CloseReason& reason);
  void end_session(Link& link, std::chrono::milliseconds grace);
  void lose_session(const Link& link, std::chrono::milliseconds grace, std::string diagnosis);
  void on_late_lease(SessionId session);
  void lose_the_rest();
  void leave(Link& link, CloseCode code, const std::string& why, bool local);
  void forget_some();
  void bury(Link& link);

  // results
  void record_results(Link& link, protocol::MasterSession::ResultsArrived results);
  void on_recorded(std::uint64_t link_id, std::uint64_t last, std::uint64_t bytes, SteadyTime asked,
                   const Expected<RecordReply>& reply);
  void promise_window(Link& link);
  void end_promise(Link& link);
  void judge_uncommitted();
  void cancel_tasks(const std::vector<std::pair<SessionId, TaskId>>& cancels);

  // links
  void process(Link& link);
  void on_heartbeat(Link& link, const protocol::Heartbeat& beat);
  void judge_cpu(AgentRecord& record, const protocol::Heartbeat& beat);
  void update_room(Link& link);
  void pump(Link& link);
  void flush_later(Link& link);
  void flush();
  void arm(Link& link);
  void on_timer(std::uint64_t link_id);
  void sample(Link& link);

  // dispatch and time
  void dispatch_later();
  void dispatch();
  void on_leased(SessionId session, CreditClass credit, SteadyTime asked,
                 Expected<LeaseReply>& reply);
  static void give_back(TaskStore& store, SessionId session, const std::vector<LeasedTask>& leased);
  void give_back(SessionId session, std::vector<TaskId> tasks);
  void tick_after(std::chrono::milliseconds delay);
  void tick_soon();
  void tick();
  void on_facts(const StoreFacts& facts);
  void on_ticked(const Expected<StoreTick>& ticked);
  void check_drained();
  void record_latency(SteadyTime asked);

  // views
  void freshen(AgentRecord& record, std::size_t& left);
  AgentSnapshot info_of(const std::string& name, AgentRecord& record);
  AgentFacts facts_of(const AgentRecord& record, SteadyTime last_byte) const;
  Diagnosis diagnose(const AgentRecord& record) const;
  Diagnosis diagnose_end(Link& link);
  std::array<std::size_t, kDiagnosisVerdicts> diagnose_all();
  FleetFacts fleet_facts(const StoreFacts& store);
  std::chrono::milliseconds store_waits() const;
  void measure_loop();
  void explain_to_store();
  void publish(const std::string& name, const AgentRecord& record);

  SteadyTime now() const noexcept { return loop_.now(); }
  SystemTime system_now() const { return core_->options.clock->system_now(); }
  void log(LogLevel level, std::string message, std::initializer_list<LogField> fields) const;
  Link* find_link(std::uint64_t id);
  Link* find_session(SessionId session);

  const std::shared_ptr<MasterCore> core_;
  EventLoop& loop_;
  const std::string store_id_;

  Dispatcher dispatcher_;
  ResultIntake intake_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Link>> links_;
  std::unordered_map<SessionId, Link*> by_session_;
  std::map<std::string, std::unique_ptr<AgentRecord>, std::less<>> records_;
  std::deque<std::pair<std::string, std::uint64_t>> lost_;  // names and serials, oldest first
  std::uint64_t last_link_ = 0;
  std::uint64_t last_loss_ = 0;
  std::unordered_map<SessionId, std::string> lost_sessions_;  // whose tasks are still waiting
  std::deque<SessionId> lost_session_order_;
  struct Losing {
    std::size_t asks_open = 0;
    SessionLoss loss;
  };
  std::unordered_map<SessionId, Losing> losing_;  // ended, with leases not answered

  std::shared_ptr<void> token_watch_;
  std::set<std::uint64_t> unnamed_;  // links that have not said hello, in order of arrival
  std::uint64_t newcomers_unauthorized_ = 0;
  std::uint64_t newcomers_deferred_ = 0;
  std::uint64_t newcomers_dropped_ = 0;
  double admission_tokens_ = 0;
  SteadyTime admission_at_{};

  std::uint64_t uncommitted_bytes_ = 0;
  std::uint64_t promised_bytes_ = 0;  // windows of sessions, and what ended ones left uncommitted
  bool squeezed_ = false;
  std::uint64_t results_duplicate_ = 0;
  std::uint64_t results_unknown_ = 0;
  std::uint64_t returns_not_held_ = 0;
  Histogram latency_;       // of the minute under way
  Histogram latency_last_;  // of the one before
  DurationBuckets latency_all_;
  SteadyTime latency_turned_{};

  std::vector<std::uint64_t> to_flush_;
  bool flush_posted_ = false;
  bool dispatch_posted_ = false;
  TimerId dispatch_timer_ = 0;
  TimerId tick_timer_ = 0;
  SteadyTime tick_due_{};
  bool tick_open_ = false;  // asked, not answered
  SteadyTime tick_asked_{};
  SteadyTime facts_asked_{};
  bool tick_again_ = false;  // wanted meanwhile
  std::size_t asks_open_ = 0;
  std::size_t records_open_ = 0;
  StoreFacts store_facts_;
  std::multiset<SteadyTime> open_calls_;      // when what the store has not answered was asked
  std::chrono::microseconds loop_cpu_us_{0};  // of the IO thread at `loop_cpu_at_`
  SteadyTime loop_cpu_at_{};
  double loop_cpu_ = 0;  // share of a core before that
  SteadyTime explained_at_{};
  std::string explained_;  // to the store

  bool aborted_ = false;
  bool draining_ = false;
  bool drain_closing_ = false;
  SteadyTime drain_by_{};
  bool drain_in_time_ = true;
  Drained drain_done_;
  TimerId drain_timer_ = 0;
};

}  // namespace probekit
