// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A prober that does what a test tells it: answers at once, later, or never. No socket, no name
/// lookup; one that answers at once shows what everything around a prober costs.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "probekit/export.hpp"
#include "probekit/prober.hpp"

namespace probekit::testing {

/// What to do with one probe.
struct ScriptedAnswer {
  enum class When : std::uint8_t {
    at_once,  ///< inside ProbeRunner::start()
    later,    ///< after `delay`, on the loop's timer
    never,    ///< a defect: whoever started it must notice
    throws,   ///< a defect: start() throws std::runtime_error
  };
  When when = When::at_once;
  std::chrono::nanoseconds delay{0};
  /// Given to the sink. `started_at` and `duration` are filled in where they are 0.
  ProbeResult result;
};

/// `passed`, at once.
PROBEKIT_EXPORT ScriptedAnswer passed_at_once();
PROBEKIT_EXPORT ScriptedAnswer passed_after(std::chrono::nanoseconds delay);
PROBEKIT_EXPORT ScriptedAnswer never_answers();

/// Called once a probe, on probing threads, several at a time.
using ProbeScript =
    std::function<ScriptedAnswer(std::string_view target, const ProbeOptions& options)>;

/// What all runners of one scripted prober saw. *Threads*: safe to share.
struct ScriptedCounts {
  std::uint64_t started = 0;
  std::uint64_t answered = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t running = 0;
  std::uint64_t running_max = 0;
};

/// Keep a pointer to read the counts after an executor took the prober; it outlives the executor's
/// runners only while the executor lives.
class PROBEKIT_EXPORT ScriptedProber : public Prober {
 public:
  virtual ScriptedCounts counts() const noexcept = 0;
};

/// Targets are `SCHEME:...`; what follows up to the next slash, if anything, counts as their host:
/// `fake:a/1` and `fake:a/2` are on host `a`. Sections are taken as they are.
PROBEKIT_EXPORT std::unique_ptr<ScriptedProber> make_scripted_prober(std::string kind_name,
                                                                     std::string scheme,
                                                                     ProbeScript script);

}  // namespace probekit::testing
