// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// One probe without any master.

#include <probekit/http_prober.hpp>
#include <probekit/probe_executor.hpp>

int main() {
  probekit::ProbeExecutorOptions options;
  options.address_policy.allow("127.0.0.0/8");
  probekit::ProbeExecutor executor{options};
  executor.add(probekit::make_http_prober());
  executor.start();
  probekit::ProbeSpec spec;
  spec.target = "http://127.0.0.1:1/";
  const auto result = executor.probe(spec);
  return result && result->failure->kind == probekit::FailureKind::connect ? 0 : 1;
}
