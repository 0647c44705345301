// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The example programs as people use them: help, refusals, configuration, signals, exit codes.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "probekit/task.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

struct Ran {
  int code = -1;
  std::string output;
  std::string errors;
};

Ran finish(Process& process) {
  Ran ran;
  while (const auto line = process.read_line(30s)) ran.output += *line + '\n';
  const auto code = process.wait(10s);
  REQUIRE(code);
  ran.code = *code;
  ran.errors = process.errors();
  return ran;
}

Ran run(std::vector<std::string> command) {
  const TemporaryFolder folder;
  command.front() = program(command.front());
  Process process{command, folder.path()};
  return finish(process);
}

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream{path, std::ios::binary}.rdbuf();
  return text.str();
}

std::ptrdiff_t lines_in(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

const std::vector<std::string> kPrograms{"probekit-master", "probekit-agent", "probekit-probe",
                                         "probekit-import"};

}  // namespace

TEST_CASE("help names every flag, version the version", "[programs]") {
  const std::vector<std::vector<std::string>> flags{
      {"--agents", "--api", "--store", "--name", "--max-queued", "--results-kept", "--attempts-max",
       "--time-to-first-message", "--send-buffer-limit", "--send-time-limit",
       "--heartbeat-interval", "--dead-after", "--resume-grace", "--drain-time", "--insecure"},
      {"--master", "--name", "--tag", "--concurrency", "--queue", "--threads", "--per-host",
       "--dns-server", "--allow", "--deny", "--drain-time"},
      {"--json", "--timeout", "--allow", "--deny"},
      {"--api", "--name", "--kind", "--label", "--timeout", "--agents", "--priority", "--out",
       "--follow", "--cancel-on-interrupt"}};
  for (std::size_t i = 0; i < kPrograms.size(); ++i) {
    CAPTURE(kPrograms[i]);
    const Ran help = run({kPrograms[i], "--help"});
    CHECK(help.code == 0);
    CHECK(help.errors.empty());
    for (const char* common : {"--help", "--version", "--config", "--log-level", "--log-format"})
      CHECK_THAT(help.output, Contains(common));
    for (const std::string& flag : flags[i]) CHECK_THAT(help.output, Contains(flag + " "));
    const Ran version = run({kPrograms[i], "--version"});
    CHECK(version.code == 0);
    CHECK_THAT(version.output, Catch::Matchers::StartsWith(kPrograms[i] + " 0."));
  }
}

