// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Decides who is leased what: lanes that have tasks on one side, sessions that have room on the
/// other. No I/O and no clock; it is told, and answers with the leases to ask the store for.
/// *Threads*: one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "probe/is_high.hpp"
#include "probekit/clock.hpp"
#include "probekit/export.hpp"
#include "store/task_store.hpp"

namespace probekit {

/// Which of a session's two credits a task draws on.
enum class CreditClass : std::uint8_t { high, other };
constexpr std::size_t kCreditClasses = 2;

inline CreditClass credit_class(Priority priority) noexcept {
  return is_high(priority) ? CreditClass::high : CreditClass::other;
}

/// Serves sessions round robin, at most kChunk tasks at a time, so that none hoards. Of a
/// session's leases normal comes before low, but one of kLowTurn begins with low. A lane found
/// empty is not asked again until it is ready again; one that had nothing for a session is not
/// asked by that one.
class PROBEKIT_EXPORT Dispatcher {
 public:
  static constexpr std::size_t kChunk = 512;
  static constexpr std::uint32_t kLowTurn = 16;
  /// Leases asked for and not answered, of each class: what a lane that turns out to be empty
  /// costs at most, however many sessions are idle.
  static constexpr std::size_t kAsksMax = 16;

  /// A lease to ask the store for, to be answered by on_leased() or on_failed().
  struct Ask {
    LeaseRequest request;
    CreditClass credit = CreditClass::other;
  };

  void add_session(SessionId session, std::string agent, std::vector<std::string> kinds,
                   std::vector<Label> tags);
  /// Its open ask need not be answered.
  void remove_session(SessionId session);
  void set_drained(SessionId session, bool drained);
  /// How many more tasks of a class it would take now, given all it has been leased so far.
  void set_room(SessionId session, CreditClass credit, std::uint64_t tasks);
  /// How many bytes may be added to what is unsent to it; 0: nothing is leased to it. Its two
  /// leases share them. Without a limit before this is called.
  void set_send_room(SessionId session, std::size_t bytes);
  void on_ready(const std::vector<Lane>& lanes);
  /// The store has forgotten these.
  void on_gone(const std::vector<LaneId>& lanes);
  /// Takes the leased tasks off the session's room.
  void on_leased(SessionId session, CreditClass credit, const LeaseReply& reply);
  /// The store could not: nothing is asked for a while.
  void on_failed(SessionId session, CreditClass credit, SteadyTime now);

  /// What to ask now; empty: nothing to do until told more, or until next_wakeup().
  std::vector<Ask> next(SteadyTime now);
  std::optional<SteadyTime> next_wakeup() const;
  /// Whether tasks are there that it may take, as far as known: its room is not looked at.
  bool has_work_for(SessionId session) const;

  /// No lease from now on.
  void stop() { stopped_ = true; }

 private:
  struct AskedLane {
    LaneId id;
    std::uint64_t generation;
  };
  struct Side {
    std::uint64_t room = 0;
    bool asked = false;          // an ask is open
    bool listed = false;         // in hungry or parked
    bool listed_own = false;     // in own
    std::vector<LaneId> tagged;  // ready lanes whose tags it has
    std::vector<AskedLane> lanes;
    std::uint32_t turn = 0;
  };
  struct Session {
    std::string agent;
    std::vector<std::string> kinds;
    std::vector<Label> tags;
    bool drained = false;
    std::size_t send_room = std::numeric_limits<std::size_t>::max();
    std::array<Side, kCreditClasses> sides;
  };
  // A lane with tasks. The generation tells a ready told before an ask from one told after it.
  struct ReadyLane {
    Lane lane;
    std::uint64_t generation = 0;
    std::unordered_set<SessionId> unfit;  // it had nothing for these in this generation
  };
  struct Class {
    std::vector<LaneId> free;  // ready lanes that any agent may serve
    std::vector<LaneId> tagged;
    std::unordered_map<std::string, std::vector<LaneId>> pinned_lanes;  // by agent
    std::deque<SessionId> hungry;  // with room, in turn; may name sessions that lost it
    std::deque<SessionId> parked;  // with room, and no lane for them
    std::deque<SessionId> own;     // with room, and lanes of their own: pinned or tagged
    std::size_t asks = 0;
  };

  bool eligible(const Session& session, CreditClass credit) const noexcept;
  void enlist(SessionId id, Session& session, CreditClass credit);
  void enlist(SessionId id, Session& session);
  bool ask(SessionId id, Session& session, CreditClass credit, std::vector<Ask>& asks);
  std::vector<LaneId> choose(SessionId id, const Session& session, CreditClass credit) const;
  void forget_lane(LaneId id);
  void close_ask(Session& session, CreditClass credit);
  void forget_tags(SessionId id, const Session& session);
  /// The sessions with that one of the tags which fewest have: no other can have all of them.
  const std::unordered_set<SessionId>& with_rarest(const std::vector<Label>& tags) const;
  static void compact(std::deque<SessionId>& list,
                      const std::unordered_map<SessionId, Session>& sessions);

  std::unordered_map<SessionId, Session> sessions_;
  std::unordered_map<std::string, SessionId> by_agent_;
  std::unordered_map<std::string, std::unordered_set<SessionId>> by_tag_;
  std::unordered_map<LaneId, ReadyLane> ready_;
  std::array<Class, kCreditClasses> classes_;
  std::uint64_t generation_ = 0;
  std::optional<SteadyTime> retry_at_;
  std::chrono::milliseconds retry_delay_{0};
  bool stopped_ = false;
};

}  // namespace probekit
