// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Sessions of a master or an agent whose peer says anything in any order: whatever it says ends
// the session at worst, and what the session itself says decodes.
// Input: `M` or `A`, then lines. One that begins with a brace is a message; of others the first
// letter says what the session's owner does, see act().

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/harness.hpp"
#include "probekit/testing/seeded_random.hpp"
#include "protocol/agent_session.hpp"
#include "protocol/master_session.hpp"
#include "store/task_store.hpp"

namespace {

using namespace probekit;
using namespace probekit::protocol;
using fuzz::require;
using std::chrono::milliseconds;

constexpr std::size_t kLinesMax = 200;
constexpr std::size_t kMessagesMax = 10'000;

struct Time {
  SteadyTime now{std::chrono::hours{1}};
  SystemTime wall{std::chrono::seconds{1'700'000'000}};

  void pass(milliseconds time) {
    now += time;
    wall += time;
  }
};

/// `5` after a letter: so many; one when there is none.
std::size_t count_of(std::string_view line) {
  std::size_t count = 0;
  for (const char c : line) {
    if (c < '0' || c > '9' || count > 100'000) break;
    count = count * 10 + static_cast<std::size_t>(c - '0');
  }
  return count == 0 ? 1 : count;
}

void check_sent(std::string_view text) {
  require(text.size() <= kMessageBytesMax, "what is sent is bounded");
  require(decode(text).has_value(), "what is sent decodes");
}

class MasterWorld {
 public:
  void message(std::string_view text) {
    session_.on_message(text, time_.now, time_.wall);
    settle();
  }

  void act(char what, std::size_t count) {
    switch (what) {
      case '+':
        time_.pass(milliseconds{count});
        session_.on_wakeup(time_.now);
        break;
      case 'b':
        session_.on_bytes_received(bytes_ += count, time_.now);
        break;
      case 'c':
        for (; count > 0 && !uncommitted_.empty(); --count) {
          session_.on_committed(uncommitted_.front());
          uncommitted_.pop_front();
        }
        break;
      case 'h':
      case 't':
        give(count, what == 'h');
        break;
      case 'l':
        session_.ask_for_life(time_.now);
        break;
      case 'r':
        session_.set_results_bytes(count, time_.now);
        break;
      case 'x':
        session_.cancel({TaskId{count}, TaskId{1}});
        break;
      default:
        return;
    }
    settle();
  }

 private:
  using Stage = MasterSession::Stage;

  void give(std::size_t count, bool high) {
    std::vector<LeasedTask> tasks;
    for (std::size_t room = session_.room(high); count > 0 && room > 0; --count, --room) {
      if (tasks.size() == 100) break;
      LeasedTask& task = tasks.emplace_back();
      task.task = TaskId{++given_};
      task.target = "dns:example.com";
      task.options = options_;
      task.left = milliseconds{60'000};
    }
    session_.send_tasks(tasks, high, time_.now);
  }

  void settle() {
    for (const MasterSession::Event& event : session_.take_events()) take(event);
    if (session_.stage() == Stage::admitting) {
      session_.welcome("s1", 1, {TaskId{1}, TaskId{2}}, time_.now);
    }
    for (std::size_t sent = 0;; ++sent) {
      require(sent < kMessagesMax, "it says no more than there is");
      if (session_.wants_facts(time_.now)) session_.set_facts(1, 2, facts_);
      const std::string text = session_.next_message(1, time_.now, time_.wall);
      if (text.empty()) break;
      check_sent(text);
    }
    require(session_.closing().has_value() == (session_.stage() == Stage::closing),
            "who closes says why");
    require(session_.stage() != Stage::closing || session_.room(false) + session_.room(true) == 0,
            "nothing is given to who goes");
    if (session_.stage() == Stage::opening || session_.stage() == Stage::active) {
      require(session_.next_wakeup().has_value(), "silence is noticed");
    }
    require(session_.room(false) <= kCapacityTasksMax && session_.room(true) <= kCapacityHighMax,
            "what an agent is given is bounded");
  }

  void take(const MasterSession::Event& event) {
    if (const auto* const arrived = std::get_if<MasterSession::HelloArrived>(&event)) {
      require(!greeted_, "a hello comes once");
      greeted_ = true;
      require(arrived->held.size() <= arrived->hello.holds, "what is held was announced");
    }
    if (const auto* const arrived = std::get_if<MasterSession::ResultsArrived>(&event)) {
      require(greeted_, "results come after the hello");
      results_ += arrived->items.size();
      require(arrived->last == results_, "results are counted without a gap");
      uncommitted_.push_back(arrived->last);
    }
  }

  static MasterSessionOptions options() {
    MasterSessionOptions options;
    options.master = "m";
    options.store = "store";
    options.results_bytes = kResultsBytesMin;
    return options;
  }

  Time time_;
  testing::SeededRandom random_;
  MasterSession session_{options(), random_, time_.now};
  std::shared_ptr<const ProbeOptions> options_ = [] {
    auto made = std::make_shared<ProbeOptions>();
    made->kind = "dns";
    return made;
  }();
  ConnectionFacts facts_ = [] {
    ConnectionFacts made;
    made.measured = true;
    made.local = "127.0.0.1:8765";
    return made;
  }();
  bool greeted_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t results_ = 0;
  std::deque<std::uint64_t> uncommitted_;
};

class AgentWorld {
 public:
  AgentWorld() { connect(); }

  void message(std::string_view text) {
    if (!connected_) connect();
    session_.message(text, time_.now, time_.wall);
    settle();
  }

  void act(char what, std::size_t count) {
    switch (what) {
      case '+':
        time_.pass(milliseconds{count});
        session_.tick(time_.now, bytes_, {});
        break;
      case 'b':
        bytes_ += count;
        break;
      case 'd':
        session_.drain(time_.now);
        break;
      case 'f':
      case 'r':
        end(count, what == 'f');
        break;
      case 'x':
        disconnect();
        break;
      default:
        return;
    }
    settle();
  }

 private:
  void connect() {
    connected_ = true;
    bytes_ = 0;
    session_.connected(time_.now, bytes_, [](TaskId task) { return task.value % 2 == 0; });
  }
  void disconnect() {
    if (!std::exchange(connected_, false)) return;
    session_.closed(time_.now);
    const milliseconds wait = session_.reconnect_delay(std::chrono::seconds{1});
    require(wait.count() >= 0 && wait <= std::chrono::hours{24}, "an agent comes back");
  }

  void end(std::size_t count, bool finished) {
    for (; count > 0 && !held_.empty(); --count) {
      const TaskId task = held_.front().id;
      const std::uint32_t attempt = held_.front().attempt;
      held_.pop_front();
      if (finished) {
        AgentSession::Finished result;
        result.task = task;
        append_result_item(result.item, task, attempt, R"({"verdict":"passed"})");
        result.result_bytes = 20;
        session_.finished({std::move(result)}, time_.now);
      } else {
        session_.returned(task, count % 2 == 0 ? Returned::host_busy : Returned::unsupported,
                          time_.now);
      }
    }
  }

  void settle() {
    for (int round = 0; round < 3; ++round) {
      for (AgentSession::Event& event : session_.take_events()) take(event);
      if (closing_) {
        send();
        closing_ = false;
        disconnect();
      }
      if (connected_) send();
    }
    require(session_.held() <= kHeldMax, "what an agent holds is bounded");
  }
  void send() {
    for (std::size_t sent = 0;; ++sent) {
      require(sent < kMessagesMax, "it says no more than there is");
      const auto text = session_.next_message(1, time_.now, time_.wall);
      if (!text) break;
      require(!text->empty(), "a message is something");
      check_sent(*text);
    }
  }

  void take(AgentSession::Event& event) {
    if (auto* const deliver = std::get_if<AgentSession::Deliver>(&event)) {
      for (Task& task : deliver->tasks) held_.push_back(std::move(task));
    }
    if (std::holds_alternative<AgentSession::Close>(event)) closing_ = true;
  }

  static AgentSessionOptions options() {
    AgentSessionOptions options;
    options.name = "a";
    options.instance = "0123456789abcdef0123456789abcdef";
    options.version = "0.1.0";
    options.kinds = {"dns"};
    options.concurrency = 2;
    options.queue = 8;
    options.outbox_bytes_max = 64 * 1024;
    return options;
  }

  // Both windows, what may be overdrawn, and one message past it.
  static constexpr std::size_t kHeldMax = 100'000;

  Time time_;
  testing::SeededRandom random_;
  AgentSession session_{options(), random_, [](Heartbeat& beat) { beat.loop_lag_us = 1; }};
  std::deque<Task> held_;
  std::uint64_t bytes_ = 0;
  bool connected_ = false;
  bool closing_ = false;
};

template <class World>
void play(std::string_view lines) {
  World world;
  for (std::size_t i = 0; i < kLinesMax && !lines.empty(); ++i) {
    const std::string_view line = fuzz::take_part(lines, '\n');
    if (line.empty()) continue;
    if (line.front() == '{') {
      world.message(line);
    } else {
      world.act(line.front(), count_of(line.substr(1)));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::string_view side = fuzz::take_part(text, '\n');
  if (side == "A") {
    play<AgentWorld>(text);
  } else {
    play<MasterWorld>(text);
  }
  return 0;
}
