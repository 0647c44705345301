// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What a monitoring system sees: /metrics by promtool and a real Prometheus, /probe beside a real
// blackbox_exporter.

#include <signal.h>

#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/dns_test_server.hpp"
#include "support/http_test_server.hpp"
#include "support/https_test_server_openssl.hpp"
#include "support/process.hpp"
#include "support/raw_http.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;
using Samples = std::map<std::string, std::string>;  // name and labels to value

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

Samples samples_of(const std::string& text) {
  Samples samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t space = line.rfind(' ');
    REQUIRE(samples.emplace(line.substr(0, space), line.substr(space + 1)).second);
  }
  return samples;
}

double value_in(const Samples& samples, const std::string& name) {
  const auto found = samples.find(name);
  if (found == samples.end()) FAIL("no sample " << name);
  return std::stod(found->second);
}

const char kConfig[] = R"({"modules":{
  "missing":{"prober":"http","http":{"valid_status_codes":[404]}},
  "www":{"prober":"dns","dns":{"query_name":"www.demo.test","query_type":"A"}},
  "soa":{"prober":"dns","dns":{"query_name":"demo.test","query_type":"SOA"}},
  "nobody":{"prober":"dns","dns":{"query_name":"nobody.demo.test","query_type":"A"}}}})";

std::vector<DnsTestReply> demo_zone(const DnsTestQuery& query) {
  DnsTestAnswer answer(query);
  if (query.name == "www.demo.test") {
    answer.a("127.0.0.1").a("127.0.0.2");
  } else if (query.name == "demo.test") {
    // ns.demo.test host.demo.test 42 1 2 3 4
    std::string rdata = dns_wire_name("ns.demo.test") + dns_wire_name("host.demo.test");
    for (const char* number : {"*", "\1", "\2", "\3", "\4"}) rdata += std::string(3, '\0') + number;
    answer.record(6, rdata);
  } else {
    answer.rcode(3).soa(60);
  }
  return {answer};
}

/// A master with modules, and one agent.
struct World {
  World() {
    write(folder.path() + "/master.json", kConfig);
    master.emplace(std::vector<std::string>{"--config", folder.path() + "/master.json"});
    agent.emplace("here", master->agents_url(), std::vector<std::string>{"--tag", "region=eu"});
    agent->wait_until_connected();
    master->wait_for_agents(1);
  }

  ApiAnswer probe(const std::string& query, const std::vector<std::string>& headers = {}) const {
    return master->api().request("GET", "/probe?" + query, {}, {}, headers);
  }
  Samples probed(const std::string& query) const {
    const ApiAnswer answer = probe(query);
    CAPTURE(query, answer.body);
    REQUIRE(answer.status == 200);
    REQUIRE(answer.headers.at("content-type") == "text/plain; version=0.0.4; charset=utf-8");
    return samples_of(answer.body);
  }
  std::uint16_t api_port() const {
    return static_cast<std::uint16_t>(
        std::stoi(master->api_url().substr(master->api_url().rfind(':') + 1)));
  }

  TemporaryFolder folder;
  std::optional<MasterProcess> master;
  std::optional<AgentProcess> agent;
  HttpTestServer site;
  DnsTestServer dns{demo_zone};
};

/// Debian's blackbox_exporter with the same modules.
struct Blackbox {
  Blackbox() : port(free_port()), api("http://127.0.0.1:" + std::to_string(port)) {
    write(folder.path() + "/blackbox.yml", R"(modules:
  http_2xx: {prober: http}
  missing: {prober: http, http: {valid_status_codes: [404]}}
  www: {prober: dns, dns: {query_name: www.demo.test, query_type: A}}
  soa: {prober: dns, dns: {query_name: demo.test, query_type: SOA}}
  nobody: {prober: dns, dns: {query_name: nobody.demo.test, query_type: A}}
)");
    process.emplace(
        std::vector<std::string>{"prometheus-blackbox-exporter",
                                 "--config.file=" + folder.path() + "/blackbox.yml",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(port)},
        folder.path());
    wait_until_answering(port, "/-/healthy", *process);
  }
  static void wait_until_answering(std::uint16_t port, const char* path, Process& process) {
    run_until(
        [&] {
          if (!process.running()) FAIL(process.errors());
          try {
            const auto answer = RawHttp(port).request("GET", path);
            return answer && answer->status == 200;
          } catch (const std::runtime_error&) {
            return false;  // nobody listens yet
          }
        },
        30s);
  }

