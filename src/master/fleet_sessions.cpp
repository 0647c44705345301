// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: how a session opens, resumes what its agent holds, and ends.

#include <algorithm>
#include <optional>
#include <utility>

#include "master/fleet.hpp"
#include "protocol/heartbeats.hpp"

namespace probekit {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRecordsMax = 100'000;
constexpr std::size_t kLostSessionsMax = 100'000;
constexpr std::size_t kResumeSlice = 4096;
constexpr seconds kGiveBackTime{1};

std::string text_of(CloseCode code) { return std::to_string(static_cast<unsigned>(code)); }

}  // namespace

// -- opening --------------------------------------------------------------------------------------

void Fleet::take_name(AgentRecord& record, Link& link) {
  record.link = &link;
  // The same process has the same clock: what it sends before this session has measured that
  // needs what the last one did.
  if (record.hello.instance != link.session_.hello().instance) record.clock_offset = {};
  record.hello = link.session_.hello();
  record.beat = {};
  record.all_committed = false;
  record.cpu_cores = 0;
  record.failures = {};
  record.facts = {};
  record.meter.start(now());
  record.meter.set_interval(core_->options.heartbeat_interval);
  record.last_received = now();
  record.in_flight = 0;
  NewSession session{record.hello.name, record.hello.tags, record.hello.kinds,
                     core_->options.resume_grace};
  core_->store->open_session(std::move(session), [this, core = core_, id = link.id_](
                                                     Expected<TaskStore::SessionOpened> opened) {
    if (core->post([this, id, opened] { on_opened(id, opened); }) || !opened) return;
    core->store->lose_session({opened->session, milliseconds{0}}, [](auto) {});
  });
}

void Fleet::on_opened(std::uint64_t link_id, Expected<TaskStore::SessionOpened> opened) {
  Link* const link = find_link(link_id);
  if (link == nullptr || link->ended_) {
    // It went away meanwhile, and holds nothing yet.
    if (opened) core_->store->lose_session({opened->session, milliseconds{0}}, [](auto) {});
    return;
  }
  if (!opened) {
    link->session_.reject("busy", "the store: " + opened.error().message(), kDrainRetryAfter);
    return process(*link);
  }
  AgentRecord& record = *link->record_;
  link->store_session_ = opened->session;
  link->epoch_ = opened->epoch;
  link->resume_.previous = record.session;
  link->resume_.session = opened->session;
  link->resume_.restarted = record.session != 0 && record.session_instance != record.hello.instance;
  record.session = opened->session;
  record.session_instance = record.hello.instance;
  resume_more(*link);
}

// In slices, so that neither this thread nor the store is held up by an agent that holds very much.
void Fleet::resume_more(Link& link) {
  ResumeRequest& request = link.resume_;
  const std::size_t to = std::min(link.resumed_ + kResumeSlice, link.held_.size());
  request.held.clear();
  for (; link.resumed_ < to; ++link.resumed_) {
    const protocol::Held::Item& item = link.held_[link.resumed_];
    request.held.emplace_back(item.task, item.attempt);
  }
  request.last = to == link.held_.size();
  core_->store->resume(request, [this, core = core_, id = link.id_,
                                 session = request.session](Expected<ResumeReply> reply) {
    core->post([this, id, session, reply = std::move(reply)] { on_resumed(id, session, reply); });
  });
}

