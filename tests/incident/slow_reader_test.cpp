// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The incident this library comes from, in miniature: nginx closes connections whose reader stands
// still. An agent that works where it reads loses its tasks; probekit's agent does not.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include "incident/everything_arrives.hpp"
#include "probekit/clock.hpp"
#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/raw_websocket.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

struct ControlRun {
  std::size_t results = 0;  // sent before the connection ended
  std::string end;          // how it ended
};

// Works through tasks where a message arrives, 50 ms each, having granted credit for all at once;
// what it says leaves when that callback returns, as from any one-threaded loop. (A frame sent
// every 50 ms would hide the fault: for nginx any traffic restarts the send_timeout of both
// directions.)
ControlRun control_agent(std::uint16_t port, std::size_t tasks) {
  ControlRun run;
  std::size_t worked = 0;
  RawWebSocket socket{port, 64 * 1024};
  if (!socket.open()) return {0, "no opening handshake"};
  const auto say = [&socket](const std::string& text) {
    return socket.send_frame(RawOpcode::binary, text);
  };
  const auto limit = std::to_string(tasks);
  say(R"({"type":"hello","versions":["probekit.v1"],"name":"control",)"
      R"("instance":"00000000000000000000000000000001","agent_version":"0","tags":{},)"
      R"("kinds":["http"],"capacity":{"tasks":)" +
      limit + R"(,"high":16},"slots":16,"threads":1,"store":"","holds":0})");
  for (;;) {
    const auto frame = socket.read_frame(30s);
    if (!frame || frame->opcode != static_cast<std::uint8_t>(RawOpcode::binary)) {
      run.end = "closed while it worked";
      return run;
    }
    const auto message = json::Value::parse(frame->payload);
    if (!message) return {run.results, "not JSON"};
    const auto type = text_at(*message, "type");
    if (type == "welcome") say(R"({"type":"credit","high":16,"other":)" + limit + "}");
    if (type != "tasks") continue;
    std::string items;
    for (const auto& task : *message->find("tasks")->as_array()) {
      poll(nullptr, 0, 50);  // the work, in the wrong place
      items += items.empty() ? "" : ",";
      items += R"({"task":)" + (*task.as_array())[0].to_json() + R"(,"attempt":)" +
               (*task.as_array())[1].to_json() +
               R"(,"result":{"verdict":"passed","failure":null,"started_at_us":0,)" +
               R"("duration_us":50000,"suspect":false}})";
      ++worked;
    }
    if (!say(R"({"type":"results","seq":)" + std::to_string(run.results + 1) + R"(,"items":[)" +
             items + "]}")) {
      run.end = "closed while it worked";
      return run;
    }
    run.results = worked;
  }
}

// What a kernel lets a proxy take in without reading it: the end of tcp_rmem.
std::size_t receive_buffer_max() {
  std::ifstream file{"/proc/sys/net/ipv4/tcp_rmem"};
  std::size_t least = 0, usual = 0, most = 0;
  file >> least >> usual >> most;
  return most;
}

std::string padded(const std::string& url, std::size_t bytes) {
  return url + "?" + std::string(bytes - url.size() - 12, 'x');
}

// Samples a process's receive queue every 100 ms.
class QueueWatch {
 public:
  QueueWatch(pid_t pid, std::uint16_t port)
      : thread_{[this, pid, port] {
          bool before = false;
          while (!stop_) {
            const auto bytes = receive_queue_bytes(pid, port);
            const bool now = bytes && *bytes > 64 * 1024;
            if (now && before) ++violations_;
            before = now;
            ++(bytes ? seen_ : unseen_);
            poll(nullptr, 0, 100);
          }
        }} {}
  ~QueueWatch() {
    stop_ = true;
    thread_.join();
  }
  int violations() const { return violations_; }  // two samples in a row above 64 KiB
  int seen() const { return seen_; }
  int unseen() const { return unseen_; }  // no connection

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> violations_{0};
  std::atomic<int> seen_{0};
  std::atomic<int> unseen_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("an agent that works where it reads loses its connection and its tasks", "[incident]") {
  constexpr std::size_t kTasks = 20'000;
  MasterProcess master;
  Nginx nginx{{master.agents_port()}};
  const TargetSite site;
  auto agent = std::async(std::launch::async, [&] { return control_agent(nginx.port(), kTasks); });
  master.wait_for_agents(1);
  const QueueWatch watch{getpid(), nginx.port()};
  // More than nginx's socket takes in, or the master does not see that it stands.
  const auto bytes = std::max<std::size_t>(300, receive_buffer_max() / kTasks * 5 / 4);
  const auto batch = master.api().import(many(padded(site.url("/ok"), bytes), kTasks));
  const ControlRun run = agent.get();
  // What must never be seen at probekit's agent is seen here.
  CHECK(watch.violations() > 0);
  INFO(run.results << " results, then: " << run.end);
  CHECK(run.end == "closed while it worked");
  CHECK(run.results < kTasks);
  // The master can say which side it was.
  run_until([&] { return !master.agent("control").find("last_disconnect")->is_null(); });
  const auto info = master.agent("control");
  const auto& diagnosis = *info.find("last_disconnect")->find("diagnosis");
  INFO(text_at(diagnosis, "text"));
  CHECK(text_at(diagnosis, "verdict") == "agent_not_reading");
  // The control lost its connection; the ledger did not lose a task.
  const auto counts = master.api().batch(batch);
  CHECK(counts.accepted == kTasks);
  CHECK(counts.done <= run.results);
}

TEST_CASE("a bulk import reaches slow targets with not one disconnect", "[incident]") {
  constexpr std::size_t kTasks = 5'000;
  const bool strip_path = GENERATE(false, true);
  CAPTURE(strip_path);
  MasterProcess master{{"--heartbeat-interval", "1s", "--dead-after", "10s"}};
  NginxOptions options;
  options.upstream_port = master.agents_port();
  options.strip_path = strip_path;
  Nginx nginx{options};
  const TargetSite site;
  AgentProcess agent{"steady", nginx.url(), {"--concurrency", "16"}};
  agent.wait_until_connected();
  master.wait_for_agents(1);

  QueueWatch watch{agent.process().pid(), nginx.port()};
  const auto batch = master.api().import(many(site.url("/delay/50"), kTasks));
  check_everything_arrived(master.api(), batch, kTasks, 120s);

  const auto info = master.agent("steady");
  CHECK((info.find("last_disconnect") == nullptr || info.find("last_disconnect")->is_null()));
  CHECK(number_at(info, "heartbeat_gap_max_ms") <= 1500);
  CHECK(watch.seen() > 50);
  CHECK(watch.unseen() == 0);
  CHECK(watch.violations() == 0);
  CHECK(site.requests() == kTasks);
}

}  // namespace probekit::test