  TemporaryFolder folder;
  std::uint16_t port;
  ApiClient api;
  std::optional<Process> process;
};

/// A Prometheus with a configuration of the test's, its data in a temporary folder.
struct Prometheus {
  explicit Prometheus(const std::string& scrapes)
      : port(free_port()), api("http://127.0.0.1:" + std::to_string(port)) {
    write(folder.path() + "/prometheus.yml",
          "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n" + scrapes);
    process.emplace(
        std::vector<std::string>{"prometheus", "--config.file=" + folder.path() + "/prometheus.yml",
                                 "--storage.tsdb.path=" + folder.path() + "/data",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(port)},
        folder.path());
    Blackbox::wait_until_answering(port, "/-/ready", *process);
  }

  /// What `name` is now, by job and instance.
  std::map<std::pair<std::string, std::string>, std::string> query(const std::string& name) const {
    std::map<std::pair<std::string, std::string>, std::string> values;
    const json::Value answer = api.get("/api/v1/query?query=" + name).json();
    REQUIRE(text_at(answer, "status") == "success");
    for (const json::Value& series : *answer.find("data")->find("result")->as_array()) {
      const json::Value& labels = *series.find("metric");
      values[{text_at(labels, "job"), text_at(labels, "instance")}] =
          *series.find("value")->as_array()->at(1).as_string();
    }
    return values;
  }

  TemporaryFolder folder;
  std::uint16_t port;
  ApiClient api;
  std::optional<Process> process;
};

}  // namespace

TEST_CASE("promtool finds nothing in the metrics, and they count", "[prometheus]") {
  const World world;
  const auto metrics = [&world] {
    const ApiAnswer answer = world.master->api().get("/metrics");
    REQUIRE(answer.status == 200);
    REQUIRE(answer.headers.at("content-type") == "text/plain; version=0.0.4; charset=utf-8");
    return answer.body;
  };
  const auto id = world.master->api().import({world.site.url("/ok"), world.site.url("/status/500"),
                                              "dns:www.demo.test@" + world.dns.text()});
  world.master->api().wait_for(id, 20s);
  world.probed("target=" + world.site.url("/ok"));
  // A heartbeat, so that everything an agent tells is there.
  run_until([&] { return world.master->agent("here").find("heartbeat_age_ms") != nullptr; });

  const std::string text = metrics();
  write(world.folder.path() + "/metrics.txt", text);
  Process promtool({"sh", "-c", "promtool check metrics <" + world.folder.path() + "/metrics.txt"},
                   world.folder.path());
  std::string said;
  while (const auto line = promtool.read_line(20s)) said += *line + '\n';
  const auto code = promtool.wait(10s);
  CAPTURE(said, promtool.errors());
  CHECK(code == 0);
  CHECK(said.empty());
  CHECK(promtool.errors().empty());

  const Samples samples = samples_of(text);
  CHECK(value_in(samples, "probekit_tasks_accepted_total") == 4);
  CHECK(value_in(samples, "probekit_tasks_ended_total{state=\"done\"}") == 4);
  CHECK(value_in(samples, "probekit_probes_total{kind=\"http\",verdict=\"passed\"}") == 2);
  CHECK(value_in(samples,
                 "probekit_probes_total{kind=\"http\",verdict=\"failed\",failure="
                 "\"assertion\"}") == 1);
  CHECK(value_in(samples, "probekit_probes_total{kind=\"dns\",verdict=\"passed\"}") == 1);
  CHECK(value_in(samples, "probekit_probe_duration_seconds_count{kind=\"http\"}") == 3);
  CHECK(value_in(samples, "probekit_agent_results_total{agent=\"here\"}") == 4);
  CHECK(value_in(samples, "probekit_agents_connected") == 1);
  CHECK(value_in(samples, "probekit_store_latency_seconds_count") > 0);
  CHECK(value_in(samples, "probekit_api_connections") >= 1);
  CHECK(value_in(samples, "probekit_api_requests_total{code=\"2xx\"}") > 0);
  CHECK(value_in(samples, "process_resident_memory_bytes") > 1e6);
  CHECK(value_in(samples, "process_open_fds") > 3);

  world.master->api().get("/nowhere");
  CHECK(value_in(samples_of(metrics()), "probekit_api_requests_total{code=\"4xx\"}") ==
        value_in(samples, "probekit_api_requests_total{code=\"4xx\"}") + 1);
  CHECK(world.master->api().get("/metrics?x=1").status == 400);
}

