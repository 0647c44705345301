// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "support/scripted_master.hpp"

#include <future>
#include <utility>

namespace probekit::test {

using namespace std::chrono_literals;

ScriptedMaster::ScriptedMaster(std::unique_ptr<Listener> listener)
    : loop_(EventLoopOptions{"scripted", nullptr, nullptr}), listener_(std::move(listener)) {
  loop_.start();
  on_loop([this] {
    if (!listener_->start(loop_, *this)) throw std::runtime_error("cannot listen");
  });
}

ScriptedMaster::~ScriptedMaster() {
  on_loop([this] {
    listener_->stop();
    connection_.reset();
  });
  loop_.stop();
}

void ScriptedMaster::on_loop(std::function<void()> work) {
  std::promise<void> done;
  loop_.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

void ScriptedMaster::send(const protocol::Message& message) {
  std::string text;
  protocol::encode(message, text);
  on_loop([&] {
    if (connection_) connection_->send(std::move(text));
  });
}

void ScriptedMaster::close(CloseCode code, const std::string& text) {
  on_loop([&] {
    if (connection_) connection_->close(code, text);
  });
}

std::size_t ScriptedMaster::connections() const {
  const std::lock_guard<std::mutex> lock{mutex_};
  return connections_;
}

std::optional<CloseReason> ScriptedMaster::closed() const {
  const std::lock_guard<std::mutex> lock{mutex_};
  return closed_;
}

std::vector<protocol::Results::Item> ScriptedMaster::items() const {
  std::vector<protocol::Results::Item> items;
  for (auto& results : got<protocol::Results>())
    for (auto& item : results.items) items.push_back(std::move(item));
  return items;
}

void ScriptedMaster::on_connection(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  {
    const std::lock_guard<std::mutex> lock{mutex_};
    messages_.clear();
    closed_.reset();
    ++connections_;
  }
  connection_->start(*this);
}

void ScriptedMaster::on_message(std::string message) {
  auto decoded = protocol::decode(message);
  const std::lock_guard<std::mutex> lock{mutex_};
  if (decoded) messages_.push_back(std::move(*decoded));
}

void ScriptedMaster::on_closed(const CloseReason& reason) {
  loop_.post([ended = std::shared_ptr<Connection>{std::move(connection_)}] {});
  const std::lock_guard<std::mutex> lock{mutex_};
  closed_ = reason;
}

protocol::Welcome plain_welcome(std::vector<TaskId> wanted) {
  protocol::Welcome welcome;
  welcome.session = "s1";
  welcome.store = "store";
  welcome.master = "scripted";
  welcome.heartbeat_interval = 15s;
  welcome.dead_after = 60s;
  welcome.resume_grace = 30s;
  welcome.results_bytes = 1 << 20;
  welcome.wanted = std::move(wanted);
  return welcome;
}

protocol::Tasks fake_tasks(const std::vector<std::uint64_t>& ids, const std::string& target) {
  ProbeOptions options;
  options.kind = "fake";
  options.timeout = 20s;
  options.priority = Priority::low;
  protocol::Tasks tasks;
  tasks.options = {std::make_shared<const ProbeOptions>(options)};
  for (const std::uint64_t id : ids) tasks.tasks.push_back({TaskId{id}, 1, 0, 60s, target});
  return tasks;
}

}  // namespace probekit::test
