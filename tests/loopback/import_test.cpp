// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// probekit-import as people use it: what it sends, shows and writes, and what it does when
// something breaks or they press Ctrl-C.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/ran.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

/// A master that does what the test says, one connection a request.
class ScriptedApi {
 public:
  ScriptedApi() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 8) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~ScriptedApi() {
    hang_up();
    close(listener_);
  }
  ScriptedApi(const ScriptedApi&) = delete;
  ScriptedApi& operator=(const ScriptedApi&) = delete;

  const std::string& url() const { return url_; }
  int client() const { return client_; }

  /// The next request, whole.
  std::string request() {
    hang_up();
    pollfd waiting{listener_, POLLIN, 0};
    REQUIRE(poll(&waiting, 1, 15000) == 1);
    client_ = accept(listener_, nullptr, nullptr);
    REQUIRE(client_ >= 0);
    std::string text;
    const auto whole = [&text] {
      const bool chunked = text.find("chunked") != std::string::npos;
      return text.find(chunked ? "\r\n0\r\n\r\n" : "\r\n\r\n") != std::string::npos;
    };
    while (!whole()) {
      char bytes[4096];
      waiting = {client_, POLLIN, 0};
      REQUIRE(poll(&waiting, 1, 15000) == 1);
      const auto count = ::read(client_, bytes, sizeof bytes);
      REQUIRE(count > 0);
      text.append(bytes, static_cast<std::size_t>(count));
    }
    return text;
  }
  void answer(const std::string& status, const std::string& body) {
    const std::string text = "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" +
                             "Connection: close\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n" + body;
    REQUIRE(::write(client_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    hang_up();
  }
  void hang_up() {
    if (client_ >= 0) close(client_);
    client_ = -1;
  }
  /// A batch of one task that has ended, from its first look to its summary.
  void finish_batch() {
    request();
    answer("200 OK",
           R"({"id":"b-seven","state":"done","accepted":1,"done":1,"expired":0,"cancelled":0,)"
           R"("passed":1,"failed":0,"tasks_per_second":0,"eta_ms":null})");
    request();
    answer("200 OK", R"({"id":"b-seven","failures":{},"reasons":{},"agents":{},"phases":{}})");
  }

 private:
  int listener_ = -1;
  int client_ = -1;
  std::string url_;
};

const std::string kTaken = R"({"id":"b-seven","accepted":1,"rejected":0,"errors":[]})";

std::string header(const std::string& request, const std::string& name) {
  const auto at = request.find(name + ": ");
  if (at == std::string::npos) return {};
  const auto start = at + name.size() + 2;
  return request.substr(start, request.find("\r\n", start) - start);
}

/// An import whose stderr is a terminal of that many columns.
std::string on_terminal(const std::string& arguments, unsigned short columns,
                        const std::string& environment) {
  int terminal = -1;
  int other = -1;
  char name[128];
  winsize size{24, columns, 0, 0};
  REQUIRE(openpty(&terminal, &other, name, nullptr, &size) == 0);
  std::string seen;
  {
    const TemporaryFolder folder;
    Process import{
        {"/bin/sh", "-c",
         environment + " exec " + program("probekit-import") + ' ' + arguments + " 2>" + name},
        folder.path()};
    close(other);
    run_until([&] {
      const bool ended = !import.running();
      pollfd waiting{terminal, POLLIN, 0};
      char bytes[4096];
      if (poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0) {
        const auto count = ::read(terminal, bytes, sizeof bytes);
        if (count > 0) seen.append(bytes, static_cast<std::size_t>(count));
        return false;
      }
      return ended;
    });
    CHECK(import.wait(0s) == 0);
  }
  close(terminal);
  return seen;
}

}  // namespace