TEST_CASE("counters go on when batches are forgotten", "[prometheus]") {
  const HttpTestServer site;
  const MasterProcess master({"--results-kept", "1"});
  AgentProcess agent("here", master.agents_url());
  agent.wait_until_connected();
  for (int i = 0; i < 5; ++i) {
    master.api().wait_for(master.api().import({site.url("/ok"), site.url("/status/404")}), 20s);
  }
  const Samples samples = samples_of(master.api().get("/metrics").body);
  CHECK(value_in(samples, "probekit_tasks_accepted_total") == 10);
  CHECK(value_in(samples, "probekit_tasks_ended_total{state=\"done\"}") == 10);
  CHECK(value_in(samples, "probekit_probes_total{kind=\"http\",verdict=\"passed\"}") == 5);
  CHECK(value_in(samples, "probekit_probe_duration_seconds_count{kind=\"http\"}") == 10);
  CHECK(value_in(samples, "probekit_results_kept") <= 2);
}

TEST_CASE("a real Prometheus scrapes the master", "[prometheus]") {
  const World world;
  world.master->api().wait_for(world.master->api().import({world.site.url("/ok")}), 20s);
  const std::string instance = "127.0.0.1:" + std::to_string(world.api_port());
  const Prometheus prometheus("- {job_name: probekit, static_configs: [{targets: ['" + instance +
                              "']}]}\n");
  run_until([&] { return prometheus.query("up")[{"probekit", instance}] == "1"; }, 30s);
  const std::pair<std::string, std::string> here{"probekit", instance};
  CHECK(prometheus.query("probekit_tasks_accepted_total")[here] == "1");
  CHECK(prometheus.query("probekit_agent_connected")[here] == "1");
  CHECK(prometheus.query("sum(probekit_probes_total)by(job,instance)")[here] == "1");
}

