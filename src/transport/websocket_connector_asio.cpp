// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <cassert>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop_asio.hpp"
#include "base/text.hpp"
#include "probekit/token_set.hpp"
#include "probekit/websocket.hpp"
#include "transport/loop_link.hpp"
#include "transport/name_lookup.hpp"
#include "transport/tcp_socket.hpp"
#include "transport/tls_context.hpp"
#include "transport/websocket_connection.hpp"
#include "transport/websocket_connector.hpp"
#include "transport/websocket_stream.hpp"

namespace probekit {

namespace {

using asio::ip::tcp;

constexpr std::size_t kUrlBytesMax = 2048;
constexpr std::size_t kReasonBytesMax = 200;

struct Url {
  std::string text;
  bool tls = false;
  std::string host;  // as written: an IPv6 address in brackets
  std::uint16_t port = 80;
  std::string resource;  // path and query

  std::string name() const { return host.front() == '[' ? host.substr(1, host.size() - 2) : host; }
};

[[noreturn]] void reject_option(const std::string& text) {
  throw std::invalid_argument("WebSocketConnectorOptions: " + text);
}

// RFC 6455, 3. Users and passwords do not belong in a URL, fragments not in one of these.
Url parse_url(const std::string& text) {
  const auto reject = [](const char* why) { reject_option(std::string("a url ") + why); };
  if (text.size() > kUrlBytesMax) reject("is longer than 2048 bytes");
  for (const char c : text) {
    if (c <= ' ' || c > '~') reject("has a character that is not printable ASCII");
  }
  const std::string scheme = to_lower(text.substr(0, std::min<std::size_t>(text.find("://"), 16)));
  Url url;
  url.tls = scheme == "wss";
  if ((scheme != "ws" && !url.tls) || text.find("://") == std::string::npos) {
    reject("does not begin with ws:// or wss://");
  }
  if (url.tls) url.port = 443;
  url.text = text;
  const std::size_t begin = scheme.size() + 3;
  const std::size_t end = std::min(text.find_first_of("/?#", begin), text.size());
  std::string authority = text.substr(begin, end - begin);
  url.resource = text.substr(end);
  if (url.resource.empty() || url.resource.front() != '/') url.resource.insert(0, "/");
  if (url.resource.find('#') != std::string::npos) reject("has a fragment");
  if (authority.find('@') != std::string::npos) reject("has a user or password");
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    const auto port = parse_uint(std::string_view(authority).substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) reject("has a port that is not 1 to 65535");
    url.port = static_cast<std::uint16_t>(*port);
    authority.resize(colon);
  }
  if (authority.empty()) reject("has no host");
  if (authority.front() == '[') {
    asio::error_code error;
    if (authority.back() != ']') reject("has a host without its closing bracket");
    asio::ip::make_address_v6(authority.substr(1, authority.size() - 2), error);
    if (error) reject("has brackets around something that is no IPv6 address");
  } else if (authority.find_first_of("[]:") != std::string::npos) {
    reject("has a host that is not a name or an address");
  }
  url.host = std::move(authority);
  return url;
}

// Text of a server, for one of our sentences.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, kReasonBytesMax);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

using Answer = Expected<std::unique_ptr<Connection>>;

// One call of connect(), on the loop's thread. What it waits for keeps it alive.
class Attempt final : public std::enable_shared_from_this<Attempt>,
                      private WebSocketStreamOwner,
                      private LoopLink::Member {
 public:
  Attempt(const WebSocketConnectorOptions& options, Url url, std::shared_ptr<TlsContext> tls,
          std::shared_ptr<LoopLink> link, Connector::Done done)
      : options_(options),
        url_(std::move(url)),
        tls_(std::move(tls)),
        link_(std::move(link)),
        done_(std::move(done)) {}

  /// `lookup` is the one of the host that is still under way, or null; holds the new one after.
  void start(std::shared_ptr<NameLookup>& lookup, const LookUp& look_up);
  void cancel();
  std::chrono::seconds retry_after() const noexcept { return retry_after_; }

 private:
  void set_timer(std::chrono::nanoseconds time);
  void on_timer();
  void connect_next();
  void connected(const asio::error_code& error);
  void fail(errc code, const std::string& text);
  void finish(Answer answer);
  void let_go();

  HandshakeAnswer on_request(const std::string&) override { return {}; }
  void on_open() override;
  void on_message(std::string) override {}
  void on_written() override {}
  void on_ended(const WebSocketStreamEnd& end) override;
  void loop_ended() noexcept override;

  const WebSocketConnectorOptions options_;
  const Url url_;
  const std::shared_ptr<TlsContext> tls_;  // null: ws://
  const std::shared_ptr<LoopLink> link_;
  Connector::Done done_;  // null once called or cancelled
  bool ended_ = false;    // what comes of it is known, though done_ may not have run yet
  std::chrono::seconds retry_after_{0};
  const char* stage_ = "resolving the name";
  SteadyTime deadline_{};
  TimerId timer_ = 0;
  std::shared_ptr<NameLookup> lookup_;
  std::vector<asio::ip::address> addresses_;  // still to try, the next one last
  std::string last_error_ = "there is no address";
  std::size_t tried_ = 0;  // addresses
  std::optional<tcp::socket> socket_;
  std::shared_ptr<WebSocketStream> stream_;
};

void Attempt::start(std::shared_ptr<NameLookup>& lookup, const LookUp& look_up) {
  link_->add(*this);
  deadline_ = link_->loop()->now() + options_.handshake_timeout;
  set_timer(options_.handshake_timeout);
  asio::error_code error;
  const auto address = asio::ip::make_address(url_.name(), error);
  if (!error) {
    addresses_ = {address};
    link_->post([self = shared_from_this()] { self->connect_next(); });
    return;
  }
  try {
    if (!lookup || lookup->done()) lookup = NameLookup::start(url_.name(), look_up);
  } catch (const std::system_error& failure) {
    return fail(errc::connection_failed, failure.what());
  }
  lookup_ = lookup;
  lookup_->set_waiter([link = link_, weak = weak_from_this()](NameLookup::Answer answer) {
    link->post([weak, answer = std::move(answer)] {
      const auto self = weak.lock();
      if (!self || self->ended_) return;
      if (!answer.error.empty()) self->last_error_ = answer.error;
      for (auto each = answer.addresses.rbegin(); each != answer.addresses.rend(); ++each) {
        asio::error_code ignored;
        const auto parsed = asio::ip::make_address(*each, ignored);
        if (!ignored) self->addresses_.push_back(parsed);
      }
      self->connect_next();
    });
  });
}

void Attempt::set_timer(std::chrono::nanoseconds time) {
  EventLoop& loop = *link_->loop();
  if (timer_ != 0) loop.cancel(timer_);
  timer_ = loop.call_after(time, [self = shared_from_this()] {
    self->timer_ = 0;
    self->on_timer();
  });
}

void Attempt::on_timer() {
  if (ended_) return;
  if (!addresses_.empty()) return connect_next();
  fail(errc::timed_out, std::string("no answer in time while ") + stage_);
}

// The time that is left, the opening handshake's too, is shared between the addresses that are
// left: one may be silent for ever, and the next attempt would begin with the same.
void Attempt::connect_next() {
  if (ended_) return;
  stage_ = "connecting";
  ++tried_;
  socket_.reset();
  if (stream_) stream_->abort();
  stream_.reset();
  if (addresses_.empty()) return fail(errc::connection_failed, last_error_);
  const auto left = std::max(deadline_ - link_->loop()->now(), SteadyTime::duration(0));
  set_timer(left / static_cast<int>(addresses_.size()));
  const tcp::endpoint endpoint(addresses_.back(), url_.port);
  addresses_.pop_back();
  socket_.emplace(asio_context(*link_->loop()));
  asio::error_code error;
  socket_->open(endpoint.protocol(), error);
  if (error) return connected(error);
  if (options_.receive_buffer_bytes > 0) {
    // Before connecting: the window's scale is agreed in the first packet.
    socket_->set_option(
        asio::socket_base::receive_buffer_size(static_cast<int>(options_.receive_buffer_bytes)),
        error);
  }
  tune_tcp_socket(socket_->native_handle(), options_.send_time_limit);
  socket_->async_connect(
      endpoint, [self = shared_from_this(), turn = tried_](const asio::error_code& result) {
        if (turn == self->tried_) self->connected(result);
      });
}

void Attempt::connected(const asio::error_code& error) {
  if (ended_) return;
  asio::error_code ignored;
  if (error) {
    last_error_ = error.message();
    return connect_next();
  }
  // A port that nobody listens on may be the one this very socket was given.
  if (socket_->local_endpoint(ignored) == socket_->remote_endpoint(ignored)) {
    last_error_ = asio::error_code(asio::error::connection_refused).message();
    return connect_next();
  }
  stage_ = tls_ ? "waiting for the handshakes of TLS and WebSocket"
                : "waiting for the opening handshake";
  try {
    const int descriptor = socket_->release();
    socket_.reset();
    WebSocketStreamOptions stream_options;
    stream_options.message_bytes_max = options_.message_bytes_max;
    stream_options.random = options_.random;
    stream_options.log = options_.log;
    stream_options.token = options_.token;
    stream_options.tls = tls_;
    stream_ = make_client_stream(*link_->loop(), descriptor, stream_options, url_.host, url_.port,
                                 url_.resource);
    stream_->set_owner(this);
    stream_->begin();
  } catch (const std::exception& failure) {
    fail(errc::connection_failed, failure.what());
  }
}

void Attempt::on_open() {
  auto stream = std::exchange(stream_, nullptr);
  finish(std::unique_ptr<Connection>(std::make_unique<WebSocketConnection>(
      link_, std::move(stream), options_.send_time_limit, options_.log)));
}

void Attempt::on_ended(const WebSocketStreamEnd& end) {
  stream_.reset();
  retry_after_ = end.retry_after;
  if (end.http_status == 401) {
    return fail(errc::unauthorized,
                options_.token.empty()
                    ? "the master asks for a token; give one with --token-file (HTTP 401)"
                    : "the master does not accept the token of --token-file (HTTP 401)");
  }
  if (end.http_status != 0) {
    return fail(errc::handshake_failed, "the server refused the handshake: HTTP " +
                                            std::to_string(end.http_status) + ' ' +
                                            printable(end.http_reason));
  }
  if (!end.tls_fault.empty()) last_error_ = "TLS: " + end.tls_fault;
  if (!addresses_.empty()) return connect_next();
  if (!end.tls_fault.empty()) return fail(errc::handshake_failed, last_error_);
  fail(errc::handshake_failed,
       "the connection ended during the handshake" +
           (end.reason.error ? ": " + end.reason.error.message() : std::string()));
}

void Attempt::fail(errc code, const std::string& text) {
  finish(Error(code, url_.text + ": " + text));
}

void Attempt::finish(Answer answer) {
  if (ended_) return;
  let_go();
  // Through the loop, so that it never runs inside connect().
  auto shared = std::make_shared<Answer>(std::move(answer));
  link_->post([self = shared_from_this(), shared] {
    if (!self->done_) return;
    const Connector::Done done = std::exchange(self->done_, nullptr);
    done(std::move(*shared));
  });
}

void Attempt::let_go() {
  ended_ = true;
  EventLoop* const loop = link_->loop();
  if (loop != nullptr) {
    if (timer_ != 0) loop->cancel(timer_);
    link_->remove(*this);
  }
  timer_ = 0;
  lookup_.reset();  // it answers into the void
  socket_.reset();
  if (stream_) stream_->abort();
  stream_.reset();
}

void Attempt::cancel() {
  done_ = nullptr;
  let_go();
}

void Attempt::loop_ended() noexcept { cancel(); }

class WebSocketConnector final : public Connector {
 public:
  WebSocketConnector(WebSocketConnectorOptions options, LookUp look_up)
      : options_(std::move(options)), look_up_(std::move(look_up)) {
    bool secure = !options_.ca_file.empty();
    for (const std::string& url : options_.urls) {
      urls_.push_back(parse_url(url));
      secure = secure || urls_.back().tls;
    }
    if (!secure) return;
    try {
      tls_ = make_tls_client_context(options_.ca_file);
    } catch (const std::invalid_argument& fault) {
      reject_option(fault.what());
    }
  }
  ~WebSocketConnector() override { cancel(); }

