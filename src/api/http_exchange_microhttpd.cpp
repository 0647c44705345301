// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/http_exchange_microhttpd.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "api/http_server_microhttpd.hpp"
#include "base/text.hpp"

namespace probekit::api {
namespace {

// What a streamed response asks Answer::read() for at a time, at most.
constexpr std::size_t kStreamBlock = 32 * 1024;

}  // namespace

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

}  // namespace probekit::api
