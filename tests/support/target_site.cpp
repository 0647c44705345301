// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/target_site.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

#include "base/epoll_loop.hpp"

namespace probekit::test {

struct TargetSite::Impl {
  struct Client {
    std::string request;
    TimerId timer = 0;
  };

  EpollLoop loop{system_clock(), nullptr};
  int listener = -1;
  std::uint16_t port = 0;
  std::atomic<std::uint64_t> requests{0};
  std::unordered_map<int, Client> clients;
  mutable std::mutex asked_mutex;
  std::unordered_map<std::string, std::uint32_t> asked;  // by request line; under asked_mutex
  std::size_t asked_again = 0;                           // likewise
  std::thread thread;

  Impl() {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      throw std::runtime_error("target site cannot listen");
    port = ntohs(address.sin_port);
    loop.watch(listener, ProbeLoop::readable, [this](unsigned) { accept_all(); });
    thread = std::thread{[this] { loop.run(); }};
  }

  ~Impl() {
    loop.stop();
    thread.join();
    for (const auto& [fd, client] : clients) close(fd);
    close(listener);
  }

  void accept_all() {
    for (;;) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      clients[fd];
      loop.watch(fd, ProbeLoop::readable, [this, fd](unsigned) { read_request(fd); });
    }
  }

  void read_request(int fd) {
    char bytes[4096];
    const auto count = read(fd, bytes, sizeof bytes);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return drop(fd);
    auto& client = clients[fd];
    client.request.append(bytes, static_cast<std::size_t>(count));
    if (client.request.find("\r\n\r\n") == std::string::npos) return;
    ++requests;
    remember(client.request.substr(0, client.request.find('\r')));
    answer(fd, client.request.substr(0, client.request.find_first_of("?\r")));
    client.request.clear();
  }

  void remember(const std::string& line) {
    const std::lock_guard<std::mutex> lock{asked_mutex};
    if (++asked[line] == 2) ++asked_again;
  }

  // `line` is "GET /path" or "GET /path HTTP/1.1".
  void answer(int fd, const std::string& line) {
    const auto number_after = [&line](const std::string& prefix) {
      return line.rfind("GET " + prefix, 0) == 0 ? std::stoi(line.substr(4 + prefix.size())) : -1;
    };
    if (line.rfind("GET /hang", 0) == 0) return;
    if (const int milliseconds = number_after("/delay/"); milliseconds >= 0) {
      clients[fd].timer = loop.call_at(loop.clock_now() + std::chrono::milliseconds{milliseconds},
                                       [this, fd] { respond(fd, 200); });
      return;
    }
    const int status = number_after("/status/");
    respond(fd, status < 0 ? 200 : status);
  }

  void respond(int fd, int status) {
    clients[fd].timer = 0;
    const std::string text = "HTTP/1.1 " + std::to_string(status) +
                             " Status\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
    // A few hundred bytes into a fresh socket's buffer never block.
    if (write(fd, text.data(), text.size()) < 0) return drop(fd);
    shutdown(fd, SHUT_WR);
  }

  void drop(int fd) {
    loop.cancel(clients[fd].timer);
    loop.unwatch(fd);
    clients.erase(fd);
    close(fd);
  }
};

TargetSite::TargetSite() : impl_(std::make_unique<Impl>()) {}
TargetSite::~TargetSite() = default;

std::string TargetSite::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(impl_->port) + path;
}
std::uint16_t TargetSite::port() const noexcept { return impl_->port; }
std::uint64_t TargetSite::requests() const noexcept { return impl_->requests; }
std::size_t TargetSite::asked_again() const {
  const std::lock_guard<std::mutex> lock{impl_->asked_mutex};
  return impl_->asked_again;
}

}  // namespace probekit::test
