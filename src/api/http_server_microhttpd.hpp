// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The server and its connections: what the files of libmicrohttpd share.

#include <microhttpd.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <string>

#include "api/http_exchange_microhttpd.hpp"
#include "api/http_server.hpp"

namespace probekit::api {

/// What a connection does, those first that make room for others first.
enum class Doing : std::uint8_t {
  nothing,  // its first request's head is not there yet
  in_vain,  // it sends a body that nobody reads
  idle,     // between two requests
  request,
};

/// A connection the library has.
struct Client {
  int socket = -1;
  MicrohttpdExchange* exchange = nullptr;   // none between requests
  SteadyTime head_due = SteadyTime::max();  // while a request's head is to come
  bool served = false;                      // a request, at least
  bool expelled = false;                    // to make room
  std::list<Client>::iterator place;

  Doing doing() const noexcept;
};

class MicrohttpdServer final : public HttpServer {
 public:
  MicrohttpdServer(HttpServerOptions options, EpollLoop& loop, AnswerFactory factory);
  ~MicrohttpdServer() override { close(); }

  Expected<std::uint16_t> listen() override;
  void close() override;
  std::size_t connections() const noexcept override { return clients_.size(); }
  const HttpCounters& counters() const noexcept override { return counters_; }

  EpollLoop& loop() noexcept { return loop_; }
  const HttpServerOptions& options() const noexcept { return options_; }
  const AnswerFactory& factory() const noexcept { return factory_; }

 private:
  friend class MicrohttpdExchange;

  void run();
  void schedule();
  void accept_some();
  bool make_room();
  void refuse(int socket);
  void pause_accepting(int error);
  void sweep();
  void start_sweeping();
  void log(LogLevel level, std::string message) const;
  /// No exception may cross the library, which is C: it costs the connection instead.
  template <class Result, class Function>
  Result guarded(Result otherwise, Function&& function) const noexcept;

  static void* on_uri(void* self, const char* uri, MHD_Connection* connection);
  static MHD_Result on_access(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload,
                              std::size_t* upload_size, void** exchange);
  static void on_completed(void* self, MHD_Connection* connection, void** exchange,
                           MHD_RequestTerminationCode why);
  static void on_connection(void* self, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode what);
  static void on_log(void* self, const char* format, va_list arguments);

  HttpServerOptions options_;
  EpollLoop& loop_;
  AnswerFactory factory_;
  std::string refusal_;  // on the wire
  MHD_Daemon* daemon_ = nullptr;
  int daemon_epoll_ = -1;
  int listener_ = -1;
  std::list<Client> clients_;  // those who came, or ended a request, longest ago first
  HttpCounters counters_;
  TimerId run_timer_ = 0;
  SteadyTime run_at_{};
  TimerId accept_timer_ = 0;
  TimerId sweep_timer_ = 0;
  bool run_posted_ = false;
  bool needs_run_ = false;  // a connection was resumed
  bool accept_failing_ = false;
  bool closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

template <class Result, class Function>
Result MicrohttpdServer::guarded(Result otherwise, Function&& function) const noexcept {
  try {
    return function();
  } catch (const std::exception& error) {
    log(LogLevel::error, std::string("a request failed: ") + error.what());
  }
  return otherwise;
}

}  // namespace probekit::api
