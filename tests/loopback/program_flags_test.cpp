// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// docs/programs.md, row by row: each flag is what the page says. Its default is compared with the
// help, its effect is seen through the real program, by a check below or by a test named there. A
// flag without a check fails, and so does a check without a flag.

#include <signal.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "probekit/websocket.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/dns_test_server.hpp"
#include "support/ran.hpp"
#include "support/raw_agent.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/table_rows.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Flags = std::vector<std::string>;
using Checks = std::map<std::string, std::function<void()>>;

const std::filesystem::path kRoot = PROBEKIT_SOURCE_DIR;

std::function<void()> elsewhere(const std::string& file, const std::string& test) {
  return [file, test] {
    INFO(file << " has no test \"" << test << '"');
    CHECK(has_test(kRoot / "tests" / file, test));
  };
}

std::unique_ptr<Connector> connector_to(const std::string& url) {
  WebSocketConnectorOptions options;
  options.urls = {url};
  return make_websocket_connector(options);
}

protocol::Welcome welcome_of(const MasterProcess& master) {
  return RawAgent(connector_to(master.agents_url())).join("here");
}

/// A master and one agent with these flags, and an import that it follows to its end.
std::vector<json::Value> results_of(const Flags& agent_flags,
                                    const std::vector<std::string>& targets) {
  const MasterProcess master;
  AgentProcess agent{"here", master.agents_url(), agent_flags};
  agent.wait_until_connected();
  const std::string batch = master.api().import(targets);
  master.api().wait_for(batch, 20s);
  return master.api().results(batch);
}

json::Value agent_with(const Flags& flags) {
  const MasterProcess master;
  AgentProcess agent{"here", master.agents_url(), flags};
  agent.wait_until_connected();
  return master.agent("here");
}

/// `targets` go to a master with these flags, whose only agent then stands still.
struct FrozenAgent {
  FrozenAgent(const Flags& flags, const std::vector<std::string>& targets)
      : master(flags), agent("here", master.agents_url(), {"--queue", "100000"}) {
    agent.wait_until_connected();
    run_until([&] { return number_at(master.agent("here"), "credit_other") > 0; });
    agent.process().freeze();
    batch = master.api().import(targets, "?timeout_ms=60000");
  }
  ~FrozenAgent() { agent.process().signal(SIGCONT); }

  std::string last_end() const {
    const auto seen = master.agent("here");
    const json::Value* const end = seen.find("last_disconnect");
    return end->is_object() ? text_at(*end, "reason") : "";
  }

  MasterProcess master;
  AgentProcess agent;
  std::string batch;
};

/// Far more than the kernel takes for a peer that reads nothing.
std::vector<std::string> many_long_targets() {
  std::vector<std::string> targets;
  const std::string long_path(8000, 'x');
  for (int i = 0; i < 3000; ++i)
    targets.push_back("http://127.0.0.1:1/" + std::to_string(i) + long_path);
  return targets;
}

Checks every_program() {
  const std::string programs = "loopback/programs_test.cpp";
  return {
      {"--help", elsewhere(programs, "help names every flag, version the version")},
      {"--version", elsewhere(programs, "help names every flag, version the version")},
      {"--config", elsewhere(programs, "a configuration file holds flags, and those given win")},
      {"--log-level",
       [] {
         MasterProcess quiet{{"--log-level", "error"}};
         MasterProcess chatty{{"--log-level", "debug"}};
         for (MasterProcess* master : {&quiet, &chatty}) {
           welcome_of(*master);
           master->process().signal(SIGTERM);
           CHECK(master->process().wait(10s) == 0);
         }
         CHECK(quiet.process().errors().empty());
         CHECK_FALSE(chatty.process().errors().empty());
       }},
      {"--log-format",
       elsewhere(programs, "logs in JSON are an object a line, with the same keys each time")},
  };
}

