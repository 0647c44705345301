// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "dispatch/dispatcher.hpp"

#include <algorithm>

#include "probe/selector.hpp"

namespace probekit {

namespace {

constexpr std::chrono::milliseconds kRetryMin{100};
constexpr std::chrono::milliseconds kRetryMax{2000};

constexpr CreditClass kBoth[] = {CreditClass::high, CreditClass::other};

std::size_t place(CreditClass credit) noexcept { return static_cast<std::size_t>(credit); }

std::string index_key(const Label& tag) { return tag.key + '=' + tag.value; }

template <class List, class Value>
void erase_value(List& list, const Value& value) {
  list.erase(std::remove(list.begin(), list.end(), value), list.end());
}

}  // namespace

void Dispatcher::add_session(SessionId id, std::string agent, std::vector<std::string> kinds,
                             std::vector<Label> tags) {
  Session& session = sessions_[id];
  by_agent_[agent] = id;
  session.agent = std::move(agent);
  session.kinds = std::move(kinds);
  forget_tags(id, session);
  session.tags = std::move(tags);
  for (const Label& tag : session.tags) by_tag_[index_key(tag)].insert(id);
  for (const CreditClass credit : kBoth) {
    std::vector<LaneId>& tagged = session.sides[place(credit)].tagged;
    tagged.clear();
    for (const LaneId lane : classes_[place(credit)].tagged) {
      if (has_tags(session.tags, ready_.at(lane).lane.tags)) tagged.push_back(lane);
    }
  }
}

void Dispatcher::remove_session(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  for (const CreditClass credit : kBoth) close_ask(found->second, credit);
  const auto named = by_agent_.find(found->second.agent);
  if (named != by_agent_.end() && named->second == id) by_agent_.erase(named);
  forget_tags(id, found->second);
  sessions_.erase(found);
  // Lists name sessions lazily; many that are gone are swept out at once.
  for (Class& one : classes_) {
    compact(one.hungry, sessions_);
    compact(one.parked, sessions_);
    compact(one.own, sessions_);
  }
}

void Dispatcher::forget_tags(SessionId id, const Session& session) {
  for (const Label& tag : session.tags) {
    const auto found = by_tag_.find(index_key(tag));
    if (found == by_tag_.end()) continue;
    found->second.erase(id);
    if (found->second.empty()) by_tag_.erase(found);
  }
}

const std::unordered_set<SessionId>& Dispatcher::with_rarest(const std::vector<Label>& tags) const {
  static const std::unordered_set<SessionId> kNone;
  const std::unordered_set<SessionId>* rarest = nullptr;
  for (const Label& tag : tags) {
    const auto found = by_tag_.find(index_key(tag));
    if (found == by_tag_.end()) return kNone;
    if (rarest == nullptr || found->second.size() < rarest->size()) rarest = &found->second;
  }
  return rarest == nullptr ? kNone : *rarest;
}

void Dispatcher::compact(std::deque<SessionId>& list,
                         const std::unordered_map<SessionId, Session>& sessions) {
  if (list.size() <= 2 * sessions.size() + 64) return;
  list.erase(std::remove_if(list.begin(), list.end(),
                            [&](SessionId id) { return sessions.count(id) == 0; }),
             list.end());
}

void Dispatcher::set_drained(SessionId id, bool drained) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second.drained = drained;
  enlist(id, found->second);
}

void Dispatcher::set_room(SessionId id, CreditClass credit, std::uint64_t tasks) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second.sides[place(credit)].room = tasks;
  enlist(id, found->second, credit);
}

void Dispatcher::set_send_room(SessionId id, std::size_t bytes) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second.send_room = bytes;
  enlist(id, found->second);
}

