// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
//
// The only file that includes websocketpp. Its connection class is used without its endpoints: we
// accept and connect ourselves, prepare our own frames, and replace the parts that would hide
// bytes, block, spin, or speak to the wrong peers.

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cstring>
#include <optional>
#include <utility>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/core.hpp>
#include <websocketpp/connection.hpp>
#include <websocketpp/frame.hpp>
#include <websocketpp/logger/stub.hpp>
#include <websocketpp/transport/asio/endpoint.hpp>
#include <websocketpp/transport/asio/security/none.hpp>
#include <websocketpp/uri.hpp>

#include "base/event_loop_asio.hpp"
#include "base/text.hpp"
#include "probekit/version.hpp"
#include "transport/close_text.hpp"
#include "transport/tls_channel_asio.hpp"
#include "transport/websocket_stream.hpp"

namespace probekit {

namespace {

namespace ws = websocketpp;

// How long what the peer still sends is read and dropped after our last byte. Closing with unread
// bytes makes the kernel send a reset, which may overtake the close frame or the HTTP answer.
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::chrono::seconds kRetryAfterMax{3600};

/// Errors of the library, for those who debug: what matters to others is told by on_ended().
class LibraryLog {
 public:
  explicit LibraryLog(std::shared_ptr<Log> log) : log_(std::move(log)) {}

  void write(ws::log::level level, const std::string& text) {
    if (level == ws::log::elevel::devel || !log_) return;
    log_->write(level >= ws::log::elevel::rerror ? LogLevel::debug : LogLevel::trace, "websocket",
                text);
  }
  void write(ws::log::level level, const char* text) { write(level, std::string(text)); }
  constexpr bool static_test(ws::log::level) const { return false; }
  bool dynamic_test(ws::log::level) const { return false; }

 private:
  const std::shared_ptr<Log> log_;
};

/// Masking keys must be unpredictable (RFC 6455, 5.3); std::random_device, the library's own
/// choice, costs more than everything else about a small frame.
class MaskSource {
 public:
  explicit MaskSource(std::shared_ptr<RandomSource> random) : random_(std::move(random)) {}

  std::uint32_t operator()() {
    if (next_ == keys_.size()) {
      random_->fill(keys_.data(), sizeof keys_);
      next_ = 0;
    }
    return keys_[next_++];
  }

