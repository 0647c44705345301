// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The words of the ledger: what a task is called, in which state it is, why it ended, who may
/// take it, and the sums that must always close. Plain values; distinct objects are independent.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/error.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// A batch within its store, counted from 1. People see it as text made by the store.
struct BatchId {
  std::uint32_t value = 0;
  friend bool operator==(BatchId a, BatchId b) noexcept { return a.value == b.value; }
  friend bool operator!=(BatchId a, BatchId b) noexcept { return a.value != b.value; }
  friend bool operator<(BatchId a, BatchId b) noexcept { return a.value < b.value; }
};

/// A task within its store: its batch and its place in it, from 0.
struct TaskId {
  std::uint64_t value = 0;

  static TaskId of(BatchId batch, std::uint32_t index) noexcept {
    return TaskId{(std::uint64_t{batch.value} << 32) | index};
  }
  BatchId batch() const noexcept { return BatchId{static_cast<std::uint32_t>(value >> 32)}; }
  std::uint32_t index() const noexcept { return static_cast<std::uint32_t>(value); }

  friend bool operator==(TaskId a, TaskId b) noexcept { return a.value == b.value; }
  friend bool operator!=(TaskId a, TaskId b) noexcept { return a.value != b.value; }
  friend bool operator<(TaskId a, TaskId b) noexcept { return a.value < b.value; }
};

enum class Priority : std::uint8_t { high, normal, low };
enum class TaskState : std::uint8_t { queued, in_flight, done, expired, cancelled };
/// Why a task ended without a result.
enum class ExpiryReason : std::uint8_t { no_agent, deadline, agent_lost, missed };

PROBEKIT_EXPORT std::string_view to_string(Priority priority) noexcept;
PROBEKIT_EXPORT std::string_view to_string(TaskState state) noexcept;
PROBEKIT_EXPORT std::string_view to_string(ExpiryReason reason) noexcept;
PROBEKIT_EXPORT Expected<Priority> parse_priority(std::string_view text);

struct Label {
  std::string key;
  std::string value;
  friend bool operator==(const Label& a, const Label& b) {
    return a.key == b.key && a.value == b.value;
  }
};

/// `[A-Za-z0-9._-]{1,64}`: names of agents, tags, schedules.
PROBEKIT_EXPORT bool is_valid_name(std::string_view text) noexcept;

/// Which agents a target is for. Written `any`, `all`, `tag:a=1,tag:b=2` (all must hold) or
/// `name:a,name:b` in flags and queries, `*N` after `any` or tags being the count; in JSON `"any"`,
/// `"all"`, `{"tags":{"a":"1"},"count":N}` or `{"names":["a","b"]}`.
struct Selector {
  enum class Kind : std::uint8_t {
    any,   ///< whoever is free
    all,   ///< a task each for the agents connected at submission, pinned to them
    tags,  ///< whoever has all of these
    names  ///< a task each, pinned to its agent
  };
  Kind kind = Kind::any;
  std::vector<Label> tags;         ///< for Kind::tags: 1 to 16, sorted by key, no key twice
  std::uint32_t count = 1;         ///< for any and tags: so many different agents, a task each; 1
                                   ///< to 256
  std::vector<std::string> names;  ///< for Kind::names: 1 to 256, none twice

  friend bool operator==(const Selector& a, const Selector& b) {
    return a.kind == b.kind && a.tags == b.tags && a.count == b.count && a.names == b.names;
  }
  friend bool operator!=(const Selector& a, const Selector& b) { return !(a == b); }
};

/// Tasks one target becomes. Of `all` it is not known before the agents are: 1.
PROBEKIT_EXPORT std::size_t task_count(const Selector& selector) noexcept;

/// Parses the form of flags and queries. *Errors*: invalid_argument.
PROBEKIT_EXPORT Expected<Selector> parse_selector(std::string_view text);

/// Every accepted task is in exactly one of the five states, at every moment:
/// `accepted = queued + in_flight + done + expired + cancelled`; `done = passed + failed`.
struct Ledger {
  std::uint64_t accepted = 0;
  std::uint64_t queued = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t done = 0;
  std::uint64_t expired = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;

  bool balanced() const noexcept {
    return accepted == queued + in_flight + done + expired + cancelled && done == passed + failed;
  }
  bool ended() const noexcept { return queued == 0 && in_flight == 0; }
};

/// `accepted 3 = done 3 (passed 2, failed 1)`; terms that are zero are left out.
PROBEKIT_EXPORT std::ostream& operator<<(std::ostream& out, const Ledger& ledger);

}  // namespace probekit

template <>
struct std::hash<probekit::TaskId> {
  std::size_t operator()(probekit::TaskId id) const noexcept {
    // Task ids are dense; a multiplicative mix (Knuth, TAOCP 6.4) spreads them over buckets.
    return static_cast<std::size_t>(id.value * 0x9E3779B97F4A7C15ULL);
  }
};
