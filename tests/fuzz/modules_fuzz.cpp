// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The modules of `GET /probe`, and what they make of a target and of the scraper's header.
// Input: a target, a header and, from the third line on, the modules.

#include <string>

#include "api/scrape_probe.hpp"
#include "fuzz/harness.hpp"
#include "fuzz/spec_reading.hpp"
#include "probe/dns_target.hpp"
#include "probekit/probe_module.hpp"

namespace {

using namespace probekit;
using fuzz::require;

void check_module(const ProbeModule& module) {
  require(is_valid_name(module.name), "a module has a name");
  require(fuzz::kinds().find(module.options.kind) != nullptr, "its kind is known");
  fuzz::check_options(module.options);
  require(!module.timeout || (module.timeout->count() >= 1 && *module.timeout <= kTimeoutMax),
          "timeouts have a range");
  for (const int code : module.valid_status_codes) {
    require(code >= 100 && code <= 599, "codes have a range");
  }
  require(module.query_name.empty() == module.query_type.empty(), "a question is whole");
  require(module.query_name.empty() ||
              parse_dns_target("dns:" + module.query_name + '/' + module.query_type).has_value(),
          "a question is one");
}

void check_scrape(const ProbeModule& module, const std::string& target, const std::string& header) {
  const auto times = api::scrape_times(module, &header);
  if (times) {
    require(times->timeout.count() >= 1 && times->timeout <= kTimeoutMax, "timeouts have a range");
    require(times->wait >= times->timeout, "the wait is for the whole probe");
  }
  const auto spelt = api::scrape_target(module, target);
  if (spelt && check_target(*spelt, module.options, fuzz::kinds()) &&
      module.options.kind == "dns" && !module.query_name.empty()) {
    const auto question = parse_dns_target(*spelt);
    require(question && question->server, "the target of a question is the server");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::string target{fuzz::take_part(text, '\n')};
  const std::string header{fuzz::take_part(text, '\n')};
  for (const ProbeModule& module : builtin_probe_modules()) check_scrape(module, target, header);
  const auto modules = parse_probe_modules(text, fuzz::kinds());
  if (!modules) {
    require(modules.error().code() == errc::invalid_argument, "a refusal is the caller's");
    require(modules.error().message().find("modules") == 0, "a fault has its path");
    return 0;
  }
  require(modules->size() <= 256, "modules are bounded");
  for (const ProbeModule& module : *modules) {
    check_module(module);
    check_scrape(module, target, header);
  }
  return 0;
}
