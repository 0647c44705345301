// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/event_loop_asio.hpp"
#include "probekit/token_set.hpp"
#include "probekit/websocket.hpp"
#include "transport/loop_link.hpp"
#include "transport/tcp_socket.hpp"
#include "transport/websocket_connection.hpp"
#include "transport/websocket_listener.hpp"
#include "transport/websocket_stream.hpp"

namespace probekit {

namespace {

using asio::ip::tcp;

// Without descriptors or memory accept(2) fails at once and for ever; trying again at once spins.
constexpr std::chrono::milliseconds kAcceptBackoff{100};
constexpr std::chrono::seconds kLogInterval{1};

// How many sockets there are, in all and from each address; read and changed on the loop's thread.
struct Census {
  std::size_t total = 0;
  std::unordered_map<std::string, std::size_t> by_address;
};

struct Ticket {
  Ticket(std::shared_ptr<Census> counted, std::string from)
      : census(std::move(counted)), address(std::move(from)) {
    ++census->total;
    ++census->by_address[address];
  }
  ~Ticket() {
    --census->total;
    const auto found = census->by_address.find(address);
    if (--found->second == 0) census->by_address.erase(found);
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  std::shared_ptr<Census> census;
  std::string address;
};

class Acceptor;

// A stream until it is open, refused or gone.
class Newcomer final : public WebSocketStreamOwner {
 public:
  Newcomer(Acceptor& acceptor, std::uint64_t serial, std::shared_ptr<WebSocketStream> stream,
           SteadyTime now)
      : acceptor_(acceptor), serial_(serial), arrived_(now), stream_(std::move(stream)) {
    stream_->set_owner(this);
  }
  ~Newcomer() {
    if (stream_) stream_->abort();
  }
  Newcomer(const Newcomer&) = delete;
  Newcomer& operator=(const Newcomer&) = delete;

  void begin() { stream_->begin(); }
  std::shared_ptr<WebSocketStream> release() { return std::exchange(stream_, nullptr); }
  std::uint64_t serial() const noexcept { return serial_; }
  SteadyTime arrived() const noexcept { return arrived_; }
  const std::string& token() const noexcept { return token_; }

 private:
  HandshakeAnswer on_request(const std::string& authorization) override;
  void on_open() override;
  void on_message(std::string) override {}
  void on_written() override {}
  void on_ended(const WebSocketStreamEnd& end) override;

  Acceptor& acceptor_;
  const std::uint64_t serial_;
  const SteadyTime arrived_;
  std::shared_ptr<WebSocketStream> stream_;
  std::string token_;
};

class Acceptor final : public std::enable_shared_from_this<Acceptor>, private LoopLink::Member {
 public:
  Acceptor(const WebSocketListenerOptions& options, const std::shared_ptr<TlsContext>& tls,
           EventLoop& loop, AcceptObserver& observer)
      : options_(options), link_(LoopLink::make(loop)), observer_(&observer) {
    stream_options_.message_bytes_max = options.message_bytes_max;
    stream_options_.handshake_timeout = options.handshake_timeout;
    stream_options_.random = options.random;
    stream_options_.log = options.log;
    stream_options_.tls = tls;
  }

  Expected<std::string> start();
  void stop();

  // For newcomers.
  HandshakeAnswer judge(const std::string& token);
  void welcome(Newcomer& newcomer);
  void forget(Newcomer& newcomer) { newcomers_.erase(newcomer.serial()); }
  void dropped();

 private:
  void loop_ended() noexcept override { stop(); }

  void accept();
  void accepted(const asio::error_code& error, tcp::socket socket, const tcp::endpoint& peer);
  void admit(tcp::socket socket, const tcp::endpoint& peer);
  void back_off(const asio::error_code& error);
  void warn(const std::string& what, const std::string& why);

