// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The transport of docs/writing_a_transport.md in use; what every transport promises is checked in
// tests/contract/transport_contract_test.cpp.

#include <atomic>

#include "../../examples/library/tapped_transport.hpp"
#include "probekit/agent.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"

TEST_CASE("a transport that cuts a connection now and then loses no result", "[docs][transport]") {
  auto prober = probekit::testing::make_scripted_prober(
      "fake", "fake", [](std::string_view, const probekit::ProbeOptions&) {
        return probekit::testing::passed_at_once();
      });
  probekit::MasterOptions master_options;
  master_options.kinds.add(prober->kind());
  // snippet: use
  probekit::MemoryNetwork network;
  std::atomic<int> messages{0};
  // Every tenth message that reaches the master breaks its connection, five times in all.
  const auto tap = [&messages](examples::Way way, std::string_view) {
    if (way == examples::Way::sent) return true;
    const int number = ++messages;
    return number % 10 != 0 || number > 50;
  };
  probekit::Master master{probekit::make_memory_store(), master_options};
  REQUIRE(master.listen(examples::tapped(network.listener(), tap)));
  // snippet end
  probekit::AgentOptions agent_options;
  agent_options.name = "here";
  agent_options.backoff_min = agent_options.backoff_max = std::chrono::milliseconds{1};
  probekit::Agent agent{network.connector(), agent_options};
  agent.add(std::move(prober));
  agent.start();
  probekit::BatchRequest request;
  for (int i = 0; i < 20'000; ++i) request.targets.push_back("fake:" + std::to_string(i));
  const auto batch = master.submit(request);
  REQUIRE(batch);
  std::size_t passed = 0;
  for (const auto& result : batch->results())
    passed += result.verdict == probekit::Verdict::passed ? 1 : 0;
  CHECK(passed == 20'000);
  CHECK(agent.status().disconnects > 0);
}