Checks of_master() {
  const auto listens = [](const std::string& flag, const std::string& line) {
    return [flag, line] {
      const std::string there = "127.0.0.1:" + std::to_string(free_port());
      const std::string other = flag == "--api" ? "--agents" : "--api";
      const TemporaryFolder folder;
      Process process{{program("probekit-master"), flag, there, other, "127.0.0.1:0"},
                      folder.path()};
      CHECK_THAT(process.expect_line(line), Contains("://" + there));
    };
  };
  const auto shown = [](const std::string& flag, const std::string& value, const std::string& path,
                        const std::string& member) {
    return [=] {
      const MasterProcess master{{flag, value}};
      auto status = master.api().get("/v1/status").json();
      CHECK(text_at(path.empty() ? status : *status.find(path), member) == value);
    };
  };
  return {
      {"--agents", listens("--agents", "agents: ")},
      {"--api", listens("--api", "api: ")},
      {"--store",
       [] {
         const TemporaryFolder folder;
         const MasterProcess master{{"--store", "sqlite:" + folder.path() + "/store"}};
         const auto status = master.api().get("/v1/status").json();
         CHECK(text_at(status, "store") == "sqlite");
         CHECK(number_at(*status.find("limits"), "results_kept_max") == 5'000'000);
         const MasterProcess other;
         CHECK(text_at(other.api().get("/v1/status").json(), "store") == "memory");
       }},
      {"--name",
       [] {
         const MasterProcess master;  // comes with one
         CHECK(text_at(master.api().get("/v1/status").json(), "name") == "test-master");
       }},
      {"--max-queued", shown("--max-queued", "7", "limits", "queued_max")},
      {"--results-kept", shown("--results-kept", "9", "limits", "results_kept_max")},
      {"--attempts-max",
       [] {
         const TargetSite site;
         for (const char* most : {"1", "2"}) {
           const MasterProcess master{{"--attempts-max", most, "--resume-grace", "0s"}};
           AgentProcess agent{"here", master.agents_url()};
           agent.wait_until_connected();
           const auto before = site.requests();
           const std::string batch = master.api().import({site.url("/hang")}, "?timeout_ms=60000");
           run_until([&] { return site.requests() > before; });
           agent.process().signal(SIGKILL);
           run_until([&] { return master.api().batch(batch).in_flight == 0; });
           CHECK(master.api().batch(batch).expired == (std::string{most} == "1" ? 1 : 0));
         }
       }},
      {"--time-to-first-message",
       elsewhere("loopback/programs_test.cpp",
                 "who opens a connection and says nothing has the time the flag says")},
      {"--connections-max",
       [] {
         const MasterProcess master{{"--connections-max", "1"}};
         RawWebSocket first(master.agents_port());
         CHECK(first.open());
         RawWebSocket second(master.agents_port());
         CHECK_FALSE(second.open());
       }},
      {"--send-buffer-limit",
       [] {
         for (const std::size_t limit : {64U * 1024, 512U * 1024}) {
           const FrozenAgent it({"--send-buffer-limit", std::to_string(limit)},
                                many_long_targets());
           const auto unsent = [&it] {
             const auto seen = it.master.agent("here");
             return number_at(*seen.find("connection"), "unsent_bytes");
           };
           run_until([&] { return unsent() >= limit; });
           // A message that was begun below the limit is sent whole.
           CHECK(unsent() <= limit + 64 * 1024);
         }
       }},
      {"--send-time-limit",
       [] {
         const FrozenAgent it({"--send-time-limit", "500ms"}, many_long_targets());
         run_until([&] { return !it.last_end().empty(); }, 10s);
         CHECK_THAT(it.last_end(), Contains("took no byte"));
       }},
      {"--heartbeat-interval",
       [] {
         const MasterProcess master{{"--heartbeat-interval", "7s"}};
         CHECK(welcome_of(master).heartbeat_interval == 7s);
       }},
      {"--dead-after",
       [] {
         const FrozenAgent it({"--heartbeat-interval", "200ms", "--dead-after", "1s"},
                              {"http://127.0.0.1:1/"});
         run_until([&] { return !it.last_end().empty(); }, 10s);
         CHECK_THAT(it.last_end(), Contains("not a byte received for 1 s"));
       }},
      {"--resume-grace",
       [] {
         const MasterProcess master{{"--resume-grace", "77s"}};
         CHECK(welcome_of(master).resume_grace == 77s);
       }},
      {"--drain-time",
       [] {
         const TargetSite site;
         MasterProcess master{{"--drain-time", "200ms"}};
         AgentProcess agent{"here", master.agents_url()};
         agent.wait_until_connected();
         master.api().import({site.url("/hang")}, "?timeout_ms=60000");
         run_until([&] { return site.requests() == 1; });
         master.process().signal(SIGTERM);
         CHECK(master.process().wait(10s) == 1);
       }},
      {"--agent-token-file", elsewhere("loopback/tokens_test.cpp",
                                       "the programs come with tokens, and say once what is wrong "
                                       "with one")},
      {"--api-token-file", elsewhere("loopback/tokens_test.cpp",
                                     "the programs come with tokens, and say once what is wrong "
                                     "with one")},
      {"--insecure",
       [] {
         // An address that is not known to be loopback, and is.
         const std::string there = "[::ffff:127.0.0.1]:0";
         const TemporaryFolder folder;
         Process process{
             {program("probekit-master"), "--agents", there, "--api", there, "--insecure"},
             folder.path()};
         const std::string url = process.expect_line("api: ");
         const std::string reachable = "http://127.0.0.1" + url.substr(url.rfind(':'));
         CHECK(ApiClient{reachable}.get("/healthz").status == 200);
         CHECK(run({"probekit-master", "--agents", there, "--api", there}).code == 2);
       }},
  };
}