  const WebSocketListenerOptions options_;
  WebSocketStreamOptions stream_options_;
  const std::shared_ptr<LoopLink> link_;
  AcceptObserver* observer_;  // null once stopped
  std::optional<tcp::acceptor> acceptor_;
  tcp::endpoint peer_;  // of the connection being accepted
  TimerId backoff_ = 0;
  const std::shared_ptr<Census> census_ = std::make_shared<Census>();
  std::map<std::uint64_t, std::unique_ptr<Newcomer>> newcomers_;  // in order of arrival
  std::uint64_t last_newcomer_ = 0;
  std::optional<SteadyTime> warned_at_;
  std::uint64_t troubles_ = 0;
};

HandshakeAnswer Newcomer::on_request(const std::string& authorization) {
  token_ = bearer_token(authorization);
  return acceptor_.judge(token_);
}

void Newcomer::on_open() { acceptor_.welcome(*this); }
void Newcomer::on_ended(const WebSocketStreamEnd& end) {
  stream_.reset();  // it lingers by itself
  if (end.timed_out) acceptor_.dropped();
  acceptor_.forget(*this);
}

Expected<std::string> Acceptor::start() {
  const tcp::endpoint endpoint(asio::ip::make_address(options_.host), options_.port);
  acceptor_.emplace(asio_context(*link_->loop()));
  asio::error_code error;
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
  tcp::endpoint bound;
  if (!error) bound = acceptor_->local_endpoint(error);
  if (error) {
    acceptor_.reset();
    const errc code =
        error == asio::error::address_in_use ? errc::address_in_use : errc::invalid_argument;
    return Error(code, "cannot listen on " + options_.host + " port " +
                           std::to_string(options_.port) + ": " + error.message());
  }
  link_->add(*this);
  accept();
  const bool bracketed = endpoint.address().is_v6();
  return std::string(stream_options_.tls ? "wss://" : "ws://") + (bracketed ? "[" : "") +
         options_.host + (bracketed ? "]:" : ":") + std::to_string(bound.port()) + "/ws";
}

void Acceptor::stop() {
  observer_ = nullptr;
  EventLoop* const loop = link_->loop();
  if (loop != nullptr) {
    link_->remove(*this);
    if (backoff_ != 0) loop->cancel(backoff_);
  }
  backoff_ = 0;
  acceptor_.reset();
  newcomers_.clear();
}

void Acceptor::accept() {
  acceptor_->async_accept(
      peer_, [self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
        self->accepted(error, std::move(socket), self->peer_);
      });
}

void Acceptor::accepted(const asio::error_code& error, tcp::socket socket,
                        const tcp::endpoint& peer) {
  if (observer_ == nullptr) return;
  if (error == asio::error::no_descriptors || error == asio::error::no_memory ||
      error == asio::error::no_buffer_space ||
      error == asio::error_code(ENFILE, asio::system_category())) {
    return back_off(error);
  }
  if (!error) {
    try {
      admit(std::move(socket), peer);
    } catch (const std::exception& failure) {
      warn("a connection could not be taken", failure.what());
    }
  }
  if (observer_ != nullptr) accept();
}

void Acceptor::admit(tcp::socket socket, const tcp::endpoint& peer) {
  std::string address = peer.address().to_string();
  const auto from = census_->by_address.find(address);
  if (census_->total >= options_.connections_max) {
    return warn("a connection was closed at once", "connections_max is reached");
  }
  if (from != census_->by_address.end() && from->second >= options_.connections_per_address_max) {
    return warn("a connection was closed at once",
                "connections_per_address_max is reached by " + address);
  }
  tune_tcp_socket(socket.native_handle(), options_.send_time_limit);
  auto ticket = std::make_shared<Ticket>(census_, std::move(address));
  const int descriptor = socket.release();
  auto stream = make_server_stream(*link_->loop(), descriptor, stream_options_, std::move(ticket));
  if (newcomers_.size() >= options_.newcomers_max) {
    warn("a newcomer was closed for a newer one", "newcomers_max is reached");
    newcomers_.erase(newcomers_.begin());
    dropped();
  }
  const std::uint64_t serial = ++last_newcomer_;
  auto newcomer =
      std::make_unique<Newcomer>(*this, serial, std::move(stream), link_->loop()->now());
  Newcomer& begun = *newcomer;
  newcomers_.emplace(serial, std::move(newcomer));
  begun.begin();
}

void Acceptor::back_off(const asio::error_code& error) {
  warn("accepting waits", error.message());
  backoff_ = link_->loop()->call_after(kAcceptBackoff, [self = shared_from_this()] {
    self->backoff_ = 0;
    if (self->observer_ != nullptr) self->accept();
  });
}

HandshakeAnswer Acceptor::judge(const std::string& token) {
  if (observer_ == nullptr) return {503, "the master takes no more connections", {}};
  try {
    HandshakeAnswer answer;
    if (!observer_->authorizes(token)) {
      // 401 comes before 429: who may not enter takes no honest newcomer's place.
      answer.status = 401;
      answer.reason = token.empty() ? "a bearer token is required" : "the token is not accepted";
    } else if (!observer_->admits(answer.retry_after)) {
      answer.status = 429;
      answer.reason = "too many newcomers, come again later";
    }
    return answer;
  } catch (const std::exception& failure) {
    warn("a newcomer could not be judged", failure.what());
  } catch (...) {
    warn("a newcomer could not be judged", "not a std::exception");
  }
  return {500, "the master failed", {}};
}

void Acceptor::dropped() {
  if (observer_ != nullptr) observer_->on_dropped();
}

void Acceptor::welcome(Newcomer& newcomer) {
  const auto self = shared_from_this();
  std::string token = newcomer.token();
  const auto opening_time = std::chrono::duration_cast<std::chrono::milliseconds>(
      link_->loop()->now() - newcomer.arrived());
  auto stream = newcomer.release();
  forget(newcomer);
  try {
    auto connection =
        std::make_unique<WebSocketConnection>(link_, std::move(stream), options_.send_time_limit,
                                              options_.log, std::move(token), opening_time);
    observer_->on_connection(std::move(connection));
  } catch (const std::exception& failure) {
    warn("a newcomer was not taken", failure.what());
  } catch (...) {
    warn("a newcomer was not taken", "not a std::exception");
  }
}

// One line a second, with how many times it would have been said.
void Acceptor::warn(const std::string& what, const std::string& why) {
  ++troubles_;
  EventLoop* const loop = link_->loop();
  if (!options_.log || loop == nullptr) return;
  const SteadyTime now = loop->now();
  if (warned_at_ && now - *warned_at_ < kLogInterval) return;
  warned_at_ = now;
  options_.log->write(LogLevel::warn, "websocket", what,
                      {{"why", why},
                       {"times", std::to_string(std::exchange(troubles_, 0))},
                       {"connections", std::to_string(census_->total)}});
}

class WebSocketListener final : public Listener {
 public:
  WebSocketListener(WebSocketListenerOptions options, std::shared_ptr<TlsContext> tls)
      : options_(std::move(options)), tls_(std::move(tls)) {}
  ~WebSocketListener() override { stop(); }

