// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Master and agent in one program: probes the URLs given on the command line.

#include <iostream>
#include <probekit/agent.hpp>
#include <probekit/http_prober.hpp>
#include <probekit/master.hpp>
#include <probekit/stores.hpp>
#include <probekit/transport.hpp>

int main(int argc, char** argv) {
  // snippet: main
  probekit::MemoryNetwork network;  // or a WebSocket listener and connector
  probekit::Master master{probekit::make_memory_store()};
  if (auto url = master.listen(network.listener()); !url) {
    std::cerr << url.error().message() << '\n';
    return 2;
  }
  probekit::AgentOptions options;
  options.name = "here";
  options.address_policy.allow("127.0.0.0/8");
  probekit::Agent agent{network.connector(), options};
  agent.add(probekit::make_http_prober());
  agent.start();
  probekit::BatchRequest request;
  for (int i = 1; i < argc; ++i) request.targets.push_back(argv[i]);
  auto batch = master.submit(request);  // Expected<Batch>, from any thread
  if (!batch) {
    std::cerr << batch.error().message() << '\n';
    return 2;
  }
  for (const auto& r : batch->results())  // pulled from the store; ends with the batch
    std::cout << to_string(r.verdict) << ' ' << r.target << ' ' << r.duration.count() << " us\n";
  std::cout << batch->ledger() << '\n';  // accepted 3 = done 3 (passed 2, failed 1)
  // snippet end
}