Checks of_agent() {
  return {
      {"--master",
       [] {
         // Nobody is at the first.
         const MasterProcess master;
         const TemporaryFolder folder;
         Process agent{{program("probekit-agent"), "--name", "here", "--master",
                        "ws://127.0.0.1:" + std::to_string(free_port()) + "/ws", "--master",
                        master.agents_url()},
                       folder.path()};
         CHECK(agent.expect_line("connected: ") == master.agents_url());
       }},
      {"--ca-file", elsewhere("loopback/tls_test.cpp",
                              "agents, an import and its results go through nginx as shipped")},
      {"--name", [] { CHECK(text_at(agent_with({}), "name") == "here"); }},
      {"--tag",
       [] {
         const auto agent = agent_with({"--tag", "city=paris", "--tag", "isp=x"});
         CHECK(agent.find("tags")->to_json() == R"({"city":"paris","isp":"x"})");
       }},
      {"--token-file", elsewhere("loopback/tokens_test.cpp",
                                 "the programs come with tokens, and say once what is wrong with "
                                 "one")},
      {"--concurrency",
       [] {
         const TargetSite site;
         const MasterProcess master;
         AgentProcess agent{"here", master.agents_url(), {"--concurrency", "3"}};
         agent.wait_until_connected();
         // Nine probes of 200 ms, three at a time.
         const auto begun = std::chrono::steady_clock::now();
         const std::string batch =
             master.api().import(std::vector<std::string>(9, site.url("/delay/200")));
         CHECK(master.api().wait_for(batch, 20s).passed == 9);
         CHECK(std::chrono::steady_clock::now() - begun >= 600ms);
       }},
      {"--queue",
       [] {
         // What an agent would take beside what it probes.
         const auto credit_with = [](const char* queue) {
           const MasterProcess master;
           AgentProcess agent{
               "here", master.agents_url(), {"--concurrency", "2", "--queue", queue}};
           agent.wait_until_connected();
           std::uint64_t credit = 0;
           run_until([&] {
             credit = number_at(master.agent("here"), "credit_other");
             return credit > 0;
           });
           return credit;
         };
         CHECK(credit_with("1") <= 3);
         CHECK(credit_with("4096") > 3);
       }},
      {"--threads",
       [] {
         std::size_t threads[2] = {};
         for (const std::size_t count : {1U, 3U}) {
           const MasterProcess master;
           AgentProcess agent{"here", master.agents_url(), {"--threads", std::to_string(count)}};
           agent.wait_until_connected();
           threads[count / 2] = thread_count(agent.process().pid());
         }
         CHECK(threads[1] == threads[0] + 2);
       }},
      {"--per-host",
       [] {
         const TargetSite site;
         const TargetSite other;
         const MasterProcess master;
         AgentProcess agent{"here", master.agents_url(), {"--per-host", "2"}};
         agent.wait_until_connected();
         std::vector<std::string> targets(5, site.url("/hang"));
         targets.push_back(other.url("/hang"));
         master.api().import(targets, "?timeout_ms=60000");
         run_until([&] { return site.requests() >= 2 && other.requests() == 1; });
         CHECK(site.requests() == 2);
       }},
      {"--dns-server",
       [] {
         const TargetSite site;
         const DnsTestServer names([](const DnsTestQuery& query) {
           DnsTestAnswer answer(query);
           if (query.type == 1) answer.a("127.0.0.1");
           return std::vector<DnsTestReply>{answer};
         });
         const auto results = results_of({"--dns-server", names.text()},
                                         {"http://a.example:" + std::to_string(site.port()) + "/"});
         CHECK(text_at(results.front(), "verdict") == "passed");
       }},
      {"--allow",
       [] {
         const TargetSite site;
         const MasterProcess master;
         const auto kind_with = [&](const Flags& flags) {
           const TemporaryFolder folder;
           Flags command{program("probekit-agent"), "--name", "here", "--master",
                         master.agents_url()};
           command.insert(command.end(), flags.begin(), flags.end());
           Process agent{command, folder.path()};
           agent.expect_line("connected: ");
           const std::string batch = master.api().import({site.url("/ok")});
           master.api().wait_for(batch, 20s);
           return text_at(master.api().results(batch).front(), "verdict");
         };
         CHECK(kind_with({}) == "failed");
         CHECK(kind_with({"--allow", "127.0.0.1"}) == "passed");
       }},
      {"--deny",
       [] {
         const TargetSite site;
         // The same prefix is allowed.
         const auto results = results_of({"--deny", "127.0.0.0/8"}, {site.url("/ok")});
         CHECK(text_at(*results.front().find("failure"), "kind") == "denied");
         CHECK(site.requests() == 0);
       }},
      {"--drain-time", elsewhere("loopback/programs_test.cpp",
                                 "a drain that cannot end in time says so and ends with 1")},
  };
}