  Expected<std::string> start(EventLoop& loop, AcceptObserver& observer) override {
    stop();
    auto acceptor = std::make_shared<Acceptor>(options_, tls_, loop, observer);
    auto url = acceptor->start();
    if (url) acceptor_ = std::move(acceptor);
    return url;
  }

  void stop() override {
    if (acceptor_) acceptor_->stop();
    acceptor_.reset();
  }

 private:
  const WebSocketListenerOptions options_;
  const std::shared_ptr<TlsContext> tls_;
  std::shared_ptr<Acceptor> acceptor_;
};

[[noreturn]] void reject_option(const std::string& text) {
  throw std::invalid_argument("WebSocketListenerOptions: " + text);
}

}  // namespace

std::unique_ptr<Listener> make_websocket_listener(WebSocketListenerOptions options) {
  return make_websocket_listener(std::move(options), nullptr);
}

std::unique_ptr<Listener> make_websocket_listener(WebSocketListenerOptions options,
                                                  std::shared_ptr<TlsContext> tls) {
  asio::error_code error;
  asio::ip::make_address(options.host, error);
  if (error) reject_option("host is not an IP address: \"" + options.host + '"');
  if (options.message_bytes_max == 0) reject_option("message_bytes_max is 0");
  if (options.connections_max == 0) reject_option("connections_max is 0");
  if (options.newcomers_max == 0) reject_option("newcomers_max is 0");
  if (options.handshake_timeout.count() <= 0) reject_option("handshake_timeout is not positive");
  if (options.send_time_limit.count() <= 0) reject_option("send_time_limit is not positive");
  if (options.connections_per_address_max == 0) {
    options.connections_per_address_max = options.connections_max;
  }
  if (!options.random) options.random = system_random();
  return std::make_unique<WebSocketListener>(std::move(options), std::move(tls));
}

}  // namespace probekit
