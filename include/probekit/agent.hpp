// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An agent: keeps a connection to a master, takes tasks for which it granted credit, runs them on
/// a ProbeExecutor and gives each result back until the master has acknowledged it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/error.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/executor.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"
#include "probekit/prober.hpp"
#include "probekit/task.hpp"
#include "probekit/transport.hpp"

namespace probekit {

struct AgentOptions {
  // behaviour
  std::string name;         ///< stable identity, `[A-Za-z0-9._-]{1,64}`; required
  std::vector<Label> tags;  ///< for choosing agents; at most 64
  AddressPolicy address_policy;
  std::vector<Address> dns_servers;  ///< empty: the system's
  // limits
  std::size_t concurrency = 512;  ///< probes in flight at most, 1 to 65536
  std::size_t queue = 4096;       ///< tasks held and not started at most, 1 to 1048576
  std::size_t threads = 0;        ///< probing threads; 0: cores, at most 4
  std::size_t per_host = 16;      ///< probes in flight against one host and port; 0: no limit
  std::size_t outbox_bytes_max =
      16 * 1024 * 1024;  ///< unacknowledged results; at it no probe starts
  // timing
  /// Full jitter between 0 and a bound that doubles from `backoff_min`, over 0, to `backoff_max`.
  std::chrono::milliseconds backoff_min{500};
  std::chrono::milliseconds backoff_max{30'000};
  // injected; null: the default
  std::shared_ptr<const Clock> clock;
  std::shared_ptr<RandomSource> random;
  std::shared_ptr<Executor> executor;  ///< where notifications run
  std::shared_ptr<Log> log;
};

struct AgentStatus {
  bool connected = false;  ///< welcomed by a master
  std::string url;         ///< of the last connection attempt
  std::size_t queued = 0;  ///< held, not started
  std::size_t running = 0;
  std::size_t unacknowledged = 0;  ///< results not yet acknowledged
  std::uint64_t received = 0;      ///< tasks, since the start
  std::uint64_t results = 0;       ///< produced, since the start
  std::uint64_t disconnects = 0;   ///< but for that which ends a drain
  std::string last_disconnect;     ///< why, in words
  /// Of this agent and its connection, by what it can see itself; a moment old at most.
  Diagnosis diagnosis;
  /// As of the last disconnect.
  Diagnosis last_diagnosis;
};

/// *Callbacks* run on the Executor, one by one as it runs them, never inside the call that leads to
/// them and with no lock held; everything but the destructor may be called from within. Each `done`
/// runs exactly once: that of a call made after stop() at once, with errc::closed; what stop() ends
/// is answered with errc::cancelled, on the Executor or, when that has not come to it, inside
/// stop() on its caller's thread. A `done` may so run within stop() and must not wait for its
/// caller. *Threads*: add(), on_connected() and start() from one thread, first; the rest from any.
class PROBEKIT_EXPORT Agent {
 public:
  /// Throws std::invalid_argument naming the option that is wrong.
  Agent(std::unique_ptr<Connector> connector, AgentOptions options);
  /// Stops at once; drain() first for a graceful end.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void add(std::unique_ptr<Prober> prober);
  /// Called after each welcome, with the master's URL. Coalesced: an Executor that was busy for
  /// several hears of the last.
  void on_connected(std::function<void(std::string url)> notify);
  void start();

  AgentStatus status() const;
  /// Grows ten times a second at least while the IO thread's loop turns: for watchdogs. Waits for
  /// nothing.
  std::uint64_t loop_turns() const noexcept;

  /// Takes no new tasks, returns what is not started, finishes what runs, waits for the last
  /// acknowledgement, closes. `done` hears of success, timed_out when `within` (of the first drain;
  /// a year at most) passed first, cancelled when stop() came first, or closed when it had come.
  /// An agent that was not started has nothing to drain. Then stop().
  void drain(std::chrono::milliseconds within, std::function<void(Expected<void>)> done);
  /// Ends at once. After it returned no notification runs, but those that call it themselves.
  /// Idempotent; when several stop at once, each returns once it has ended.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