TEST_CASE("the same scrapes at either exporter see the same", "[prometheus]") {
  const World world;
  const Blackbox blackbox;
  const std::string site = "127.0.0.1:" + std::to_string(world.site.port());
  const std::string nobody = "127.0.0.1:" + std::to_string(free_port());
  const std::vector<std::string> targets{"http://" + site + "/ok", site + "/ok",
                                         "http://" + site + "/status/500",
                                         "http://" + site + "/redirect/2", "http://" + nobody};
  std::string http_targets;
  for (const std::string& target : targets) http_targets += "'" + target + "', ";
  const auto job = [](const std::string& name, const std::string& module,
                      const std::string& of_targets, const std::string& exporter) {
    return "- job_name: " + name + "\n  metrics_path: /probe\n  params: {module: [" + module +
           "]}\n  static_configs: [{targets: [" + of_targets + "]}]\n" +
           R"(  relabel_configs:
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {target_label: __address__, replacement: ')" +
           exporter + "'}\n";
  };
  const auto jobs = [&](const std::string& who, std::uint16_t port) {
    const std::string exporter = "127.0.0.1:" + std::to_string(port);
    return job(who + "-http", "http_2xx", http_targets, exporter) +
           job(who + "-dns", "www", "'" + world.dns.text() + "'", exporter) +
           job(who + "-nxdomain", "nobody", "'" + world.dns.text() + "'", exporter);
  };
  const Prometheus prometheus(jobs("theirs", blackbox.port) + jobs("ours", world.api_port()));
  const std::size_t expected = targets.size() + 2;
  for (const char* metric : {"probe_success", "probe_http_status_code", "probe_http_redirects",
                             "probe_ip_addr_hash", "probe_dns_answer_rrs"}) {
    CAPTURE(metric);
    std::map<std::pair<std::string, std::string>, std::string> ours, theirs;
    run_until(
        [&] {
          if (prometheus.query("up").size() != 2 * expected) return false;
          if (prometheus.query("probe_success").size() != 2 * expected) return false;
          ours.clear();
          theirs.clear();
          for (const auto& [key, value] : prometheus.query(metric)) {
            const std::size_t dash = key.first.find('-');
            auto& side = key.first.compare(0, dash, "ours") == 0 ? ours : theirs;
            side[{key.first.substr(dash), key.second}] = value;
          }
          return ours.size() == theirs.size();
        },
        60s);
    CHECK_FALSE(ours.empty());
    CHECK(ours == theirs);
    if (std::string{metric} == "probe_success") {
      CHECK(ours[{"-http", targets[0]}] == "1");
      CHECK(ours[{"-http", targets[2]}] == "0");
      CHECK(ours[{"-http", targets[3]}] == "1");
      CHECK(ours[{"-http", targets[4]}] == "0");
      CHECK(ours[{"-dns", world.dns.text()}] == "1");
      CHECK(ours[{"-nxdomain", world.dns.text()}] == "0");
    }
  }
}

TEST_CASE("names and labels are those of the blackbox_exporter", "[prometheus]") {
  const TestAuthority authority;
  const HttpsTestServer secure(authority, {"localhost", false});
  const World world;
  const Blackbox blackbox;
  // What docs/prometheus.md says is left out.
  const std::set<std::string> left_out{"probe_http_content_length",
                                       "probe_http_last_modified_timestamp_seconds",
                                       "probe_dns_duration_seconds{phase=\"connect\"}"};
  // Which figures must be equal, not only there.
  const std::set<std::string> equal{
      "probe_success",        "probe_http_status_code",   "probe_http_redirects",
      "probe_http_ssl",       "probe_http_version",       "probe_http_uncompressed_body_length",
      "probe_ip_addr_hash",   "probe_ip_protocol",        "probe_failed_due_to_regex",
      "probe_dns_answer_rrs", "probe_dns_authority_rrs",  "probe_dns_additional_rrs",
      "probe_dns_serial",     "probe_dns_query_succeeded"};
  for (const std::string& query :
       {"target=" + world.site.url("/ok"), "target=" + world.site.url("/status/500"),
        "target=" + world.site.url("/redirect/1"), "target=" + world.site.url("/body/70000"),
        "target=" + world.site.url("/status/404") + "&module=missing",
        "target=" + secure.url("localhost", "/"), "target=127.0.0.1:" + std::to_string(free_port()),
        std::string("target=http://nobody.invalid/"), "module=www&target=" + world.dns.text(),
        "module=soa&target=" + world.dns.text(), "module=nobody&target=" + world.dns.text(),
        "module=www&target=127.0.0.1:" + std::to_string(free_port())}) {
    CAPTURE(query);
    const ApiAnswer theirs_text = blackbox.api.get("/probe?" + query);
    REQUIRE(theirs_text.status == 200);
    const Samples theirs = samples_of(theirs_text.body);
    const Samples ours = world.probed(query);
    for (const auto& [name, value] : theirs) {
      CAPTURE(name, value);
      if (left_out.count(name) != 0) continue;
      // It does not say whether there is no address, or none was found.
      if (value == "0" && name.rfind("probe_ip_", 0) == 0) continue;
      const auto found = ours.find(name);
      CHECK(found != ours.end());
      if (found != ours.end() && equal.count(name) != 0) {
        CHECK(std::stod(found->second) == std::stod(value));
      }
    }
    for (const auto& [name, value] : ours) {
      if (name.rfind("probekit_", 0) == 0) continue;
      CAPTURE(name, value);
      CHECK(theirs.count(name) == 1);
    }
  }
}

TEST_CASE("a probe that cannot be is refused, and says why", "[prometheus]") {
  const World world;
  const Blackbox blackbox;
  const std::string target = "target=" + world.site.url("/ok");
  const auto detail = [](const ApiAnswer& answer) { return text_at(answer.json(), "detail"); };
  for (const std::string& query : {target + "&module=nope", std::string("module=http_2xx")}) {
    const ApiAnswer ours = world.probe(query);
    const ApiAnswer theirs = blackbox.api.get("/probe?" + query);
    CHECK(ours.status == 400);
    CHECK(theirs.status == 400);
    CHECK(detail(ours) + '\n' == theirs.body);
  }
  const std::pair<std::string, const char*> refused[] = {
      {target + "&agents=name:here,name:there", "several agents"},
      {target + "&agents=all", "several agents"},
      {target + "&agents=tag:region=eu*2", "several agents"},
      {target + "&agents=x", "agents"},
      {target + "&debug=true", "unknown query parameter: debug"},
      {"target=http://u:p@127.0.0.1/", "target"},
      {"target=dns.example&module=www", "IP[:PORT]"},
  };
  for (const auto& [query, why] : refused) {
    CAPTURE(query);
    const ApiAnswer answer = world.probe(query);
    CHECK(answer.status == 400);
    CHECK_THAT(detail(answer), Contains(why));
  }
  CHECK(world.probe(target, {"X-Prometheus-Scrape-Timeout-Seconds: soon"}).status == 400);

  const ApiAnswer nobody = world.probe(target + "&agents=name:there");
  CHECK(nobody.status == 503);
  CHECK(text_at(nobody.json(), "title") == "no_agent");
  CHECK(world.probe(target + "&agents=tag:region=us").status == 503);
  CHECK(value_in(world.probed(target + "&agents=tag:region=eu"), "probe_success") == 1);
  const Samples here = world.probed(target + "&agents=name:here");
  CHECK(value_in(here, "probekit_probe_info{agent=\"here\"}") == 1);
  const Samples asked = world.probed("module=dns&target=www.demo.test/A@" + world.dns.text());
  CHECK(value_in(asked, "probe_dns_answer_rrs") == 2);
}

TEST_CASE("wrong modules end the master at its start, with the field", "[prometheus]") {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"modules":{"m":{"prober":"http","http":{"method":"POST"}}}})",
       "modules.m.http.method: unknown field"},
      {R"({"modules":"m"})", "modules: must be an object"},
      {R"({"max-queued":{}})", "--max-queued: must be a string"},
      {R"({"sections":{}})", "there is no flag '--sections'"},
  };
  for (const auto& [config, fault] : cases) {
    CAPTURE(config);
    const TemporaryFolder folder;
    write(folder.path() + "/master.json", config);
    Process master({program("probekit-master"), "--config", folder.path() + "/master.json"},
                   folder.path());
    CHECK(master.wait(20s) == 2);
    CHECK_THAT(master.errors(), Contains(fault));
  }
}

