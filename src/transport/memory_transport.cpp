// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "probekit/transport.hpp"
#include "transport/close_text.hpp"
#include "transport/loop_link.hpp"

namespace probekit {

namespace {

using namespace std::chrono_literals;

constexpr auto kCloseTime = 5s;     // without progress, as for WebSocket
constexpr auto kConnectTime = 10s;  // for a listener whose loop stands still
constexpr const char* kUrl = "memory:";

// One side of a connection. Its state belongs to its own loop; the other side reaches it by posts,
// which arrive in order, and by the atomics, which play the kernel's part.
class MemoryEnd final : public std::enable_shared_from_this<MemoryEnd>, private LoopLink::Member {
 public:
  // Once set, what is still under way is lost.
  using Cut = std::shared_ptr<std::atomic<bool>>;

  MemoryEnd(std::shared_ptr<LoopLink> link, Cut cut)
      : link_(std::move(link)), cut_(std::move(cut)) {}

  static void join(const std::shared_ptr<MemoryEnd>& a, const std::shared_ptr<MemoryEnd>& b) {
    a->peer_ = b;
    b->peer_ = a;
  }

  // From any thread.
  void break_cable() {
    cut_->store(true);
    link_->post([self = shared_from_this()] { self->lost(); });
  }

  // The rest: on this side's loop.
  void attach() {
    link_->add(*this);
    attached_ = true;
  }
  void detach();
  void start(ConnectionObserver& observer);
  std::size_t send_room() const noexcept {
    return held_ >= Connection::kSendRoom ? 0 : Connection::kSendRoom - held_;
  }
  void send(std::string message);
  void close(CloseCode code, std::string_view text);
  void abort(CloseCode code, std::string_view text);
  ConnectionFacts facts() const;

 private:
  enum class Phase { open, closing, ended };

  void loop_ended() noexcept override;

  void begin();
  void arrive(std::string message);
  void take(std::string message);
  void taken(std::size_t bytes);
  void peer_closes(CloseReason reason);
  void lost();
  void watch_close();
  void end(CloseReason reason);
  void tell();
  void cancel_timer();

  const std::shared_ptr<LoopLink> link_;
  const Cut cut_;
  std::atomic<std::size_t> inbound_bytes_{0};
  std::atomic<std::uint64_t> received_bytes_{0};

