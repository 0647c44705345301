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

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <list>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "api/http_server.hpp"
#include "base/text.hpp"

namespace probekit::api {
namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerRound = 64;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kSweepInterval{1000};
// The library looks at a clock of its own.
constexpr std::chrono::milliseconds kLateSlack{100};
// What a streamed response asks Answer::read() for at a time, at most.
constexpr std::size_t kStreamBlock = 32 * 1024;

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

std::string on_the_wire(const HttpResponse& response, bool with_body) {
  std::string wire = "HTTP/1.1 " + std::to_string(response.status) + " " +
                     MHD_get_reason_phrase_for(static_cast<unsigned>(response.status)) + "\r\n";
  for (const HttpHeader& header : response.headers) {
    wire += header.name + ": " + header.value + "\r\n";
  }
  wire +=
      "Content-Length: " + std::to_string(response.body.size()) + "\r\nConnection: close\r\n\r\n";
  if (with_body) wire += response.body;
  return wire;
}

class MicrohttpdServer;
class MicrohttpdExchange;

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

class MicrohttpdExchange final : public Exchange {
 public:
  MicrohttpdExchange(MicrohttpdServer& server, std::string target);
  ~MicrohttpdExchange() override;

  void respond(HttpResponse response) override;
  void resume_upload() override { resume(Suspended::upload); }
  void resume_download() override { resume(Suspended::download); }

  /// The library's access handler, called for the head, each piece of the body, and the end.
  MHD_Result on_access(MHD_Connection* connection, const char* method, const char* version,
                       const char* upload, std::size_t* upload_size);
  ssize_t read(char* to, std::size_t room);
  /// The server stops: what is suspended must not stay so.
  void abort();
  /// Nothing can come of it any more when the client sends nothing more.
  bool needs_client() const noexcept { return !body_ended_ && suspended_ == Suspended::no; }
  /// What the client still sends is read and dropped.
  bool is_in_vain() const noexcept;

 private:
  enum class Suspended : std::uint8_t { no, upload, response, download };

  void begin(const char* method, const char* version);
  MHD_Result queue_response();
  void give_half_the_time(void (MicrohttpdExchange::*then)());
  void answer_early();
  void send_early();
  void cut();
  void suspend(Suspended why);
  void resume(Suspended why);
  void watch_client();
  void on_client_readable();
  int socket() const;
  bool expects_continue() const;
  bool has_unknown_coding() const;

