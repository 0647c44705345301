// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "master/fleet.hpp"

#include <utility>

namespace probekit {

namespace {

using std::chrono::milliseconds;

}  // namespace

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
  lose_the_rest();
  by_session_.clear();
  for (const auto& one : records_) {
    one.second->link = nullptr;
    end_challenge(*one.second);
  }
  links_.clear();
  unnamed_.clear();
}

}  // namespace probekit
