// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// How kinds of probes plug in. A Prober is the code for one kind; each probing thread has a
/// ProbeRunner of it, with its own handles and no locks.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/address_policy.hpp"
#include "probekit/clock.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/export.hpp"
#include "probekit/log.hpp"
#include "probekit/probe_result.hpp"
#include "probekit/probe_spec.hpp"

namespace probekit {

/// What all probers of a process share. Outlives the runners.
struct ProbeEnvironment {
  AddressPolicy address_policy;
  /// Resolvers for names of HTTP targets and default of DNS probes; empty: the system's. Exempt
  /// from the policy, being the operator's own.
  std::vector<Address> dns_servers;
  std::shared_ptr<RandomSource> random;  ///< never null
  std::shared_ptr<Log> log;              ///< may be null
  /// Probes in flight at most on one runner: for sizing pools.
  std::size_t concurrency = 1;
};

/// Takes results; called on the probing thread.
class ProbeSink {
 public:
  virtual ~ProbeSink() = default;
  /// `probe` is the number given to start(); exactly once for each start that was not cancelled.
  virtual void on_result(std::uint64_t probe, ProbeResult result) = 0;
};

/// Probes of one kind on one probing thread. *Threads*: that thread only. Nothing here may block.
class PROBEKIT_EXPORT ProbeRunner {
 public:
  /// Ends what runs, without results.
  virtual ~ProbeRunner() = default;

  /// Starts one probe. Answers through the sink within `options.timeout` of this call, possibly
  /// inside it. `target` and `options` live until the result or the cancel.
  virtual void start(std::uint64_t probe, std::string_view target, const ProbeOptions& options) = 0;
  /// Ends a probe without a result; does nothing for one that ended.
  virtual void cancel(std::uint64_t probe) = 0;

  /// Adds what its running probes wait for now, and how many have failed for want of something
  /// local since it was made: for diagnosis. Asked once a second; a runner that does not tell
  /// leaves both alone.
  virtual void tell(ProbeWaits& /*waits*/, LocalFailures& /*failures*/) const {}
};

/// The code for one kind of probing. *Threads*: safe to share once made.
class PROBEKIT_EXPORT Prober {
 public:
  virtual ~Prober() = default;

  /// Targets and options of the kind, for parsing specs.
  virtual const ProbeKind& kind() const noexcept = 0;
  /// Called once on each probing thread. The loop, the environment and the sink outlive the runner.
  virtual std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop,
                                                   const ProbeEnvironment& environment,
                                                   ProbeSink& sink) const = 0;
};

/// A prober that may block: `probe` runs on `threads` (1 to 1024) threads of its own for each
/// runner. An attempt still running at its timeout is answered with failure `timeout`; its thread
/// stays busy until the function returns, and the runner's end waits for that. One that no thread
/// came to by its timeout is answered with failure `internal`, as is an exception.
PROBEKIT_EXPORT std::unique_ptr<Prober> make_blocking_prober(
    ProbeKind kind,
    std::function<ProbeResult(std::string_view target, const ProbeOptions& options)> probe,
    std::size_t threads);

}  // namespace probekit