TEST_CASE("a scraper's timeout ends the probe in time for its answer", "[prometheus]") {
  World world;
  const std::string hang = "target=" + world.site.url("/hang");
  const SteadyTime start = system_clock()->steady_now();
  const ApiAnswer answer = world.probe(hang, {"X-Prometheus-Scrape-Timeout-Seconds: 1.5"});
  const auto took = system_clock()->steady_now() - start;
  CHECK(answer.status == 200);
  CHECK(took >= 950ms);
  CHECK(took < 1500ms);
  const Samples samples = samples_of(answer.body);
  CHECK(value_in(samples, "probe_success") == 0);
  CHECK(value_in(samples, "probe_http_status_code") == 0);
  CHECK(value_in(samples, "probekit_probe_info{agent=\"here\",failure=\"timeout\"}") == 1);

  // A scraper that leaves takes its probe with it.
  {
    RawHttp leaves(world.api_port());
    REQUIRE(leaves.send(request_head("GET", "/probe?" + hang, "")));
    run_until([&] { return world.site.requests() == 2; });
  }
  run_until(
      [&] {
        const auto status = world.master->api().get("/v1/status").json();
        return number_at(*status.find("ledger"), "cancelled") == 1;
      },
      5s);

  // An agent that stands still is not the target's fault.
  world.agent->process().freeze();
  const ApiAnswer late =
      world.probe("target=" + world.site.url("/ok"), {"X-Prometheus-Scrape-Timeout-Seconds: 1"});
  world.agent->process().signal(SIGCONT);
  CHECK(late.status == 504);
}

}  // namespace probekit::test
