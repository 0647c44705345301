// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit_benchmark [--quick] [--json FILE] [http|https|dns|import|growth|latency|idle]...:
// measures against yardsticks it starts itself and prints a table of ratios.

#include <cstring>
#include <iostream>
#include <set>

#include "benchmark.hpp"

namespace {

struct Named {
  const char* name;
  void (*measure)(const probekit::benchmark::Scale&, probekit::benchmark::Report&);
};

constexpr Named kBenchmarks[] = {
    {"http", probekit::benchmark::measure_http},
    {"https", probekit::benchmark::measure_https},
    {"dns", probekit::benchmark::measure_dns},
    {"import", probekit::benchmark::measure_import},
    {"growth", probekit::benchmark::measure_growth},
    {"latency", probekit::benchmark::measure_latency},
    {"idle", probekit::benchmark::measure_idle},
};

}  // namespace

int main(int argc, char** argv) {
  probekit::benchmark::Scale scale;
  std::string json;
  std::set<std::string> wanted;
  for (int n = 1; n < argc; ++n) {
    const std::string argument = argv[n];
    if (argument == "--quick") {
      scale.quick = true;
    } else if (argument == "--json" && n + 1 < argc) {
      json = argv[++n];
    } else {
      bool known = false;
      for (const auto& benchmark : kBenchmarks) known = known || argument == benchmark.name;
      if (!known) {
        std::cerr
            << "probekit_benchmark: '" << argument
            << "' is not --quick, --json FILE, http, https, dns, import, growth, latency or idle\n";
        return 2;
      }
      wanted.insert(argument);
    }
  }
  probekit::benchmark::Report report;
  int status = 0;
  for (const auto& [name, measure] : kBenchmarks) {
    if (!wanted.empty() && wanted.count(name) == 0) continue;
    try {
      measure(scale, report);
    } catch (const std::exception& error) {
      report.missing(name, error.what());
      status = 1;
    }
  }
  report.print();
  if (!json.empty()) report.write_json(json);
  return status;
}