  std::shared_ptr<MemoryEnd> peer_;  // null once ended, which breaks the circle
  ConnectionObserver* observer_ = nullptr;
  Phase phase_ = Phase::open;
  bool attached_ = false;
  bool started_ = false;
  bool told_ = false;
  bool blocked_ = false;
  std::size_t held_ = 0;
  std::uint64_t acked_bytes_ = 0;
  std::deque<std::string> inbox_;  // until started; bounded by the peer's send room
  std::optional<CloseReason> peer_closed_;
  CloseReason reason_;
  TimerId timer_ = 0;
  std::uint64_t acked_at_check_ = 0;
};

void MemoryEnd::start(ConnectionObserver& observer) {
  observer_ = &observer;
  link_->post([self = shared_from_this()] { self->begin(); });
}

void MemoryEnd::begin() {
  if (observer_ == nullptr) return;
  started_ = true;
  while (!inbox_.empty() && phase_ != Phase::ended && observer_ != nullptr) {
    std::string message = std::move(inbox_.front());
    inbox_.pop_front();
    take(std::move(message));
  }
  if (phase_ == Phase::ended) return tell();
  if (peer_closed_) return peer_closes(*std::exchange(peer_closed_, std::nullopt));
  taken(0);
}

void MemoryEnd::send(std::string message) {
  assert(!message.empty());
  if (phase_ != Phase::open) return;
  const std::size_t bytes = message.size();
  held_ += bytes;
  blocked_ = blocked_ || send_room() == 0;
  peer_->inbound_bytes_ += bytes;
  peer_->received_bytes_ += bytes;
  peer_->link_->post(
      [peer = peer_, text = std::move(message)]() mutable { peer->arrive(std::move(text)); });
}

void MemoryEnd::arrive(std::string message) {
  if (phase_ == Phase::ended || cut_->load()) return;
  if (started_ && inbox_.empty()) return take(std::move(message));
  inbox_.push_back(std::move(message));
}

void MemoryEnd::take(std::string message) {
  const std::size_t bytes = message.size();
  inbound_bytes_ -= bytes;
  peer_->link_->post([peer = peer_, bytes] { peer->taken(bytes); });
  const auto self = shared_from_this();
  try {
    observer_->on_message(std::move(message));
  } catch (...) {
    abort(CloseCode::internal, "the receiver of a message threw");
    throw;  // the loop counts it
  }
}

void MemoryEnd::taken(std::size_t bytes) {
  if (phase_ == Phase::ended) return;
  held_ -= bytes;
  acked_bytes_ += bytes;
  if (!started_ || !blocked_ || send_room() == 0 || observer_ == nullptr) return;
  blocked_ = false;
  observer_->on_writable();
}

void MemoryEnd::close(CloseCode code, std::string_view text) {
  if (phase_ != Phase::open) return;
  if (!may_be_sent(code)) return abort(code, text);
  phase_ = Phase::closing;
  reason_ = CloseReason{code, true, close_text(text), {}};
  // Posts arrive in order, so what is held gets there first.
  CloseReason theirs{code, false, reason_.text, {}};
  peer_->link_->post([peer = peer_, theirs = std::move(theirs)] { peer->peer_closes(theirs); });
  watch_close();
}

void MemoryEnd::watch_close() {
  EventLoop* const loop = link_->loop();
  if (loop == nullptr) return;
  acked_at_check_ = acked_bytes_;
  timer_ = loop->call_after(kCloseTime, [self = shared_from_this()] {
    self->timer_ = 0;
    if (self->phase_ != Phase::closing) return;
    if (self->acked_bytes_ != self->acked_at_check_) return self->watch_close();
    self->cut_->store(true);
    self->peer_->link_->post([peer = self->peer_] { peer->lost(); });
    CloseReason reason = self->reason_;
    reason.error = errc::timed_out;
    self->end(std::move(reason));
  });
}

void MemoryEnd::peer_closes(CloseReason reason) {
  if (phase_ == Phase::ended || cut_->load()) return;
  if (!started_) {
    peer_closed_ = std::move(reason);
    return;
  }
  peer_->link_->post([peer = peer_] {
    if (peer->phase_ == Phase::closing) peer->end(peer->reason_);
  });
  end(phase_ == Phase::closing ? reason_ : std::move(reason));
}

void MemoryEnd::abort(CloseCode code, std::string_view text) {
  if (phase_ == Phase::ended) return;
  cut_->store(true);
  peer_->link_->post([peer = peer_] { peer->lost(); });
  end(CloseReason{code, true, close_text(text), {}});
}

void MemoryEnd::lost() {
  if (phase_ == Phase::ended) return;
  CloseReason reason;
  if (phase_ == Phase::closing) reason = reason_;
  reason.error = errc::connection_lost;
  end(std::move(reason));
}

void MemoryEnd::end(CloseReason reason) {
  phase_ = Phase::ended;
  reason_ = std::move(reason);
  peer_.reset();
  inbox_.clear();
  cancel_timer();
  // One that never reached its loop is let go of by another thread.
  if (attached_) link_->remove(*this);
  if (started_) link_->post([self = shared_from_this()] { self->tell(); });
}

void MemoryEnd::tell() {
  if (observer_ == nullptr || told_) return;
  told_ = true;
  observer_->on_closed(reason_);
}

void MemoryEnd::detach() {
  observer_ = nullptr;
  abort(CloseCode::abnormal, {});
}

void MemoryEnd::loop_ended() noexcept {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  cut_->store(true);
  peer_->link_->post([peer = peer_] { peer->lost(); });
  peer_.reset();
  timer_ = 0;
}

void MemoryEnd::cancel_timer() {
  EventLoop* const loop = link_->loop();
  if (timer_ != 0 && loop != nullptr) loop->cancel(timer_);
  timer_ = 0;
}

ConnectionFacts MemoryEnd::facts() const {
  ConnectionFacts facts;
  facts.peer = "memory";
  facts.unsent_bytes = held_;
  facts.recv_queue_bytes = inbound_bytes_;
  facts.bytes_received = received_bytes_;
  facts.bytes_acked = acked_bytes_;
  return facts;
}

class MemoryConnection final : public Connection {
 public:
  explicit MemoryConnection(std::shared_ptr<MemoryEnd> end) : end_(std::move(end)) {}
  ~MemoryConnection() override { end_->detach(); }

