// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/testing/scripted_prober.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace probekit::testing {
namespace {

struct Counters {
  std::atomic<std::uint64_t> started{0};
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> cancelled{0};
  std::atomic<std::uint64_t> running{0};
  std::atomic<std::uint64_t> running_max{0};

  void begin() noexcept {
    started.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t now = running.fetch_add(1, std::memory_order_relaxed) + 1;
    std::uint64_t max = running_max.load(std::memory_order_relaxed);
    while (now > max && !running_max.compare_exchange_weak(max, now)) {
    }
  }

  void end(std::atomic<std::uint64_t>& how) noexcept {
    how.fetch_add(1, std::memory_order_relaxed);
    running.fetch_sub(1, std::memory_order_relaxed);
  }
};

/// Shared by the prober and its runners, so that the counts outlive the latter.
struct Shared {
  ProbeScript script;
  Counters counters;
};

class ScriptedRunner final : public ProbeRunner {
 public:
  ScriptedRunner(std::shared_ptr<Shared> shared, ProbeLoop& loop, ProbeSink& sink)
      : shared_(std::move(shared)), loop_(loop), sink_(sink) {}

  ~ScriptedRunner() override {
    for (const auto& running : running_) {
      loop_.cancel(running.second);
      shared_->counters.end(shared_->counters.cancelled);
    }
  }

  void start(std::uint64_t probe, std::string_view target, const ProbeOptions& options) override {
    ScriptedAnswer answer = shared_->script(target, options);
    switch (answer.when) {
      case ScriptedAnswer::When::throws:
        throw std::runtime_error("scripted to throw");
      case ScriptedAnswer::When::at_once:
        shared_->counters.begin();
        this->answer(probe, loop_.now(), std::move(answer.result));
        return;
      case ScriptedAnswer::When::never:
        shared_->counters.begin();
        running_.emplace(probe, TimerId{0});
        return;
      case ScriptedAnswer::When::later:
        shared_->counters.begin();
        const SteadyTime now = loop_.now();
        const auto when = now + std::chrono::duration_cast<SteadyTime::duration>(answer.delay);
        running_.emplace(probe, loop_.call_at(when, [this, probe, now,
                                                     result = std::move(answer.result)]() mutable {
          running_.erase(probe);
          this->answer(probe, now, std::move(result));
        }));
        return;
    }
  }

  void cancel(std::uint64_t probe) override {
    const auto found = running_.find(probe);
    if (found == running_.end()) return;
    loop_.cancel(found->second);
    running_.erase(found);
    shared_->counters.end(shared_->counters.cancelled);
  }

 private:
  void answer(std::uint64_t probe, SteadyTime started, ProbeResult result) {
    if (result.duration.count() == 0) {
      result.duration =
          std::chrono::duration_cast<std::chrono::microseconds>(loop_.now() - started);
    }
    if (result.started_at == SystemTime{}) {
      result.started_at = loop_.system_now() - result.duration;
    }
    shared_->counters.end(shared_->counters.answered);
    sink_.on_result(probe, std::move(result));
  }

  std::shared_ptr<Shared> shared_;
  ProbeLoop& loop_;
  ProbeSink& sink_;
  std::unordered_map<std::uint64_t, TimerId> running_;
};

class ScriptedProberImpl final : public ScriptedProber {
 public:
  ScriptedProberImpl(std::string kind_name, std::string scheme, ProbeScript script)
      : shared_(std::make_shared<Shared>()) {
    shared_->script = std::move(script);
    const std::string prefix = scheme + ':';
    kind_.name = std::move(kind_name);
    kind_.schemes.push_back(std::move(scheme));
    kind_.check_target = [prefix](std::string_view target) -> Expected<void> {
      if (target.substr(0, prefix.size()) == prefix) return {};
      return Error{errc::invalid_argument, "a scripted target starts with " + prefix};
    };
    kind_.check_section = [](std::string_view) -> Expected<void> { return {}; };
    kind_.host_key = [length = prefix.size()](std::string_view target) {
      target.remove_prefix(std::min(length, target.size()));
      return std::string{target.substr(0, target.find('/'))};
    };
  }

  const ProbeKind& kind() const noexcept override { return kind_; }

  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop, const ProbeEnvironment&,
                                           ProbeSink& sink) const override {
    return std::make_unique<ScriptedRunner>(shared_, loop, sink);
  }

  ScriptedCounts counts() const noexcept override {
    const Counters& from = shared_->counters;
    ScriptedCounts out;
    out.started = from.started.load();
    out.answered = from.answered.load();
    out.cancelled = from.cancelled.load();
    out.running = from.running.load();
    out.running_max = from.running_max.load();
    return out;
  }

 private:
  ProbeKind kind_;
  std::shared_ptr<Shared> shared_;
};

ScriptedAnswer passed(ScriptedAnswer::When when, std::chrono::nanoseconds delay) {
  ScriptedAnswer answer;
  answer.when = when;
  answer.delay = delay;
  answer.result.verdict = Verdict::passed;
  return answer;
}

}  // namespace

ScriptedAnswer passed_at_once() {
  return passed(ScriptedAnswer::When::at_once, std::chrono::nanoseconds{0});
}

ScriptedAnswer passed_after(std::chrono::nanoseconds delay) {
  return passed(ScriptedAnswer::When::later, delay);
}

ScriptedAnswer never_answers() {
  return passed(ScriptedAnswer::When::never, std::chrono::nanoseconds{0});
}

std::unique_ptr<ScriptedProber> make_scripted_prober(std::string kind_name, std::string scheme,
                                                     ProbeScript script) {
  return std::make_unique<ScriptedProberImpl>(std::move(kind_name), std::move(scheme),
                                              std::move(script));
}

}  // namespace probekit::testing