  void connect(EventLoop& loop, Done done) override {
    cancel();
    if (!link_ || link_->loop() != &loop) link_ = LoopLink::make(loop);
    const Url& url = next_url();
    url_ = url.text;
    attempt_ =
        std::make_shared<Attempt>(options_, url, url.tls ? tls_ : nullptr, link_, std::move(done));
    attempt_->start(lookups_[url.host], look_up_);
  }

  void cancel() override {
    if (attempt_) attempt_->cancel();
  }

  std::string url() const override { return url_; }
  std::chrono::seconds retry_after() const override {
    return attempt_ ? attempt_->retry_after() : std::chrono::seconds(0);
  }

 private:
  // Each once, in random order, then again in another.
  const Url& next_url() {
    if (next_ == urls_.size()) next_ = 0;
    const std::size_t pick =
        next_ + static_cast<std::size_t>(options_.random->below(urls_.size() - next_));
    std::swap(urls_[next_], urls_[pick]);
    return urls_[next_++];
  }

  const WebSocketConnectorOptions options_;
  const LookUp look_up_;
  std::vector<Url> urls_;
  std::shared_ptr<TlsContext> tls_;
  std::size_t next_ = 0;
  std::map<std::string, std::shared_ptr<NameLookup>> lookups_;  // the last of each host
  std::shared_ptr<LoopLink> link_;
  std::shared_ptr<Attempt> attempt_;
  std::string url_;
};

}  // namespace

std::unique_ptr<Connector> make_websocket_connector(WebSocketConnectorOptions options) {
  return make_websocket_connector(std::move(options), &system_look_up);
}

std::unique_ptr<Connector> make_websocket_connector(WebSocketConnectorOptions options,
                                                    LookUp look_up) {
  if (options.urls.empty()) reject_option("urls is empty");
  if (options.message_bytes_max == 0) reject_option("message_bytes_max is 0");
  if (options.handshake_timeout.count() <= 0) reject_option("handshake_timeout is not positive");
  if (options.send_time_limit.count() <= 0) reject_option("send_time_limit is not positive");
  if (options.receive_buffer_bytes > 1024 * 1024 * 1024) {
    reject_option("receive_buffer_bytes is over 1 GiB");
  }
  if (!options.token.empty() && !is_valid_token(options.token)) {
    reject_option("token is not 1 to 512 characters of visible ASCII");
  }
  if (!options.random) options.random = system_random();
  return std::make_unique<WebSocketConnector>(std::move(options), std::move(look_up));
}

}  // namespace probekit