  void attach() { end_->attach(); }

  void start(ConnectionObserver& observer) override { end_->start(observer); }
  std::size_t send_room() const noexcept override { return end_->send_room(); }
  void send(std::string message) override { end_->send(std::move(message)); }
  void close(CloseCode code, std::string_view text) override { end_->close(code, text); }
  void abort(CloseCode code, std::string_view text) override { end_->abort(code, text); }
  ConnectionFacts facts() const override { return end_->facts(); }
  std::optional<std::string> token() const override { return std::nullopt; }

 private:
  const std::shared_ptr<MemoryEnd> end_;
};

// One call of connect(). Belongs to the connector's loop but for answer().
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  using Answer = Expected<std::unique_ptr<MemoryConnection>>;

  Attempt(std::shared_ptr<LoopLink> link, Connector::Done done)
      : link_(std::move(link)), done_(std::move(done)) {}

  const std::shared_ptr<LoopLink>& link() const noexcept { return link_; }

  void limit_time() {
    timer_ = link_->loop()->call_after(kConnectTime, [self = shared_from_this()] {
      self->timer_ = 0;
      self->finish(Error(errc::timed_out, "the listener in memory did not answer"), 0s);
    });
  }

  // From any thread.
  void answer(Answer answer, std::chrono::seconds retry_after) {
    auto shared = std::make_shared<Answer>(std::move(answer));  // std::function copies
    link_->post([self = shared_from_this(), shared, retry_after] {
      self->finish(std::move(*shared), retry_after);
    });
  }

  void cancel() {
    done_ = nullptr;
    EventLoop* const loop = link_->loop();
    if (timer_ != 0 && loop != nullptr) loop->cancel(timer_);
    timer_ = 0;
  }

  std::chrono::seconds retry_after() const noexcept { return retry_after_; }

 private:
  void finish(Answer answer, std::chrono::seconds retry_after) {
    if (!done_) return;
    retry_after_ = retry_after;
    const Connector::Done done = std::move(done_);
    cancel();
    if (!answer) return done(answer.error());
    (*answer)->attach();
    done(std::unique_ptr<Connection>(std::move(*answer)));
  }

  const std::shared_ptr<LoopLink> link_;
  Connector::Done done_;
  TimerId timer_ = 0;
  std::chrono::seconds retry_after_{0};
};

// Travels to the listener's loop; when that ends with the request unread, it says so.
struct Request {
  explicit Request(std::shared_ptr<Attempt> from) : attempt(std::move(from)) {}
  ~Request() {
    if (!answered) answer(Error(errc::connection_failed, "nothing listens in memory"), 0s);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  void answer(Attempt::Answer answer, std::chrono::seconds retry_after) {
    answered = true;
    attempt->answer(std::move(answer), retry_after);
  }

  std::shared_ptr<Attempt> attempt;
  bool answered = false;
};

}  // namespace

struct MemoryNetwork::Impl {
  struct Active {
    std::uint64_t id = 0;
    std::shared_ptr<LoopLink> link;
    AcceptObserver* observer = nullptr;
  };
  class MemoryListener;
  class MemoryConnector;

  std::optional<Active> active() {
    const std::lock_guard<std::mutex> lock(mutex);
    return listening && listening->link->loop() != nullptr ? listening : std::nullopt;
  }

  static void accept(const std::shared_ptr<Impl>& network, std::uint64_t id, Request& request);