void Fleet::on_resumed(std::uint64_t link_id, SessionId session, Expected<ResumeReply> reply) {
  Link* const link = find_link(link_id);
  if (link == nullptr || link->ended_) {
    // Its tasks wait for it to come back, as those of any lost session.
    core_->store->lose_session({session, core_->options.resume_grace}, [](auto) {});
    return;
  }
  if (!reply) {
    link->session_.reject("busy", "the store: " + reply.error().message(), kDrainRetryAfter);
    return process(*link);
  }
  std::vector<TaskId>& wanted = link->wanted_;
  wanted.insert(wanted.end(), reply->wanted.begin(), reply->wanted.end());
  if (!reply->elsewhere.empty()) {
    // A result that is there already may come first; to run what others run is a waste.
    std::sort(reply->elsewhere.begin(), reply->elsewhere.end());
    const std::size_t from = link->resumed_ - link->resume_.held.size();
    for (std::size_t i = from; i < link->resumed_; ++i) {
      const protocol::Held::Item& item = link->held_[i];
      if (item.state == protocol::HeldState::finished &&
          std::binary_search(reply->elsewhere.begin(), reply->elsewhere.end(), item.task)) {
        wanted.push_back(item.task);
      }
    }
  }
  if (!link->resume_.last) return resume_more(*link);
  AgentRecord& record = *link->record_;
  const std::size_t held = std::exchange(link->held_, {}).size();
  if (record.last_disconnect) record.last_disconnect->requeued += reply->requeued;
  record.in_flight = static_cast<std::int64_t>(held);  // each comes back as one item
  link->welcomed_ = true;
  by_session_[session] = link;
  promise_window(*link);
  link->session_.welcome(std::to_string(session), link->epoch_, wanted, now());
  dispatcher_.add_session(session, record.hello.name, record.hello.kinds, record.hello.tags);
  dispatcher_.set_drained(session, record.drained);
  publish(record.hello.name, record);
  log(LogLevel::info, "agent connected",
      {{"agent", record.hello.name},
       {"session", std::to_string(session)},
       {"epoch", std::to_string(link->epoch_)},
       {"peer", link->connection_->facts().peer},
       {"held", std::to_string(held)},
       {"wanted", std::to_string(wanted.size())},
       {"requeued", std::to_string(reply->requeued)}});
  wanted = {};
  process(*link);
}

// -- ending ---------------------------------------------------------------------------------------

void Fleet::on_closed(Link& link, const CloseReason& reason) {
  if (!link.ended_) {
    // An agent that drained holds nothing; anything left goes to others at once.
    const bool drained = reason.code == CloseCode::normal && link.session_.draining();
    if (link.welcomed_) {
      end_session(link, drained ? milliseconds{0} : core_->options.resume_grace);
    }
    std::string why = reason.text;
    if (reason.error) why += (why.empty() ? "" : ": ") + reason.error.message();
    if (why.empty()) why = "the connection ended";
    leave(link, reason.code, why, reason.local);
  }
  bury(link);
}

// The session's tasks: unsent ones back to the queue, the rest wait for a resume.
void Fleet::end_session(Link& link, milliseconds grace) {
  if (!link.welcomed_) return;
  const SessionId session = link.store_session_;
  AgentRecord& record = *link.record_;
  Diagnosis diagnosis = diagnose_end(link);
  std::vector<TaskId> unsent = link.session_.take_unsent();
  record.last_disconnect.emplace();
  record.last_disconnect->requeued = unsent.size();
  record.last_disconnect->diagnosis = diagnosis;
  if (!unsent.empty()) give_back(session, std::move(unsent));
  dispatcher_.remove_session(session);
  by_session_.erase(session);
  end_promise(link);
  lost_sessions_[session] = record.hello.name;
  lost_session_order_.push_back(session);
  while (lost_session_order_.size() > kLostSessionsMax) {
    lost_sessions_.erase(lost_session_order_.front());
    lost_session_order_.pop_front();
  }
  lose_session(link, grace, said(diagnosis));
  // Its tasks go to others when the grace is over, which may be sooner than the next tick.
  if (now() + grace < tick_due_) tick_after(grace + milliseconds{1});
  dispatch_later();
}

// What the store is about to lease to it never reaches it and comes back, and is not to count as
// lost with it: the store hears of the loss behind that. A session that follows resumes behind
// that too, as the store answers in order.
void Fleet::lose_session(const Link& link, milliseconds grace, std::string diagnosis) {
  SessionLoss loss{link.store_session_, grace, std::move(diagnosis)};
  if (link.asks_open_ > 0 && !aborted_) {
    losing_[link.store_session_] = {link.asks_open_, std::move(loss)};
    return;
  }
  // Nobody hears the answers of a master that stops; what comes is given back at once then, mostly
  // within the grace.
  if (link.asks_open_ > 0) loss.grace = std::max<milliseconds>(grace, kGiveBackTime);
  core_->store->lose_session(std::move(loss), [](auto) {});
}

