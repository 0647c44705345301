// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: what is leased to whom, the store's ticks, and the drain.

#include <algorithm>
#include <utility>

#include "master/fleet.hpp"

namespace probekit {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTickMin{1};
constexpr milliseconds kTickMax{1000};
// They cost up to a millisecond; ticks may come as often.
constexpr milliseconds kFactsEvery{100};
constexpr milliseconds kDrainPoll{20};

}  // namespace

// -- dispatch -------------------------------------------------------------------------------------

void Fleet::on_ready(const std::vector<Lane>& lanes) {
  core_->post([this, lanes] {
    dispatcher_.on_ready(lanes);
    dispatch_later();
  });
}

void Fleet::on_gone(const std::vector<LaneId>& lanes) {
  core_->post([this, lanes] { dispatcher_.on_gone(lanes); });
}

void Fleet::on_progress(const std::vector<BatchId>& batches) { core_->watches.notify(batches); }

void Fleet::on_due() {
  core_->post([this] { tick_soon(); });
}

void Fleet::dispatch_later() {
  if (std::exchange(dispatch_posted_, true)) return;
  core_->post([this] {
    dispatch_posted_ = false;
    dispatch();
  });
}

void Fleet::dispatch() {
  for (Dispatcher::Ask& ask : dispatcher_.next(now())) {
    ++asks_open_;
    const SessionId session = ask.request.session;
    if (Link* const link = find_session(session)) ++link->asks_open_;
    const SteadyTime asked = now();
    open_calls_.insert(asked);
    core_->store->lease(std::move(ask.request), [this, core = core_, session, credit = ask.credit,
                                                 asked](Expected<LeaseReply> given) {
      const auto reply = std::make_shared<Expected<LeaseReply>>(std::move(given));
      const bool posted = core->post(
          [this, session, credit, asked, reply] { on_leased(session, credit, asked, *reply); });
      // The master has stopped: nobody will send them.
      if (!posted && *reply) give_back(*core->store, session, (*reply)->tasks);
    });
  }
  if (dispatch_timer_ != 0) return;
  if (const auto wakeup = dispatcher_.next_wakeup()) {
    dispatch_timer_ = loop_.call_at(*wakeup, [this] {
      dispatch_timer_ = 0;
      dispatch();
    });
  }
}

void Fleet::on_leased(SessionId session, CreditClass credit, SteadyTime asked,
                      Expected<LeaseReply>& reply) {
  record_latency(asked);
  --asks_open_;
  Link* const link = find_session(session);
  if (link == nullptr) {
    if (reply) give_back(*core_->store, session, reply->tasks);
    return on_late_lease(session);
  }
  --link->asks_open_;
  if (!reply) {
    if (reply.error().code() == errc::not_found) {
      link->session_.close(CloseCode::internal, "the store does not know this session");
      return process(*link);
    }
    log(LogLevel::error, "a lease failed", {{"why", reply.error().message()}});
    dispatcher_.on_failed(session, credit, now());
    return dispatch_later();
  }
  // What is left was counted when the store leased them, which may have been right after it was
  // asked: an agent must not believe that it has longer.
  const auto waited = duration_cast<milliseconds>(now() - asked);
  for (LeasedTask& task : reply->tasks) {
    task.left = std::max(task.left - waited, milliseconds{0});
  }
  link->session_.send_tasks(reply->tasks, credit == CreditClass::high, now());
  link->record_->in_flight += static_cast<std::int64_t>(reply->tasks.size());
  dispatcher_.on_leased(session, credit, *reply);
  update_room(*link);
  pump(*link);
  arm(*link);
  dispatch_later();
}

void Fleet::give_back(TaskStore& store, SessionId session, const std::vector<LeasedTask>& leased) {
  if (leased.empty()) return;
  std::vector<TaskId> tasks;
  tasks.reserve(leased.size());
  for (const LeasedTask& task : leased) tasks.push_back(task.task);
  store.give_back(session, std::move(tasks), [](auto) {});
}

void Fleet::give_back(SessionId session, std::vector<TaskId> tasks) {
  core_->store->give_back(session, std::move(tasks), [](auto) {});
}

void Fleet::record_latency(SteadyTime asked) {
  const SteadyTime at = now();
  if (const auto call = open_calls_.find(asked); call != open_calls_.end()) open_calls_.erase(call);
  if (at - latency_turned_ > seconds{60}) {
    latency_turned_ = at;
    latency_last_ = std::exchange(latency_, {});
  }
  const auto latency = std::max(duration_cast<microseconds>(at - asked), microseconds{0});
  latency_.record(static_cast<std::uint64_t>(latency.count()));
  latency_all_.record(latency);
}

// -- time -----------------------------------------------------------------------------------------