TEST_CASE("bad usage ends with 2 and one line that names the flag", "[programs]") {
  const TemporaryFolder folder;
  const std::string unknown_key = folder.path() + "/unknown.json";
  const std::string not_json = folder.path() + "/broken.json";
  write(unknown_key, R"({"no-such-flag":1})");
  write(not_json, R"({"max-queued":)");
  const std::string bad_value = folder.path() + "/value.json";
  const std::string bad_flag = folder.path() + "/flag.json";
  write(bad_value, R"({"max-queued":0})");
  write(bad_flag, R"({"insecure":"perhaps"})");
  using Named = std::vector<std::string>;
  const std::vector<std::pair<std::vector<std::string>, Named>> cases{
      {{"probekit-master", "--no-such-flag"}, {"--no-such-flag"}},
      {{"probekit-master", "--no-such-flag", "value"}, {"'--no-such-flag'"}},
      {{"probekit-master", "stray"}, {"'stray'"}},
      {{"probekit-master", "--agents", "nowhere"}, {"--agents", "nowhere"}},
      {{"probekit-master", "--agents", "127.0.0.1:65536"}, {"--agents"}},
      {{"probekit-master", "--agents", ":0"}, {"--agents"}},
      {{"probekit-master", "--agents", "[::1:0"}, {"--agents"}},
      {{"probekit-master", "--agents", "a b:0"}, {"--agents"}},
      {{"probekit-master", "--api", "localhost:"}, {"--api"}},
      {{"probekit-master", "--api", "0.0.0.0:0"}, {"--api", "--insecure"}},
      {{"probekit-master", "--max-queued", "0"}, {"--max-queued"}},
      {{"probekit-master", "--max-queued", "-1"}, {"--max-queued"}},
      {{"probekit-master", "--max-queued", "five"}, {"--max-queued", "five"}},
      {{"probekit-master", "--max-queued"}, {"--max-queued", "needs a value"}},
      {{"probekit-master", "--name", "a", "--name", "b"}, {"--name", "one value"}},
      {{"probekit-master", "--drain-time", "5"}, {"--drain-time", "unit"}},
      {{"probekit-master", "--drain-time", "1.s"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", ".5s"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", "0.5ms"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", "1.2.3s"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", "5 s"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", "5d"}, {"--drain-time"}},
      {{"probekit-master", "--drain-time", "8760.1h"}, {"--drain-time", "a year"}},
      {{"probekit-master", "--drain-time", "99999999999999999999s"}, {"--drain-time"}},
      {{"probekit-master", "--time-to-first-message", "0s"}, {"--time-to-first-message", "1ms"}},
      {{"probekit-master", "--heartbeat-interval", "0s"}, {"--heartbeat-interval", "1ms"}},
      {{"probekit-master", "--dead-after", "0.0m"}, {"--dead-after", "1ms"}},
      {{"probekit-master", "--send-time-limit", "0ms"}, {"--send-time-limit", "1ms"}},
      {{"probekit-master", "--send-buffer-limit", "0"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "1MB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "1.5MiB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "99999999999GiB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--store", "tape"}, {"--store"}},
      {{"probekit-master", "--name", "a b"}, {"--name"}},
      {{"probekit-master", "--dead-after", "15s", "--heartbeat-interval", "15s"}, {"--dead-after"}},
      {{"probekit-master", "--heartbeat-interval", "11m", "--dead-after", "1h"},
       {"--heartbeat-interval", "10m"}},
      {{"probekit-master", "--dead-after", "61m"}, {"--dead-after", "1h"}},
      {{"probekit-master", "--time-to-first-message", "61m"}, {"--time-to-first-message", "1h"}},
      {{"probekit-master", "--resume-grace", "25h"}, {"--resume-grace", "24h"}},
      {{"probekit-master", "--log-level", "loud"}, {"--log-level"}},
      {{"probekit-master", "--config", unknown_key}, {unknown_key, "no-such-flag"}},
      {{"probekit-master", "--config", not_json}, {"--config", not_json}},
      {{"probekit-master", "--config", bad_value}, {bad_value, "--max-queued"}},
      {{"probekit-master", "--config", bad_flag}, {bad_flag, "--insecure"}},
      {{"probekit-master", "--config", folder.path()}, {"--config", folder.path()}},
      {{"probekit-master", "--config", folder.path() + "/none.json"}, {"--config", "none.json"}},
      {{"probekit-agent", "--master", "http://127.0.0.1/"}, {"--master", "http://127.0.0.1/"}},
      {{"probekit-agent", "--master", "wss://127.0.0.1/"}, {"--master", "wss://127.0.0.1/", "TLS"}},
      {{"probekit-agent", "--master", "ws://127.0.0.1:0/"}, {"--master", "port"}},
      {{"probekit-agent", "--master", "ws://me:secret@127.0.0.1/"}, {"--master", "password"}},
      {{"probekit-agent", "--name", "a/b"}, {"--name"}},
      {{"probekit-agent", "--tag", "novalue"}, {"--tag"}},
      {{"probekit-agent", "--concurrency", "0"}, {"--concurrency"}},
      {{"probekit-agent", "--allow", "10.0.0.0/33"}, {"--allow"}},
      {{"probekit-agent", "--deny", "everything"}, {"--deny"}},
      {{"probekit-agent", "--dns-server", "dns.example"}, {"--dns-server", "dns.example"}},
      {{"probekit-agent", "--token-file", "x"}, {"--token-file"}},
      {{"probekit-probe"}, {"TARGET"}},
      {{"probekit-probe", "example.com"}, {"example.com"}},
      {{"probekit-probe", "--timeout", "0s", "http://127.0.0.1/"}, {"--timeout"}},
      {{"probekit-probe", "--timeout", "2.1m", "http://127.0.0.1/"}, {"--timeout"}},
      {{"probekit-import"}, {"FILE"}},
      {{"probekit-import", "x", "--follow", "b1"}, {"--follow"}},
      {{"probekit-import", "x", "--api", "127.0.0.1:1"}, {"--api"}},
      {{"probekit-import", "x", "--label", "novalue"}, {"--label"}},
      {{"probekit-import", "x", "--agents", "tag"}, {"--agents"}},
      {{"probekit-import", "x", "--priority", "urgent"}, {"--priority"}},
      {{"probekit-import", "x", "--timeout", "0s"}, {"--timeout"}},
      {{"probekit-import", "x", "--timeout", "5m"}, {"--timeout"}},
  };
  for (const auto& [command, named] : cases) {
    std::string shown;
    for (const std::string& word : command) shown += word + ' ';
    CAPTURE(shown);
    const Ran ran = run(command);
    CHECK(ran.code == 2);
    CHECK(ran.output.empty());
    CHECK(lines_in(ran.errors) == 1);
    CHECK_THAT(ran.errors, Catch::Matchers::StartsWith(command.front() + ": "));
    CHECK_THAT(ran.errors, !Contains("secret"));
    for (const std::string& word : named) CHECK_THAT(ran.errors, Contains(word));
  }
}

TEST_CASE("durations and sizes are taken in every unit, and in fractions", "[programs]") {
  // Nothing but the missing FILE is wrong with these.
  for (const char* good : {"250ms", "5s", "0.5s", "1.25m", "2m", "0.03h", "1.000000000s"}) {
    CAPTURE(good);
    const Ran ran = run({"probekit-import", "--timeout", good});
    CHECK(ran.code == 2);
    CHECK_THAT(ran.errors, Contains("FILE"));
  }
  for (const char* good : {"4096", "64KiB", "1MiB", "2GiB"}) {
    CAPTURE(good);
    const Ran ran = run({"probekit-master", "--send-buffer-limit", good, "--store", "tape"});
    CHECK(ran.code == 2);
    CHECK_THAT(ran.errors, Contains("--store"));
  }
}

TEST_CASE("a master listens on a name, looked up once", "[programs]") {
  const MasterProcess master{};
  for (const char* name : {"localhost", "LocalHost", "[::ffff:127.0.0.1]", "0.0.0.0"}) {
    CAPTURE(name);
    const TemporaryFolder folder;
    const std::string there = std::string{name} + ":0";
    Process process{{program("probekit-master"), "--agents", there, "--api", there}, folder.path()};
    if (std::string{name}.find("ocal") == std::string::npos) {
      CHECK(process.wait(10s) == 2);
      CHECK_THAT(process.errors(), Contains("--agents") && Contains("--insecure"));
      continue;
    }
    CHECK_THAT(process.expect_line("agents: "), Catch::Matchers::StartsWith("ws://127.0.0.1:"));
    const std::string url = process.expect_line("api: ");
    CHECK_THAT(url, Catch::Matchers::StartsWith("http://127.0.0.1:"));
    CHECK(ApiClient{url}.get("/healthz").status == 200);
    process.signal(SIGTERM);
    CHECK(process.wait(10s) == 0);
  }
  // No resolver is asked for a name that cannot be one.
  const Ran unknown = run({"probekit-master", "--api", "no..name:0", "--agents", "127.0.0.1:0"});
  CHECK(unknown.code == 1);
  CHECK_THAT(unknown.errors, Contains("--api: 'no..name'"));
}

TEST_CASE("masters with ports picked for them have names of their own", "[programs]") {
  std::vector<std::string> names;
  for (int i = 0; i < 2; ++i) {
    const TemporaryFolder folder;
    Process process{{program("probekit-master"), "--agents", "127.0.0.1:0", "--api", "127.0.0.1:0"},
                    folder.path()};
    const ApiClient api{process.expect_line("api: ")};
    names.push_back(text_at(api.get("/v1/status").json(), "name"));
    CHECK(probekit::is_valid_name(names.back()));
  }
  CHECK(names[0] != names[1]);
}

TEST_CASE("without descriptors every program says so and ends with 1", "[programs]") {
  const std::vector<std::string> commands{"probekit-master --agents 127.0.0.1:0 --api 127.0.0.1:0",
                                          "probekit-agent --master ws://127.0.0.1:1/ --name a",
                                          "probekit-probe http://127.0.0.1:1/"};
  for (const std::string& command : commands) {
    CAPTURE(command);
    const TemporaryFolder folder;
    Process process{{"/bin/sh", "-c", "ulimit -n 6; exec " + program(command)}, folder.path()};
    const Ran ran = finish(process);
    CHECK(ran.code == 1);
    CHECK(ran.output.empty());
    CHECK_THAT(ran.errors, Catch::Matchers::StartsWith(command.substr(0, command.find(' '))));
    CHECK(lines_in(ran.errors) == 1);
  }
}

TEST_CASE("a configuration file holds flags, and those given win", "[programs]") {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/master.json";
  write(file, R"({"max-queued": 3, "heartbeat-interval": "1s", "log-format": "json",
                  "insecure": false})");
  const std::string four = "http://127.0.0.1:1/a\n" + std::string{"http://127.0.0.1:1/b\n"} +
                           "http://127.0.0.1:1/c\nhttp://127.0.0.1:1/d\n";
  {
    const MasterProcess master{{"--config", file}};
    CHECK(master.api().request("POST", "/v1/batches", "text/plain", four).status == 429);
  }
  {
    const MasterProcess master{{"--config", file, "--max-queued", "4"}};
    CHECK(master.api().request("POST", "/v1/batches", "text/plain", four).status == 201);
  }
  const std::string agent_file = folder.path() + "/agent.json";
  write(agent_file, R"({"tag": ["city=paris", "isp=x"], "concurrency": 7, "deny": "10.0.0.0/8"})");
  const MasterProcess master;
  AgentProcess agent{"here", master.agents_url(), {"--config", agent_file}};
  agent.wait_until_connected();
  const auto seen = master.agent("here");
  CHECK(text_at(*seen.find("tags"), "city") == "paris");
  CHECK(text_at(*seen.find("tags"), "isp") == "x");
}

TEST_CASE("the first signal drains: what runs is finished and recorded", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url(), {"--concurrency", "4"}};
  agent.wait_until_connected();
  const auto batch = master.api().import({site.url("/delay/400"), site.url("/delay/401")});
  run_until([&] { return site.requests() == 2; });
  agent.process().signal(SIGINT);
  CHECK(agent.process().wait(10s) == 0);
  const auto counts = master.api().batch(batch);
  CHECK(counts.done == 2);
  CHECK(counts.passed == 2);
  master.process().signal(SIGTERM);
  CHECK(master.process().wait(10s) == 0);
}

