// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "protocol/agent_session.hpp"

#include <algorithm>
#include <stdexcept>

#include "probe/is_high.hpp"
#include "probe/task_times.hpp"

namespace probekit::protocol {
namespace {

using std::chrono::milliseconds;

// `[18446744073709551615,4294967295,"finished"],` is 45 bytes, and the message around them 48.
constexpr std::size_t kHeldPerMessage = (kHeldBytesMax - 64) / 48;

// What a master may ask of the timers, so that no message makes the agent spin or sleep for ever.
// Far beyond what one may be configured to: whatever is legal there is taken as it is told.
constexpr milliseconds kIntervalMin{10};
constexpr milliseconds kIntervalMax = std::chrono::hours{1};
constexpr std::chrono::hours kRetryMax{24};

}  // namespace

AgentSession::AgentSession(AgentSessionOptions options, RandomSource& random,
                           std::function<void(Heartbeat&)> measure)
    : options_(std::move(options)),
      measure_(std::move(measure)),
      backoff_(options_.backoff_min, options_.backoff_max, random),
      beats_(random),
      credit_(options_.concurrency, options_.queue) {
  Hello longest = hello();
  longest.store.assign(64, 'x');
  longest.holds = ~std::uint64_t{0};
  std::string text;
  encode(longest, text);
  if (text.size() > kHelloBytesMax)
    throw std::invalid_argument("tags: with name and kinds they make " +
                                std::to_string(text.size()) + " bytes, at most " +
                                std::to_string(kHelloBytesMax) + " are allowed");
}

Hello AgentSession::hello() const {
  Hello hello;
  hello.name = options_.name;
  hello.instance = options_.instance;
  hello.agent_version = options_.version;
  hello.tags = options_.tags;
  hello.kinds = options_.kinds;
  hello.capacity_tasks = options_.concurrency + options_.queue;
  hello.capacity_high = credit_.window_high();
  hello.slots = static_cast<std::uint32_t>(options_.concurrency);
  hello.threads = static_cast<std::uint32_t>(options_.threads);
  hello.store = store_;
  return hello;
}

// -- the table ------------------------------------------------------------------------------------

void AgentSession::set_state(Entry& entry, State state) {
  --counts_[static_cast<std::size_t>(entry.state)];
  ++counts_[static_cast<std::size_t>(state)];
  if (entry.state != State::finished && state == State::finished) --held_[entry.high];
  entry.state = state;
}

AgentSession::Table::iterator AgentSession::erase(Table::iterator entry) {
  --counts_[static_cast<std::size_t>(entry->second.state)];
  if (entry->second.state != State::finished) --held_[entry->second.high];
  return tasks_.erase(entry);
}

std::size_t AgentSession::held() const noexcept {
  return static_cast<std::size_t>(held_[0] + held_[1]);
}

void AgentSession::push(Outbox::Item item) {
  ++unacked_[item.high];
  outbox_.push(std::move(item));
}

void AgentSession::push_returned(TaskId task, std::uint32_t attempt, bool high, Returned why,
                                 SteadyTime now) {
  Outbox::Item item;
  item.task = task;
  item.high = high;
  append_returned_item(item.text, task, attempt, why);
  item.bytes = kResultItemBytes;
  item.since = now;
  item.overdrawn = why == Returned::overdrawn;
  overdrawn_ += item.overdrawn ? 1 : 0;
  push(std::move(item));
}

std::size_t AgentSession::overdrawn_max() const noexcept {
  return static_cast<std::size_t>(credit_.window_high()) + options_.concurrency + options_.queue +
         kOverdrawnMax;
}

// Items that left the outbox; what they were results of is over.
void AgentSession::release(const std::vector<Outbox::Item>& items) {
  for (const Outbox::Item& item : items) {
    --unacked_[item.high];
    overdrawn_ -= item.overdrawn ? 1 : 0;
    if (!item.is_result) continue;
    const auto entry = tasks_.find(item.task);
    if (entry != tasks_.end() && entry->second.state == State::finished) erase(entry);
  }
}

// -- the connection -------------------------------------------------------------------------------

void AgentSession::connected(SteadyTime now, std::uint64_t bytes_received,
                             const std::function<bool(TaskId)>& is_queued) {
  stage_ = Stage::greeting;
  liveness_.start(now, bytes_received, kWelcomeTimeout);
  held_list_.clear();
  held_sent_ = 0;
  for (auto& [task, entry] : tasks_) {
    HeldState state = HeldState::finished;
    switch (entry.state) {
      case State::held:
      case State::cancelling:
        state = is_queued(task) ? HeldState::queued : HeldState::running;
        break;
      case State::finished:
        break;
      case State::dropping:
      case State::forgotten:
      case State::orphan:
      case State::busy:
        entry.listed = false;
        continue;
    }
    entry.listed = true;
    held_list_.push_back(Held::Item{task, entry.attempt, state});
  }
  held_done_ = held_list_.empty();
  Hello message = hello();
  message.holds = held_list_.size();
  std::string text;
  encode(message, text);
  lanes_.push_control(std::move(text));
}

void AgentSession::closed(SteadyTime now) {
  if (stage_ == Stage::disconnected) return;
  stage_ = Stage::disconnected;
  if (welcomed_at_ && now - *welcomed_at_ >= kStable) backoff_.reset();
  welcomed_at_.reset();
  heard_ = {};
  session_.clear();
  lanes_.clear();
  beats_.stop();
  credit_.restart();
  credit_due_ = false;
  credit_begun_ = false;
  received_ = 0;
  results_window_ = kResultsBytesMin;
  held_list_ = {};
  held_done_ = true;
  wanted_.clear();

  // What was on its way back needs no saying: a task that is not listed as held is queued again.
  for (const BusyTask& one : busy_) {
    const auto entry = tasks_.find(one.task);
    if (entry != tasks_.end() && entry->second.state == State::busy) erase(entry);
  }
  busy_.clear();
  for (auto& one : tasks_)
    if (one.second.state == State::dropping) set_state(one.second, State::forgotten);
  std::vector<Outbox::Item> dropped;
  outbox_.restart(dropped);
  release(dropped);
  update(now);
}

void AgentSession::fail(CloseCode code, std::string text) {
  if (!talks()) return;
  stage_ = Stage::closing;
  beats_.stop();
  events_.emplace_back(Close{code, std::move(text), false});
}

void AgentSession::tick(SteadyTime now, std::uint64_t bytes_received,
                        std::chrono::nanoseconds late) {
  while (!busy_.empty() && busy_.front().until <= now) {
    const auto entry = tasks_.find(busy_.front().task);
    busy_.pop_front();
    if (entry == tasks_.end() || entry->second.state != State::busy) continue;
    push_returned(entry->first, entry->second.attempt, entry->second.high, Returned::host_busy,
                  now);
    erase(entry);
  }
  if (talks() && liveness_.tick(now, bytes_received, late)) {
    stage_ = Stage::closing;
    beats_.stop();
    events_.emplace_back(Close{CloseCode::silent, "no byte from the master for too long", true});
  }
  update(now);
}

std::chrono::milliseconds AgentSession::reconnect_delay(std::chrono::seconds told) {
  // Whoever holds tasks comes back while they still wait for it.
  const bool holds = !tasks_.empty() && resume_grace_ > milliseconds{0};
  const milliseconds cap = holds ? resume_grace_ / 3 : milliseconds::max();
  const milliseconds asked = std::max<milliseconds>(std::min<std::chrono::seconds>(told, kRetryMax),
                                                    std::exchange(asked_wait_, {}));
  return std::max(backoff_.next(cap), asked);
}

// -- messages -------------------------------------------------------------------------------------

void AgentSession::message(std::string_view text, SteadyTime now, SystemTime wall) {
  if (!talks()) return;
  liveness_.on_message(now);
  Expected<Message> decoded = decode(text);
  if (!decoded) return fail(CloseCode::protocol_error, decoded.error().message());
  Message& message = *decoded;
  if (std::holds_alternative<Ignored>(message)) return;
  if (stage_ == Stage::greeting) {
    if (auto* const welcome = std::get_if<Welcome>(&message)) return handle(*welcome, now);
    if (auto* const reject = std::get_if<Reject>(&message)) return handle(*reject);
    return fail(CloseCode::protocol_error, "expected welcome or reject");
  }
  if (auto* const beat = std::get_if<Heartbeat>(&message)) {
    handle(*beat, now, wall);
  } else if (stage_ == Stage::resuming) {
    auto* const wanted = std::get_if<Wanted>(&message);
    if (wanted == nullptr) return fail(CloseCode::protocol_error, "expected wanted");
    handle(*wanted, now);
  } else if (auto* const tasks = std::get_if<Tasks>(&message)) {
    handle(*tasks, now);
  } else if (const auto* const ack = std::get_if<Ack>(&message)) {
    acknowledge(ack->seq);
  } else if (const auto* const cancel = std::get_if<Cancel>(&message)) {
    handle(*cancel, now);
  } else {
    return fail(CloseCode::protocol_error, "not a message of a master, or not now");
  }
  update(now);
}

void AgentSession::handle(Welcome& welcome, SteadyTime now) {
  if (!held_done_) return fail(CloseCode::protocol_error, "welcome before the last held");
  session_ = std::move(welcome.session);
  master_ = std::move(welcome.master);
  resume_grace_ = std::min(welcome.resume_grace, kLongestTime);
  results_window_ = std::max(welcome.results_bytes, kResultsBytesMin);
  liveness_.set_dead_after(std::clamp(welcome.dead_after, kIntervalMin, kLongestTime));
  beats_.start(now, std::clamp(welcome.heartbeat_interval, kIntervalMin, kIntervalMax), false);
  welcomed_at_ = now;
  if (!take_wanted(welcome.wanted)) return;
  stage_ = Stage::resuming;
  if (store_ != welcome.store) {
    std::string before = std::exchange(store_, std::move(welcome.store));
    if (!before.empty()) drop_store(std::move(before));
  }
  if (welcome.last) resume(now);
  update(now);
}

void AgentSession::handle(Wanted& wanted, SteadyTime now) {
  const std::size_t before = wanted_.size();
  if (!take_wanted(wanted.tasks)) return;
  if (wanted.last) return resume(now);
  // Each must bring something, or there would be no end to them.
  if (wanted_.size() == before) fail(CloseCode::protocol_error, "wanted messages without an end");
}

// False: the session ends.
bool AgentSession::take_wanted(const std::vector<TaskId>& tasks) {
  wanted_.insert(tasks.begin(), tasks.end());
  if (wanted_.size() <= held_list_.size()) return true;
  fail(CloseCode::protocol_error, "more tasks are wanted than are held");
  return false;
}

void AgentSession::handle(Reject& reject) {
  asked_wait_ =
      std::min<milliseconds>(reject.retry_after, kRetryMax);  // as closing texts and Retry-After
  if (reject.reason == "name_in_use")
    asked_wait_ = std::max<milliseconds>(asked_wait_, kNameInUseRetry);
  events_.emplace_back(Rejected{std::move(reject)});
  fail(CloseCode::normal, "rejected");
}

void AgentSession::drop_store(std::string before) {
  CancelTasks cancel;
  std::size_t dropped = 0;
  outbox_ = Outbox{};
  unacked_ = {};
  overdrawn_ = 0;
  busy_.clear();
  for (auto entry = tasks_.begin(); entry != tasks_.end();) {
    const State state = entry->second.state;
    if (state != State::forgotten && state != State::orphan) ++dropped;
    if (state == State::finished || state == State::busy) {
      entry = erase(entry);
      continue;
    }
    if (state == State::held) cancel.tasks.push_back(entry->first);
    set_state(entry->second, State::orphan);
    ++entry;
  }
  events_.emplace_back(StoreChanged{std::move(before), store_, dropped});
  if (!cancel.tasks.empty()) events_.emplace_back(std::move(cancel));
}

void AgentSession::drop_unwanted(SteadyTime now) {
  CancelTasks cancel;
  std::unordered_set<TaskId> finished;
  for (auto& [task, entry] : tasks_) {
    if (!entry.listed || wanted_.count(task) != 0) continue;
    if (entry.state == State::finished) {
      finished.insert(task);
    } else if (entry.state == State::held || entry.state == State::cancelling) {
      if (entry.state == State::held) cancel.tasks.push_back(task);
      set_state(entry, State::dropping);
    }
  }
  if (!cancel.tasks.empty()) events_.emplace_back(std::move(cancel));
  if (finished.empty()) return;
  std::vector<Outbox::Item> dropped;
  outbox_.drop(finished, dropped);
  resent_by_ = outbox_.size();
  for (const Outbox::Item& item : dropped) {
    const auto entry = tasks_.find(item.task);
    push_returned(item.task, entry->second.attempt, item.high, Returned::unwanted, now);
  }
  release(dropped);
}

void AgentSession::resume(SteadyTime now) {
  const std::size_t before = held_list_.size();
  resent_by_ = outbox_.size();
  drop_unwanted(now);
  std::size_t resumed = 0;
  for (const auto& one : tasks_) resumed += one.second.listed && wanted_.count(one.first) != 0;
  stage_ = Stage::active;
  events_.emplace_back(Welcomed{session_, master_, resumed, before - std::min(before, resumed)});
  wanted_.clear();
  held_list_ = {};
  if (draining_) {
    std::string text;
    encode(Draining{}, text);
    lanes_.push_control(std::move(text));
  }
}

void AgentSession::handle(Tasks& tasks, SteadyTime now) {
  Deliver deliver;
  deliver.tasks.reserve(tasks.tasks.size());
  for (Tasks::Item& item : tasks.tasks) {
    const auto& options = tasks.options[item.options];
    const bool high = is_high(options->priority);
    ++received_;
    ++received_total_;
    if (!credit_.receive(high)) {
      if (overdrawn_ == overdrawn_max()) {
        fail(CloseCode::protocol_error, std::to_string(overdrawn_) +
                                            " tasks beyond the credit came back and were not "
                                            "acknowledged");
        break;
      }
      push_returned(item.task, item.attempt, high, Returned::overdrawn, now);
      continue;
    }
    if (draining_) {
      push_returned(item.task, item.attempt, high, Returned::draining, now);
      continue;
    }
    const auto [entry, fresh] = tasks_.try_emplace(item.task);
    if (!fresh) {
      // An earlier attempt is still ending here; the pause that this reason means lets it end.
      push_returned(item.task, item.attempt, high, Returned::host_busy, now);
      continue;
    }
    entry->second.attempt = item.attempt;
    entry->second.high = high;
    ++counts_[static_cast<std::size_t>(State::held)];
    ++held_[high];
    Task task;
    task.id = item.task;
    task.attempt = item.attempt;
    task.target = std::move(item.target);
    task.options = options;
    task.deadline = now + item.left - tasks.waited;
    deliver.tasks.push_back(std::move(task));
  }
  if (!deliver.tasks.empty()) events_.emplace_back(std::move(deliver));
}

void AgentSession::handle(const Cancel& cancel, SteadyTime now) {
  CancelTasks tasks;
  for (const TaskId task : cancel.tasks) {
    const auto entry = tasks_.find(task);
    if (entry == tasks_.end()) continue;
    if (entry->second.state == State::busy) {
      push_returned(task, entry->second.attempt, entry->second.high, Returned::cancelled, now);
      erase(entry);
    } else if (entry->second.state == State::held) {
      set_state(entry->second, State::cancelling);
      tasks.tasks.push_back(task);
    }
  }
  if (!tasks.tasks.empty()) events_.emplace_back(std::move(tasks));
}

void AgentSession::handle(const Heartbeat& beat, SteadyTime now, SystemTime wall) {
  const Expected<void> received = beats_.receive(beat, now, wall, received_);
  if (!received) {
    const bool miscounted = received.error().code() == errc::accounting;
    return fail(miscounted ? CloseCode::accounting : CloseCode::protocol_error,
                received.error().message());
  }
  heard_ = beat;
  if (beat.results_bytes) results_window_ = std::max(*beat.results_bytes, kResultsBytesMin);
  if (beat.ack) acknowledge(*beat.ack);
}

void AgentSession::acknowledge(std::uint64_t seq) {
  std::vector<Outbox::Item> released;
  if (!outbox_.acknowledge(seq, released))
    return fail(CloseCode::protocol_error, "ack of " + std::to_string(seq) + ", sent were " +
                                               std::to_string(outbox_.sent_seq()));
  release(released);
}

// -- tasks ----------------------------------------------------------------------------------------

void AgentSession::finished(std::vector<Finished> results, SteadyTime now) {
  std::uint64_t others = 0;
  for (Finished& result : results) {
    const auto entry = tasks_.find(result.task);
    if (entry == tasks_.end()) continue;
    switch (entry->second.state) {
      case State::held:
      case State::cancelling: {
        Outbox::Item item;
        item.task = result.task;
        item.high = entry->second.high;
        item.is_result = true;
        item.text = std::move(result.item);
        item.bytes = result.result_bytes + kResultItemBytes;
        item.since = now;
        set_state(entry->second, State::finished);
        push(std::move(item));
        ++results_total_;
        if (!entry->second.high) ++others;
        break;
      }
      case State::dropping:
      case State::forgotten:
      case State::orphan:
        returned(result.task, Returned::unwanted, now);
        break;
      case State::busy:
      case State::finished:
        break;
    }
  }
  if (others != 0) recent_.add(now, others);
  update(now);
}

void AgentSession::returned(TaskId task, Returned why, SteadyTime now) {
  const auto entry = tasks_.find(task);
  if (entry == tasks_.end()) return;
  switch (entry->second.state) {
    case State::held:
      break;
    case State::cancelling:
      why = Returned::cancelled;
      break;
    case State::dropping:
      why = Returned::unwanted;
      break;
    case State::forgotten:
    case State::orphan:
      erase(entry);
      update(now);
      return;
    case State::busy:
    case State::finished:
      return;
  }
  if (why == Returned::host_busy && talks() && !draining_) {
    set_state(entry->second, State::busy);
    busy_.push_back(BusyTask{task, now + kHostBusyHold});
    update(now);
    return;
  }
  if (talks()) push_returned(task, entry->second.attempt, entry->second.high, why, now);
  erase(entry);
  update(now);
}

// -- drain ----------------------------------------------------------------------------------------

void AgentSession::drain(SteadyTime now) {
  if (draining_) return;
  draining_ = true;
  for (const BusyTask& one : std::exchange(busy_, {})) {
    const auto entry = tasks_.find(one.task);
    if (entry == tasks_.end() || entry->second.state != State::busy) continue;
    push_returned(one.task, entry->second.attempt, entry->second.high, Returned::draining, now);
    erase(entry);
  }
  if (count(State::held) + count(State::cancelling) > 0) events_.emplace_back(TakeBack{});
  if (stage_ == Stage::active) {
    std::string text;
    encode(Draining{}, text);
    lanes_.push_control(std::move(text));
  }
  update(now);
}

void AgentSession::check_drained() {
  if (!draining_ || drained_ || !outbox_.empty()) return;
  if (count(State::held) + count(State::cancelling) + count(State::dropping) != 0) return;
  if (stage_ == Stage::active && lanes_.empty()) {
    fail(CloseCode::normal, "drained");
  } else if (stage_ == Stage::disconnected) {
    drained_ = true;
    events_.emplace_back(Drained{});
  }
}

// -- what to send ---------------------------------------------------------------------------------

void AgentSession::update(SteadyTime now) {
  if (!paused_ && outbox_.bytes() >= options_.outbox_bytes_max) {
    paused_ = true;
    events_.emplace_back(Pause{true});
  } else if (paused_ && outbox_.bytes() <= options_.outbox_bytes_max / 4 * 3) {
    paused_ = false;
    events_.emplace_back(Pause{false});
  }
  if (stage_ == Stage::active && !draining_ && count(State::orphan) == 0 &&
      outbox_.sent_seq() >= resent_by_) {
    credit_begun_ = true;
    credit_.update(occupied(true), occupied(false), recent_.count(now));
    if (credit_.worth_telling()) credit_due_ = true;
  }
  check_drained();
}

bool AgentSession::data_ready(SteadyTime now) const noexcept {
  if (stage_ != Stage::active || !outbox_.can_compose(results_window_)) return false;
  // Nothing else is coming, or somebody waits, or enough has come, or the first has waited long
  // enough.
  return held() == 0 || outbox_.is_urgent() || outbox_.unsent_bytes() >= kDataBytesTarget ||
         now - outbox_.oldest_unsent() >= kLinger;
}

std::string AgentSession::write_heartbeat(SteadyTime now, SystemTime wall) {
  Heartbeat beat;
  if (measure_) measure_(beat);
  beats_.compose(beat, now, wall);
  beat.items_sent = lanes_.items_sent();
  if (credit_begun_) {
    beat.credit = credit_.tell();
    credit_due_ = false;
  }
  std::string text;
  encode(beat, text);
  return text;
}

std::string AgentSession::write_held() {
  const std::size_t end = std::min(held_sent_ + kHeldPerMessage, held_list_.size());
  Held held;
  held.tasks.assign(held_list_.begin() + static_cast<std::ptrdiff_t>(held_sent_),
                    held_list_.begin() + static_cast<std::ptrdiff_t>(end));
  held.last = end == held_list_.size();
  held_sent_ = end;
  held_done_ = held.last;
  std::string text;
  encode(held, text);
  return text;
}

std::optional<std::string> AgentSession::next_message(std::size_t room, SteadyTime now,
                                                      SystemTime wall) {
  if (room == 0 || !talks()) return std::nullopt;
  if (stage_ != Stage::greeting && beats_.due(now)) return write_heartbeat(now, wall);
  if (auto leaving = lanes_.next()) {
    if (lanes_.empty()) check_drained();
    return std::move(leaving->text);
  }
  if (!held_done_) return write_held();
  if (std::exchange(credit_due_, false)) {
    std::string text;
    encode(credit_.tell(), text);
    return text;
  }
  if (!data_ready(now)) return std::nullopt;
  Packed packed = outbox_.compose(kDataBytesTarget, results_window_);
  lanes_.count_sent(packed.items);
  update(now);  // the first credit may wait for this
  return std::move(packed.text);
}

std::optional<SteadyTime> AgentSession::next_wakeup(SteadyTime now) const {
  SteadyTime next = SteadyTime::max();
  const auto at = [&](SteadyTime when) {
    if (when > now) next = std::min(next, when);
  };
  if (!busy_.empty()) at(busy_.front().until);
  if (talks()) {
    at(liveness_.next_wakeup());
    at(beats_.next_due());
    if (stage_ == Stage::active && outbox_.can_compose(results_window_))
      at(outbox_.oldest_unsent() + kLinger);
  }
  if (next == SteadyTime::max()) return std::nullopt;
  return next;
}

}  // namespace probekit::protocol
