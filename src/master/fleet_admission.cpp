// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the fleet: which connections are let in, and which of them gets the name it asks for.

#include <algorithm>
#include <optional>
#include <utility>

#include "master/fleet.hpp"

namespace probekit {

namespace {

using std::chrono::seconds;

constexpr seconds kChallengeTime{5};
constexpr seconds kNameRetryAfter{30};

}  // namespace

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

}  // namespace probekit
