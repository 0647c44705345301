// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <string>

#include "probekit/probe_module.hpp"
#include "support/catch.hpp"

using namespace probekit;
using namespace std::chrono_literals;

namespace {

std::string fault_of(const std::string& json) {
  const auto modules = parse_probe_modules(json, ProbeKinds{});
  return modules ? std::string{} : modules.error().message();
}

}  // namespace

TEST_CASE("modules are read with all they may say", "[modules]") {
  const auto modules = parse_probe_modules(
      R"({"site":{"prober":"http","timeout_ms":2500,"labels":{"team":"web"},"priority":"normal",
          "http":{"valid_status_codes":[200,404],"fail_if_not_ssl":true}},
          "plain":{"prober":"http"},
          "zone":{"prober":"dns","dns":{"query_name":"example.com","query_type":"SOA",
          "valid_rcodes":["NOERROR","NXDOMAIN"]}}})",
      ProbeKinds{});
  REQUIRE(modules);
  REQUIRE(modules->size() == 3);
  const ProbeModule& site = (*modules)[0];
  CHECK(site.name == "site");
  CHECK(site.options.kind == "http");
  CHECK(site.timeout == 2500ms);
  CHECK(site.options.priority == Priority::normal);
  CHECK(site.options.labels == std::vector<Label>{{"team", "web"}});
  CHECK(site.options.section.empty());
  CHECK(site.valid_status_codes == std::vector<int>{200, 404});
  CHECK(site.fail_if_not_ssl);
  CHECK_FALSE(site.fail_if_ssl);
  const ProbeModule& plain = (*modules)[1];
  CHECK_FALSE(plain.timeout);
  CHECK(plain.options.priority == Priority::high);
  const ProbeModule& zone = (*modules)[2];
  CHECK(zone.options.kind == "dns");
  CHECK(zone.query_name == "example.com");
  CHECK(zone.query_type == "SOA");
  CHECK(zone.valid_rcodes == std::vector<std::string>{"NOERROR", "NXDOMAIN"});

  std::vector<std::string> names;
  for (const ProbeModule& module : builtin_probe_modules()) names.push_back(module.name);
  CHECK(names == std::vector<std::string>{"http_2xx", "dns"});
}

TEST_CASE("a wrong module is refused with the field's path", "[modules]") {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "modules: not an object"},
      {R"({"a b":{"prober":"http"}})", "modules: a name is"},
      {R"({"m":1})", "modules.m: not an object"},
      {R"({"m":{}})", "modules.m.prober: must be given"},
      {R"({"m":{"prober":"icmp"}})", "modules.m.prober: 'icmp' is not"},
      {R"({"m":{"prober":"http","timeout":"5s"}})", "modules.m.timeout: unknown field"},
      {R"({"m":{"prober":"http","timeout_ms":0}})", "modules.m.timeout_ms: not"},
      {R"({"m":{"prober":"http","kind":"dns"}})", "modules.m.kind: not in a module"},
      {R"({"m":{"prober":"http","agents":"any"}})", "modules.m.agents: "},
      {R"({"m":{"prober":"http","deadline_ms":99999}})", "modules.m.deadline_ms: not in a module"},
      {R"({"m":{"prober":"http","dns":{}}})", "modules.m.dns: not with this prober"},
      {R"({"m":{"prober":"http","http":3}})", "modules.m.http: not an object"},
      {R"({"m":{"prober":"http","http":{"method":"POST"}}})",
       "modules.m.http.method: unknown field"},
      {R"({"m":{"prober":"http","http":{"valid_status_codes":[]}}})",
       "modules.m.http.valid_status_codes: not a list"},
      {R"({"m":{"prober":"http","http":{"valid_status_codes":[99]}}})",
       "modules.m.http.valid_status_codes: each"},
      {R"({"m":{"prober":"http","http":{"fail_if_ssl":1}}})",
       "modules.m.http.fail_if_ssl: not true or false"},
      {R"({"m":{"prober":"http","http":{"fail_if_ssl":true,"fail_if_not_ssl":true}}})",
       "modules.m.http: fail_if_ssl and"},
      {R"({"m":{"prober":"dns","dns":{"query_name":"a.example"}}})",
       "modules.m.dns: query_name and query_type go together"},
      {R"({"m":{"prober":"dns","dns":{"query_name":"a.example","query_type":"ANY"}}})",
       "modules.m.dns: query_name, query_type: "},
  };
  for (const auto& [json, fault] : cases) {
    CAPTURE(json);
    CHECK_THAT(fault_of(json), Catch::StartsWith(fault));
  }
  std::string many = "{";
  for (int i = 0; i < 257; ++i) {
    many += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + R"(":{"prober":"http"})";
  }
  CHECK(fault_of(many + '}') == "modules: more than 256");
}
