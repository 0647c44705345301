// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "benchmark.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "json/json_value.hpp"
#include "json/json_writer.hpp"
#include "probekit/clock.hpp"

namespace probekit::benchmark {
namespace {

using namespace std::chrono_literals;

std::string read_whole(const std::string& path) {
  std::ifstream file{path};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Waits for a server's own sign of life.
void wait_until(const std::string& what, const std::function<bool()>& ready) {
  const auto end = system_clock()->steady_now() + 20s;
  while (!ready()) {
    if (system_clock()->steady_now() > end) throw std::runtime_error(what + " did not start");
    poll(nullptr, 0, 20);
  }
}

void run_to_end(const std::vector<std::string>& command) {
  test::Process process{command, ""};
  if (process.wait(60s) != 0) throw std::runtime_error(command.front() + " failed");
}

}  // namespace

void Report::add(std::string bar, std::string quantity, double ours, double yardstick,
                 std::string unit, double ratio, Sense sense, double target) {
  char text[64];
  std::snprintf(text, sizeof text, "%s %g", sense == Sense::at_most ? "at most" : "at least",
                target);
  const bool reached = sense == Sense::at_most ? ratio <= target : ratio >= target;
  rows_.push_back({std::move(bar), std::move(quantity), ours, yardstick, std::move(unit), ratio,
                   text, reached});
  const auto& row = rows_.back();
  std::fprintf(stderr, "%s %s: %.2f\n", row.bar.c_str(), row.quantity.c_str(), row.ratio);
}

void Report::add(std::string bar, std::string quantity, double ours, double yardstick,
                 std::string unit, double ratio) {
  rows_.push_back(
      {std::move(bar), std::move(quantity), ours, yardstick, std::move(unit), ratio, "", false});
}

void Report::missing(const std::string& bar, const std::string& why) {
  missing_.push_back(bar + ": not measured: " + why);
}

void Report::print() const {
  std::printf("| bar | quantity | probekit | yardstick | unit | ratio | target | reached |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const auto& row : rows_)
    std::printf("| %s | %s | %.2f | %.2f | %s | %.2f | %s | %s |\n", row.bar.c_str(),
                row.quantity.c_str(), row.ours, row.yardstick, row.unit.c_str(), row.ratio,
                row.target.empty() ? "-" : row.target.c_str(),
                row.target.empty() ? "-"
                : row.reached      ? "yes"
                                   : "no");
  for (const auto& line : missing_) std::printf("\n%s\n", line.c_str());
  std::fflush(stdout);
}

void Report::write_json(const std::string& path) const {
  std::string text;
  json::Writer writer{text};
  writer.begin_object();
  writer.key("rows");
  writer.begin_array();
  for (const auto& row : rows_) {
    writer.begin_object();
    writer.key("bar");
    writer.string(row.bar);
    writer.key("quantity");
    writer.string(row.quantity);
    writer.key("probekit");
    writer.number(row.ours);
    writer.key("yardstick");
    writer.number(row.yardstick);
    writer.key("unit");
    writer.string(row.unit);
    writer.key("ratio");
    writer.number(row.ratio);
    if (!row.target.empty()) {
      writer.key("target");
      writer.string(row.target);
      writer.key("reached");
      writer.boolean(row.reached);
    }
    writer.end_object();
  }
  writer.end_array();
  writer.key("missing");
  writer.begin_array();
  for (const auto& line : missing_) writer.string(line);
  writer.end_array();
  writer.end_object();
  std::ofstream file{path};
  file << text << '\n';
  if (!file) throw std::runtime_error(path + " cannot be written");
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

Pair alternate(const Scale& scale, const std::function<double()>& first,
               const std::function<double()>& second) {
  std::vector<double> firsts;
  std::vector<double> seconds;
  std::vector<double> ratios;
  for (int n = 0; n < (scale.quick ? 1 : scale.pairs); ++n) {
    firsts.push_back(first());
    seconds.push_back(second());
    ratios.push_back(firsts.back() / seconds.back());
  }
  return {median(firsts), median(seconds), median(ratios)};
}

std::string yardstick(const std::string& name) {
  return std::string{PROBEKIT_BENCHMARK_DIR} + "/" + name;
}

double run_yardstick(const std::vector<std::string>& command) {
  test::Process process{command, ""};
  const auto line = process.read_line(600s);
  if (!line) throw std::runtime_error(command.front() + " printed nothing");
  const auto cost = json::Value::parse(*line);
  if (!cost || test::number_at(*cost, "failed") != 0)
    throw std::runtime_error(command.front() + ": " + *line);
  return static_cast<double>(test::number_at(*cost, "cpu_us")) /
         static_cast<double>(test::number_at(*cost, "count"));
}

Site::Site(std::uint16_t upstream)
    : http_port_(test::free_port()), https_port_(test::free_port()), ws_port_(test::free_port()) {
  const auto& folder = folder_.path();
  run_to_end({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
              "subjectAltName=DNS:localhost", "-keyout", folder + "/site.key", "-out",
              folder + "/site.pem"});
  // The system's bundle and ours: a store as large as real ones.
  std::ofstream{folder + "/bundle.pem"} << read_whole("/etc/ssl/certs/ca-certificates.crt")
                                        << read_whole(folder + "/site.pem");
  std::ofstream conf{folder + "/nginx.conf"};
  conf << "daemon off;\npid nginx.pid;\nerror_log error.log;\nworker_processes 1;\n"
       << "worker_rlimit_nofile 65536;\nevents { worker_connections 16384; }\nhttp {\n  access_log "
          "off;\n"
       << "  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
       << "  scgi_temp_path scgi; uwsgi_temp_path uwsgi;\n"
       << "  server { listen 127.0.0.1:" << http_port_
       << " backlog=8192; location / { return 200 \"a page of thirty-eight bytes, no more.\n\"; } "
          "}\n"
       << "  server { listen 127.0.0.1:" << https_port_
       << " ssl backlog=8192; ssl_session_cache off; ssl_session_tickets off;\n    ssl_certificate "
          "site.pem; ssl_certificate_key site.key;\n"
       << "    location / { return 200 \"a page of thirty-eight bytes, no more.\n\"; } }\n"
       << "  server { listen 127.0.0.1:" << ws_port_
       << "; location /ws { proxy_pass http://127.0.0.1:" << upstream
       << "; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
       << "proxy_set_header Connection upgrade; proxy_set_header Host $host; proxy_read_timeout "
          "3600s; } }\n}\n";
  conf.close();
  process_ = std::make_unique<test::Process>(
      std::vector<std::string>{"/usr/sbin/nginx", "-p", folder, "-c", folder + "/nginx.conf"},
      folder);
  wait_until("nginx", [&] { return access((folder + "/nginx.pid").c_str(), F_OK) == 0; });
}

Site::~Site() {
  process_->signal(SIGTERM);
  process_->wait(5s);
}

std::string Site::http() const { return "http://127.0.0.1:" + std::to_string(http_port_) + "/"; }
std::string Site::https() const { return "https://localhost:" + std::to_string(https_port_) + "/"; }
std::string Site::websocket() const { return "ws://127.0.0.1:" + std::to_string(ws_port_) + "/ws"; }
std::string Site::ca_file() const { return folder_.path() + "/bundle.pem"; }

NameServer::NameServer() : port_(test::free_port()) {
  const auto& folder = folder_.path();
  std::ofstream{folder + "/bench.test.zone"} << "$ORIGIN bench.test.\n$TTL 60\n"
                                             << "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n"
                                             << "ns A 127.0.0.1\nwww A 127.0.0.1\n";
  std::ofstream{folder + "/nsd.conf"}
      << "server:\n  ip-address: 127.0.0.1@" << port_ << "\n  username: \"\"\n  zonesdir: \""
      << folder << "\"\n  pidfile: \"" << folder << "/nsd.pid\"\n  database: \"\"\n  xfrdfile: \""
      << folder << "/xfrd.state\"\n  zonelistfile: \"" << folder << "/zone.list\"\n  logfile: \""
      << folder << "/nsd.log\"\n  server-count: 1\n  rrl-ratelimit: 0\n"
      << "remote-control:\n  control-enable: no\nzone:\n  name: bench.test\n  zonefile: "
         "bench.test.zone\n";
  process_ = std::make_unique<test::Process>(
      std::vector<std::string>{"/usr/sbin/nsd", "-d", "-c", folder + "/nsd.conf"}, folder);
  wait_until("nsd", [&] {
    return read_whole(folder + "/nsd.log").find("nsd started") != std::string::npos;
  });
}

NameServer::~NameServer() {
  process_->signal(SIGTERM);
  process_->wait(5s);
}

std::string import_and_wait(const test::MasterProcess& master, const std::string& target,
                            std::uint64_t count, bool numbered) {
  std::string body;
  for (std::uint64_t n = 0; n < count; ++n) {
    body += target;
    if (numbered) body += std::to_string(n);
    body += '\n';
  }
  const auto answer = master.api().request("POST", "/v1/batches", "text/plain", body);
  if (answer.status != 201) throw std::runtime_error("import: " + answer.body);
  const auto id = test::text_at(answer.json(), "id");
  const auto counts = master.api().wait_for(id, 600s);
  if (counts.passed != count)
    throw std::runtime_error("of " + std::to_string(count) + " probes only " +
                             std::to_string(counts.passed) + " passed");
  return id;
}

double cost_of_import(const test::MasterProcess& master, pid_t pid, const std::string& target,
                      std::uint64_t count, bool numbered) {
  const auto before = test::cpu_time(pid);
  import_and_wait(master, target, count, numbered);
  return static_cast<double>((test::cpu_time(pid) - before).count()) / static_cast<double>(count);
}

test::Process noop_agent(const std::string& url) {
  test::Process agent{{yardstick("bench_agent"), url, "noop"}, ""};
  agent.expect_line("connected: ");
  return agent;
}

PipeCost run_pipe(std::uint64_t count, bool through_nginx) {
  test::Process sender{{yardstick("bare_pipe"), "send", "0", std::to_string(count), "4096"}, ""};
  const auto port = static_cast<std::uint16_t>(std::stoi(*sender.read_line(5s)));
  std::unique_ptr<Site> site;
  if (through_nginx) site = std::make_unique<Site>(port);
  const auto url = site ? site->websocket() : "ws://127.0.0.1:" + std::to_string(port) + "/ws";
  const auto begin = system_clock()->steady_now();
  run_yardstick({yardstick("bare_pipe"), "answer", url});
  const std::chrono::duration<double> took = system_clock()->steady_now() - begin;
  const auto cost = json::Value::parse(*sender.read_line(10s));
  return {static_cast<double>(count) / took.count(),
          static_cast<double>(test::number_at(*cost, "cpu_us")) / static_cast<double>(count)};
}

bool installed(const std::string& program) {
  test::Process process{{"sh", "-c", "command -v " + program}, ""};
  return process.wait(5s) == 0;
}

double run_blackbox(const std::string& module_yaml, const std::string& target, int seconds) {
  const test::TemporaryFolder folder;
  std::ofstream{folder.path() + "/blackbox.yml"} << "modules:\n  bench:\n" << module_yaml;
  const auto address = "127.0.0.1:" + std::to_string(test::free_port());
  test::Process exporter{
      {"prometheus-blackbox-exporter", "--config.file=" + folder.path() + "/blackbox.yml",
       "--web.listen-address=" + address, "--log.level=error"},
      folder.path()};
  const test::ApiClient client{"http://" + address};
  const auto path = "/probe?module=bench&target=" + target;
  wait_until("blackbox_exporter", [&] {
    test::Process check{{"curl", "-sf", "-o", "/dev/null", "http://" + address + "/-/healthy"}, ""};
    return check.wait(5s) == 0;
  });
  if (client.get(path).body.find("probe_success 1") == std::string::npos)
    throw std::runtime_error("blackbox_exporter: its probe of " + target + " fails");
  const auto before = test::cpu_time(exporter.pid());
  test::Process wrk{
      {"wrk", "-t1", "-c16", "-d" + std::to_string(seconds) + "s", "http://" + address + path},
      folder.path()};
  std::uint64_t requests = 0;
  while (const auto line = wrk.read_line(std::chrono::seconds{seconds + 10})) {
    if (line->find(" requests in ") != std::string::npos) requests = std::stoull(*line);
  }
  if (requests == 0) throw std::runtime_error("wrk made no requests");
  return static_cast<double>((test::cpu_time(exporter.pid()) - before).count()) /
         static_cast<double>(requests);
}

}  // namespace probekit::benchmark
