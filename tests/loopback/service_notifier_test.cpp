// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// What master and agent tell a service manager, and that they stop feeding its watchdog when a loop
// of theirs stands still.

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~ServiceManager() { close(fd_); }

  /// What comes within that time; empty: nothing.
  std::string hear(std::chrono::milliseconds time) {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(time.count())) != 1) return {};
    char bytes[4096];
    const auto count = recv(fd_, bytes, sizeof bytes, 0);
    return std::string(bytes, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  void expect(const std::string& line) {
    for (std::string heard = hear(10s);; heard = hear(10s)) {
      if (heard.empty()) FAIL("never heard " << line);
      if (heard.rfind(line, 0) == 0) return;
    }
  }
  void forget() {
    while (!hear(0ms).empty()) {
    }
  }

 private:
  int fd_;
};

/// A thread of a process, stopped while this lives.
class StoppedThread {
 public:
  StoppedThread(pid_t process, const std::string& name) {
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    DIR* const folder = opendir(tasks.c_str());
    REQUIRE(folder != nullptr);
    while (const dirent* entry = readdir(folder)) {
      std::string comm;
      std::getline(std::ifstream{tasks + '/' + entry->d_name + "/comm"} >> std::ws, comm);
      // The first thread has the program's name.
      const pid_t id = std::atoi(entry->d_name);
      if (comm == name && id != process) thread_ = id;
    }
    closedir(folder);
    REQUIRE(thread_ > 0);
    REQUIRE(ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0);
    REQUIRE(ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0);
    REQUIRE(waitpid(thread_, nullptr, __WALL) == thread_);
  }
  ~StoppedThread() { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  pid_t thread_ = -1;
};

std::vector<std::string> under_manager(const std::string& socket, std::vector<std::string> rest) {
  std::vector<std::string> command{"/usr/bin/env", "NOTIFY_SOCKET=" + socket,
                                   "WATCHDOG_USEC=1000000"};
  rest.front() = program(rest.front());
  command.insert(command.end(), rest.begin(), rest.end());
  return command;
}

void check_watchdog(ServiceManager& manager, const Process& process, const std::string& thread) {
  CAPTURE(thread);
  manager.expect("WATCHDOG=1");
  {
    const StoppedThread stopped{process.pid(), thread};
    // One may have been under way.
    manager.hear(600ms);
    manager.forget();
    CHECK(manager.hear(1500ms).empty());
  }
  manager.expect("WATCHDOG=1");
}

}  // namespace

TEST_CASE("a master tells its service manager when it is ready, stuck and about to end",
          "[programs][service]") {
  const TemporaryFolder folder;
  const std::string socket = folder.path() + "/notify";
  ServiceManager manager{socket};
  Process master{
      under_manager(socket, {"probekit-master", "--agents", "127.0.0.1:0", "--api", "127.0.0.1:0"}),
      folder.path()};
  manager.expect("STATUS=agents: ws://127.0.0.1:");
  manager.expect("READY=1");
  CHECK(ApiClient{master.expect_line("api: ")}.get("/healthz").status == 200);
  check_watchdog(manager, master, "probekit-master");
  check_watchdog(manager, master, "probekit-api");
  master.signal(SIGTERM);
  manager.expect("STOPPING=1");
  CHECK(master.wait(10s) == 0);
}

TEST_CASE("an agent tells its service manager the same, and which master it has",
          "[programs][service]") {
  const MasterProcess master;
  const TemporaryFolder folder;
  const std::string socket = folder.path() + "/notify";
  ServiceManager manager{socket};
  Process agent{under_manager(socket, {"probekit-agent", "--master", master.agents_url()}),
                folder.path()};
  manager.expect("READY=1");
  agent.expect_line("connected: ");
  check_watchdog(manager, agent, "probekit-agent");
  agent.signal(SIGTERM);
  manager.expect("STOPPING=1");
  CHECK(agent.wait(10s) == 0);
  CHECK(agent.errors().find("NOTIFY_SOCKET") == std::string::npos);
}

TEST_CASE("a service manager that cannot be told is no reason to end", "[programs][service]") {
  const TemporaryFolder folder;
  Process master{under_manager(folder.path() + "/nobody", {"probekit-master", "--agents",
                                                           "127.0.0.1:0", "--api", "127.0.0.1:0"}),
                 folder.path()};
  master.expect_line("api: ");
  run_until([&] { return master.errors().find("NOTIFY_SOCKET") != std::string::npos; });
  master.signal(SIGTERM);
  CHECK(master.wait(10s) == 0);
}

}  // namespace probekit::test