TEST_CASE("the second signal stops at once", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  master.api().import({site.url("/hang")}, "?timeout_ms=60000");
  run_until([&] { return site.requests() == 1; });
  agent.process().signal(SIGINT);
  run_until([&] { return agent.process().errors().find("drain") != std::string::npos; });
  agent.process().signal(SIGINT);
  CHECK(agent.process().wait(5s) == 128 + SIGINT);
}

TEST_CASE("a drain that cannot end in time says so and ends with 1", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url(), {"--drain-time", "200ms"}};
  agent.wait_until_connected();
  master.api().import({site.url("/hang")}, "?timeout_ms=60000");
  run_until([&] { return site.requests() == 1; });
  agent.process().signal(SIGTERM);
  CHECK(agent.process().wait(10s) == 1);
  CHECK_THAT(agent.process().errors(), Contains("probekit-agent: "));
}

TEST_CASE("a port in use ends the master with 1 and the flag's name", "[programs]") {
  const MasterProcess first;
  const Ran second = run({"probekit-master", "--agents", "127.0.0.1:0", "--api",
                          first.api_url().substr(std::string{"http://"}.size())});
  CHECK(second.code == 1);
  CHECK_THAT(second.errors, Contains("--api: "));
}

TEST_CASE("a probe prints a line and bars, and its exit code is the verdict", "[programs]") {
  const TargetSite site;
  const Ran good = run({"probekit-probe", site.url("/ok")});
  CHECK(good.code == 0);
  CHECK_THAT(good.output, Catch::Matchers::StartsWith("passed  " + site.url("/ok")));
  CHECK_THAT(good.output, Contains("first_byte"));
  CHECK_THAT(good.output, Contains("#"));

  const Ran mixed = run({"probekit-probe", "--json", site.url("/ok"), site.url("/status/500")});
  CHECK(mixed.code == 1);
  REQUIRE(lines_in(mixed.output) == 2);
  const auto passed = json::Value::parse(mixed.output.substr(0, mixed.output.find('\n')));
  REQUIRE(passed);
  CHECK(text_at(*passed, "verdict") == "passed");
  CHECK(text_at(*passed, "target") == site.url("/ok"));
  const auto failed = json::Value::parse(mixed.output.substr(
      mixed.output.find('\n') + 1, mixed.output.size() - mixed.output.find('\n') - 2));
  REQUIRE(failed);
  CHECK(text_at(*failed, "verdict") == "failed");
  CHECK(text_at(*failed->find("failure"), "kind") == "assertion");

  const Ran late = run({"probekit-probe", "--timeout", "100ms", site.url("/hang")});
  CHECK(late.code == 1);
  CHECK_THAT(late.output, Contains("timeout: "));

  const Ran denied = run({"probekit-probe", "--deny", "127.0.0.0/8", site.url("/ok")});
  CHECK(denied.code == 1);
  CHECK_THAT(denied.output, Contains("denied: ") && Contains("127.0.0.0/8"));
}