Checks of_probe() {
  const std::string test = "a probe prints a line and bars, and its exit code is the verdict";
  return {
      {"--timeout", elsewhere("loopback/programs_test.cpp", test)},
      {"--json", elsewhere("loopback/programs_test.cpp", test)},
      {"--deny", elsewhere("loopback/programs_test.cpp", test)},
      {"--allow",
       [] {
         const TargetSite site;
         CHECK(run({"probekit-probe", "--deny", "127.0.0.0/8", "--allow", "127.0.0.1",
                    site.url("/ok")})
                   .code == 0);
       }},
      {"--dns-server",
       [] {
         const DnsTestServer names([](const DnsTestQuery& query) {
           return std::vector<DnsTestReply>{DnsTestAnswer(query).a("192.0.2.7")};
         });
         const Ran ran = run({"probekit-probe", "--dns-server", names.text(), "dns:a.example/A"});
         CHECK(ran.code == 0);
         CHECK_THAT(ran.output, Contains("192.0.2.7"));
       }},
  };
}

Checks of_import() {
  const std::string file = "loopback/import_test.cpp";
  const std::string whole = "an import writes every result, sums up, and can be followed again";
  return {
      {"--api", elsewhere(file, whole)},
      {"--token-file", elsewhere(file,
                                 "an import shows its token, goes on after a break, and says "
                                 "what holds it up")},
      {"--ca-file", elsewhere("loopback/tls_test.cpp",
                              "agents, an import and its results go through nginx as shipped")},
      {"--name", elsewhere(file, whole)},
      {"--kind",
       [] {
         const MasterProcess master;
         const TemporaryFolder folder;
         write(folder.path() + "/list", "http://127.0.0.1:1/\n");
         const Ran ran = run({"probekit-import", folder.path() + "/list", "--api", master.api_url(),
                              "--kind", "dns"});
         CHECK(ran.code == 1);
         CHECK_THAT(ran.errors, Contains("every target was rejected"));
       }},
      {"--label", elsewhere(file, "labels of the flag join those of a line, whose own values win")},
      {"--timeout",
       [] {
         const TargetSite site;
         const MasterProcess master;
         AgentProcess agent{"here", master.agents_url()};
         agent.wait_until_connected();
         const TemporaryFolder folder;
         write(folder.path() + "/list", site.url("/hang") + "\n");
         const Ran ran = run({"probekit-import", folder.path() + "/list", "--api", master.api_url(),
                              "--timeout", "200ms"});
         CHECK(ran.code == 0);
         CHECK_THAT(ran.output, Contains("1 timeout"));
       }},
      {"--agents", elsewhere(file, whole)},
      {"--priority",
       [] {
         // What comes later with a higher one is given out first.
         const MasterProcess master;
         const TemporaryFolder folder;
         write(folder.path() + "/list", "http://127.0.0.1:1/later\n");
         master.api().import({"http://127.0.0.1:1/sooner"});
         Process import{{program("probekit-import"), folder.path() + "/list", "--api",
                         master.api_url(), "--priority", "normal"},
                        folder.path()};
         run_until([&] {
           const auto status = master.api().get("/v1/status").json();
           return number_at(*status.find("ledger"), "queued") == 2;
         });
         RawAgent agent{connector_to(master.agents_url())};
         agent.join("here");
         agent.grant(0, 1);
         const auto tasks = agent.wait_for_tasks(1);
         CHECK_THAT(tasks.front().target, Contains("/later"));
       }},
      {"--out", elsewhere(file, whole)},
      {"--follow", elsewhere(file, whole)},
      {"--cancel-on-interrupt",
       elsewhere(file, "an interrupted import says how to follow it, or cancels it")},
  };
}