 private:
  const std::shared_ptr<RandomSource> random_;
  std::array<std::uint32_t, 32> keys_{};
  std::size_t next_ = keys_.size();
};

[[noreturn]] void refuse(int status, const char* reason) {
  throw ws::http::exception(reason, static_cast<ws::http::status_code::value>(status), reason);
}

bool lists_token(const std::string& header, std::string_view token) {
  std::size_t begin = 0;
  while (begin <= header.size()) {
    const std::size_t end = std::min(header.find(',', begin), header.size());
    if (equal_ignoring_case(trim(std::string_view(header).substr(begin, end - begin)), token)) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

/// Refuses what is not for us before the library looks at it: left alone it would speak the drafts
/// before RFC 6455, one of which has no limit on a message.
class Request : public ws::http::parser::request {
 public:
  std::size_t consume(const char* bytes, std::size_t count) {
    if (get_method().empty() && first_ && count > 0) {
      first_ = false;
      if (*bytes < 'A' || *bytes > 'Z') refuse(400, "this is not an HTTP request");
    }
    const std::size_t used = ws::http::parser::request::consume(bytes, count);
    if (ready()) check();
    return used;
  }

 private:
  void check() const {
    if (!lists_token(get_header("Upgrade"), "websocket") ||
        !lists_token(get_header("Connection"), "upgrade")) {
      refuse(426, "agents connect here by WebSocket; the HTTP API has its own port");
    }
    if (get_method() != "GET" || get_version() != "HTTP/1.1") {
      refuse(400, "a WebSocket begins with GET and HTTP/1.1");
    }
    if (trim(get_header("Sec-WebSocket-Version")) != "13") {
      refuse(426, "version 13 of WebSocket is required");
    }
    if (get_header("Sec-WebSocket-Key").empty()) refuse(400, "Sec-WebSocket-Key is missing");
    // Agents send no Origin and browsers always do: no page may talk to a master.
    if (!get_header("Origin").empty()) refuse(403, "requests with an Origin are not accepted");
    if (!lists_token(get_header("Sec-WebSocket-Protocol"), kSubprotocol)) {
      refuse(400, "subprotocol probekit.v1 is required");
    }
  }

  bool first_ = true;
};

/// A refusal tells its reason twice: in the status line for agents, in the body for people.
class Response : public ws::http::parser::response {
 public:
  using ws::http::parser::response::consume;
  /// The library takes any number for a status (RFC 9110, 15: three digits, 100 to 599).
  std::size_t consume(const char* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count && words_ < 2; ++i) check_status(bytes[i]);
    return ws::http::parser::response::consume(bytes, count);
  }

  std::string raw() const {
    const auto status = get_status_code();
    if (status == ws::http::status_code::switching_protocols) {
      return ws::http::parser::response::raw();
    }
    std::string text = "HTTP/1.1 " + std::to_string(status) + ' ' + get_status_msg() + "\r\n";
    if (status == ws::http::status_code::upgrade_required) {
      // RFC 7231, 6.5.15; RFC 6455, 4.4.
      text += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    }
    if (status == ws::http::status_code::unauthorized) {
      text += "WWW-Authenticate: Bearer realm=\"probekit\"\r\n";  // RFC 6750, 3
    }
    if (!get_header("Retry-After").empty()) {
      text += "Retry-After: " + get_header("Retry-After") + "\r\n";
    }
    text += status == ws::http::status_code::upgrade_required ? "Connection: Upgrade, close\r\n"
                                                              : "Connection: close\r\n";
    text += "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " +
            std::to_string(get_status_msg().size() + 1) + "\r\n\r\n" + get_status_msg() + '\n';
    return text;
  }

 private:
  void check_status(char c) {
    if (c == ' ') {
      if (words_++ == 1 && digits_ != 3) refuse(502, "an answer without a status");
    } else if (words_ == 1) {
      const bool fine = digits_ == 0 ? c >= '1' && c <= '5' : c >= '0' && c <= '9';
      if (!fine || ++digits_ > 3) refuse(502, "an answer without a status");
    }
  }

  int words_ = 0;   // of the status line, that have ended
  int digits_ = 0;  // of the status
};

/// What the library reads from and writes to: a TCP socket, or TLS over it.
class Socket : public ws::transport::asio::basic_socket::connection {
 public:
  using executor_type = asio::ip::tcp::socket::executor_type;

  /// After init_asio(), before start().
  void secure(std::shared_ptr<TlsContext> context, const std::string& peer) {
    tls_ = make_tls_channel(get_raw_socket(), std::move(context), peer);
  }
  const TlsChannel* tls() const noexcept { return tls_.get(); }
  bool is_secure() const noexcept { return tls_ != nullptr; }

  // -- a stream of Asio's -------------------------------------------------------------------------
  executor_type get_executor() { return get_raw_socket().get_executor(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->read_some({asio::buffer_sequence_begin(buffers), asio::buffer_sequence_end(buffers)},
                      std::forward<Handler>(handler));
    } else {
      get_raw_socket().async_read_some(buffers, std::forward<Handler>(handler));
    }
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->write_some({asio::buffer_sequence_begin(buffers), asio::buffer_sequence_end(buffers)},
                       std::forward<Handler>(handler));
    } else {
      get_raw_socket().async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

  // -- what the library asks of a socket ----------------------------------------------------------
  Socket& get_socket() { return *this; }

  void post_init(ws::transport::asio::socket::init_handler done) {
    if (!tls_) return done(ws::lib::error_code());
    tls_->handshake([done = std::move(done)](const asio::error_code& error) { done(error); });
  }

  /// The library shuts down both directions, after which the kernel answers whatever still arrives
  /// with a reset. Only ours is at its end; Stream::settle() sees to the other.
  void async_shutdown(ws::transport::asio::socket::shutdown_handler done) {
    asio::error_code error;
    if (tls_) tls_->say_end(get_shared());
    get_raw_socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    done(error);
  }

 private:
  std::unique_ptr<TlsChannel> tls_;
};

struct SocketPolicy : ws::transport::asio::basic_socket::endpoint {
  typedef Socket socket_con_type;
  typedef ws::lib::shared_ptr<Socket> socket_con_ptr;
};

struct Config : ws::config::core {
  typedef Config type;
  typedef ws::concurrency::none concurrency_type;
  typedef Request request_type;
  typedef Response response_type;
  typedef ws::log::stub alog_type;
  typedef LibraryLog elog_type;
  typedef MaskSource rng_type;

  [[maybe_unused]] static const bool enable_multithreading = false;

  struct transport_config : ws::config::core::transport_config {
    typedef type::concurrency_type concurrency_type;
    typedef type::alog_type alog_type;
    typedef type::elog_type elog_type;
    typedef type::request_type request_type;
    typedef type::response_type response_type;
    typedef SocketPolicy socket_type;

    static const long timeout_socket_post_init = 0;  // the owner of a client keeps the time
    static const bool enable_multithreading = false;
  };
  typedef ws::transport::asio::endpoint<transport_config> transport_type;

  struct permessage_deflate_config : ws::config::core::permessage_deflate_config {
    typedef type::request_type request_type;
  };
  // Inflating ignores the limit on a message.
  typedef ws::extensions::permessage_deflate::disabled<permessage_deflate_config>
      permessage_deflate_type;
};

using Message = Config::message_type;

class Stream;

/// What is under way; apart from the stream, because its last frames outlive it.
struct Account {
  Stream* stream = nullptr;
  std::size_t held_bytes = 0;
  bool pong_held = false;
};

/// A frame whose end tells that the kernel has its bytes: the library drops it exactly then.
class OutgoingFrame final : public Message {
 public:
  OutgoingFrame(std::shared_ptr<Account> account, ws::frame::opcode::value opcode,
                std::size_t bytes)
      : Message(nullptr, opcode, 0), account_(std::move(account)), bytes_(bytes) {
    if (opcode == ws::frame::opcode::pong) {
      account_->pong_held = true;
    } else {
      account_->held_bytes += bytes_;
    }
  }
  ~OutgoingFrame();
  OutgoingFrame(const OutgoingFrame&) = delete;
  OutgoingFrame& operator=(const OutgoingFrame&) = delete;

 private:
  const std::shared_ptr<Account> account_;
  const std::size_t bytes_;
};

void mask(std::string& payload, const unsigned char (&key)[4]) {
  std::uint64_t wide = 0;
  std::memcpy(&wide, key, 4);
  std::memcpy(reinterpret_cast<char*>(&wide) + 4, key, 4);
  char* at = payload.data();
  std::size_t left = payload.size();
  for (; left >= sizeof wide; left -= sizeof wide, at += sizeof wide) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    word ^= wide;
    std::memcpy(at, &word, sizeof word);
  }
  for (std::size_t i = 0; i < left; ++i) {
    at[i] = static_cast<char>(static_cast<unsigned char>(at[i]) ^ key[i % 4]);
  }
}

struct MaskHolder {  // a base, to be alive before the library's connection refers to it
  MaskSource mask_source;
};

std::string user_agent() {
  return "probekit/" + std::to_string(kVersionMajor) + '.' + std::to_string(kVersionMinor) + '.' +
         std::to_string(kVersionPatch);
}

class Stream final : private MaskHolder, public ws::connection<Config>, public WebSocketStream {
 public:
  using Base = ws::connection<Config>;

  Stream(bool server, asio::io_context& context, const WebSocketStreamOptions& options,
         std::shared_ptr<void> ticket)
      : MaskHolder{MaskSource(options.random)},
        Base(server, user_agent(), quiet_log(), std::make_shared<LibraryLog>(options.log),
             mask_source),
        context_(context),
        server_(server),
        message_bytes_max_(options.message_bytes_max),
        handshake_timeout_(options.handshake_timeout),
        ticket_(std::move(ticket)) {
    account_->stream = this;
  }
  ~Stream() override { account_->stream = nullptr; }

  void adopt(int descriptor, const std::shared_ptr<Stream>& self);

  void set_owner(WebSocketStreamOwner* owner) override { owner_ = owner; }
  void begin() override { Base::start(); }
  void resume() override;
  void send(std::string message) override;
  std::size_t held_bytes() const noexcept override { return account_->held_bytes; }
  void close(CloseCode code, std::string_view text) override;
  void abort() override;
  int descriptor() const noexcept override { return descriptor_; }

  void written();
  void pong_written();

 private:
  static std::shared_ptr<ws::log::stub> quiet_log() { return std::make_shared<ws::log::stub>(); }

  bool judge();
  void opened();
  void received(Message& message);
  bool ping(const std::string& payload);
  void transmit(ws::frame::opcode::value opcode, std::string payload);
  void terminated();
  WebSocketStreamEnd describe_end() const;
  void tell_end(const WebSocketStreamEnd& end);
  void settle();
  void linger(const std::shared_ptr<Stream>& self);
  void close_socket();
  std::shared_ptr<Stream> self() { return std::static_pointer_cast<Stream>(Base::get_shared()); }

  asio::io_context& context_;
  const bool server_;
  const std::size_t message_bytes_max_;
  const std::chrono::milliseconds handshake_timeout_;
  std::shared_ptr<void> ticket_;
  const std::shared_ptr<Account> account_ = std::make_shared<Account>();
  WebSocketStreamOwner* owner_ = nullptr;
  int descriptor_ = -1;
  bool opened_ = false;
  bool ended_ = false;
  std::optional<CloseReason> own_close_;
  std::optional<std::string> waiting_ping_;
  std::optional<asio::steady_timer> linger_timer_;
};

OutgoingFrame::~OutgoingFrame() {
  if (get_opcode() == ws::frame::opcode::pong) {
    account_->pong_held = false;
    if (account_->stream != nullptr) account_->stream->pong_written();
  } else {
    account_->held_bytes -= bytes_;
    if (account_->stream != nullptr) account_->stream->written();
  }
}

void Stream::adopt(int descriptor, const std::shared_ptr<Stream>& self) {
  Base::set_handle(std::weak_ptr<void>(self));
  Base::init_asio(&context_);
  asio::error_code error;
  // The protocol only matters to sockets opened later.
  Base::get_raw_socket().assign(asio::ip::tcp::v4(), descriptor, error);
  if (error) throw std::system_error(error, "a socket could not be watched");
  descriptor_ = descriptor;

  set_max_message_size(message_bytes_max_);
  set_max_http_body_size(0);
  set_open_handshake_timeout(static_cast<long>(handshake_timeout_.count()));
  set_validate_handler([this](ws::connection_hdl) { return judge(); });
  set_open_handler([this](ws::connection_hdl) { opened(); });
  set_message_handler([this](ws::connection_hdl, Message::ptr message) { received(*message); });
  set_ping_handler(
      [this](ws::connection_hdl, const std::string& payload) { return ping(payload); });
  set_termination_handler([this](Base::ptr) { terminated(); });
  if (!server_) add_subprotocol(std::string(kSubprotocol));
}

bool Stream::judge() {
  HandshakeAnswer answer;
  if (owner_ == nullptr) {
    answer = {503, "the master takes no more connections", std::chrono::seconds(0)};
  } else {
    answer = owner_->on_request(get_request_header("Authorization"));
  }
  if (answer.status == 101) {
    ws::lib::error_code error;
    select_subprotocol(std::string(kSubprotocol), error);
    return true;
  }
  set_status(static_cast<ws::http::status_code::value>(answer.status), answer.reason);
  if (answer.retry_after.count() > 0) {
    append_header("Retry-After", std::to_string(answer.retry_after.count()));
  }
  return false;
}

void Stream::opened() {
  if (ended_) return;  // the library may open what it has just failed
  // Safe here, and only here: no read is under way.
  Base::handle_pause_reading();
  if (!server_ && get_response_header("Sec-WebSocket-Protocol") != kSubprotocol) {
    WebSocketStreamEnd end;
    end.http_status = 101;
    end.http_reason = "without subprotocol probekit.v1";
    tell_end(end);
    abort();
    return;
  }
  opened_ = true;
  if (owner_ != nullptr) owner_->on_open();
}

void Stream::resume() {
  if (!ended_ && descriptor_ >= 0) Base::handle_resume_reading();
}

void Stream::received(Message& message) {
  if (owner_ == nullptr || own_close_) return;
  if (message.get_opcode() != ws::frame::opcode::binary) {
    return close(CloseCode::unsupported, "messages are binary");
  }
  if (message.get_payload().empty()) return close(CloseCode::policy, "an empty message");
  owner_->on_message(std::move(message.get_raw_payload()));
}

// One pong is under way at a time and answers the newest ping (RFC 6455, 5.5.3), so a peer that
// pings and does not read costs nothing.
bool Stream::ping(const std::string& payload) {
  if (account_->pong_held) {
    waiting_ping_ = payload;
  } else {
    transmit(ws::frame::opcode::pong, payload);
  }
  return false;
}

void Stream::pong_written() {
  if (!waiting_ping_ || ended_ || descriptor_ < 0) return;
  std::string payload = std::move(*waiting_ping_);
  waiting_ping_.reset();
  transmit(ws::frame::opcode::pong, std::move(payload));
}

void Stream::written() {
  if (owner_ != nullptr) owner_->on_written();
}

void Stream::send(std::string message) { transmit(ws::frame::opcode::binary, std::move(message)); }

// Prepared here: the library would copy the payload twice.
void Stream::transmit(ws::frame::opcode::value opcode, std::string payload) {
  const auto frame = std::make_shared<OutgoingFrame>(account_, opcode, payload.size());
  const ws::frame::basic_header header(opcode, payload.size(), true, !server_);
  if (server_) {
    frame->set_header(
        ws::frame::prepare_header(header, ws::frame::extended_header(payload.size())));
  } else {
    ws::frame::masking_key_type key;
    key.i = mask_source();
    unsigned char bytes[4];
    std::memcpy(bytes, key.c, sizeof bytes);
    mask(payload, bytes);
    frame->set_header(
        ws::frame::prepare_header(header, ws::frame::extended_header(payload.size(), key.i)));
  }
  frame->get_raw_payload() = std::move(payload);
  frame->set_prepared(true);
  Base::send(frame);  // fails only when closing, and then the end is told
}

void Stream::close(CloseCode code, std::string_view text) {
  if (own_close_ || ended_) return;
  own_close_ = CloseReason{code, true, close_text(text), {}};
  ws::lib::error_code error;
  Base::close(static_cast<ws::close::status::value>(code), own_close_->text, error);
}

void Stream::abort() {
  owner_ = nullptr;
  ended_ = true;
  if (descriptor_ < 0) return;
  asio::error_code error;
  Base::get_raw_socket().set_option(asio::socket_base::linger(true, 0), error);
  close_socket();
}

void Stream::terminated() {
  if (!ended_) tell_end(describe_end());
  settle();
}

void Stream::tell_end(const WebSocketStreamEnd& end) {
  ended_ = true;
  WebSocketStreamOwner* const owner = std::exchange(owner_, nullptr);
  if (owner != nullptr) owner->on_ended(end);
}

WebSocketStreamEnd Stream::describe_end() const {
  namespace status = ws::close::status;
  WebSocketStreamEnd end;
  end.opened = opened_;
  const std::error_code error = get_ec();
  end.timed_out = error == ws::error::make_error_code(ws::error::open_handshake_timeout);
  if (tls() != nullptr && !tls()->established()) end.tls_fault = tls()->fault();
  if (!server_) {
    end.http_status = static_cast<int>(get_response_code());
    end.http_reason = get_response_msg();
    if (const auto seconds = parse_uint(trim(get_response_header("Retry-After")))) {
      end.retry_after = std::min<std::chrono::seconds>(
          kRetryAfterMax, std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1'000'000)));
    }
  }
  if (error == ws::error::make_error_code(ws::error::close_handshake_timeout)) {
    end.reason.error = errc::timed_out;
  } else if (error.category() == asio::system_category()) {
    end.reason.error = std::error_code(error.value(), std::system_category());
  } else if (error) {
    end.reason.error = errc::connection_lost;
  }
  if (own_close_) {
    const std::error_code why = end.reason.error;
    end.reason = *own_close_;
    end.reason.error = why;
  } else if (get_remote_close_code() != status::abnormal_close) {
    end.reason.code = static_cast<CloseCode>(get_remote_close_code());
    end.reason.text = get_remote_close_reason();
    end.reason.error = {};
  } else if (opened_ && get_local_close_code() != status::abnormal_close) {
    // The library closed, for a breach of the protocol.
    end.reason.code = static_cast<CloseCode>(get_local_close_code());
    end.reason.local = true;
    end.reason.text = get_local_close_reason();
    end.reason.error = get_local_close_code() == status::message_too_big
                           ? make_error_code(errc::message_too_large)
                           : make_error_code(errc::protocol_violation);
  }
  return end;
}

void Stream::settle() {
  if (descriptor_ < 0 || linger_timer_) return;
  const std::error_code error = get_ec();
  const bool peer_is_gone =
      error.category() == asio::system_category() ||
      error == ws::transport::error::make_error_code(ws::transport::error::eof);
  const bool peer_is_silent =
      error == ws::error::make_error_code(ws::error::open_handshake_timeout) ||
      error == ws::error::make_error_code(ws::error::close_handshake_timeout);
  if (peer_is_gone || peer_is_silent) return close_socket();
  const auto keep = self();
  linger_timer_.emplace(context_, kLingerTime);
  linger_timer_->async_wait([keep](const asio::error_code&) { keep->close_socket(); });
  asio::error_code ignored;
  Base::get_raw_socket().non_blocking(true, ignored);
  linger(keep);
}

void Stream::linger(const std::shared_ptr<Stream>& keep) {
  Base::get_raw_socket().async_wait(
      asio::ip::tcp::socket::wait_read, [keep](const asio::error_code& wait_error) {
        if (wait_error || keep->descriptor_ < 0) return;
        std::array<char, 16 * 1024> bytes;
        asio::error_code error;
        for (int reads = 0; reads < 16 && !error; ++reads) {
          keep->get_raw_socket().read_some(asio::buffer(bytes), error);
        }
        if (error && error != asio::error::would_block) return keep->close_socket();
        keep->linger(keep);
      });
}

void Stream::close_socket() {
  if (descriptor_ < 0) return;
  descriptor_ = -1;
  if (linger_timer_) linger_timer_->cancel();
  asio::error_code error;
  Base::get_raw_socket().close(error);
  ticket_.reset();
}

}  // namespace

std::shared_ptr<WebSocketStream> make_server_stream(EventLoop& loop, int descriptor,
                                                    const WebSocketStreamOptions& options,
                                                    std::shared_ptr<void> ticket) {
  auto stream = std::make_shared<Stream>(true, asio_context(loop), options, std::move(ticket));
  stream->adopt(descriptor, stream);
  if (options.tls) stream->secure(options.tls, {});
  return stream;
}

std::shared_ptr<WebSocketStream> make_client_stream(EventLoop& loop, int descriptor,
                                                    const WebSocketStreamOptions& options,
                                                    const std::string& host, std::uint16_t port,
                                                    const std::string& resource) {
  auto stream = std::make_shared<Stream>(false, asio_context(loop), options, nullptr);
  stream->adopt(descriptor, stream);
  if (options.tls) {
    stream->secure(options.tls, host.front() == '[' ? host.substr(1, host.size() - 2) : host);
  }
  stream->set_uri(std::make_shared<ws::uri>(options.tls != nullptr, host, port, resource));
  if (!options.token.empty()) stream->append_header("Authorization", "Bearer " + options.token);
  return stream;
}

}  // namespace probekit
