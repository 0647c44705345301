// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/fleet.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <mutex>

#include "base/local_failures.hpp"
#include "protocol/heartbeats.hpp"

namespace probekit {

namespace {

using protocol::MasterSession;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRecordsMax = 100'000;
constexpr std::size_t kLostSessionsMax = 100'000;
constexpr seconds kChallengeTime{5};
constexpr seconds kNameRetryAfter{30};
constexpr milliseconds kCpuSpanMin{1000};
constexpr std::size_t kResumeSlice = 4096;
constexpr seconds kGiveBackTime{1};
// What replaces a session says what it holds; should it end before that, its tasks wait so long.
constexpr seconds kReplacedGrace{30};

std::string text_of(CloseCode code) { return std::to_string(static_cast<unsigned>(code)); }

}  // namespace

// -- AgentLink ------------------------------------------------------------------------------------

AgentLink::AgentLink(Fleet& fleet, std::uint64_t id, std::unique_ptr<Connection> connection,
                     protocol::MasterSessionOptions options, SteadyTime now)
    : fleet_(fleet),
      id_(id),
      connection_(std::move(connection)),
      session_(std::move(options), *fleet.core_->options.random, now) {}

void AgentLink::on_message(std::string message) {
  if (ended_) return;
  // An answer to the question whether it lives.
  if (record_ != nullptr && record_->link == this && record_->newcomer != nullptr) {
    AgentLink& newcomer = *record_->newcomer;
    fleet_.end_challenge(*record_);
    fleet_.refuse_name(newcomer);
  }
  session_.on_message(message, fleet_.now(), fleet_.system_now());
  if (!fleet_.unnamed_.empty()) fleet_.unnamed_.erase(id_);
  fleet_.process(*this);
}

void AgentLink::on_writable() {
  if (ended_) return;
  fleet_.pump(*this);
  fleet_.arm(*this);
}

void AgentLink::on_closed(const CloseReason& reason) { fleet_.on_closed(*this, reason); }

// -- Fleet ----------------------------------------------------------------------------------------

Fleet::Fleet(std::shared_ptr<MasterCore> core, EventLoop& loop, std::string store_id)
    : core_(std::move(core)),
      loop_(loop),
      store_id_(std::move(store_id)),
      admission_tokens_(static_cast<double>(core_->options.handshakes_per_second)),
      admission_at_(loop.now()),
      latency_turned_(loop.now()) {}

Fleet::~Fleet() = default;

void Fleet::start() {
  if (core_->options.agent_tokens) {
    token_watch_ = core_->options.agent_tokens->watch([this, weak = std::weak_ptr(core_)] {
      if (const auto core = weak.lock()) core->post([this] { judge_tokens(); });
    });
  }
  dispatcher_.on_ready(core_->store->lanes());
  // Those an operator drained before this master began: listed until they come back.
  for (const std::string& name : core_->store->drained_names()) {
    std::unique_ptr<AgentRecord>& record = records_[name];
    record = std::make_unique<AgentRecord>();
    record->hello.name = name;
    record->drained = true;
    record->last_received = now();
    record->lost_serial = ++last_loss_;
    lost_.emplace_back(name, record->lost_serial);
  }
  tick_after(milliseconds{0});
}

void Fleet::log(LogLevel level, std::string message, std::initializer_list<LogField> fields) const {
  const auto& log = core_->options.log;
  if (log && log->enabled(level)) log->write(level, "master", std::move(message), fields);
}

Fleet::Link* Fleet::find_link(std::uint64_t id) {
  const auto found = links_.find(id);
  return found == links_.end() ? nullptr : found->second.get();
}

Fleet::Link* Fleet::find_session(SessionId session) {
  const auto found = by_session_.find(session);
  return found == by_session_.end() ? nullptr : found->second;
}

void Fleet::abort_all() {
  aborted_ = true;
  dispatcher_.stop();
  if (const auto done = std::exchange(drain_done_, {})) done(closed_error());
  for (const auto& one : links_) {
    Link& link = *one.second;
    if (std::exchange(link.ended_, true) || link.store_session_ == 0) continue;
    std::vector<TaskId> unsent = link.session_.take_unsent();
    if (!unsent.empty()) give_back(link.store_session_, std::move(unsent));
    lose_session(link, core_->options.resume_grace, {});
  }
  by_session_.clear();
  for (const auto& one : records_) {
    one.second->link = nullptr;
    end_challenge(*one.second);
  }
  links_.clear();
  unnamed_.clear();
}

// -- arrival --------------------------------------------------------------------------------------

bool Fleet::authorizes(std::string_view token) {
  const auto& tokens = core_->options.agent_tokens;
  if (!tokens || tokens->find(token).has_value()) return true;
  ++newcomers_unauthorized_;
  return false;
}

bool Fleet::may_be_called(const Link& link, const std::string& name) const {
  const auto& tokens = core_->options.agent_tokens;
  const std::optional<std::string> token = link.connection_->token();
  if (!tokens || !token) return true;
  const auto grant = tokens->find(*token);
  return grant && grant->allows(name);
}

// The tokens were replaced: who could not come today goes, and its tasks wait for who may.
void Fleet::judge_tokens() {
  std::vector<std::uint64_t> ids;
  for (const auto& one : links_) ids.push_back(one.first);
  for (const std::uint64_t id : ids) {
    Link* const link = find_link(id);
    if (link != nullptr && !link->ended_) judge_token(*link);
  }
}

void Fleet::judge_token(Link& link) {
  const std::string& name = link.session_.hello().name;
  const std::optional<std::string> token = link.connection_->token();
  if (!token || may_be_called(link, name)) return;
  if (name.empty() && core_->options.agent_tokens->find(*token)) return;
  link.session_.close(CloseCode::policy, "its token is accepted no more");
  process(link);
}

bool Fleet::admits(std::chrono::seconds& retry_after) {
  if (draining_) {
    retry_after = kDrainRetryAfter;
    return false;
  }
  const auto rate = static_cast<double>(core_->options.handshakes_per_second);
  const std::chrono::duration<double> passed = now() - admission_at_;
  admission_at_ = now();
  admission_tokens_ = std::min(rate, admission_tokens_ + passed.count() * rate);
  if (admission_tokens_ >= 1) {
    admission_tokens_ -= 1;
    return true;
  }
  ++newcomers_deferred_;
  // Spread over some seconds, so that those refused together do not come back together.
  retry_after = seconds{1 + static_cast<std::int64_t>(core_->options.random->below(5))};
  return false;
}

void Fleet::on_connection(std::unique_ptr<Connection> connection) {
  const MasterOptions& options = core_->options;
  protocol::MasterSessionOptions session;
  session.master = options.name;
  session.store = store_id_;
  session.results_bytes = protocol::kResultsBytesMin;  // until it is welcomed
  session.time_to_first_message = options.time_to_first_message;
  session.opening_time = connection->opening_time();
  session.heartbeat_interval = options.heartbeat_interval;
  session.dead_after = options.dead_after;
  session.resume_grace = options.resume_grace;
  make_room();
  const std::uint64_t id = ++last_link_;
  auto link = std::make_unique<Link>(*this, id, std::move(connection), std::move(session), now());
  Link& made = *link;
  links_.emplace(id, std::move(link));
  unnamed_.insert(id);
  made.connection_->start(made);
  arm(made);
  judge_token(made);  // the tokens may have changed since its handshake
}

// Whoever opens connections and says nothing keeps no agent out.
void Fleet::make_room() {
  if (unnamed_.size() < core_->options.newcomers_max) return;
  Link& oldest = *find_link(*unnamed_.begin());
  ++newcomers_dropped_;
  const std::string why = "too many connections have not said hello";
  leave(oldest, CloseCode::silent, why, true);
  oldest.connection_->abort(CloseCode::silent, why);
}

void Fleet::admit(Link& link) {
  const protocol::Hello& hello = link.session_.hello();
  if (draining_) {
    link.session_.reject("draining", "this master is about to stop", kDrainRetryAfter);
    return;
  }
  if (!may_be_called(link, hello.name)) {
    link.session_.reject("name_not_allowed",
                         "the token of this agent is not for the name `" + hello.name + '`',
                         kNameRetryAfter);
    return;
  }
  std::unique_ptr<AgentRecord>& slot = records_[hello.name];
  if (!slot) slot = std::make_unique<AgentRecord>();
  AgentRecord& record = *slot;
  link.record_ = &record;
  if (record.link == nullptr) return take_name(record, link);
  if (record.hello.instance == hello.instance) {
    Link& older = *record.link;
    if (record.newcomer != nullptr) {
      Link& newcomer = *record.newcomer;
      end_challenge(record);
      refuse_name(newcomer);
    }
    older.session_.close(CloseCode::replaced, "the same agent has a newer connection");
    end_session(older, kReplacedGrace);
    leave(older, CloseCode::replaced, "replaced by a newer connection", true);
    older.connection_->close(CloseCode::replaced, "the same agent has a newer connection");
    return take_name(record, link);
  }
  if (record.newcomer != nullptr || !record.link->welcomed_) return refuse_name(link);
  begin_challenge(record, link);
}

void Fleet::refuse_name(Link& link) {
  const std::string name = link.session_.hello().name;
  link.record_ = nullptr;
  link.session_.reject("name_in_use", "another living agent is called `" + name + "`",
                       seconds{5 + static_cast<std::int64_t>(core_->options.random->below(10))});
  process(link);
}

void Fleet::begin_challenge(AgentRecord& record, Link& newcomer) {
  Link& older = *record.link;
  record.newcomer = &newcomer;
  sample(older);
  record.link_bytes = record.facts.bytes_received;
  older.session_.ask_for_life(now());
  process(older);
  if (record.newcomer != &newcomer) return;
  const SteadyTime due = now() + kChallengeTime;
  record.newcomer_timer =
      loop_.call_at(due, [this, &record, due] { judge_challenge(record, due); });
}

void Fleet::judge_challenge(AgentRecord& record, SteadyTime due) {
  record.newcomer_timer = 0;
  if (record.newcomer == nullptr) return;
  if (now() - due > kLagMax) {
    const SteadyTime again = now() + kReadFirst;
    record.newcomer_timer =
        loop_.call_at(again, [this, &record, again] { judge_challenge(record, again); });
    return;
  }
  Link& newcomer = *record.newcomer;
  end_challenge(record);
  if (record.link != nullptr) {
    Link& older = *record.link;
    sample(older);
    if (record.facts.bytes_received != record.link_bytes) return refuse_name(newcomer);
    older.session_.close(CloseCode::silent, "another agent of this name took over");
    end_session(older, kReplacedGrace);
    leave(older, CloseCode::silent, "silent, taken over by another agent of its name", true);
    older.connection_->abort(CloseCode::silent, "another agent of this name took over");
  }
  take_name(record, newcomer);
}

void Fleet::end_challenge(AgentRecord& record) {
  if (record.newcomer_timer != 0) loop_.cancel(record.newcomer_timer);
  record.newcomer_timer = 0;
  record.newcomer = nullptr;
}

void Fleet::take_name(AgentRecord& record, Link& link) {
  record.link = &link;
  // The same process has the same clock: what it sends before this session has measured that
  // needs what the last one did.
  if (record.hello.instance != link.session_.hello().instance) record.clock_offset = {};
  record.hello = link.session_.hello();
  record.beat = {};
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

// -- running --------------------------------------------------------------------------------------

void Fleet::process(Link& link) {
  if (link.ended_) return;
  for (MasterSession::Event& event : link.session_.take_events()) {
    if (auto* results = std::get_if<MasterSession::ResultsArrived>(&event)) {
      record_results(link, std::move(*results));
    } else if (auto* beat = std::get_if<MasterSession::HeartbeatArrived>(&event)) {
      on_heartbeat(link, beat->beat);
    } else if (std::holds_alternative<MasterSession::CreditArrived>(event)) {
      update_room(link);
      dispatch_later();
    } else if (auto* hello = std::get_if<MasterSession::HelloArrived>(&event)) {
      link.held_ = std::move(hello->held);
      admit(link);
    } else if (std::holds_alternative<MasterSession::DrainArrived>(event)) {
      dispatcher_.set_drained(link.store_session_, true);
      publish(link.record_->hello.name, *link.record_);
      log(LogLevel::info, "agent drains", {{"agent", link.record_->hello.name}});
    }
    if (link.ended_) return;
  }
  pump(link);
  if (const auto& closing = link.session_.closing()) {
    const MasterSession::Closing why = *closing;
    if (link.welcomed_) end_session(link, core_->options.resume_grace);
    leave(link, why.code, why.text, true);
    if (why.abort) {
      link.connection_->abort(why.code, why.text);
    } else {
      link.connection_->close(why.code, why.text);
    }
    return;
  }
  arm(link);
}

void Fleet::record_results(Link& link, MasterSession::ResultsArrived results) {
  AgentRecord& record = *link.record_;
  const SteadyTime at = now();
  const SystemTime system_at = system_now();
  const microseconds offset =
      link.session_.knows_clock_offset() ? link.session_.clock_offset() : record.clock_offset;
  const std::uint64_t last = results.last;
  const std::uint64_t bytes = results.bytes;
  std::vector<TaskReport> reports;
  reports.reserve(results.items.size());
  for (protocol::Results::Item& item : results.items) {
    reports.push_back(intake_.convert(std::move(item), offset, system_at));
    if (reports.back().kind == TaskReport::Kind::result) ++record.results;
  }
  const auto count = static_cast<std::int64_t>(reports.size());
  record.in_flight = std::max<std::int64_t>(0, record.in_flight - count);
  record.rate.add(at, reports.size());
  uncommitted_bytes_ += bytes;
  link.uncommitted_ += bytes;
  ++records_open_;
  open_calls_.insert(at);
  judge_uncommitted();
  core_->store->record(
      link.store_session_, std::move(reports),
      [this, core = core_, id = link.id_, last, bytes, at](Expected<RecordReply> reply) {
        core->post([this, id, last, bytes, at, reply = std::move(reply)] {
          on_recorded(id, last, bytes, at, reply);
        });
      });
}

void Fleet::on_recorded(std::uint64_t link_id, std::uint64_t last, std::uint64_t bytes,
                        SteadyTime asked, const Expected<RecordReply>& reply) {
  record_latency(asked);
  uncommitted_bytes_ -= bytes;
  --records_open_;
  judge_uncommitted();
  Link* const link = find_link(link_id);
  const bool living = link != nullptr && !link->ended_;
  if (living) {
    link->uncommitted_ -= bytes;
  } else {
    promised_bytes_ -= bytes;
  }
  if (!reply) {
    log(LogLevel::error, "results were not recorded", {{"why", reply.error().message()}});
    // The agent keeps them, and brings them again when it resumes.
    if (living) {
      link->session_.close(CloseCode::internal, "the store could not record results");
      process(*link);
    }
    return;
  }
  results_duplicate_ += reply->duplicate;
  results_unknown_ += reply->unknown;
  returns_not_held_ += reply->not_held;
  cancel_tasks(reply->cancel);
  if (!living) return;
  link->session_.on_committed(last);
  flush_later(*link);
}

// Windows are promises: what an agent was told it may send, however little is welcome later.
// Together they stay within uncommitted_bytes_max, but for the least that every agent has.
void Fleet::promise_window(Link& link) {
  const MasterOptions& options = core_->options;
  const std::uint64_t most = options.uncommitted_bytes_max;
  const std::uint64_t left = most - std::min<std::uint64_t>(promised_bytes_, most);
  link.window_ = std::clamp<std::uint64_t>(left, protocol::kResultsBytesMin, options.results_bytes);
  promised_bytes_ += link.window_;
  link.session_.set_results_bytes(squeezed_ ? protocol::kResultsBytesMin : link.window_, now());
}

// What has arrived and is not committed stays promised until it is.
void Fleet::end_promise(Link& link) {
  promised_bytes_ -= std::exchange(link.window_, 0);
  promised_bytes_ += link.uncommitted_;
}

void Fleet::judge_uncommitted() {
  const std::size_t most = core_->options.uncommitted_bytes_max;
  const bool squeeze = uncommitted_bytes_ > (squeezed_ ? most / 4 : most / 2);
  if (squeeze == squeezed_) return;
  squeezed_ = squeeze;
  log(LogLevel::warn,
      squeeze ? "results wait for the store: windows shrink" : "the store caught up: windows grow",
      {{"uncommitted_bytes", std::to_string(uncommitted_bytes_)}});
  for (const auto& one : by_session_) {
    Link& link = *one.second;
    link.session_.set_results_bytes(squeeze ? protocol::kResultsBytesMin : link.window_, now());
    flush_later(link);
  }
}

void Fleet::cancel_tasks(const std::vector<std::pair<SessionId, TaskId>>& cancels) {
  std::unordered_map<SessionId, std::vector<TaskId>> by_session;
  for (const auto& [session, task] : cancels) by_session[session].push_back(task);
  for (const auto& [session, tasks] : by_session) {
    Link* const link = find_session(session);
    if (link == nullptr) continue;
    link->session_.cancel(tasks);
    flush_later(*link);
  }
}

void Fleet::on_heartbeat(Link& link, const protocol::Heartbeat& beat) {
  AgentRecord& record = *link.record_;
  judge_cpu(record, beat);
  record.failures = record.beat.failures && beat.failures
                        ? failures_since(*beat.failures, *record.beat.failures)
                        : LocalFailures{};
  record.meter.told(protocol::socket_of(beat));
  record.beat_gap_max = beat.seq == 1 ? SteadyTime::duration{0}
                                      : std::max(record.beat_gap_max, now() - record.beat_at);
  record.beat_at = now();
  record.beat = beat;
  if (link.session_.knows_clock_offset()) record.clock_offset = link.session_.clock_offset();
  record.rtt = link.session_.rtt();
  sample(link);
}

// By the time between arrivals: an agent's own clock may step, or lie. Heartbeats that a network
// held up come in a bunch, whose arrivals tell nothing.
void Fleet::judge_cpu(AgentRecord& record, const protocol::Heartbeat& beat) {
  const std::chrono::duration<double, std::micro> passed = now() - record.cpu_at;
  if (record.beat.seq != 0) {
    if (passed < std::min<milliseconds>(kCpuSpanMin, core_->options.heartbeat_interval / 2)) return;
    record.cpu_cores = 0;
    if (record.cpu_us >= 0 && beat.cpu_us >= record.cpu_us) {
      record.cpu_cores = static_cast<double>(beat.cpu_us - record.cpu_us) / passed.count();
    }
  }
  record.cpu_us = beat.cpu_us;
  record.cpu_at = now();
}

void Fleet::update_room(Link& link) {
  dispatcher_.set_room(link.store_session_, CreditClass::high, link.session_.room(true));
  dispatcher_.set_room(link.store_session_, CreditClass::other, link.session_.room(false));
}

void Fleet::pump(Link& link) {
  const SteadyTime at = now();
  for (;;) {
    const std::size_t room = link.connection_->send_room();
    if (room == 0) break;
    if (link.session_.wants_facts(at)) {
      const ConnectionFacts facts = link.connection_->facts();
      link.session_.set_facts(loop_.lag().max.count(), core_->cpu_time().count(), facts);
    }
    std::string message = link.session_.next_message(room, at, system_now());
    if (message.empty()) break;
    link.connection_->send(std::move(message));
  }
  if (!link.welcomed_) return;
  const std::size_t room = link.connection_->send_room();
  const std::size_t unsent =
      link.session_.unsent_bytes() + Connection::kSendRoom - std::min(room, Connection::kSendRoom);
  const std::size_t limit = core_->options.send_buffer_limit;
  const std::size_t left = limit - std::min(unsent, limit);
  if (left == link.send_room_) return;
  const bool was_full = std::exchange(link.send_room_, left) == 0;
  dispatcher_.set_send_room(link.store_session_, left);
  if (was_full) dispatch_later();
}

// Once for all that happens in a burst, so that one ack speaks for many commits.
void Fleet::flush_later(Link& link) {
  if (std::exchange(link.flush_listed_, true)) return;
  to_flush_.push_back(link.id_);
  if (std::exchange(flush_posted_, true)) return;
  core_->post([this] { flush(); });
}

void Fleet::flush() {
  flush_posted_ = false;
  const std::vector<std::uint64_t> ids = std::exchange(to_flush_, {});
  for (const std::uint64_t id : ids) {
    Link* const link = find_link(id);
    if (link == nullptr) continue;
    link->flush_listed_ = false;
    if (link->ended_) continue;
    pump(*link);
    arm(*link);
  }
}

void Fleet::arm(Link& link) {
  const auto wanted = link.session_.next_wakeup();
  if (!wanted || link.ended_) return;
  // A timer that comes too early is armed again when it fires: cheaper than moving it with every
  // message.
  if (link.timer_ != 0) {
    if (link.timer_at_ <= *wanted) return;
    loop_.cancel(link.timer_);
  }
  link.timer_at_ = *wanted;
  link.timer_ = loop_.call_at(*wanted, [this, id = link.id_] { on_timer(id); });
}

void Fleet::on_timer(std::uint64_t link_id) {
  Link* const link = find_link(link_id);
  if (link == nullptr || link->ended_) return;
  link->timer_ = 0;
  const SteadyTime at = now();
  if (at - link->timer_at_ > kLagMax) {
    link->timer_at_ = at + kReadFirst;
    link->timer_ = loop_.call_at(link->timer_at_, [this, link_id] { on_timer(link_id); });
    return;
  }
  const auto due = link->session_.next_wakeup();
  if (due && at >= *due) {
    sample(*link);
    link->session_.on_wakeup(at);
    if (link->session_.closing() && unnamed_.count(link_id) != 0) ++newcomers_dropped_;
  }
  process(*link);
}

void Fleet::sample(Link& link) {
  ConnectionFacts facts = link.connection_->facts();
  const SteadyTime at = now();
  link.session_.on_bytes_received(facts.bytes_received, at);
  if (link.record_ == nullptr || link.record_->link != &link) return;
  AgentRecord& record = *link.record_;
  record.last_received = link.session_.last_life();
  if (record.facts.measured && !facts.measured) return;  // its socket is gone: what it was is kept
  record.meter.look(facts, link.session_.unsent_bytes(), at);
  record.facts = std::move(facts);
  record.facts_at = at;
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

// What the store is about to lease to it never reaches it, and comes back a moment after the loss:
// until then it is not to count as lost with it.
void Fleet::lose_session(const Link& link, milliseconds grace, std::string diagnosis) {
  if (link.asks_open_ > 0) grace = std::max<milliseconds>(grace, kGiveBackTime);
  core_->store->lose_session({link.store_session_, grace, std::move(diagnosis)}, [](auto) {});
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