void Dispatcher::on_ready(const std::vector<Lane>& lanes) {
  std::array<bool, kCreditClasses> moved{};
  for (const Lane& lane : lanes) {
    const CreditClass credit = credit_class(lane.priority);
    Class& one = classes_[place(credit)];
    const auto [entry, is_new] = ready_.try_emplace(lane.id);
    entry->second.generation = ++generation_;
    entry->second.unfit.clear();
    if (is_new) entry->second.lane = lane;
    if (!lane.agent.empty()) {
      if (is_new) one.pinned_lanes[lane.agent].push_back(lane.id);
      const auto named = by_agent_.find(lane.agent);
      if (named != by_agent_.end()) enlist(named->second, sessions_.at(named->second), credit);
    } else if (!lane.tags.empty()) {
      if (is_new) one.tagged.push_back(lane.id);
      for (const SessionId id : with_rarest(lane.tags)) {
        Session& session = sessions_.at(id);
        if (!has_tags(session.tags, lane.tags)) continue;
        if (is_new) session.sides[place(credit)].tagged.push_back(lane.id);
        enlist(id, session, credit);
      }
    } else {
      if (is_new) one.free.push_back(lane.id);
      moved[place(credit)] = true;
    }
  }
  for (const CreditClass credit : kBoth) {
    Class& one = classes_[place(credit)];
    if (!moved[place(credit)] || one.parked.empty()) continue;
    if (one.hungry.empty()) {
      std::swap(one.hungry, one.parked);
    } else {
      one.hungry.insert(one.hungry.end(), one.parked.begin(), one.parked.end());
      one.parked.clear();
    }
  }
}

void Dispatcher::on_gone(const std::vector<LaneId>& lanes) {
  for (const LaneId lane : lanes) forget_lane(lane);
}

void Dispatcher::forget_lane(LaneId id) {
  const auto found = ready_.find(id);
  if (found == ready_.end()) return;
  const Lane& lane = found->second.lane;
  const CreditClass credit = credit_class(lane.priority);
  Class& one = classes_[place(credit)];
  if (!lane.agent.empty()) {
    const auto lanes = one.pinned_lanes.find(lane.agent);
    if (lanes != one.pinned_lanes.end()) {
      erase_value(lanes->second, id);
      if (lanes->second.empty()) one.pinned_lanes.erase(lanes);
    }
  } else if (!lane.tags.empty()) {
    erase_value(one.tagged, id);
    for (const SessionId session : with_rarest(lane.tags)) {
      erase_value(sessions_.at(session).sides[place(credit)].tagged, id);
    }
  } else {
    erase_value(one.free, id);
  }
  ready_.erase(found);
}

void Dispatcher::close_ask(Session& session, CreditClass credit) {
  Side& side = session.sides[place(credit)];
  if (!side.asked) return;
  side.asked = false;
  --classes_[place(credit)].asks;
}

void Dispatcher::on_leased(SessionId id, CreditClass credit, const LeaseReply& reply) {
  retry_at_.reset();
  retry_delay_ = std::chrono::milliseconds{0};
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  Side& side = session.sides[place(credit)];
  close_ask(session, credit);
  side.room -= std::min<std::uint64_t>(side.room, reply.tasks.size());
  // A lane told ready again since it was asked may have tasks by now.
  const auto unchanged = [&](LaneId lane) {
    const auto asked = std::find_if(side.lanes.begin(), side.lanes.end(),
                                    [&](const AskedLane& one) { return one.id == lane; });
    const auto ready = ready_.find(lane);
    return asked != side.lanes.end() && ready != ready_.end() &&
           ready->second.generation == asked->generation;
  };
  for (const LaneId lane : reply.empty) {
    if (unchanged(lane)) forget_lane(lane);
  }
  for (const LaneId lane : reply.unfit) {
    if (unchanged(lane)) ready_.at(lane).unfit.insert(id);
  }
  enlist(id, session, credit);
}

void Dispatcher::on_failed(SessionId id, CreditClass credit, SteadyTime now) {
  retry_delay_ = std::clamp(retry_delay_ * 2, kRetryMin, kRetryMax);
  retry_at_ = now + retry_delay_;
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  close_ask(found->second, credit);
  enlist(id, found->second, credit);
}

bool Dispatcher::eligible(const Session& session, CreditClass credit) const noexcept {
  const Side& side = session.sides[place(credit)];
  return side.room > 0 && !side.asked && !session.drained && session.send_room > 0;
}

void Dispatcher::enlist(SessionId id, Session& session, CreditClass credit) {
  if (!eligible(session, credit)) return;
  Side& side = session.sides[place(credit)];
  Class& one = classes_[place(credit)];
  if (!side.listed) {
    side.listed = true;
    one.hungry.push_back(id);
  }
  if (!side.listed_own && (!side.tagged.empty() || one.pinned_lanes.count(session.agent) > 0)) {
    side.listed_own = true;
    one.own.push_back(id);
  }
}

