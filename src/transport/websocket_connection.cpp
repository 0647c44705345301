// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "transport/websocket_connection.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "transport/close_text.hpp"
#include "transport/tcp_socket.hpp"

namespace probekit {

namespace {

// A loop that wakes this late was frozen: its sockets are given one more round before it judges,
// once, as a loop that is always late must judge too.
constexpr std::chrono::seconds kLagMax{1};

}  // namespace

WebSocketConnection::WebSocketConnection(std::shared_ptr<LoopLink> link,
                                         std::shared_ptr<WebSocketStream> stream,
                                         std::chrono::milliseconds send_time_limit,
                                         std::shared_ptr<Log> log, std::string token,
                                         std::chrono::milliseconds opening_time)
    : link_(std::move(link)),
      stream_(std::move(stream)),
      send_time_limit_(send_time_limit),
      log_(std::move(log)),
      token_(std::move(token)),
      opening_time_(opening_time),
      self_(std::make_shared<WebSocketConnection*>(this)),
      peer_(tcp_peer(stream_->descriptor())),
      local_(tcp_local(stream_->descriptor())) {
  stream_->set_owner(this);
  link_->add(*this);
}

WebSocketConnection::~WebSocketConnection() {
  *self_ = nullptr;
  cancel_watch();
  if (!stream_) return;
  link_->remove(*this);
  stream_->abort();
}

void WebSocketConnection::start(ConnectionObserver& observer) {
  observer_ = &observer;
  post(&WebSocketConnection::begin);
}

void WebSocketConnection::post(void (WebSocketConnection::*step)()) {
  link_->post([self = self_, step] {
    if (*self != nullptr) ((*self)->*step)();
  });
}

void WebSocketConnection::begin() {
  started_ = true;
  const Self self = self_;
  for (std::string& message : std::exchange(early_, {})) {
    if (!stream_) break;
    deliver(std::move(message));
    if (*self == nullptr) return;
  }
  if (!stream_) return tell();
  stream_->resume();
  notice_written();
}

std::size_t WebSocketConnection::send_room() const noexcept {
  const std::size_t held = stream_ ? stream_->held_bytes() : 0;
  return held >= kSendRoom ? 0 : kSendRoom - held;
}

void WebSocketConnection::send(std::string message) {
  assert(!message.empty());
  if (!stream_ || closing_) return;
  stream_->send(std::move(message));
  blocked_ = blocked_ || send_room() == 0;
  watch_progress();
}

void WebSocketConnection::close(CloseCode code, std::string_view text) {
  if (!stream_ || closing_) return;
  if (!may_be_sent(code)) return abort(code, text);
  closing_ = CloseReason{code, true, close_text(text), {}};
  notice_written();
}

void WebSocketConnection::abort(CloseCode code, std::string_view text) {
  if (!stream_) return;
  const auto stream = stream_;
  finish(CloseReason{code, true, close_text(text), {}});
  stream->abort();
}

ConnectionFacts WebSocketConnection::facts() const {
  if (!stream_) return last_facts_;
  ConnectionFacts facts;
  facts.peer = peer_;
  facts.local = local_;
  facts.unsent_bytes = stream_->held_bytes();
  read_tcp_facts(stream_->descriptor(), facts);
  return facts;
}

void WebSocketConnection::on_message(std::string message) {
  if (!started_) return early_.push_back(std::move(message));
  deliver(std::move(message));
}

void WebSocketConnection::deliver(std::string message) {
  const Self self = self_;
  try {
    observer_->on_message(std::move(message));
  } catch (...) {
    // It must not leave through the library, which would never read again.
    if (*self == nullptr) return;
    if (log_) log_->write(LogLevel::error, "websocket", "the receiver of a message threw");
    abort(CloseCode::internal, "the receiver of a message threw");
  }
}

void WebSocketConnection::on_written() {
  written_since_check_ = true;
  if (notice_posted_ || !(blocked_ || closing_)) return;
  notice_posted_ = true;
  post(&WebSocketConnection::notice_written);
}

void WebSocketConnection::notice_written() {
  notice_posted_ = false;
  if (!stream_) return;
  if (closing_) {
    // The closing handshake has 5 s from its start, so what is held goes first.
    if (stream_->held_bytes() > 0 || handshake_begun_) return;
    handshake_begun_ = true;
    stream_->close(closing_->code, closing_->text);
  } else if (started_ && blocked_ && send_room() > 0) {
    blocked_ = false;
    observer_->on_writable();
  }
}

void WebSocketConnection::on_ended(const WebSocketStreamEnd& end) {
  if (!closing_) return finish(end.reason);
  CloseReason reason = *closing_;
  reason.error = end.reason.error;
  finish(std::move(reason));
}

void WebSocketConnection::finish(CloseReason reason) {
  last_facts_ = facts();
  stream_.reset();
  cancel_watch();
  link_->remove(*this);
  reason_ = std::move(reason);
  if (started_) post(&WebSocketConnection::tell);
}

void WebSocketConnection::tell() {
  if (std::exchange(told_, true)) return;
  observer_->on_closed(reason_);
}

void WebSocketConnection::loop_ended() noexcept {
  if (!stream_) return;
  stream_->abort();
  stream_.reset();
  watch_ = 0;
}

void WebSocketConnection::watch_progress() {
  EventLoop* const loop = link_->loop();
  if (watch_ != 0 || loop == nullptr) return;
  const SteadyTime now = loop->now();
  progress_at_ = now;
  acked_bytes_ = read_tcp_progress(stream_->descriptor()).acked_bytes;
  const auto interval =
      std::max<std::chrono::nanoseconds>(send_time_limit_ / 8, std::chrono::milliseconds(1));
  watch_due_ = now + interval;
  watch_ = loop->call_at(watch_due_, [this] { check_progress(); });
}

// Runs while something is under way, so that an idle connection costs nothing.
void WebSocketConnection::check_progress() {
  watch_ = 0;
  EventLoop* const loop = link_->loop();
  if (!stream_ || loop == nullptr) return;
  const SteadyTime now = loop->now();
  const TcpProgress tcp = read_tcp_progress(stream_->descriptor());
  if (stream_->held_bytes() == 0 && tcp.unacked_bytes == 0) return;
  const SteadyTime before = progress_at_;
  const bool moved = std::exchange(written_since_check_, false) || tcp.acked_bytes != acked_bytes_;
  const bool frozen = now - watch_due_ > kLagMax;
  spared_ = frozen && !spared_;
  if (!moved && !spared_ && now - before >= send_time_limit_) {
    return abort(CloseCode::stalled, "the peer took no byte for too long");
  }
  watch_progress();
  acked_bytes_ = tcp.acked_bytes;
  if (!moved) progress_at_ = before;
}

void WebSocketConnection::cancel_watch() {
  EventLoop* const loop = link_->loop();
  if (watch_ != 0 && loop != nullptr) loop->cancel(watch_);
  watch_ = 0;
}

}  // namespace probekit