  MicrohttpdServer& server_;
  MHD_Connection* connection_ = nullptr;
  HttpRequest request_;
  std::string authority_;  // of a target in absolute form
  std::shared_ptr<Answer> answer_;
  std::unique_ptr<HttpResponse> response_;
  std::string early_;  // a response that goes past the library
  std::size_t early_sent_ = 0;
  TimerId refusal_timer_ = 0;
  int watched_ = -1;
  Suspended suspended_ = Suspended::no;
  bool begun_ = false;
  bool body_ended_ = false;
  bool responded_ = false;
  bool queued_ = false;
  bool answered_early_ = false;
  bool aborted_ = false;
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

// -- MicrohttpdExchange ---------------------------------------------------------------------------

/// RFC 9112, 3.2.2: a target in absolute form must be taken, and names the host whatever Host says.
MicrohttpdExchange::MicrohttpdExchange(MicrohttpdServer& server, std::string target)
    : server_(server) {
  const std::size_t scheme = target.find("://");
  const std::string before = to_lower(target.substr(0, scheme));
  if (scheme != std::string::npos && (before == "http" || before == "https")) {
    const std::size_t path = std::min(target.find_first_of("/?", scheme + 3), target.size());
    authority_ = target.substr(scheme + 3, path - scheme - 3);
    target.erase(0, path);
    if (target.empty() || target.front() != '/') target.insert(0, 1, '/');
  }
  request_.target = std::move(target);
}

MicrohttpdExchange::~MicrohttpdExchange() {
  if (watched_ >= 0) server_.loop_.unwatch(watched_);
  if (refusal_timer_ != 0) server_.loop_.cancel(refusal_timer_);
  answer_.reset();
}

MHD_Result MicrohttpdExchange::on_access(MHD_Connection* connection, const char* method,
                                         const char* version, const char* upload,
                                         std::size_t* upload_size) {
  connection_ = connection;
  if (aborted_) return MHD_NO;
  if (!begun_) {
    begun_ = true;
    begin(method, version);
    // Nobody has sent a body yet that would have to be read first.
    if (responded_ && (expects_continue() || has_unknown_coding())) return queue_response();
    return MHD_YES;
  }
  if (*upload_size > 0) {
    const std::string_view bytes(upload, *upload_size);
    std::size_t taken = bytes.size();
    if (!responded_) taken = answer_->on_body(bytes);
    // A response in the middle of the body: the rest is dropped, then the response is queued.
    if (responded_) taken = bytes.size();
    *upload_size = bytes.size() - taken;
    if (taken < bytes.size()) suspend(Suspended::upload);
    return MHD_YES;
  }
  body_ended_ = true;
  if (answered_early_) {
    if (early_sent_ == early_.size())
      return MHD_NO;  // which closes the connection, as was announced
    suspend(Suspended::response);
    return MHD_YES;
  }
  if (!responded_) answer_->on_body_end();
  if (responded_) return queued_ ? MHD_YES : queue_response();
  suspend(Suspended::response);
  watch_client();
  return MHD_YES;
}

void MicrohttpdExchange::begin(const char* method, const char* version) {
  request_.method = method;
  request_.http_1_0 = std::strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
  const auto collect = [](void* headers, MHD_ValueKind, const char* name, std::size_t name_size,
                          const char* value, std::size_t value_size) {
    static_cast<std::vector<HttpHeader>*>(headers)->push_back(HttpHeader{
        std::string(name, name_size), value ? std::string(value, value_size) : std::string()});
    return MHD_YES;
  };
  MHD_get_connection_values_n(connection_, MHD_HEADER_KIND, collect, &request_.headers);
  for (HttpHeader& header : request_.headers) {
    if (!authority_.empty() && equal_ignoring_case(header.name, "Host")) header.value = authority_;
  }
  answer_ = server_.factory_(*this, request_);
  assert(answer_ || responded_);
}

bool MicrohttpdExchange::expects_continue() const {
  const std::string* expect = request_.header("Expect");
  return expect && equal_ignoring_case(*expect, "100-continue");
}

/// The library would take such a body to last until the client closes.
bool MicrohttpdExchange::has_unknown_coding() const {
  const std::string* coding = request_.header("Transfer-Encoding");
  return coding && !equal_ignoring_case(*coding, "chunked");
}

void MicrohttpdExchange::respond(HttpResponse response) {
  assert(!responded_);
  responded_ = true;
  const auto code_class = static_cast<std::size_t>(response.status / 100 - 1);
  if (code_class < server_.counters_.responses.size()) ++server_.counters_.responses[code_class];
  response_ = std::make_unique<HttpResponse>(std::move(response));
  if (suspended_ == Suspended::upload || suspended_ == Suspended::response) resume(suspended_);
  if (body_ended_) return;
  // Half of the time the client has to end its request, so that the connection can go on; the
  // other half to read what it was not going to wait for.
  give_half_the_time(&MicrohttpdExchange::answer_early);
}

void MicrohttpdExchange::give_half_the_time(void (MicrohttpdExchange::*then)()) {
  if (refusal_timer_ != 0) server_.loop_.cancel(refusal_timer_);
  const auto half = std::chrono::milliseconds(server_.options_.idle_timeout) / 2;
  refusal_timer_ = server_.loop_.call_at(server_.loop_.now() + half, [this, then] {
    refusal_timer_ = 0;
    (this->*then)();
  });
}

void MicrohttpdExchange::answer_early() {
  if (!connection_ || queued_) return;
  if (response_->streamed) return cut();
  answered_early_ = true;
  early_ = on_the_wire(*response_, request_.method != MHD_HTTP_METHOD_HEAD);
  give_half_the_time(&MicrohttpdExchange::cut);
  send_early();
}

void MicrohttpdExchange::send_early() {
  while (early_sent_ < early_.size()) {
    const ssize_t sent = send(socket(), early_.data() + early_sent_, early_.size() - early_sent_,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (watched_ >= 0) return;
      watched_ = socket();
      server_.loop_.watch(watched_, ProbeLoop::writable, [this](unsigned) { send_early(); });
      return;
    }
    if (sent < 0) return cut();
    early_sent_ += static_cast<std::size_t>(sent);
    give_half_the_time(&MicrohttpdExchange::cut);
  }
  if (watched_ >= 0) server_.loop_.unwatch(std::exchange(watched_, -1));
  // What the client still sends is read on: closing over it would make the kernel send a reset,
  // which may overtake the answer.
  shutdown(socket(), SHUT_WR);
  if (suspended_ != Suspended::no) resume(suspended_);
}

void MicrohttpdExchange::cut() {
  shutdown(socket(), SHUT_RDWR);
  abort();
}

MHD_Result MicrohttpdExchange::queue_response() {
  if (refusal_timer_ != 0) server_.loop_.cancel(std::exchange(refusal_timer_, 0));
  const std::unique_ptr<HttpResponse> response = std::move(response_);
  MHD_Response* wire = nullptr;
  if (response->streamed) {
    const auto reader = [](void* self, std::uint64_t, char* to, std::size_t room) {
      auto* exchange = static_cast<MicrohttpdExchange*>(self);
      return exchange->server_.guarded(ssize_t{MHD_CONTENT_READER_END_WITH_ERROR},
                                       [&] { return exchange->read(to, room); });
    };
    wire = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kStreamBlock, reader, this, nullptr);
  } else {
    auto* body = new std::string(std::move(response->body));
    wire = MHD_create_response_from_buffer_with_free_callback_cls(
        body->size(), body->data(), [](void* text) { delete static_cast<std::string*>(text); },
        body);
    if (!wire) delete body;
  }
  if (!wire) return MHD_NO;
  for (const HttpHeader& header : response->headers) {
    MHD_add_response_header(wire, header.name.c_str(), header.value.c_str());
  }
  queued_ = true;
  const MHD_Result result =
      MHD_queue_response(connection_, static_cast<unsigned>(response->status), wire);
  MHD_destroy_response(wire);
  return result;
}

bool MicrohttpdExchange::is_in_vain() const noexcept {
  if (body_ended_) return false;
  return responded_ || request_.method == MHD_HTTP_METHOD_GET ||
         request_.method == MHD_HTTP_METHOD_HEAD || request_.method == MHD_HTTP_METHOD_DELETE;
}

ssize_t MicrohttpdExchange::read(char* to, std::size_t room) {
  if (aborted_ || !answer_) return MHD_CONTENT_READER_END_WITH_ERROR;
  const Answer::Piece piece = answer_->read(to, room);
  switch (piece.reading) {
    case Answer::Reading::more:
      return static_cast<ssize_t>(piece.bytes);
    case Answer::Reading::end:
      return MHD_CONTENT_READER_END_OF_STREAM;
    case Answer::Reading::failed:
      return MHD_CONTENT_READER_END_WITH_ERROR;
    case Answer::Reading::wait:
      break;
  }
  // Without this the library would ask again at once, for ever.
  suspend(Suspended::download);
  return 0;
}

void MicrohttpdExchange::suspend(Suspended why) {
  assert(suspended_ == Suspended::no);
  suspended_ = why;
  MHD_suspend_connection(connection_);
}

void MicrohttpdExchange::resume(Suspended why) {
  if (suspended_ != why) return;
  suspended_ = Suspended::no;
  if (watched_ >= 0) server_.loop_.unwatch(std::exchange(watched_, -1));
  MHD_resume_connection(connection_);
  // The library wakes itself only when it has a thread of its own.
  server_.needs_run_ = true;
}

void MicrohttpdExchange::abort() {
  aborted_ = true;
  if (suspended_ != Suspended::no) resume(suspended_);
}

int MicrohttpdExchange::socket() const {
  return MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

void MicrohttpdExchange::watch_client() {
  watched_ = socket();
  server_.loop_.watch(watched_, ProbeLoop::readable, [this](unsigned) { on_client_readable(); });
}

void MicrohttpdExchange::on_client_readable() {
  char byte = 0;
  const ssize_t count = recv(watched_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  server_.loop_.unwatch(std::exchange(watched_, -1));
  if (count > 0) return;  // its next request is here already: it waits
  const std::shared_ptr<Answer> answer = answer_;
  answer->on_client_closed();
}

// -- MicrohttpdServer -----------------------------------------------------------------------------

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

void MicrohttpdServer::log(LogLevel level, std::string message) const {
  if (options_.log) options_.log->write(level, "api", std::move(message));
}

template <class Result, class Function>
Result MicrohttpdServer::guarded(Result otherwise, Function&& function) const noexcept {
  try {
    return function();
  } catch (const std::exception& error) {
    log(LogLevel::error, std::string("a request failed: ") + error.what());
  }
  return otherwise;
}

Doing Client::doing() const noexcept {
  if (head_due != SteadyTime::max()) return served ? Doing::idle : Doing::nothing;
  return exchange && exchange->is_in_vain() ? Doing::in_vain : Doing::request;
}

Client& client_of(MHD_Connection* connection) {
  return *static_cast<Client*>(
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
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

void MicrohttpdServer::on_log(void* self, const char* format, va_list arguments) {
  const auto* server = static_cast<const MicrohttpdServer*>(self);
  if (!server->options_.log || !server->options_.log->enabled(LogLevel::debug)) return;
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  server->log(LogLevel::debug, to_valid_utf8(trim(text)));
}

}  // namespace

std::unique_ptr<HttpServer> make_http_server(HttpServerOptions options, EpollLoop& loop,
                                             AnswerFactory factory) {
  return std::make_unique<MicrohttpdServer>(std::move(options), loop, std::move(factory));
}

}  // namespace probekit::api
