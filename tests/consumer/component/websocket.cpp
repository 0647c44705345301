// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Master and agent of one program over a real WebSocket, with a prober of the program's own.

#include <cstddef>
#include <iostream>
#include <probekit/agent.hpp>
#include <probekit/master.hpp>
#include <probekit/prober.hpp>
#include <probekit/stores.hpp>
#include <probekit/websocket.hpp>

namespace {

std::unique_ptr<probekit::Prober> make_word_prober() {
  probekit::ProbeKind kind;
  kind.name = "word";
  kind.schemes = {"word"};
  return probekit::make_blocking_prober(
      kind,
      [](std::string_view target, const probekit::ProbeOptions&) {
        if (target == "word:bad")
          return probekit::failed_result(probekit::FailureKind::assertion, "a bad word");
        probekit::ProbeResult result;
        result.verdict = probekit::Verdict::passed;
        return result;
      },
      1);
}

}  // namespace

int main() {
  probekit::MasterOptions master_options;
  probekit::ProbeKind kind;
  kind.name = "word";
  kind.schemes = {"word"};
  master_options.kinds.add(kind);
  probekit::Master master{probekit::make_memory_store(), master_options};
  probekit::WebSocketListenerOptions listener;
  listener.port = 0;
  const auto url = master.listen(probekit::make_websocket_listener(listener));
  if (!url) {
    std::cerr << url.error().message() << '\n';
    return 2;
  }
  probekit::WebSocketConnectorOptions connector;
  connector.urls = {*url};
  probekit::AgentOptions agent_options;
  agent_options.name = "here";
  probekit::Agent agent{probekit::make_websocket_connector(connector), agent_options};
  agent.add(make_word_prober());
  agent.start();
  probekit::BatchRequest request;
  request.targets.assign(1000, "word:good");
  request.targets.push_back("word:bad");
  const auto batch = master.submit(request);
  if (!batch) {
    std::cerr << batch.error().message() << '\n';
    return 2;
  }
  std::size_t passed = 0;
  std::size_t failed = 0;
  for (const auto& result : batch->results())
    ++(result.verdict == probekit::Verdict::passed ? passed : failed);
  std::cout << batch->ledger() << '\n';
  return passed == 1000 && failed == 1 ? 0 : 1;
}