TEST_CASE("an import writes every result, sums up, and can be followed again", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  std::string list = "# two kinds of pages\n\n";
  for (int n = 0; n < 20; ++n) list += site.url("/ok?n=") + std::to_string(n) + "\r\n";
  list += site.url("/status/404") + "\nnot a target\n";
  write(folder.path() + "/list.txt", list);
  const std::string out = folder.path() + "/results.ndjson";
  const Ran import = run({"probekit-import", folder.path() + "/list.txt", "--api", master.api_url(),
                          "--name", "nightly", "--label", "team=web", "--timeout", "5s", "--agents",
                          "name:here", "--out", out});
  CHECK(import.code == 0);
  CHECK_THAT(import.errors, Contains("accepted 21, rejected 1"));
  CHECK_THAT(import.errors, Contains("list.txt:24: "));
  CHECK_THAT(import.output, Contains("accepted   21 = done 21 + expired 0 + cancelled 0"));
  CHECK_THAT(import.output, Contains("passed 20, failed 1"));
  CHECK_THAT(import.output, Contains("assertion 1"));
  CHECK_THAT(import.output, Contains("p99"));
  const std::string results = read(out);
  CHECK(lines_in(results) == 21);
  const auto line = json::Value::parse(results.substr(0, results.find('\n')));
  REQUIRE(line);
  CHECK(text_at(*line->find("labels"), "team") == "web");
  CHECK(text_at(*line, "agent") == "here");

  const auto listed = master.api().get("/v1/batches").json();
  const auto& batch = listed.find("items")->as_array()->front();
  CHECK(text_at(batch, "name") == "nightly");
  const Ran again = run({"probekit-import", "--follow", text_at(batch, "id"), "--api",
                         master.api_url(), "--out", out});
  CHECK(again.code == 0);
  CHECK(again.output == import.output);
  CHECK(read(out) == results);
}

