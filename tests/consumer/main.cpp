// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// A program outside the project: master and agent in one process, two targets nobody listens on.
// Exits 0 when the ledger closes.

#include <iostream>
#include <probekit/probekit.hpp>

int main() {
  probekit::MemoryNetwork network;
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
  agent.add(probekit::make_dns_prober());
  agent.start();
  probekit::BatchRequest request;
  request.targets = {"http://127.0.0.1:1/", "dns:example.test@127.0.0.1:1"};
  request.options.timeout = std::chrono::milliseconds{2000};
  auto batch = master.submit(request);
  if (!batch) {
    std::cerr << batch.error().message() << '\n';
    return 2;
  }
  int lines = 0;
  for (const auto& result : batch->results()) {
    ++lines;
    if (result.verdict != probekit::Verdict::failed || !result.failure) return 3;
    std::cout << result.target << ": " << to_string(result.failure->kind) << '\n';
  }
  std::cout << batch->ledger() << '\n';
  return lines == 2 && batch->ledger().balanced() && batch->ledger().done == 2 ? 0 : 1;
}
