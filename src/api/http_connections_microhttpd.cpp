// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

/// \file
/// Of the server: which connections it takes, keeps, and lets go.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include "api/http_server_microhttpd.hpp"

namespace probekit::api {
namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerRound = 64;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kSweepInterval{1000};
// The library looks at a clock of its own.
constexpr std::chrono::milliseconds kLateSlack{100};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Expected<SocketAddress> make_address(const std::string& host, std::uint16_t port) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
  } else {
    return Error(errc::invalid_argument, "API host is not an IP address: " + host);
  }
  return address;
}

}  // namespace

Expected<std::uint16_t> MicrohttpdServer::listen() {
  const auto address = make_address(options_.host, options_.port);
  if (!address) return address.error();
  const int fd =
      ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return Error(std::error_code(errno, std::system_category()), "cannot open a socket");
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  const auto* wanted = reinterpret_cast<const sockaddr*>(&address->storage);
  if (bind(fd, wanted, address->length) != 0 || ::listen(fd, kBacklog) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) != 0) {
    const int error = errno;
    ::close(fd);
    const std::string where = options_.host + ":" + std::to_string(options_.port);
    const std::string why = std::system_category().message(error);
    return Error(error == EADDRINUSE ? make_error_code(errc::address_in_use)
                                     : make_error_code(errc::invalid_argument),
                 "cannot listen on " + where + ": " + why);
  }
  listener_ = fd;
  loop_.watch(listener_, ProbeLoop::readable, [this](unsigned) { accept_some(); });
  // Both families keep the port at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
}

void MicrohttpdServer::accept_some() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    auto* address = reinterpret_cast<sockaddr*>(&peer.storage);
    const int fd = accept4(listener_, address, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) pause_accepting(errno);
      break;
    }
    accept_failing_ = false;
    if (clients_.size() >= options_.connections_max && !make_room()) {
      refuse(fd);
      continue;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    MHD_add_connection(daemon_, fd, address, peer.length);
  }
  if (!clients_.empty()) start_sweeping();
  run();
}

/// Whoever takes places and asks for nothing keeps nobody out.
bool MicrohttpdServer::make_room() {
  Client* chosen = nullptr;
  Doing doing = Doing::request;
  for (Client& client : clients_) {
    if (client.expelled || client.doing() >= doing) continue;
    chosen = &client;
    doing = client.doing();
    if (doing == Doing::nothing) break;
  }
  if (!chosen) return false;
  chosen->expelled = true;
  shutdown(chosen->socket, SHUT_RDWR);
  MHD_run(daemon_);  // it hears of that, and lets go
  return clients_.size() < options_.connections_max;
}

void MicrohttpdServer::refuse(int socket) {
  ++counters_.refused;
  [[maybe_unused]] const ssize_t sent =
      send(socket, refusal_.data(), refusal_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(socket, SHUT_WR);
  ::close(socket);
}

void MicrohttpdServer::pause_accepting(int error) {
  if (!std::exchange(accept_failing_, true)) {
    log(LogLevel::error, "cannot accept a connection: " + std::system_category().message(error));
  }
  loop_.unwatch(listener_);
  accept_timer_ = loop_.call_at(loop_.now() + kAcceptPause, [this] {
    accept_timer_ = 0;
    loop_.watch(listener_, ProbeLoop::readable, [this](unsigned) { accept_some(); });
  });
}

void MicrohttpdServer::sweep() {
  for (const Client& client : clients_) {
    if (client.exchange && !client.exchange->needs_client()) continue;
    char byte = 0;
    if (client.head_due <= loop_.now() ||
        recv(client.socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
      shutdown(client.socket, SHUT_RDWR);  // of this the library hears
    }
  }
  sweep_timer_ = 0;
  if (!clients_.empty()) start_sweeping();
}

void MicrohttpdServer::start_sweeping() {
  if (sweep_timer_ != 0) return;
  sweep_timer_ = loop_.call_at(loop_.now() + kSweepInterval, [this] { sweep(); });
}

Doing Client::doing() const noexcept {
  if (head_due != SteadyTime::max()) return served ? Doing::idle : Doing::nothing;
  return exchange && exchange->is_in_vain() ? Doing::in_vain : Doing::request;
}

void MicrohttpdServer::on_connection(void* self, MHD_Connection* connection, void** context,
                                     MHD_ConnectionNotificationCode what) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  auto* client = static_cast<Client*>(*context);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    server->clients_.emplace_back();
    client = &server->clients_.back();
    client->place = std::prev(server->clients_.end());
    client->socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    client->head_due = server->loop_.now() + server->options_.idle_timeout;
    *context = client;
  } else {
    // By the library, by the sweep, or by a client that gave up at the last moment.
    const bool late = client->head_due != SteadyTime::max() &&
                      server->loop_.now() + kLateSlack >= client->head_due;
    if (client->expelled || (late && !client->served)) ++server->counters_.dropped;
    server->clients_.erase(client->place);
  }
}

}  // namespace probekit::api