void Dispatcher::enlist(SessionId id, Session& session) {
  for (const CreditClass credit : kBoth) enlist(id, session, credit);
}

bool Dispatcher::has_work_for(SessionId id) const {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.drained) return false;
  return std::any_of(std::begin(kBoth), std::end(kBoth), [&](CreditClass credit) {
    return !choose(id, found->second, credit).empty();
  });
}

std::vector<LaneId> Dispatcher::choose(SessionId id, const Session& session,
                                       CreditClass credit) const {
  const Class& one = classes_[place(credit)];
  const std::uint32_t turn = session.sides[place(credit)].turn;
  std::vector<LaneId> first;
  std::vector<LaneId> low;
  const auto consider = [&](const std::vector<LaneId>& lanes) {
    for (const LaneId lane : lanes) {
      const ReadyLane& ready = ready_.at(lane);
      if (ready.unfit.count(id) > 0 || std::find(session.kinds.begin(), session.kinds.end(),
                                                 ready.lane.kind) == session.kinds.end()) {
        continue;
      }
      (ready.lane.priority == Priority::low ? low : first).push_back(lane);
    }
  };
  const auto own = one.pinned_lanes.find(session.agent);
  if (own != one.pinned_lanes.end()) consider(own->second);
  consider(session.sides[place(credit)].tagged);
  consider(one.free);
  // Each lease begins with another lane of its priority, so that no kind starves another.
  const auto rotate = [](std::vector<LaneId>& lanes, std::uint32_t by) {
    if (lanes.size() < 2) return;
    std::rotate(lanes.begin(), lanes.begin() + static_cast<std::ptrdiff_t>(by % lanes.size()),
                lanes.end());
  };
  const bool low_first = !first.empty() && !low.empty() && turn % kLowTurn == kLowTurn - 1;
  rotate(first, turn);
  rotate(low, low_first ? turn / kLowTurn : turn);
  if (low_first) std::swap(first, low);
  first.insert(first.end(), low.begin(), low.end());
  return first;
}

bool Dispatcher::ask(SessionId id, Session& session, CreditClass credit, std::vector<Ask>& asks) {
  std::vector<LaneId> lanes = choose(id, session, credit);
  if (lanes.empty()) return false;
  Side& side = session.sides[place(credit)];
  side.asked = true;
  ++side.turn;
  ++classes_[place(credit)].asks;
  side.lanes.clear();
  for (const LaneId lane : lanes) side.lanes.push_back({lane, ready_.at(lane).generation});
  Ask made;
  made.request.session = id;
  made.request.lanes = std::move(lanes);
  made.request.count = static_cast<std::size_t>(std::min<std::uint64_t>(side.room, kChunk));
  made.request.bytes_max = std::max<std::size_t>(session.send_room / kCreditClasses, 1);
  made.credit = credit;
  asks.push_back(std::move(made));
  return true;
}

std::vector<Dispatcher::Ask> Dispatcher::next(SteadyTime now) {
  std::vector<Ask> asks;
  if (stopped_ || (retry_at_ && now < *retry_at_)) return asks;
  retry_at_.reset();
  for (const CreditClass credit : kBoth) {
    Class& one = classes_[place(credit)];
    while (one.asks < kAsksMax) {
      bool progress = false;
      if (!one.own.empty()) {
        const SessionId id = one.own.front();
        one.own.pop_front();
        progress = true;
        const auto found = sessions_.find(id);
        if (found != sessions_.end()) {
          found->second.sides[place(credit)].listed_own = false;
          if (eligible(found->second, credit)) ask(id, found->second, credit, asks);
        }
      }
      if (!one.free.empty() && !one.hungry.empty() && one.asks < kAsksMax) {
        const SessionId id = one.hungry.front();
        one.hungry.pop_front();
        progress = true;
        const auto found = sessions_.find(id);
        if (found != sessions_.end()) {
          Side& side = found->second.sides[place(credit)];
          side.listed = false;
          if (eligible(found->second, credit) && !ask(id, found->second, credit, asks)) {
            side.listed = true;
            one.parked.push_back(id);
          }
        }
      }
      if (!progress) break;
    }
  }
  return asks;
}

std::optional<SteadyTime> Dispatcher::next_wakeup() const {
  return stopped_ ? std::nullopt : retry_at_;
}

}  // namespace probekit