TEST_CASE("labels of the flag join those of a line, whose own values win", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  const auto spec = [&](const std::string& query, const std::string& more) {
    return R"({"target":")" + site.url("/ok?" + query) + '"' + more + "}\n";
  };
  write(folder.path() + "/list.ndjson",
        spec("none", "") + spec("empty", R"(,"labels":{})") +
            spec("own", R"(,"labels":{"own":"1","team":"mail \u00e9"},"timeout_ms":2500)") +
            "\n# a comment\n" + spec("%22labels%22:", "") + spec("wrong", R"(,"labels":5)") +
            "{\"target\n");
  const std::string out = folder.path() + "/results.ndjson";
  const Ran import =
      run({"probekit-import", folder.path() + "/list.ndjson", "--api", master.api_url(), "--label",
           "team=web", "--label", "site=a", "--out", out});
  CHECK(import.code == 0);
  CHECK_THAT(import.errors, Contains("accepted 4, rejected 2"));
  CHECK_THAT(import.errors, Contains("list.ndjson:7: ") && Contains("labels"));
  CHECK_THAT(import.errors, Contains("list.ndjson:8: "));
  std::istringstream lines{read(out)};
  std::size_t seen = 0;
  for (std::string text; std::getline(lines, text); ++seen) {
    CAPTURE(text);
    const auto line = json::Value::parse(text);
    REQUIRE(line);
    const json::Value& labels = *line->find("labels");
    const bool own = text_at(*line, "target").find("?own") != std::string::npos;
    CHECK(text_at(labels, "site") == "a");
    CHECK(text_at(labels, "team") == (own ? "mail \xC3\xA9" : "web"));
    CHECK((labels.find("own") != nullptr) == own);
  }
  CHECK(seen == 4);
}

TEST_CASE("an import reads standard input and says what the master refuses", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  const std::string command = "echo " + site.url("/ok") + " | " + program("probekit-import") +
                              " - --api " + master.api_url();
  Process piped{{"/bin/sh", "-c", command}, folder.path()};
  const Ran ran = finish(piped);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.output, Contains("accepted   1 = done 1"));

  write(folder.path() + "/bad.txt", "nonsense\n");
  const Ran bad = run({"probekit-import", folder.path() + "/bad.txt", "--api", master.api_url()});
  CHECK(bad.code == 1);
  const Ran unknown = run({"probekit-import", "--follow", "b999", "--api", master.api_url()});
  CHECK(unknown.code == 1);
  CHECK_THAT(unknown.errors, Contains("b999"));
  const Ran nobody =
      run({"probekit-import", folder.path() + "/bad.txt", "--api", "http://127.0.0.1:1"});
  CHECK(nobody.code == 1);
  CHECK_THAT(nobody.errors, Contains("127.0.0.1"));
}