void Fleet::on_late_lease(SessionId session) {
  const auto found = losing_.find(session);
  if (found == losing_.end() || --found->second.asks_open > 0) return;
  Losing losing = std::move(found->second);
  losing_.erase(found);
  const milliseconds grace = losing.loss.grace;
  core_->store->lose_session(std::move(losing.loss), [](auto) {});
  if (now() + grace < tick_due_) tick_after(grace + milliseconds{1});
}

void Fleet::lose_the_rest() {
  for (auto& one : losing_) {
    SessionLoss& loss = one.second.loss;
    loss.grace = std::max<milliseconds>(loss.grace, kGiveBackTime);
    core_->store->lose_session(std::move(loss), [](auto) {});
  }
  losing_.clear();
}

// The link's part in its record, and the line that tells why.
void Fleet::leave(Link& link, CloseCode code, const std::string& why, bool local) {
  link.ended_ = true;
  unnamed_.erase(link.id_);
  if (link.timer_ != 0) loop_.cancel(link.timer_);
  link.timer_ = 0;
  const std::string peer = link.connection_->facts().peer;
  AgentRecord* const record = link.record_;
  if (record == nullptr || !link.welcomed_) {
    log(LogLevel::info, "connection ended before it was an agent's",
        {{"peer", peer},
         {"agent", link.session_.hello().name},
         {"code", text_of(code)},
         {"by", local ? "master" : "peer"},
         {"reason", why}});
  } else {
    const Diagnosis& diagnosis = record->last_disconnect->diagnosis;
    const SocketFacts there = protocol::socket_of(record->beat);
    log(code == CloseCode::normal ? LogLevel::info : LogLevel::warn, "agent disconnected",
        {{"agent", record->hello.name},
         {"session", std::to_string(link.store_session_)},
         {"peer", peer},
         {"agent_local", there.local},
         {"code", text_of(code)},
         {"by", local ? "master" : "agent"},
         {"reason", why},
         {"in_flight", std::to_string(record->in_flight)},
         {"requeued", std::to_string(record->last_disconnect->requeued)},
         {"diagnosis", std::string{to_string(diagnosis.verdict)}},
         {"text", diagnosis.text}});
    record->last_disconnect->at = system_now();
    record->last_disconnect->reason = why;
  }
  if (record == nullptr) return;
  if (record->newcomer == &link) end_challenge(*record);
  if (record->link != &link) return;
  record->link = nullptr;
  publish(record->hello.name, *record);
  if (record->newcomer != nullptr) {
    Link& newcomer = *record->newcomer;
    end_challenge(*record);
    take_name(*record, newcomer);
    return;
  }
  record->lost_serial = ++last_loss_;
  lost_.emplace_back(record->hello.name, record->lost_serial);
  forget_some();
}

// The records lost longest go first; those of connected agents stay.
void Fleet::forget_some() {
  const auto is_current = [this](const std::pair<std::string, std::uint64_t>& loss) {
    const auto found = records_.find(loss.first);
    return found != records_.end() && found->second->lost_serial == loss.second &&
           found->second->link == nullptr && found->second->newcomer == nullptr;
  };
  while (records_.size() > kRecordsMax && !lost_.empty()) {
    if (is_current(lost_.front())) records_.erase(lost_.front().first);
    lost_.pop_front();
  }
  // Agents that come and go leave entries that mean nothing any more.
  if (lost_.size() <= 2 * records_.size() + 64) return;
  lost_.erase(std::remove_if(lost_.begin(), lost_.end(),
                             [&](const auto& loss) { return !is_current(loss); }),
              lost_.end());
}

// Not from inside its own callback.
void Fleet::bury(Link& link) {
  core_->post([this, id = link.id_] { links_.erase(id); });
}

}  // namespace probekit