void Fleet::tick_after(milliseconds delay) {
  if (tick_timer_ != 0) loop_.cancel(tick_timer_);
  tick_due_ = now() + delay;
  tick_timer_ = loop_.call_at(tick_due_, [this] {
    tick_timer_ = 0;
    tick();
  });
}

void Fleet::tick_soon() {
  if (tick_open_) {
    tick_again_ = true;
  } else {
    tick_after(milliseconds{0});
  }
}

void Fleet::tick() {
  if (tick_open_) {
    tick_again_ = true;
    return;
  }
  std::vector<SessionId> sessions;
  sessions.reserve(by_session_.size());
  for (const auto& one : by_session_) sessions.push_back(one.first);
  if (!sessions.empty()) core_->store->renew(std::move(sessions));
  measure_loop();
  // After a standstill everything waits until the sockets were read.
  if (now() - tick_due_ > kLagMax) return tick_after(kReadFirst);
  if (now() - facts_asked_ >= kFactsEvery) {
    facts_asked_ = now();
    core_->store->facts([this, core = core_](Expected<StoreFacts> facts) {
      if (!facts) return;
      core->post([this, facts = std::move(*facts)] { on_facts(facts); });
    });
  }
  tick_open_ = true;
  tick_asked_ = now();
  explain_to_store();
  core_->store->tick([this, core = core_](Expected<StoreTick> ticked) {
    core->post([this, ticked = std::move(ticked)] { on_ticked(ticked); });
  });
}

void Fleet::on_facts(const StoreFacts& facts) {
  if (facts.trouble != store_facts_.trouble) {
    if (facts.trouble.empty()) {
      log(LogLevel::info, "the store goes on", {});
    } else {
      log(LogLevel::error, "the store stands still: no work is granted, none is taken",
          {{"why", facts.trouble}});
    }
  }
  store_facts_ = facts;
}

void Fleet::on_ticked(const Expected<StoreTick>& ticked) {
  tick_open_ = false;
  const bool again = std::exchange(tick_again_, false);
  if (!ticked) {
    log(LogLevel::error, "the store's tick failed", {{"why", ticked.error().message()}});
    return tick_after(kTickMax);
  }
  for (const auto& [session, count] : ticked->requeued_by_session) {
    const auto lost = lost_sessions_.find(session);
    if (lost == lost_sessions_.end()) continue;
    const auto record = records_.find(lost->second);
    if (record != records_.end() && record->second->last_disconnect) {
      record->second->last_disconnect->requeued += count;
    }
    log(LogLevel::info, "tasks of a lost agent were queued again",
        {{"agent", lost->second},
         {"session", std::to_string(session)},
         {"requeued", std::to_string(count)}});
  }
  cancel_tasks(ticked->cancel);
  tick_after(again ? milliseconds{0} : std::clamp(ticked->next, kTickMin, kTickMax));
}

// -- drain ----------------------------------------------------------------------------------------

void Fleet::drain(milliseconds within, Drained done) {
  if (aborted_) return done(closed_error());
  if (draining_) {
    // The first drain decides; a later one hears the same.
    drain_done_ = [first = std::move(drain_done_),
                   then = std::move(done)](const Expected<void>& drained) {
      if (first) first(drained);
      then(drained);
    };
    return check_drained();
  }
  draining_ = true;
  dispatcher_.stop();
  drain_by_ = now() + within;
  drain_done_ = std::move(done);
  check_drained();
}

void Fleet::check_drained() {
  if (drain_timer_ != 0) loop_.cancel(drain_timer_);
  drain_timer_ = 0;
  if (!drain_done_) return;
  const bool late = now() >= drain_by_;
  if (!drain_closing_) {
    bool idle = asks_open_ == 0 && records_open_ == 0;
    for (const auto& one : by_session_) idle = idle && one.second->record_->in_flight == 0;
    if (idle || late) {
      drain_closing_ = true;
      drain_in_time_ = idle;
      std::vector<std::uint64_t> ids;
      for (const auto& one : links_) ids.push_back(one.first);
      for (const std::uint64_t id : ids) {
        Link* const link = find_link(id);
        if (link == nullptr || link->ended_) continue;
        link->session_.close(CloseCode::going_away,
                             protocol::close_text("the master drains", kDrainRetryAfter));
        process(*link);
      }
    }
  }
  if (drain_closing_ && (links_.empty() || late)) {
    const auto done = std::exchange(drain_done_, {});
    if (drain_in_time_) return done({});
    return done(Error{make_error_code(errc::timed_out), "the master did not drain in time"});
  }
  drain_timer_ = loop_.call_after(kDrainPoll, [this] {
    drain_timer_ = 0;
    check_drained();
  });
}

}  // namespace probekit