  std::mutex mutex;
  std::optional<Active> listening;
  std::uint64_t last_id = 0;
  std::vector<std::weak_ptr<MemoryEnd>> ends;
};

void MemoryNetwork::Impl::accept(const std::shared_ptr<Impl>& network, std::uint64_t id,
                                 Request& request) {
  const auto now = network->active();
  if (!now || now->id != id) return;
  std::chrono::seconds retry_after{0};
  if (!now->observer->admits(retry_after)) {
    return request.answer(
        Error(errc::handshake_failed, "the master refused the handshake: too many newcomers"),
        retry_after);
  }
  const auto cut = std::make_shared<std::atomic<bool>>(false);
  const auto ours = std::make_shared<MemoryEnd>(now->link, cut);
  const auto theirs = std::make_shared<MemoryEnd>(request.attempt->link(), cut);
  MemoryEnd::join(ours, theirs);
  {
    const std::lock_guard<std::mutex> lock(network->mutex);
    auto& ends = network->ends;
    ends.erase(std::remove_if(ends.begin(), ends.end(), [](auto& end) { return end.expired(); }),
               ends.end());
    ends.insert(ends.end(), {ours, theirs});
  }
  auto connection = std::make_unique<MemoryConnection>(ours);
  connection->attach();
  request.answer(std::make_unique<MemoryConnection>(theirs), 0s);
  now->observer->on_connection(std::move(connection));
}

class MemoryNetwork::Impl::MemoryListener final : public Listener {
 public:
  explicit MemoryListener(std::shared_ptr<Impl> network) : network_(std::move(network)) {}
  ~MemoryListener() override { stop(); }

  Expected<std::string> start(EventLoop& loop, AcceptObserver& observer) override {
    auto link = LoopLink::make(loop);
    const std::lock_guard<std::mutex> lock(network_->mutex);
    if (network_->listening && network_->listening->link->loop() != nullptr) {
      return Error(errc::address_in_use, "a memory network takes one listener at a time");
    }
    id_ = ++network_->last_id;
    network_->listening = Active{id_, std::move(link), &observer};
    return std::string(kUrl);
  }

  void stop() override {
    const std::lock_guard<std::mutex> lock(network_->mutex);
    if (network_->listening && network_->listening->id == id_) network_->listening.reset();
  }

 private:
  const std::shared_ptr<Impl> network_;
  std::uint64_t id_ = 0;
};

class MemoryNetwork::Impl::MemoryConnector final : public Connector {
 public:
  explicit MemoryConnector(std::shared_ptr<Impl> network) : network_(std::move(network)) {}
  ~MemoryConnector() override { cancel(); }

  void connect(EventLoop& loop, Done done) override {
    cancel();
    if (!link_ || link_->loop() != &loop) link_ = LoopLink::make(loop);
    attempt_ = std::make_shared<Attempt>(link_, std::move(done));
    attempt_->limit_time();
    // Where nobody listens, the request answers as it goes.
    auto request = std::make_shared<Request>(attempt_);
    const auto active = network_->active();
    if (!active) return;
    active->link->post([network = network_, id = active->id, request = std::move(request)] {
      accept(network, id, *request);
    });
  }

  void cancel() override {
    if (attempt_) attempt_->cancel();
  }

  std::string url() const override { return kUrl; }
  std::chrono::seconds retry_after() const override {
    return attempt_ ? attempt_->retry_after() : 0s;
  }

 private:
  const std::shared_ptr<Impl> network_;
  std::shared_ptr<LoopLink> link_;
  std::shared_ptr<Attempt> attempt_;
};

MemoryNetwork::MemoryNetwork() : impl_(std::make_shared<Impl>()) {}
MemoryNetwork::~MemoryNetwork() = default;

std::unique_ptr<Listener> MemoryNetwork::listener() {
  return std::make_unique<Impl::MemoryListener>(impl_);
}

std::unique_ptr<Connector> MemoryNetwork::connector() {
  return std::make_unique<Impl::MemoryConnector>(impl_);
}

void MemoryNetwork::cut() {
  std::vector<std::weak_ptr<MemoryEnd>> ends;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    ends.swap(impl_->ends);
  }
  for (const auto& weak : ends) {
    if (const auto end = weak.lock()) end->break_cable();
  }
}

}  // namespace probekit
