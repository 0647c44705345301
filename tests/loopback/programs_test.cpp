// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The example programs as people use them: help, refusals, configuration, signals, exit codes.

#include <signal.h>

#include <algorithm>
#include <sstream>

#include "probekit/task.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/ran.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

const std::vector<std::string> kPrograms{"probekit-master", "probekit-agent", "probekit-probe",
                                         "probekit-import"};

}  // namespace

TEST_CASE("help names every flag, version the version", "[programs]") {
  const std::vector<std::vector<std::string>> flags{
      {"--agents", "--api", "--store", "--name", "--max-queued", "--results-kept", "--attempts-max",
       "--time-to-first-message", "--connections-max", "--send-buffer-limit", "--send-time-limit",
       "--heartbeat-interval", "--dead-after", "--resume-grace", "--drain-time", "--insecure",
       "--agent-token-file", "--api-token-file"},
      {"--master", "--name", "--tag", "--concurrency", "--queue", "--threads", "--per-host",
       "--dns-server", "--allow", "--deny", "--drain-time", "--token-file"},
      {"--json", "--timeout", "--allow", "--deny"},
      {"--api", "--name", "--kind", "--label", "--timeout", "--agents", "--priority", "--out",
       "--follow", "--cancel-on-interrupt", "--token-file", "--ca-file"}};
  for (std::size_t i = 0; i < kPrograms.size(); ++i) {
    CAPTURE(kPrograms[i]);
    const Ran help = run({kPrograms[i], "--help"});
    CHECK(help.code == 0);
    CHECK(help.errors.empty());
    for (const char* common : {"--help", "--version", "--config", "--log-level", "--log-format"})
      CHECK_THAT(help.output, Contains(common));
    for (const std::string& flag : flags[i]) CHECK_THAT(help.output, Contains(flag + " "));
    CHECK_THAT(help.output, Contains("examples:\n  " + kPrograms[i]));
    // Those of the small programs fit on a terminal of 80x24 whole.
    std::istringstream lines{help.output};
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80);
    if (i >= 2) CHECK(lines_in(help.output) <= 24);
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
  const std::string near_key = folder.path() + "/near.json";
  write(near_key, R"({"drain_time":"5s"})");
  write(not_json, R"({"max-queued":)");
  const std::string after_nul = folder.path() + "/nul.json";
  const std::string half_mark = folder.path() + "/half_mark.json";
  const std::string half_pair = folder.path() + "/half_pair.json";
  write(after_nul, std::string("{}\0{\"max-queued\":5}", 19));
  write(half_mark, "\xEF\xBB{}");
  write(half_pair, R"({"name":"\udc00"})");
  const std::string bad_value = folder.path() + "/value.json";
  const std::string bad_flag = folder.path() + "/flag.json";
  write(bad_value, R"({"max-queued":0})");
  write(bad_flag, R"({"insecure":"perhaps"})");
  const std::string tokens = folder.path() + "/tokens";
  const std::string no_tokens = folder.path() + "/no_tokens";
  const std::string bad_tokens = folder.path() + "/bad_tokens";
  write(tokens, "# two\nsecret-1\nsecret-2\n");
  write(no_tokens, "# none\n");
  write(bad_tokens, "secret-1\nsecret-2 a b\n");
  using Named = std::vector<std::string>;
  const std::vector<std::pair<std::vector<std::string>, Named>> cases{
      {{"probekit-master", "--no-such-flag"}, {"--no-such-flag"}},
      {{"probekit-master", "--no-such-flag", "value"}, {"'--no-such-flag'"}},
      {{"probekit-master", "--max-queue=5"}, {"'--max-queue=5' (did you mean '--max-queued'?)"}},
      {{"probekit-agent", "--tags", "a=b"}, {"did you mean '--tag'?"}},
      {{"probekit-probe", "-json", "http://127.0.0.1/"}, {"did you mean '--json'?"}},
      {{"probekit-probe", "tcp:127.0.0.1:1"}, {"'tcp:127.0.0.1:1'", "kind tcp"}},
      {{"probekit-probe", "http://me:secret@127.0.0.1/"}, {"TARGET", "password"}},
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
      {{"probekit-master", "--connections-max", "0"}, {"--connections-max"}},
      {{"probekit-master", "--send-buffer-limit", "0"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "1MB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "1.5MiB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--send-buffer-limit", "99999999999GiB"}, {"--send-buffer-limit"}},
      {{"probekit-master", "--store", "tape"}, {"--store", "'tape'"}},
      {{"probekit-master", "--store", "postgres:password=secret"}, {"--store", "'postgres:'"}},
      {{"probekit-master", "--name", "a b"}, {"--name"}},
      {{"probekit-master", "--dead-after", "15s", "--heartbeat-interval", "15s"}, {"--dead-after"}},
      {{"probekit-master", "--heartbeat-interval", "11m", "--dead-after", "1h"},
       {"--heartbeat-interval", "10m"}},
      {{"probekit-master", "--dead-after", "61m"}, {"--dead-after", "1h"}},
      {{"probekit-master", "--time-to-first-message", "61m"}, {"--time-to-first-message", "1h"}},
      {{"probekit-master", "--resume-grace", "25h"}, {"--resume-grace", "24h"}},
      {{"probekit-master", "--log-level", "loud"}, {"--log-level"}},
      {{"probekit-master", "--config", unknown_key}, {unknown_key, "no-such-flag"}},
      {{"probekit-master", "--config", near_key}, {near_key, "did you mean '--drain-time'?"}},
      {{"probekit-master", "--config", not_json}, {"--config", not_json}},
      {{"probekit-master", "--config", after_nul}, {after_nul, "at byte 2"}},
      {{"probekit-master", "--config", half_mark}, {half_mark, "at byte 0"}},
      {{"probekit-master", "--config", half_pair}, {half_pair, "not JSON"}},
      {{"probekit-master", "--config", bad_value}, {bad_value, "--max-queued"}},
      {{"probekit-master", "--config", bad_flag}, {bad_flag, "--insecure"}},
      {{"probekit-master", "--config", folder.path()}, {"--config", folder.path()}},
      {{"probekit-master", "--config", folder.path() + "/none.json"}, {"--config", "none.json"}},
      {{"probekit-agent", "--master", "http://127.0.0.1/"}, {"--master", "http://127.0.0.1/"}},
      {{"probekit-agent", "--master", "wss://127.0.0.1/", "--ca-file", "/none"},
       {"--ca-file", "/none"}},
      {{"probekit-agent", "--master", "ws://127.0.0.1:0/"}, {"--master", "port"}},
      {{"probekit-agent", "--master", "ws://me:secret@127.0.0.1/"}, {"--master", "password"}},
      {{"probekit-agent", "--name", "a/b"}, {"--name"}},
      {{"probekit-agent", "--tag", "novalue"}, {"--tag"}},
      {{"probekit-agent", "--concurrency", "0"}, {"--concurrency"}},
      {{"probekit-agent", "--allow", "10.0.0.0/33"}, {"--allow"}},
      {{"probekit-agent", "--deny", "everything"}, {"--deny"}},
      {{"probekit-agent", "--dns-server", "dns.example"}, {"--dns-server", "dns.example"}},
      {{"probekit-agent", "--token-file", "/none"}, {"--token-file", "/none", "No such file"}},
      {{"probekit-import", "x", "--token-file", no_tokens}, {"--token-file", no_tokens}},
      {{"probekit-master", "--agent-token-file", no_tokens}, {"--agent-token-file", no_tokens}},
      {{"probekit-master", "--api-token-file", bad_tokens}, {bad_tokens + ": line 2"}},
      {{"probekit-master", "--api", "0.0.0.0:0", "--agent-token-file", tokens},
       {"--api", "--insecure", "--api-token-file"}},
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

TEST_CASE("who opens a connection and says nothing has the time the flag says", "[programs]") {
  const MasterProcess master{{"--time-to-first-message", "1s"}};
  const auto begun = std::chrono::steady_clock::now();
  RawWebSocket silent{master.agents_port()};
  RawWebSocket opened{master.agents_port()};
  REQUIRE(opened.open());
  const auto closing = opened.read_frame();
  REQUIRE(closing);
  CHECK(closing->close_code() == static_cast<std::uint16_t>(CloseCode::silent));
  CHECK(silent.wait_end(10s));
  const auto passed = std::chrono::steady_clock::now() - begun;
  CHECK(passed >= 900ms);
  CHECK(passed < 4s);
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

TEST_CASE("logs in JSON are an object a line, with the same keys each time", "[programs]") {
  MasterProcess master{{"--log-format", "json", "--log-level", "debug"}};
  AgentProcess agent{"here", master.agents_url(), {"--log-format", "json", "--log-level", "debug"}};
  agent.wait_until_connected();
  for (Process* process : {&agent.process(), &master.process()}) {
    process->signal(SIGTERM);
    CHECK(process->wait(10s) == 0);
    std::istringstream lines{process->errors()};
    std::size_t seen = 0;
    for (std::string line; std::getline(lines, line); ++seen) {
      CAPTURE(line);
      const auto object = json::Value::parse(line);
      REQUIRE(object);
      for (const char* key : {"at", "level", "component", "message"})
        CHECK(object->find(key) != nullptr);
    }
    CHECK(seen > 0);
  }
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
  CHECK_THAT(good.output, Contains("status 200, HTTP/1.1") && Contains("#") && !Contains("\x1b"));

  // A line a target first, in order; then bars, as long as their time is in the longest.
  const Ran both = run({"probekit-probe", site.url("/delay/400"), site.url("/delay/100")});
  CHECK(both.code == 0);
  std::vector<std::string> lines;
  std::istringstream text{both.output};
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  REQUIRE(lines.size() > 4);
  CHECK_THAT(lines[0], Catch::Matchers::StartsWith("passed  " + site.url("/delay/400")));
  CHECK_THAT(lines[1], Catch::Matchers::StartsWith("passed  " + site.url("/delay/100")));
  std::vector<std::ptrdiff_t> bars;
  for (const auto& line : lines)
    if (line.find("first_byte") != std::string::npos)
      bars.push_back(std::count(line.begin(), line.end(), '#'));
  REQUIRE(bars.size() == 2);
  CHECK(bars[0] > 30);
  CHECK(bars[1] > 5);
  CHECK(bars[1] < 16);

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
