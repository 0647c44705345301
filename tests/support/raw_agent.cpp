// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/raw_agent.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "protocol/codec.hpp"

namespace probekit::test {

using namespace protocol;

std::string passed_result() {
  return R"({"address":"127.0.0.1:80","verdict":"passed","failure":null,)"
         R"("started_at_us":1767225600000000,"duration_us":1500,)"
         R"("phases":{"connect_us":500,"send_us":1000},"suspect":false})";
}

RawAgent::RawAgent(std::unique_ptr<Connector> connector)
    : loop_(EventLoopOptions{"raw-agent", nullptr, nullptr}), connector_(std::move(connector)) {
  loop_.start();
}

RawAgent::~RawAgent() {
  std::promise<void> done;
  loop_.post([&] {
    connector_->cancel();
    connection_.reset();
    done.set_value();
  });
  done.get_future().wait();
  loop_.stop();
}

void RawAgent::connect() {
  {
    const std::lock_guard<std::mutex> lock{mutex_};
    open_ = false;
    closed_.reset();
    messages_.clear();
    tasks_.clear();
    acked_ = 0;
  }
  next_seq_ = 1;
  loop_.post([this] {
    connection_.reset();
    connector_->connect(loop_, [this](Expected<std::unique_ptr<Connection>> made) {
      if (!made) return;
      connection_ = std::move(*made);
      connection_->start(*this);
      const std::lock_guard<std::mutex> lock{mutex_};
      open_ = true;
    });
  });
  run_until([this] {
    const std::lock_guard<std::mutex> lock{mutex_};
    return open_;
  });
}

void RawAgent::on_message(std::string text) {
  auto message = decode(text);
  const std::lock_guard<std::mutex> lock{mutex_};
  if (!message) {
    closed_ = CloseReason{CloseCode::protocol_error, true, message.error().message(), {}};
    return;
  }
  if (auto* const tasks = std::get_if<Tasks>(&*message)) {
    tasks_.insert(tasks_.end(), tasks->tasks.begin(), tasks->tasks.end());
  } else if (const auto* const ack = std::get_if<Ack>(&*message)) {
    acked_ = ack->seq;
  } else {
    if (const auto* const beat = std::get_if<Heartbeat>(&*message)) {
      if (beat->ack) acked_ = *beat->ack;
    }
    messages_.push_back(std::move(*message));
  }
}

void RawAgent::on_closed(const CloseReason& reason) {
  const std::lock_guard<std::mutex> lock{mutex_};
  closed_ = reason;
}

void RawAgent::say(const Message& message) {
  std::string text;
  encode(message, text);
  say_text(std::move(text));
}

void RawAgent::say_text(std::string text) {
  loop_.post([this, text = std::move(text)] {
    if (connection_) connection_->send(text);
  });
}

void RawAgent::cut() {
  loop_.post([this] { connection_.reset(); });
}

void RawAgent::close(CloseCode code) {
  loop_.post([this, code] { connection_->close(code, "done"); });
}

Hello RawAgent::hello(std::string name, std::string instance, std::uint64_t holds) {
  Hello hello;
  hello.name = std::move(name);
  hello.instance = std::move(instance);
  hello.agent_version = "raw";
  hello.kinds = {"http"};
  hello.capacity_tasks = 100'000;
  hello.capacity_high = 1000;
  hello.slots = 10;
  hello.threads = 1;
  hello.holds = holds;
  return hello;
}

Welcome RawAgent::join(std::string name, std::string instance, std::vector<Held::Item> held,
                       std::string store) {
  connect();
  Hello message = hello(std::move(name), std::move(instance), held.size());
  message.store = std::move(store);
  say(message);
  constexpr std::size_t kHeldPerMessage = 1000;
  for (std::size_t from = 0; from < held.size(); from += kHeldPerMessage) {
    const std::size_t to = std::min(from + kHeldPerMessage, held.size());
    say(Held{{held.begin() + static_cast<std::ptrdiff_t>(from),
              held.begin() + static_cast<std::ptrdiff_t>(to)},
             to == held.size()});
  }
  Welcome welcome = wait_for<Welcome>();
  while (!welcome.last) {
    const Wanted more = wait_for<Wanted>();
    welcome.wanted.insert(welcome.wanted.end(), more.tasks.begin(), more.tasks.end());
    welcome.last = more.last;
  }
  return welcome;
}

void RawAgent::grant(std::uint64_t high, std::uint64_t other) { say(Credit{high, other}); }

void RawAgent::say_items(std::vector<Results::Item> items) {
  Results message;
  message.seq = next_seq_;
  message.items = std::move(items);
  next_seq_ += message.items.size();
  say(message);
}

void RawAgent::pass(const std::vector<Tasks::Item>& tasks) {
  std::vector<Results::Item> items(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    items[i].task = tasks[i].task;
    items[i].attempt = tasks[i].attempt;
    items[i].result = passed_result();
  }
  say_items(std::move(items));
}

void RawAgent::give_back(const std::vector<Tasks::Item>& tasks, Returned why) {
  std::vector<Results::Item> items(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    items[i].task = tasks[i].task;
    items[i].attempt = tasks[i].attempt;
    items[i].returned = why;
  }
  say_items(std::move(items));
}

std::vector<Tasks::Item> RawAgent::wait_for_tasks(std::size_t count) {
  run_until([&] { return tasks_waiting() >= count; });
  const std::lock_guard<std::mutex> lock{mutex_};
  return std::exchange(tasks_, {});
}

std::size_t RawAgent::tasks_waiting() {
  const std::lock_guard<std::mutex> lock{mutex_};
  return tasks_.size();
}

void RawAgent::wait_for_ack(std::uint64_t seq) {
  run_until([&] {
    const std::lock_guard<std::mutex> lock{mutex_};
    return acked_ >= seq;
  });
}

bool RawAgent::is_closed() {
  const std::lock_guard<std::mutex> lock{mutex_};
  return closed_.has_value();
}

CloseReason RawAgent::wait_for_close() {
  run_until([this] { return is_closed(); });
  const std::lock_guard<std::mutex> lock{mutex_};
  return *closed_;
}

}  // namespace probekit::test
