// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/transport_world.hpp"

#include <atomic>
#include <future>

#include "support/catch.hpp"
#include "support/run_until.hpp"

namespace probekit::test {

void run_on(EventLoop& loop, const std::function<void()>& function) {
  if (loop.on_loop_thread()) return function();
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  loop.post([done, &function] {
    function();
    done->set_value();
  });
  done.reset();
  try {
    future.get();
  } catch (const std::future_error&) {  // destroyed unrun
    function();
  }
}

struct Gate::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool open = false;
};

Gate::Gate(EventLoop& loop) : state_(std::make_shared<State>()) {
  loop.post([state = state_] {
    std::unique_lock<std::mutex> lock(state->mutex);
    state->entered = true;
    state->changed.notify_all();
    state->changed.wait(lock, [&] { return state->open; });
  });
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->entered; });
}

void Gate::open() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->open = true;
  state_->changed.notify_all();
}

Peer::Peer(EventLoop& loop, std::unique_ptr<Connection> connection)
    : loop_(loop), connection_(std::move(connection)) {}

Peer::~Peer() {
  destroy();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!violations_.empty()) FAIL_CHECK(violations_);
}

void Peer::call(const std::function<void(Connection&)>& function) {
  run_on(loop_, [&] {
    if (!connection_) return;
    const bool before = std::exchange(calling_, true);
    function(*connection_);
    calling_ = before;
  });
}

void Peer::start() {
  call([this](Connection& connection) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      started_ = true;
    }
    connection.start(*this);
  });
}

void Peer::send(std::string message) {
  call([&](Connection& connection) { connection.send(std::move(message)); });
}

void Peer::send_all(std::vector<std::string> messages) {
  call([&](Connection& connection) {
    for (std::string& message : messages) connection.send(std::move(message));
  });
}

void Peer::send_paced(std::deque<std::string> messages) {
  run_on(loop_, [&] {
    for (std::string& message : messages) waiting_.push_back(std::move(message));
    pump();
  });
}

void Peer::pump() {
  while (connection_ && !waiting_.empty() && connection_->send_room() > 0) {
    std::string message = std::move(waiting_.front());
    waiting_.pop_front();
    send(std::move(message));
  }
}

void Peer::close(CloseCode code, const std::string& text) {
  call([&](Connection& connection) { connection.close(code, text); });
}

void Peer::abort(CloseCode code, const std::string& text) {
  call([&](Connection& connection) { connection.abort(code, text); });
}

void Peer::destroy() {
  if (!connection_) return;
  run_on(loop_, [this] { connection_.reset(); });
}

std::size_t Peer::send_room() {
  std::size_t room = 0;
  call([&](Connection& connection) { room = connection.send_room(); });
  return room;
}

ConnectionFacts Peer::facts() {
  ConnectionFacts facts;
  call([&](Connection& connection) { facts = connection.facts(); });
  return facts;
}

std::size_t Peer::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return messages_.size();
}

std::uint64_t Peer::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

std::vector<std::string> Peer::messages() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return messages_;
}

int Peer::writable_calls() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return writable_calls_;
}

std::optional<CloseReason> Peer::closed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return closed_;
}

CloseReason Peer::wait_closed(std::chrono::milliseconds timeout) const {
  run_until([this] { return closed().has_value(); }, timeout);
  return *closed();
}

void Peer::wait_count(std::size_t count) const {
  run_until([&] { return this->count() >= count; }, std::chrono::seconds(30));
}

// Callers hold the mutex.
void Peer::note(const char* callback) {
  const std::string name = callback;
  if (!loop_.on_loop_thread()) violations_ += name + " on another thread. ";
  if (calling_) violations_ += name + " inside a call. ";
  if (!started_) violations_ += name + " before start(). ";
  if (closed_) violations_ += name + " after on_closed. ";
}

void Peer::on_message(std::string message) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    note("on_message");
    if (message.empty()) violations_ += "an empty message. ";
    bytes_ += message.size();
    messages_.push_back(std::move(message));
  }
  if (then_message) then_message();
}

void Peer::on_writable() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    note("on_writable");
    ++writable_calls_;
  }
  pump();
  if (then_writable) then_writable();
}

void Peer::on_closed(const CloseReason& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    note("on_closed");
    closed_ = reason;
  }
  if (then_closed) then_closed();
}

std::unique_ptr<Peer> Door::take() {
  run_until([this] { return waiting() > 0; });
  const std::lock_guard<std::mutex> lock(mutex_);
  auto peer = std::move(peers_.front());
  peers_.pop_front();
  return peer;
}

std::size_t Door::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return peers_.size();
}

void Door::on_connection(std::unique_ptr<Connection> connection) {
  auto peer = std::make_unique<Peer>(loop_, std::move(connection));
  if (start) peer->start();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    peers_.push_back(std::move(peer));
  }
  if (then_connection) then_connection();
}

bool Door::admits(std::chrono::seconds& seconds) {
  seconds = retry_after;
  return open;
}

Connected connect_and_wait(EventLoop& loop, Connector& connector) {
  Connected result;
  std::atomic<bool> done{false};
  bool returned = false;  // on the loop
  bool inside = false;
  bool elsewhere = false;
  run_on(loop, [&] {
    connector.connect(loop, [&](Expected<std::unique_ptr<Connection>> answer) {
      inside = !returned;
      elsewhere = !loop.on_loop_thread();
      if (answer) {
        result.peer = std::make_unique<Peer>(loop, std::move(*answer));
      } else {
        result.error = answer.error().code();
        result.text = answer.error().message();
      }
      done = true;
    });
    returned = true;
  });
  run_until([&] { return done.load(); }, std::chrono::seconds(30));
  CHECK_FALSE(inside);
  CHECK_FALSE(elsewhere);
  return result;
}

std::unique_ptr<EventLoop> make_running_loop(const std::string& name) {
  EventLoopOptions options;
  options.name = name;
  auto loop = std::make_unique<EventLoop>(std::move(options));
  loop->start();
  return loop;
}

}  // namespace probekit::test
