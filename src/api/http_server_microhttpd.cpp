// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// GNU libmicrohttpd without threads of its own: its epoll descriptor is watched by our loop, which
// calls MHD_run() when it is readable and when a timeout of the library is due. We accept the
// connections, so that one too many gets an answer and a want of descriptors does not spin.
//
// The library knows nothing of a suspended connection, not even that its client left; while a
// client waits for its response its socket is watched here. Nor does it hear of a client that
// leaves right behind its last bytes: it reads them, takes the short count for all there is, and
// gets no second edge. Once a second we look for those, and for clients that have been sending a
// request's head for too long, byte by byte. When all places are taken, who sends nothing of use
// makes room for who comes.
//
// It takes a response at a request's head or at its end. A body that goes on and on after it was
// refused is answered past the library, straight to the socket.

#include "api/http_server_microhttpd.hpp"

#include <cstdio>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"

namespace probekit::api {
namespace {

Client& client_of(MHD_Connection* connection) {
  return *static_cast<Client*>(
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
}

}  // namespace

MicrohttpdServer::MicrohttpdServer(HttpServerOptions options, EpollLoop& loop,
                                   AnswerFactory factory)
    : options_(std::move(options)), loop_(loop), factory_(std::move(factory)) {
  refusal_ = on_the_wire(options_.refusal, true);
  // One more than we let in, so that the library's own limit is never what decides.
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
          MHD_USE_ERROR_LOG,
      0, nullptr, nullptr, &MicrohttpdServer::on_access, this,  //
      MHD_OPTION_EXTERNAL_LOGGER, &MicrohttpdServer::on_log, this, MHD_OPTION_URI_LOG_CALLBACK,
      &MicrohttpdServer::on_uri, this, MHD_OPTION_NOTIFY_COMPLETED, &MicrohttpdServer::on_completed,
      this, MHD_OPTION_NOTIFY_CONNECTION, &MicrohttpdServer::on_connection, this,
      MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options_.connections_max + 1),
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options_.idle_timeout.count()),
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.connection_bytes_max, MHD_OPTION_END);
  if (!daemon_) throw std::runtime_error("libmicrohttpd did not start");
  daemon_epoll_ = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  loop_.watch(daemon_epoll_, ProbeLoop::readable, [this](unsigned) { run(); });
  loop_.set_idle([this] {
    if (needs_run_) run();
  });
}

void MicrohttpdServer::close() {
  if (!daemon_) return;
  closing_ = true;
  *alive_ = false;
  loop_.set_idle(nullptr);
  if (listener_ >= 0) {
    loop_.unwatch(listener_);
    ::close(std::exchange(listener_, -1));
  }
  if (accept_timer_ != 0) loop_.cancel(std::exchange(accept_timer_, 0));
  if (run_timer_ != 0) loop_.cancel(std::exchange(run_timer_, 0));
  if (sweep_timer_ != 0) loop_.cancel(std::exchange(sweep_timer_, 0));
  // The library must not be stopped while a connection is suspended; and this last run of it may
  // read requests that have just come.
  for (const Client& client : clients_) {
    if (client.exchange) client.exchange->abort();
  }
  MHD_run(daemon_);
  loop_.unwatch(daemon_epoll_);
  MHD_stop_daemon(std::exchange(daemon_, nullptr));
}

void MicrohttpdServer::run() {
  if (!daemon_) return;
  needs_run_ = false;
  MHD_run(daemon_);
  schedule();
}

void MicrohttpdServer::schedule() {
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  if (MHD_get_timeout(daemon_, &milliseconds) != MHD_YES) return;
  if (milliseconds == 0) {
    if (std::exchange(run_posted_, true)) return;
    loop_.post([this, alive = alive_] {
      if (!*alive) return;
      run_posted_ = false;
      run();
    });
    return;
  }
  // A timer that is too early costs one look at the timeouts; moving it with each byte costs more.
  const SteadyTime due = loop_.now() + std::chrono::milliseconds(milliseconds + 1);
  if (run_timer_ != 0 && run_at_ <= due) return;
  if (run_timer_ != 0) loop_.cancel(run_timer_);
  run_at_ = due;
  run_timer_ = loop_.call_at(due, [this] {
    run_timer_ = 0;
    run();
  });
}

void MicrohttpdServer::log(LogLevel level, std::string message) const {
  if (options_.log) options_.log->write(level, "api", std::move(message));
}

void* MicrohttpdServer::on_uri(void* self, const char* uri, MHD_Connection* connection) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  return server->guarded(static_cast<void*>(nullptr), [&] {
    client_of(connection).exchange = new MicrohttpdExchange(*server, uri ? uri : "");
    return static_cast<void*>(client_of(connection).exchange);
  });
}

MHD_Result MicrohttpdServer::on_access(void* self, MHD_Connection* connection, const char*,
                                       const char* method, const char* version, const char* upload,
                                       std::size_t* upload_size, void** exchange) {
  if (!*exchange || static_cast<const MicrohttpdServer*>(self)->closing_) return MHD_NO;
  return static_cast<MicrohttpdServer*>(self)->guarded(MHD_NO, [&] {
    client_of(connection).head_due = SteadyTime::max();
    return static_cast<MicrohttpdExchange*>(*exchange)->on_access(connection, method, version,
                                                                  upload, upload_size);
  });
}

void MicrohttpdServer::on_completed(void* self, MHD_Connection* connection, void** exchange,
                                    MHD_RequestTerminationCode) {
  auto* server = static_cast<MicrohttpdServer*>(self);
  Client& client = client_of(connection);
  client.exchange = nullptr;
  if (client.head_due == SteadyTime::max()) {  // else its head never came whole
    client.served = true;
    client.head_due = server->loop_.now() + server->options_.idle_timeout;
    server->clients_.splice(server->clients_.end(), server->clients_, client.place);
  }
  delete static_cast<MicrohttpdExchange*>(std::exchange(*exchange, nullptr));
}

void MicrohttpdServer::on_log(void* self, const char* format, va_list arguments) {
  const auto* server = static_cast<const MicrohttpdServer*>(self);
  if (!server->options_.log || !server->options_.log->enabled(LogLevel::debug)) return;
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  server->log(LogLevel::debug, to_valid_utf8(trim(text)));
}

std::unique_ptr<HttpServer> make_http_server(HttpServerOptions options, EpollLoop& loop,
                                             AnswerFactory factory) {
  return std::make_unique<MicrohttpdServer>(std::move(options), loop, std::move(factory));
}

}  // namespace probekit::api
