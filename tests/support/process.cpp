// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/process.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "probekit/clock.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

std::string whole_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::string proc_path(pid_t pid, const char* name) {
  return "/proc/" + (pid == 0 ? std::string{"self"} : std::to_string(pid)) + "/" + name;
}

// The value of "Name:   123 kB" in /proc/PID/status; 0 when there is no such line.
std::size_t status_number(pid_t pid, const std::string& name) {
  std::ifstream file{proc_path(pid, "status")};
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1));
  return 0;
}

std::set<std::string> socket_inodes(pid_t pid) {
  std::set<std::string> inodes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{proc_path(pid, "fd"), error}) {
    const auto link = std::filesystem::read_symlink(entry.path(), error).string();
    if (link.rfind("socket:[", 0) == 0) inodes.insert(link.substr(8, link.size() - 9));
  }
  return inodes;
}

}  // namespace

Process::Process(std::vector<std::string> command, const std::string& folder) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  if (!folder.empty()) {
    const auto name = std::filesystem::path{command.front()}.filename().string();
    for (int n = 1; errors_path_.empty() || std::filesystem::exists(errors_path_); ++n)
      errors_path_ = folder + "/" + name + "." + std::to_string(n) + ".err";
    std::ofstream{errors_path_};
  }
  std::vector<char*> arguments;
  for (auto& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    // A killed test takes its processes with it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(pipe_ends[1], STDOUT_FILENO);
    if (!errors_path_.empty()) {
      const int file = open(errors_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      dup2(file, STDERR_FILENO);
    }
    execvp(arguments.front(), arguments.data());
    _exit(127);
  }
  close(pipe_ends[1]);
  output_ = pipe_ends[0];
}

Process::~Process() {
  if (pid_ > 0 && !code_) {
    kill(pid_, SIGCONT);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) close(output_);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      buffer_(std::move(other.buffer_)),
      errors_path_(std::move(other.errors_path_)),
      code_(other.code_) {}

std::optional<std::string> Process::read_line(std::chrono::milliseconds timeout) {
  const auto end = system_clock()->steady_now() + timeout;
  for (;;) {
    if (const auto newline = buffer_.find('\n'); newline != std::string::npos) {
      auto line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock()->steady_now());
    pollfd waiting{output_, POLLIN, 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0)
      return std::nullopt;
    char bytes[4096];
    const auto count = read(output_, bytes, sizeof bytes);
    if (count <= 0) return std::nullopt;
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
}

std::string Process::expect_line(const std::string& prefix, std::chrono::milliseconds timeout) {
  const auto end = system_clock()->steady_now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock()->steady_now());
    const auto line = read_line(left);
    if (!line) FAIL("no line '" << prefix << "...'; stderr:\n" << errors());
    if (line->rfind(prefix, 0) == 0) return line->substr(prefix.size());
  }
}

void Process::signal(int number) const { kill(pid_, number); }

void Process::freeze() const {
  signal(SIGSTOP);
  siginfo_t stopped{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WEXITED | WNOWAIT) == 0);
  REQUIRE(stopped.si_code == CLD_STOPPED);
}

bool Process::running() { return !wait(std::chrono::milliseconds{0}); }

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
  const auto end = system_clock()->steady_now() + timeout;
  while (!code_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    if (system_clock()->steady_now() >= end) break;
    poll(nullptr, 0, 2);
  }
  return code_;
}

std::string Process::errors() const { return whole_file(errors_path_); }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = std::filesystem::temp_directory_path().string() + "/probekit.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = pattern;
  // nginx drops its rights and must still read what lies here.
  std::filesystem::permissions(path_, std::filesystem::perms{0755});
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool ok = bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(fd);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

std::chrono::microseconds cpu_time(pid_t pid) {
  clockid_t clock{};
  timespec spent{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &spent) != 0)
    throw std::runtime_error("no CPU clock of process " + std::to_string(pid));
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::seconds{spent.tv_sec} + std::chrono::nanoseconds{spent.tv_nsec});
}

std::size_t resident_bytes(pid_t pid) { return status_number(pid, "VmRSS") * 1024; }
std::size_t thread_count(pid_t pid) { return status_number(pid, "Threads"); }

std::size_t descriptor_count(pid_t pid) {
  const std::filesystem::directory_iterator all{proc_path(pid, "fd")};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::vector<pid_t> children(pid_t pid) {
  const auto id = std::to_string(pid);
  std::ifstream file{"/proc/" + id + "/task/" + id + "/children"};
  return {std::istream_iterator<pid_t>(file), {}};
}

std::optional<std::size_t> receive_queue_bytes(pid_t pid, std::uint16_t remote_port) {
  const auto inodes = socket_inodes(pid);
  std::ifstream table{"/proc/net/tcp"};
  std::string line;
  std::getline(table, line);
  char port[8];
  std::snprintf(port, sizeof port, ":%04X", remote_port);
  while (std::getline(table, line)) {
    std::istringstream fields{line};
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    if (remote.size() < 5 || remote.substr(remote.size() - 5) != port) continue;
    if (inodes.count(inode) == 0) continue;
    return std::stoul(queues.substr(queues.find(':') + 1), nullptr, 16);
  }
  return std::nullopt;
}

}  // namespace probekit::test
