// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/http_test_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace probekit::test {
namespace {

std::string response(const std::string& status, const std::string& headers,
                     const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The number after `prefix`, or nothing for another path.
bool number_after(const std::string& path, const std::string& prefix, std::size_t& number) {
  if (path.compare(0, prefix.size(), prefix) != 0) return false;
  number = std::stoul(path.substr(prefix.size()));
  return true;
}

}  // namespace

HttpTestServer::HttpTestServer(const std::string& ip)
    : listener_(bound_socket(SOCK_STREAM, ip, 0)), ip_(ip), port_(port_of(listener_)) {
  listen(listener_.get(), 1024);
  thread_.start([this](const std::vector<pollfd>& ready) { return round(ready); });
}

std::string HttpTestServer::url(const std::string& path) const {
  const std::string host = ip_.find(':') == std::string::npos ? ip_ : '[' + ip_ + ']';
  return "http://" + host + ':' + std::to_string(port_) + path;
}

std::string HttpTestServer::last_request() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_request_;
}

PollThread::Wait HttpTestServer::round(const std::vector<pollfd>& ready) {
  if (!ready.empty() && ready.front().revents != 0) {
    for (int fd = 0;
         (fd = accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      ++accepted_;
      connections_.emplace_back();
      connections_.back().fd = Fd(fd);
    }
  }
  for (const pollfd& entry : ready) {
    if (entry.fd == listener_.get() || (entry.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
      continue;
    const auto at = std::find_if(connections_.begin(), connections_.end(),
                                 [&](const auto& c) { return c.fd.get() == entry.fd; });
    if (at == connections_.end()) continue;
    char buffer[8192];
    const ssize_t got = recv(entry.fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) connections_.erase(at);
      continue;
    }
    at->in.append(buffer, static_cast<std::size_t>(got));
    if (!at->answering && at->in.find("\r\n\r\n") != std::string::npos) answer(*at);
  }
  for (std::size_t i = 0; i < connections_.size();) {
    if (connections_[i].answering && !advance(connections_[i])) {
      connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  PollThread::Wait wait;
  wait.fds.push_back({listener_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) {
    short events = POLLIN;
    if (connection.answering && !connection.steps.empty()) {
      if (connection.sent > 0) {
        events |= POLLOUT;
      } else {
        wait.timeout = std::chrono::milliseconds(1);
      }
    }
    wait.fds.push_back({connection.fd.get(), events, 0});
  }
  return wait;
}

void HttpTestServer::answer(Connection& connection) {
  ++requests_;
  connection.answering = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    last_request_ = connection.in;
  }
  const std::size_t start = connection.in.find(' ') + 1;
  const std::string path = connection.in.substr(start, connection.in.find(' ', start) - start);
  const std::string ok = response("200 OK", "", "ok\n");
  const auto say = [&](std::string bytes, std::size_t delay = 0) {
    connection.steps.push_back(
        {std::chrono::milliseconds(static_cast<int>(delay)), std::move(bytes)});
  };
  std::size_t n = 0;
  if (number_after(path, "/status/", n)) {
    say(response(std::to_string(n) + " Said", "", "body"));
  } else if (number_after(path, "/redirect/", n)) {
    say(n == 0 ? ok
               : response("302 Found",
                          "Location: " + (n == 1 ? "/ok" : "./" + std::to_string(n - 1)) + "\r\n",
                          "elsewhere"));
  } else if (path == "/loop") {
    say(response("301 Moved", "location:/loop\r\n", ""));
  } else if (path.compare(0, 4, "/to/") == 0) {
    say(response("302 Found", "Location: " + path.substr(4) + "\r\n", ""));
  } else if (path.compare(0, 14, "/to-with-body/") == 0) {
    say("HTTP/1.1 307 Temporary\r\nLocation: " + path.substr(14) +
        "\r\nContent-Length: 1000000\r\n\r\n" + std::string(100, 'x'));
    connection.end = End::hold;
  } else if (number_after(path, "/slow-headers/", n)) {
    say(ok, n);
  } else if (number_after(path, "/slow-body/", n)) {
    say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    say("done", n);
  } else if (path == "/hang") {
    connection.end = End::hold;
  } else if (path == "/hang-body") {
    say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    connection.end = End::hold;
  } else if (path == "/close") {
  } else if (path == "/reset") {
    connection.end = End::reset;
  } else if (path == "/reset-body") {
    say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    say("", 20);
    connection.end = End::reset;
  } else if (path == "/garbage") {
    say("SSH-2.0-OpenSSH_9.2p1 Debian\r\n\x01\x02\r\n\r\n");
  } else if (path == "/short") {
    say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot so long");
  } else if (number_after(path, "/body/", n)) {
    say(response("200 OK", "", std::string(n, 'b')));
  } else if (number_after(path, "/chunked/", n)) {
    std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    while (n > 0) {
      const std::size_t piece = std::min<std::size_t>(n, 1000);
      char size[16];
      std::snprintf(size, sizeof size, "%zx\r\n", piece);
      out += size + std::string(piece, 'c') + "\r\n";
      n -= piece;
    }
    say(out + "0\r\n\r\n");
  } else if (number_after(path, "/headers/", n)) {
    std::string headers;
    while (headers.size() < n) headers += "X-Filler: " + std::string(88, 'h') + "\r\n";
    say(response("200 OK", headers, "ok\n"));
  } else if (number_after(path, "/long-header/", n)) {
    say(response("200 OK", "X-Long: " + std::string(n, 'h') + "\r\n", "ok\n"));
  } else if (path == "/http10") {
    say("HTTP/1.0 200 OK\r\n\r\nold");
  } else if (path == "/ok" || path.compare(0, 4, "/ok?") == 0 || path == "/") {
    say(ok);
  } else {
    say(response("404 Not Found", "", "no such page"));
  }
  connection.next_at = system_clock()->steady_now();
  if (!connection.steps.empty()) connection.next_at += connection.steps.front().delay;
}

bool HttpTestServer::advance(Connection& connection) {
  while (!connection.steps.empty()) {
    if (connection.sent == 0 && system_clock()->steady_now() < connection.next_at) return true;
    Step& step = connection.steps.front();
    const ssize_t sent = send(connection.fd.get(), step.bytes.data() + connection.sent,
                              step.bytes.size() - connection.sent, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection.sent += static_cast<std::size_t>(sent);
    if (connection.sent < step.bytes.size()) return true;
    connection.steps.erase(connection.steps.begin());
    connection.sent = 0;
    if (!connection.steps.empty()) {
      connection.next_at = system_clock()->steady_now() + connection.steps.front().delay;
    }
  }
  if (connection.end == End::hold) return true;
  if (connection.end == End::reset) {
    const linger none{1, 0};
    setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  return false;
}

SilentPort::SilentPort(const std::string& ip, std::uint16_t port)
    : listener_(bound_socket(SOCK_STREAM, ip, port)), port_(port_of(listener_)) {
  listen(listener_.get(), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  for (int i = 0; i < 4; ++i) {
    fillers_.push_back(Fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    connect(fillers_.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
}

}  // namespace probekit::test