TEST_CASE("an interrupted import says how to follow it, or cancels it", "[programs]") {
  const TargetSite site;
  MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", site.url("/hang") + "\n");
  const bool cancel = GENERATE(false, true);
  std::vector<std::string> command{program("probekit-import"),
                                   folder.path() + "/list.txt",
                                   "--api",
                                   master.api_url(),
                                   "--timeout",
                                   "60s"};
  if (cancel) command.emplace_back("--cancel-on-interrupt");
  Process import{command, folder.path()};
  const auto before = site.requests();
  run_until([&] { return site.requests() > before; });
  import.signal(SIGINT);
  const Ran ran = finish(import);
  CHECK(ran.code == 1);
  const auto listed = master.api().get("/v1/batches").json();
  const std::string id = text_at(listed.find("items")->as_array()->front(), "id");
  CHECK_THAT(ran.errors, Contains(id));
  if (cancel) {
    run_until([&] { return master.api().batch(id).state == "cancelled"; }, 15s);
  } else {
    CHECK_THAT(ran.errors, Contains("--api " + master.api_url() + " --follow " + id));
    CHECK(master.api().batch(id).in_flight == 1);
  }
}

TEST_CASE("an import interrupted before its last byte leaves nothing", "[programs]") {
  signal(SIGPIPE, SIG_IGN);
  const MasterProcess master;
  const TemporaryFolder folder;
  const std::string list = folder.path() + "/list";
  REQUIRE(mkfifo(list.c_str(), 0600) == 0);
  Process import{{program("probekit-import"), list, "--api", master.api_url()}, folder.path()};
  int pipe = -1;
  run_until([&] { return (pipe = open(list.c_str(), O_WRONLY | O_NONBLOCK)) >= 0; });
  const std::string line = "http://127.0.0.1:1/\n";
  REQUIRE(::write(pipe, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  run_until([&] {
    const auto status = master.api().get("/v1/status").body;
    return status.find("\"uploads\":1") != std::string::npos;
  });
  import.signal(SIGINT);
  // It is asked whether to go on each time there is something to send.
  const std::string more(64 * 1024, '\n');
  run_until([&] { return ::write(pipe, more.data(), more.size()) < 0 && errno == EPIPE; });
  close(pipe);
  const Ran ran = finish(import);
  CHECK(ran.code == 1);
  CHECK_THAT(ran.errors, Contains("nothing was accepted"));
  const auto listed = master.api().get("/v1/batches").json();
  CHECK(listed.find("items")->as_array()->empty());
}

TEST_CASE("an import interrupted after its last byte waits for the answer", "[programs]") {
  // A master that says when it has the whole list, and answers when told.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener, 8) == 0);
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", "http://127.0.0.1:1/\n");
  Process import{{program("probekit-import"), folder.path() + "/list.txt", "--api",
                  "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))},
                 folder.path()};
  const int client = accept(listener, nullptr, nullptr);
  REQUIRE(client >= 0);
  std::string request;
  while (request.find("\r\n0\r\n\r\n") == std::string::npos) {
    char bytes[4096];
    const auto count = ::read(client, bytes, sizeof bytes);
    REQUIRE(count > 0);
    request.append(bytes, static_cast<std::size_t>(count));
  }
  import.signal(SIGINT);
  // It looks for signals about once a second; nothing is to come of it.
  pollfd hangup{client, POLLIN | POLLRDHUP, 0};
  CHECK(poll(&hangup, 1, 2500) == 0);
  const std::string answer =
      "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n"
      R"({"id":"b-seven","accepted":1,"rejected":0,"errors":[]})"
      "\n";
  REQUIRE(::write(client, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
  const Ran ran = finish(import);
  close(client);
  close(listener);
  CHECK(ran.code == 1);
  CHECK_THAT(ran.errors, Contains("--follow b-seven"));
}

TEST_CASE("the embedded program accounts for what it is given", "[programs]") {
  const TargetSite site;
  const Ran ran =
      run({"probekit-embedded", site.url("/ok"), site.url("/ok?2"), site.url("/status/500")});
  CHECK(ran.code == 0);
  CHECK(lines_in(ran.output) == 4);
  CHECK_THAT(ran.output, Contains("accepted 3 = done 3 (passed 2, failed 1)"));
  CHECK(run({"probekit-embedded", "nonsense"}).code == 2);
}

}  // namespace probekit::test
