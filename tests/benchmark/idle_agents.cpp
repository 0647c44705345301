// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// idle_agents URL COUNT: so many agents in one process that have nothing to do. All begin at once;
// each says hello, grants credit, and heartbeats as it is told; one that is deferred comes again
// when it was asked to. Prints "joined: SECONDS" once all were welcomed, and at SIGTERM the
// heartbeats they sent and got since. Ends with 1 as soon as one of them fails.

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "probekit/clock.hpp"
#include "probekit/event_loop.hpp"
#include "probekit/transport.hpp"
#include "probekit/websocket.hpp"
#include "protocol/codec.hpp"
#include "protocol/heartbeats.hpp"

namespace {

using namespace probekit;

// Opening handshakes under way: well within what a master lets be newcomers.
constexpr std::size_t kAtOnce = 256;
constexpr std::uint64_t kSlots = 512;
constexpr std::uint64_t kQueue = 4096;
constexpr protocol::Credit kCredit{2 * kSlots, 2 * kSlots};

class Crowd;

class IdleAgent final : public ConnectionObserver {
 public:
  IdleAgent(Crowd& crowd, std::size_t number);

  void start(std::unique_ptr<Connection> connection);

 private:
  void on_message(std::string text) override;
  void on_writable() override {}
  void on_closed(const CloseReason& reason) override;
  void say(const protocol::Message& message);
  void beat();
  void arm();

  Crowd& crowd_;
  const std::string name_;
  protocol::Heartbeats beats_;
  std::unique_ptr<Connection> connection_;
  TimerId timer_ = 0;
  SteadyTime timer_at_{};
};

// All of them, on one loop.
class Crowd {
 public:
  Crowd(const std::string& url, std::size_t count)
      : random(system_random()), count_(count), began_(loop.now()) {
    WebSocketConnectorOptions options;
    options.urls = {url};
    options.random = random;
    for (std::size_t n = 0; n < std::min(kAtOnce, count); ++n)
      free_.push_back(connectors_.emplace_back(make_websocket_connector(options)).get());
    for (std::size_t n = 0; n < count; ++n)
      waiting_.push_back(agents_.emplace_back(std::make_unique<IdleAgent>(*this, n)).get());
  }
  ~Crowd() {
    std::promise<void> done;
    loop.post([&] {
      connectors_.clear();
      agents_.clear();
      done.set_value();
    });
    done.get_future().wait();
    loop.stop();
  }

  void start() {
    loop.start();
    loop.post([this] { connect_some(); });
  }
  void on_welcome() {
    if (++welcomed_ != count_) return;
    sent = received = 0;
    const std::chrono::duration<double> took = loop.now() - began_;
    std::cout << "joined: " << took.count() << std::endl;
  }
  [[noreturn]] static void fail(const std::string& why) {
    std::cerr << "idle_agents: " << why << std::endl;
    std::_Exit(1);
  }

  EventLoop loop{EventLoopOptions{"idle-agents", nullptr, nullptr}};
  const std::shared_ptr<RandomSource> random;
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};

 private:
  void connect_some() {
    while (!free_.empty() && !waiting_.empty()) {
      Connector* const connector = free_.back();
      free_.pop_back();
      IdleAgent* const agent = waiting_.front();
      waiting_.pop_front();
      connector->connect(loop, [this, connector, agent](auto made) {
        free_.push_back(connector);
        if (made) {
          agent->start(std::move(*made));
        } else if (connector->retry_after().count() > 0) {
          loop.call_after(connector->retry_after(), [this, agent] {
            waiting_.push_back(agent);
            connect_some();
          });
        } else {
          fail(made.error().message());
        }
        connect_some();
      });
    }
  }

  const std::size_t count_;
  const SteadyTime began_;
  std::size_t welcomed_ = 0;
  std::vector<std::unique_ptr<IdleAgent>> agents_;
  std::deque<IdleAgent*> waiting_;
  std::vector<std::unique_ptr<Connector>> connectors_;
  std::vector<Connector*> free_;
};

IdleAgent::IdleAgent(Crowd& crowd, std::size_t number)
    : crowd_(crowd), name_("idle-" + std::to_string(number)), beats_(*crowd.random) {}

void IdleAgent::start(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  connection_->start(*this);
  protocol::Hello hello;
  hello.name = name_;
  char instance[33];
  std::snprintf(instance, sizeof instance, "%016llx%016llx",
                static_cast<unsigned long long>(crowd_.random->next()),
                static_cast<unsigned long long>(crowd_.random->next()));
  hello.instance = instance;
  hello.agent_version = "0.1.0";
  hello.tags = {{"region", "eu"}, {"site", "fra"}};
  hello.kinds = {"dns", "http"};
  hello.capacity_tasks = kSlots + kQueue;
  hello.capacity_high = kCredit.high;
  hello.slots = kSlots;
  hello.threads = 4;
  say(hello);
}

void IdleAgent::on_message(std::string text) {
  const auto message = protocol::decode(text);
  const SteadyTime now = crowd_.loop.now();
  if (!message) Crowd::fail(message.error().message());
  if (const auto* const welcome = std::get_if<protocol::Welcome>(&*message)) {
    beats_.start(now, welcome->heartbeat_interval, false);
    say(kCredit);
    crowd_.on_welcome();
  } else if (const auto* const beat = std::get_if<protocol::Heartbeat>(&*message)) {
    ++crowd_.received;
    if (const auto fine = beats_.receive(*beat, now, system_clock()->system_now(), 0); !fine)
      Crowd::fail(fine.error().message());
  } else {
    Crowd::fail("not for an idle agent: " + text);
  }
  if (beats_.due(now)) beat();
  arm();
}

void IdleAgent::on_closed(const CloseReason& reason) {
  beats_.stop();
  Crowd::fail(name_ + " was disconnected: " + reason.text + ' ' + reason.error.message());
}

void IdleAgent::say(const protocol::Message& message) {
  std::string text;
  protocol::encode(message, text);
  connection_->send(std::move(text));
}

void IdleAgent::beat() {
  protocol::Heartbeat beat;
  beats_.compose(beat, crowd_.loop.now(), system_clock()->system_now());
  beat.credit = kCredit;
  beat.cpu_us = 1'000'000;
  beat.waits.emplace();
  beat.failures.emplace();
  protocol::set_socket(beat, connection_->facts(), 0);
  say(beat);
  ++crowd_.sent;
}

void IdleAgent::arm() {
  if (beats_.next_due() == SteadyTime::max()) return;
  if (timer_ != 0) {
    if (timer_at_ == beats_.next_due()) return;
    crowd_.loop.cancel(timer_);
  }
  timer_at_ = beats_.next_due();
  timer_ = crowd_.loop.call_at(timer_at_, [this] {
    timer_ = 0;
    if (beats_.due(crowd_.loop.now())) beat();
    arm();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t count = std::strtoull(argv[2], nullptr, 10);
  Crowd crowd{argv[1], count};
  crowd.start();
  int number = 0;
  sigwait(&set, &number);
  std::cout << "{\"sent\":" << crowd.sent << ",\"received\":" << crowd.received << '}' << std::endl;
}
