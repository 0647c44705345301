// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// HTTP/1.1 as the API sees it: a request is an Exchange, what is done with it an Answer, bodies
/// stream both ways and either side may make the other wait. Everything runs on the loop's thread.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/epoll_loop.hpp"
#include "probekit/error.hpp"
#include "probekit/log.hpp"

namespace probekit::api {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string target;  ///< as sent: path and query, percent-encoded
  bool http_1_0 = false;
  std::vector<HttpHeader> headers;

  /// The first of that name, in any case; null: none.
  const std::string* header(std::string_view name) const noexcept;
  std::size_t count(std::string_view name) const noexcept;
  std::string_view path() const noexcept;
  std::string_view query() const noexcept;
};

struct HttpResponse {
  int status = 200;
  std::vector<HttpHeader> headers;
  std::string body;
  bool streamed = false;  ///< the body comes from Answer::read() instead
};

/// One request and the response to it. Lives as long as its Answer, no longer.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Once, at any moment. What the client still sends is read and dropped before the response is
  /// sent, for half the idle timeout; then a response that is not streamed is sent all the same,
  /// and the connection ends once nothing of it moved for the other half.
  virtual void respond(HttpResponse response) = 0;
  /// After Answer::on_body() took less than it was given. Not from inside it.
  virtual void resume_upload() = 0;
  /// After Answer::read() answered `wait`. Not from inside it.
  virtual void resume_download() = 0;
};

/// What is done with one request. Destroyed when the response was sent or the client is lost.
class Answer {
 public:
  enum class Reading : std::uint8_t { more, wait, end, failed };
  struct Piece {
    Reading reading = Reading::end;
    std::size_t bytes = 0;  ///< with `more`: at least 1
  };

  virtual ~Answer() = default;

  /// A piece of the request's body. Returns how much of it was taken; less than all makes the
  /// client wait until Exchange::resume_upload(). Not called once there is a response.
  virtual std::size_t on_body(std::string_view bytes) { return bytes.size(); }
  /// The request is complete; respond now or later.
  virtual void on_body_end() = 0;
  /// The client sends no more, and is probably gone: respond soon, with what there is.
  virtual void on_client_closed() {}
  /// Of a streamed response: writes up to `room` bytes. `failed` cuts the connection, so that the
  /// client sees a broken body.
  virtual Piece read(char* to, std::size_t room);
};

/// Makes the Answer of a request; it may respond at once and return null.
using AnswerFactory =
    std::function<std::shared_ptr<Answer>(Exchange& exchange, const HttpRequest& request)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  /// At it the connection that has sent no request's head for longest makes room for a new one;
  /// then one whose body nobody reads, then one between requests. One of use never does.
  std::size_t connections_max = 1024;
  std::chrono::seconds idle_timeout{60};  ///< no byte moved while one was due: dropped
  /// Of one connection: its request's head, and what of the body was read and not yet taken.
  std::size_t connection_bytes_max = 64 * 1024;
  HttpResponse refusal;  ///< for connections beyond connections_max
  std::shared_ptr<Log> log;
};

/// Since the server began. What the library refuses by itself, not being HTTP, is in neither.
struct HttpCounters {
  std::array<std::uint64_t, 5> responses{};  ///< by class: 1xx to 5xx
  std::uint64_t refused = 0;                 ///< connections beyond connections_max
  /// Connections ended because their first request's head did not come in time, or for others.
  std::uint64_t dropped = 0;
};

/// *Threads*: all calls on the loop's thread, or before it runs.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  /// Returns the port. *Errors*: address_in_use, invalid_argument.
  virtual Expected<std::uint16_t> listen() = 0;
  /// Closes every connection and destroys every Answer.
  virtual void close() = 0;
  virtual std::size_t connections() const noexcept = 0;
  virtual const HttpCounters& counters() const noexcept = 0;
};

/// The loop outlives the server, which takes its idle hook. Throws std::runtime_error when the
/// library cannot start.
std::unique_ptr<HttpServer> make_http_server(HttpServerOptions options, EpollLoop& loop,
                                             AnswerFactory factory);

}  // namespace probekit::api