TEST_CASE("an import writes every result, sums up, and can be followed again",
          "[programs][import]") {
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
  CHECK_THAT(import.output,
             Contains("failures   1 assertion\n") && Contains("agents     21 here\n"));
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

TEST_CASE("labels of the flag join those of a line, whose own values win", "[programs][import]") {
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

TEST_CASE("an import reads standard input and says what the master refuses", "[programs][import]") {
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

TEST_CASE("an interrupted import says how to follow it, or cancels it", "[programs][import]") {
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

TEST_CASE("an import interrupted before its last byte leaves nothing", "[programs][import]") {
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
  // The pipe is silent, and stays open.
  CHECK(import.wait(1s) == 1);
  close(pipe);
  const Ran ran = finish(import);
  CHECK(ran.code == 1);
  CHECK_THAT(ran.errors, Contains("nothing was accepted"));
  const auto listed = master.api().get("/v1/batches").json();
  CHECK(listed.find("items")->as_array()->empty());
}

TEST_CASE("an import interrupted after its last byte waits for the answer", "[programs][import]") {
  ScriptedApi api;
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", "http://127.0.0.1:1/\n");
  Process import{{program("probekit-import"), folder.path() + "/list.txt", "--api", api.url(),
                  "--out", folder.path() + "/it's.ndjson"},
                 folder.path()};
  api.request();
  import.signal(SIGINT);
  // Nothing is to come of it.
  pollfd hangup{api.client(), POLLIN | POLLRDHUP, 0};
  CHECK(poll(&hangup, 1, 1500) == 0);
  api.answer("201 Created", kTaken);
  const Ran ran = finish(import);
  CHECK(ran.code == 1);
  // A line for the shell.
  CHECK_THAT(ran.errors, Contains(" --api " + api.url() + " --out '" + folder.path() +
                                  "/it'\\''s.ndjson' --follow b-seven\n"));
}

TEST_CASE("an import whose connection breaks sends its list again, under the same key",
          "[programs][import]") {
  ScriptedApi api;
  const TemporaryFolder folder;
  const bool piped = GENERATE(false, true);
  CAPTURE(piped);
  write(folder.path() + "/list.txt", "# one\nhttp://127.0.0.1:1/\n");
  const std::string import = program("probekit-import") + " --api " + api.url() + ' ';
  const std::string list = folder.path() + "/list.txt";
  Process process{
      {"/bin/sh", "-c", piped ? "cat " + list + " | " + import + "-" : "exec " + import + list},
      folder.path()};
  const std::string first = api.request();
  api.hang_up();
  const std::string second = api.request();
  CHECK_THAT(header(first, "Idempotency-Key"), Catch::Matchers::Matches("import-[0-9a-f]{32}"));
  CHECK(second == first);
  api.answer("409 Conflict", R"({"title":"conflict","detail":"the first still runs"})");
  CHECK(api.request() == first);
  api.answer("200 OK", kTaken);
  api.finish_batch();
  const Ran ran = finish(process);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.errors, Contains("trying again") && Contains("batch b-seven: accepted 1"));
}

TEST_CASE("a master that refuses the key gets the list without it, and not twice",
          "[programs][import]") {
  ScriptedApi api;
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", "http://127.0.0.1:1/\n");
  Process process{{program("probekit-import"), "--api", api.url(), folder.path() + "/list.txt"},
                  folder.path()};
  api.request();
  api.answer("400 Bad Request", R"({"title":"x","detail":"Idempotency-Key is not supported"})");
  CHECK(header(api.request(), "Idempotency-Key").empty());
  api.hang_up();
  const Ran ran = finish(process);
  CHECK(ran.code == 1);
  CHECK_THAT(ran.errors, Contains("may have been taken"));
}

TEST_CASE("an import shows its token, goes on after a break, and says what holds it up",
          "[programs][import]") {
  ScriptedApi api;
  const TemporaryFolder folder;
  write(folder.path() + "/token", "# mine\n\n  s3cret  importers\n");
  Process process{{program("probekit-import"), "--follow", "b-seven", "--api", api.url() + "/",
                   "--token-file", folder.path() + "/token"},
                  folder.path()};
  const std::string running =
      R"({"id":"b-seven","state":"running","accepted":1,"done":0,"expired":0,"cancelled":0,)"
      R"("passed":0,"failed":0,"tasks_per_second":0,"eta_ms":null})";
  CHECK(header(api.request(), "Authorization") == "Bearer s3cret");
  api.answer("200 OK", running);
  api.request();
  api.hang_up();
  std::string request = api.request();
  while (request.find("/v1/status") == std::string::npos) {
    api.answer("200 OK", running);
    request = api.request();
  }
  api.answer("200 OK",
             R"({"diagnosis":{"verdict":"no_agents","text":"nobody \u001b[2J is here"}})");
  api.finish_batch();
  const Ran ran = finish(process);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.errors, Contains("trying again") && Contains("nobody \\x1b[2J is here"));
}

TEST_CASE("a bad token file is refused without a word of it", "[programs][import]") {
  const TemporaryFolder folder;
  for (const char* text : {"", "# nothing\n", "s3cr\x01t\n"}) {
    write(folder.path() + "/token", text);
    const Ran ran = run({"probekit-import", "x", "--token-file", folder.path() + "/token"});
    CHECK(ran.code == 2);
    CHECK_THAT(ran.errors, Contains("--token-file") && !Contains("s3cr"));
  }
}

TEST_CASE("results that cannot be written end an import with the file's name",
          "[programs][import]") {
  const TargetSite site;
  const MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", site.url("/ok") + "\n");
  const std::vector<std::string> command{"probekit-import", folder.path() + "/list.txt", "--api",
                                         master.api_url(), "--out"};
  const auto with = [&](const std::string& out) {
    auto whole = command;
    whole.push_back(out);
    return run(whole);
  };
  const Ran full = with("/dev/full");
  CHECK(full.code == 1);
  CHECK_THAT(full.errors, Contains("--out: /dev/full: No space left on device"));
  // Known before anything is sent.
  const auto batches = [&] {
    return master.api().get("/v1/batches").json().find("items")->as_array()->size();
  };
  const auto before = batches();
  const Ran nowhere = with(folder.path() + "/none/x");
  CHECK(nowhere.code == 1);
  CHECK_THAT(nowhere.errors, Contains("--out: " + folder.path() + "/none/x: No such file"));
  CHECK(batches() == before);
  // On standard output they are alone.
  const Ran piped = with("-");
  CHECK(piped.code == 0);
  CHECK(lines_in(piped.output) == 1);
  CHECK(piped.output.front() == '{');
  CHECK_THAT(piped.errors, Contains("accepted   1 = done 1"));
  // What cannot be followed leaves the file as it was.
  write(folder.path() + "/kept", "before\n");
  const Ran unknown = run({"probekit-import", "--follow", "b999", "--api", master.api_url(),
                           "--out", folder.path() + "/kept"});
  CHECK(unknown.code == 1);
  CHECK(read(folder.path() + "/kept") == "before\n");
}

TEST_CASE("an import draws one bar on a terminal, as wide as that is", "[programs][import]") {
  const TargetSite site;
  const MasterProcess master;
  AgentProcess agent{"here", master.agents_url()};
  agent.wait_until_connected();
  const TemporaryFolder folder;
  write(folder.path() + "/list.txt", site.url("/ok") + '\n' + site.url("/status/500") + '\n');
  const std::string arguments = folder.path() + "/list.txt --api " + master.api_url();

  const std::string wide = on_terminal(arguments, 120, "TERM=xterm");
  CHECK_THAT(wide, Contains("100% [########################################] 2/2"));
  CHECK_THAT(wide, Contains("\x1b[32mpassed 1\x1b[0m") && Contains("\x1b[31mfailed 1\x1b[0m"));
  const std::string plain = on_terminal(arguments, 60, "TERM=xterm NO_COLOR=1");
  CHECK_THAT(plain, Contains("100% [####") && Contains("passed 1") && !Contains("\x1b[3"));
  for (const unsigned short columns : std::initializer_list<unsigned short>{60, 40, 20, 7}) {
    CAPTURE(columns);
    const std::string seen = on_terminal(arguments, columns, "TERM=xterm NO_COLOR=1");
    const auto last = seen.substr(seen.rfind("\x1b[K") + 3);
    CHECK(last.find_first_of("\r\n") < columns);
  }
  CHECK_THAT(on_terminal(arguments, 80, "TERM=dumb"), !Contains("\x1b"));
}

}  // namespace probekit::test
