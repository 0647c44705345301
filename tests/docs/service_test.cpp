// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The code of docs/testing_your_service.md.

#include <map>
#include <string>
#include <vector>

#include "probekit/agent.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/testing/manual_clock.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/testing/seeded_random.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"

namespace {

using namespace std::chrono_literals;

// snippet: service
/// Says that a target is down once it has failed for `patience`, and that it is back.
class OutageWatch {
 public:
  OutageWatch(std::shared_ptr<const probekit::Clock> clock, std::chrono::seconds patience)
      : clock_(std::move(clock)), patience_(patience) {}

  /// A sentence to send to somebody, or nothing.
  std::string take(const probekit::TaskResult& result) {
    if (result.verdict == probekit::Verdict::passed) {
      const auto found = failing_.find(result.target);
      const bool was_down = found != failing_.end() && found->second.told;
      failing_.erase(result.target);
      return was_down ? result.target + " is back" : "";
    }
    const auto now = clock_->steady_now();
    Failing& failing = failing_.try_emplace(result.target, Failing{now, false}).first->second;
    if (failing.told || now - failing.since < patience_) return {};
    failing.told = true;
    return result.target + " is down: " + result.failure->message;
  }

 private:
  struct Failing {
    probekit::SteadyTime since;
    bool told;
  };
  const std::shared_ptr<const probekit::Clock> clock_;
  const std::chrono::seconds patience_;
  std::map<std::string, Failing> failing_;
};
// snippet end

}  // namespace

// snippet: clock
TEST_CASE("a target is down after three minutes, not after three failures", "[docs]") {
  const auto clock = std::make_shared<probekit::testing::ManualClock>();
  OutageWatch watch{clock, 180s};
  probekit::TaskResult result;
  static_cast<probekit::ProbeResult&>(result) =
      probekit::failed_result(probekit::FailureKind::connect, "connection refused");
  result.target = "https://shop.example/";

  for (int i = 0; i < 3; ++i) CHECK(watch.take(result).empty());
  clock->advance(180s);
  clock->step_system(-24h);  // an administrator sets the clock: nothing changes
  CHECK(watch.take(result) == "https://shop.example/ is down: connection refused");
  clock->advance(1h);
  CHECK(watch.take(result).empty());  // once is enough
  result.verdict = probekit::Verdict::passed;
  result.failure.reset();
  CHECK(watch.take(result) == "https://shop.example/ is back");
}
// snippet end

// snippet: scripted
TEST_CASE("a service sees every verdict, without a network and without waiting", "[docs]") {
  using namespace probekit::testing;
  auto prober = make_scripted_prober("fake", "fake", [](std::string_view target, const auto&) {
    ScriptedAnswer answer = passed_after(1ms);
    if (target == "fake:shop/down")
      answer.result = probekit::failed_result(probekit::FailureKind::timeout, "connecting");
    return answer;
  });
  const ScriptedProber& seen = *prober;

  probekit::MemoryNetwork network;
  probekit::MasterOptions master_options;
  master_options.kinds.add(prober->kind());
  master_options.random = std::make_shared<SeededRandom>(7);  // the same ids in every run
  probekit::Master master{probekit::make_memory_store(), master_options};
  REQUIRE(master.listen(network.listener()));
  probekit::AgentOptions agent_options;
  agent_options.name = "here";
  probekit::Agent agent{network.connector(), agent_options};
  agent.add(std::move(prober));
  agent.start();

  probekit::BatchRequest request;
  request.targets = {"fake:shop/up", "fake:shop/down", "fake:mail"};
  const auto batch = master.submit(request);
  REQUIRE(batch);
  OutageWatch watch{std::make_shared<ManualClock>(), 0s};
  std::vector<std::string> told;
  for (const auto& result : batch->results())
    if (const auto sentence = watch.take(result); !sentence.empty()) told.push_back(sentence);
  CHECK(told == std::vector<std::string>{"fake:shop/down is down: connecting"});
  CHECK(seen.counts().answered == 3);
}
// snippet end
