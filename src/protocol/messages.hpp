// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The messages of probekit.v1 as plain structs; codec.hpp turns them into frames and back.
/// docs/protocol.md shows each with an example.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "probekit/diagnosis.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/probe_spec.hpp"
#include "probekit/task.hpp"

namespace probekit::protocol {

constexpr std::string_view kSubprotocol = "probekit.v1";
constexpr std::size_t kHelloBytesMax = 4 * 1024;
constexpr std::size_t kHeldBytesMax = 64 * 1024;
constexpr std::size_t kMessageBytesTarget = 64 * 1024;  ///< messages are filled to about this
constexpr std::size_t kMessageBytesMax = 1024 * 1024;   ///< what a receiver refuses
constexpr std::uint64_t kResultsBytesMin = 128 * 1024;  ///< the results window is never less
constexpr std::size_t kTagsMax = 64;
constexpr std::size_t kItemsMax = 65'536;           ///< of one list in one message
constexpr std::size_t kOptionsPerMessageMax = 512;  ///< different options in one `tasks`

/// What a result counts in the results window: its text, and this for the item around it.
constexpr std::uint64_t kResultItemBytes = 64;

enum class HeldState : std::uint8_t { queued, running, finished };

/// Why a task comes back without a result.
enum class Returned : std::uint8_t {
  overdrawn,    ///< sent beyond the credit granted
  draining,     ///< the agent is about to stop
  cancelled,    ///< the master asked for it
  expired,      ///< could no longer end before its deadline
  unsupported,  ///< no prober of that kind here
  host_busy,    ///< too many wait for that host
  unwanted,     ///< the master did not want it after a resume
};
std::string_view to_string(Returned returned) noexcept;
std::string_view to_string(HeldState state) noexcept;

/// agent -> master, first; at most kHelloBytesMax.
struct Hello {
  std::vector<std::string> versions{std::string{kSubprotocol}};
  std::string name;
  std::string instance;  ///< 128 random bits a process, hex
  std::string agent_version;
  std::vector<Label> tags;
  std::vector<std::string> kinds;
  std::uint64_t capacity_tasks = 0;  ///< window of normal and low
  std::uint64_t capacity_high = 0;
  std::uint32_t slots = 0;    ///< concurrency
  std::uint32_t threads = 0;  ///< probing threads
  std::string store;          ///< id of the store last served; empty: none
  std::uint64_t holds = 0;    ///< tasks that the held messages after this will list
};

/// agent -> master, after a hello that holds tasks; at most kHeldBytesMax each.
struct Held {
  struct Item {
    TaskId task;
    std::uint32_t attempt = 1;
    HeldState state = HeldState::queued;
  };
  std::vector<Item> tasks;
  bool last = true;
};

/// master -> agent.
struct Welcome {
  std::string session;
  std::uint64_t epoch = 0;
  std::string store;
  std::string master;
  std::chrono::milliseconds heartbeat_interval{0};
  std::chrono::milliseconds dead_after{0};
  std::chrono::milliseconds resume_grace{0};
  std::uint64_t message_bytes_max = kMessageBytesMax;
  std::uint64_t results_bytes = 0;
  std::vector<TaskId>
      wanted;        ///< of the held ones; the others are dropped and come back `unwanted`
  bool last = true;  ///< false: Wanted messages follow
};

/// master -> agent, the rest of the wanted tasks.
struct Wanted {
  std::vector<TaskId> tasks;
  bool last = true;
};

/// master -> agent, instead of welcome; the connection is closed after it.
struct Reject {
  std::string reason;  ///< "name_in_use", "version", "hello", "draining", "busy"
  std::string detail;
  std::chrono::milliseconds retry_after{0};
};

/// master -> agent. Options common to many tasks stand once.
struct Tasks {
  struct Item {
    TaskId task;
    std::uint32_t attempt = 1;
    std::uint32_t options = 0;          ///< index into options
    std::chrono::milliseconds left{0};  ///< until the deadline
    std::string target;
  };
  std::vector<std::shared_ptr<const ProbeOptions>> options;
  std::vector<Item> tasks;
  /// How long the message waited at the sender after `left` was written; see append_waited().
  std::chrono::milliseconds waited{0};
};

/// agent -> master. Item i has sequence number seq + i; the first of a session is 1.
struct Results {
  struct Item {
    TaskId task;
    std::uint32_t attempt = 1;
    std::optional<Returned> returned;
    std::string result;  ///< JSON object of result_json.hpp, unless returned
  };
  std::uint64_t seq = 1;
  std::vector<Item> items;
};

/// master -> agent: everything up to here is committed and may be forgotten.
struct Ack {
  std::uint64_t seq = 0;
};

/// master -> agent.
struct Cancel {
  std::vector<TaskId> tasks;
};

/// How many tasks of each class this session may ever have been sent; never less than before.
struct Credit {
  std::uint64_t high = 0;
  std::uint64_t other = 0;
};

/// The kernel's figures of the sender's socket.
struct TcpFigures {
  std::string local;  ///< its address there
  std::uint64_t not_sent_bytes = 0;
  std::int64_t rtt_us = 0;
  std::uint64_t retransmits = 0;
  std::uint64_t peer_window_bytes = 0;
  std::int64_t rwnd_limited_us = 0;
};

/// What tasks that have not started, and probes that run, wait for.
struct Waits {
  std::uint64_t host = 0;
  ProbeWaits probes;
};

/// Both ways, on a timer of its own; never queued: one slot, written when it leaves.
struct Heartbeat {
  std::uint64_t seq = 0;           ///< from 1
  std::uint64_t echo = 0;          ///< seq of the last one seen from the other side; 0: none
  std::int64_t sent_us = 0;        ///< sender's system clock, since the epoch
  std::int64_t echo_delay_us = 0;  ///< between seeing that one and writing this
  /// Items of tasks (by a master) or results (by an agent) handed to the transport before this.
  std::uint64_t items_sent = 0;
  std::optional<Credit> credit;                ///< by an agent
  std::optional<std::uint64_t> results_bytes;  ///< by a master
  std::optional<std::uint64_t> ack;            ///< by a master: heals a lost ack
  // What the sender says of itself.
  std::int64_t loop_lag_us = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  std::int64_t queue_age_ms = 0;
  std::int64_t cpu_us = 0;  ///< CPU time of the process so far
  std::uint64_t recv_queue_bytes = 0;
  std::uint64_t send_queue_bytes = 0;
  std::uint64_t unsent_bytes = 0;  ///< in the process, for this connection
  // Not told by everyone: what is absent is unknown.
  std::optional<TcpFigures> socket;
  std::optional<Waits> waits;             ///< by an agent
  std::optional<LocalFailures> failures;  ///< by an agent
  std::uint64_t unacked = 0;              ///< by an agent: results not acknowledged
  std::int64_t unacked_age_ms = 0;        ///< of the oldest
};

/// agent -> master: takes no new tasks, will close when it holds none. Sent once.
struct Draining {};

/// A message of a type unknown here whose sender says `"optional":true`.
struct Ignored {};

using Message = std::variant<Hello, Held, Welcome, Wanted, Reject, Tasks, Results, Ack, Cancel,
                             Credit, Heartbeat, Draining, Ignored>;

}  // namespace probekit::protocol