/// The default in the brackets that end a flag's lines in the help; empty: there are none.
std::string default_in(const std::string& help, const std::string& flag) {
  const auto at = help.find("\n  " + flag + ' ');
  REQUIRE(at != std::string::npos);
  auto end = help.find("\n  -", at + 1);
  // Else a heading follows.
  end = std::min(end, help.rfind('\n', help.find(":\n", at + 1)));
  // Long texts are wrapped: each break and its indent stand for a space.
  std::string lines = help.substr(at, end - at);
  for (auto wrap = lines.find('\n', 1); wrap != std::string::npos; wrap = lines.find('\n', wrap)) {
    const auto text = lines.find_first_not_of(' ', wrap + 1);
    if (text == std::string::npos) break;
    lines.replace(wrap, text - wrap, " ");
  }
  const auto open = lines.rfind('[');
  const auto close = lines.rfind(']');
  if (open == std::string::npos || close < open || lines.find('\n', close) != std::string::npos)
    return {};
  // "TOKEN [name pattern]" is no default.
  return lines.compare(open - 1, 1, " ") == 0 && lines.find("TOKEN [") == std::string::npos
             ? lines.substr(open + 1, close - open - 1)
             : std::string{};
}

}  // namespace

TEST_CASE("every flag in the reference of the programs does what it says",
          "[programs][reference]") {
  std::map<std::string, Checks> tables = {
      {"flag of every program", every_program()}, {"flag of probekit-master", of_master()},
      {"flag of probekit-agent", of_agent()},     {"flag of probekit-probe", of_probe()},
      {"flag of probekit-import", of_import()},
  };
  std::map<std::string, std::string> helps;
  for (const char* name : {"master", "agent", "probe", "import"})
    helps[std::string("flag of probekit-") + name] =
        run({std::string("probekit-") + name, "--help"}).output;
  helps["flag of every program"] = helps["flag of probekit-master"];
  for (const TableRow& row : table_rows(kRoot / "docs" / "programs.md")) {
    const auto table = tables.find(row.table);
    if (table == tables.end()) continue;
    const std::string flag = row.cells.front().substr(0, row.cells.front().find(' '));
    INFO("docs/programs.md, " << row.table << ": " << flag);
    if (flag != "--help" && flag != "--version")
      CHECK(row.cells[1] == default_in(helps[row.table], flag));
    const auto check = table->second.find(flag);
    if (check == table->second.end()) {
      FAIL_CHECK("nothing checks this flag");
      continue;
    }
    check->second();
    table->second.erase(check);
  }
  for (const auto& [table, left] : tables)
    for (const auto& each : left) FAIL_CHECK("no row for " << table << ": " << each.first);
}

TEST_CASE("every form and exit code in the reference of the programs has its test",
          "[programs][reference]") {
  const std::string usage = "bad usage ends with 2 and one line that names the flag";
  std::map<std::string, std::string> tests = {
      {"DUR", "durations and sizes are taken in every unit, and in fractions"},
      {"BYTES", "durations and sizes are taken in every unit, and in fractions"},
      {"NAME", usage},
      {"SELECTOR", usage},
      {"HOST:PORT", "a master listens on a name, looked up once"},
      {"CIDR", usage},
      {"0", "a probe prints a line and bars, and its exit code is the verdict"},
      {"1", "a port in use ends the master with 1 and the flag's name"},
      {"2", usage},
      {"130, 143", "the second signal stops at once"},
  };
  for (const TableRow& row : table_rows(kRoot / "docs" / "programs.md")) {
    if (starts_with(row.table, "flag of")) continue;
    INFO("docs/programs.md, " << row.table << ": " << row.cells.front());
    const auto test = tests.find(row.cells.front());
    if (test == tests.end()) {
      FAIL_CHECK("nothing checks this row");
      continue;
    }
    CHECK(has_test(kRoot / "tests/loopback/programs_test.cpp", test->second));
    tests.erase(test);
  }
  for (const auto& left : tests) FAIL_CHECK("no row for " << left.first);
}

}  // namespace probekit::test
