// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "protocol/master_session.hpp"

#include <algorithm>
#include <cassert>

#include "probe/task_times.hpp"

namespace probekit::protocol {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// An id has at most 20 digits and a comma: such a message stays under 64 KiB.
constexpr std::size_t kIdsPerMessage = 2'500;
constexpr std::size_t kDetailBytesMax = 256;

// Listing what is held takes dead_after and this for each hundred tasks: 5 KB/s. Life alone is not
// enough, or a connection could be held for ever without a session.
constexpr std::chrono::seconds kHeldTime{1};
constexpr std::uint64_t kHeldInThat = 100;

std::size_t place(bool high) noexcept { return high ? 0 : 1; }

MasterSessionOptions bounded(MasterSessionOptions options) {
  for (milliseconds* const wait :
       {&options.time_to_first_message, &options.opening_time, &options.heartbeat_interval,
        &options.dead_after, &options.resume_grace}) {
    *wait = std::clamp(*wait, milliseconds{0}, kLongestTime);
  }
  return options;
}

std::string seconds(milliseconds time) {
  return std::to_string(duration_cast<std::chrono::seconds>(time).count()) + " s";
}

// The peer's words, short enough to be quoted.
std::string shortened(std::string text) {
  if (text.size() > kDetailBytesMax) text.resize(kDetailBytesMax);
  return text;
}

}  // namespace

MasterSession::MasterSession(MasterSessionOptions options, RandomSource& random, SteadyTime now)
    : options_(bounded(std::move(options))),
      hello_by_(now + options_.time_to_first_message - options_.opening_time),
      last_life_(now),
      results_bytes_(std::max(options_.results_bytes, kResultsBytesMin)),
      results_bytes_told_(results_bytes_),
      beats_(random) {}

// -- what arrives ---------------------------------------------------------------------------------

void MasterSession::on_message(std::string_view text, SteadyTime now, SystemTime system_now) {
  if (stage_ == Stage::closing) return;
  last_life_ = now;
  auto decoded = decode(text);
  if (!decoded) {
    const std::string what = shortened(decoded.error().message());
    if (stage_ == Stage::opening || stage_ == Stage::holding) {
      reject("hello", what, milliseconds{0});
    } else {
      violate(what);
    }
    return;
  }
  Message& message = *decoded;
  if (std::holds_alternative<Ignored>(message)) return;
  switch (stage_) {
    case Stage::opening:
      if (auto* hello = std::get_if<Hello>(&message)) return handle(*hello, now);
      return reject("hello", "the first message must be a hello", milliseconds{0});
    case Stage::holding:
      if (auto* held = std::get_if<Held>(&message)) return handle(*held);
      return reject("hello", "a hello that holds tasks is followed by held messages",
                    milliseconds{0});
    case Stage::admitting:
      return violate("a message before the welcome");
    case Stage::active:
      break;
    case Stage::closing:
      return;
  }
  if (auto* results = std::get_if<Results>(&message)) return handle(*results);
  if (auto* beat = std::get_if<Heartbeat>(&message)) return handle(*beat, now, system_now);
  if (auto* credit = std::get_if<Credit>(&message)) return handle(*credit);
  if (std::holds_alternative<Draining>(message)) {
    if (!std::exchange(draining_, true)) events_.emplace_back(DrainArrived{});
    return;
  }
  violate("a message that only a master sends, or a second hello");
}

void MasterSession::handle(Hello& hello, SteadyTime now) {
  if (std::find(hello.versions.begin(), hello.versions.end(), kSubprotocol) ==
      hello.versions.end()) {
    return reject("version", "this master speaks " + std::string{kSubprotocol}, milliseconds{0});
  }
  if (!is_valid_name(hello.name)) {
    return reject("hello", "name: not 1 to 64 of letters, digits and ._-", milliseconds{0});
  }
  if (hello.capacity_tasks > kCapacityTasksMax || hello.capacity_high > kCapacityHighMax) {
    return reject("hello", "capacity: more than any agent has", milliseconds{0});
  }
  if (hello.holds > kCapacityTasksMax + kCapacityHighMax) {
    return reject("hello", "holds: more than any agent has", milliseconds{0});
  }
  hello_ = std::move(hello);
  grants_[0].capacity = hello_.capacity_high;
  grants_[1].capacity = hello_.capacity_tasks;
  if (hello_.holds == 0) return all_held();
  stage_ = Stage::holding;
  held_by_ =
      now + options_.dead_after + kHeldTime * static_cast<std::int64_t>(hello_.holds / kHeldInThat);
}

void MasterSession::handle(Held& held) {
  if (held_.size() + held.tasks.size() > hello_.holds) {
    return reject("hello", "more tasks are held than the hello said", milliseconds{0});
  }
  if (held.tasks.empty()) return reject("hello", "an empty held message", milliseconds{0});
  held_.insert(held_.end(), held.tasks.begin(), held.tasks.end());
  if (!held.last) return;
  if (held_.size() != hello_.holds) {
    return reject("hello", "fewer tasks are held than the hello said", milliseconds{0});
  }
  all_held();
}

void MasterSession::all_held() {
  stage_ = Stage::admitting;
  // Ids of another store would name other tasks here.
  if (hello_.store != options_.store) held_.clear();
  events_.emplace_back(HelloArrived{hello_, std::move(held_)});
  held_ = {};
}

void MasterSession::handle(Results& results) {
  if (results.seq != received_ + 1) {
    return close(CloseCode::accounting, "results begin at " + std::to_string(results.seq) +
                                            ", expected " + std::to_string(received_ + 1));
  }
  if (results.items.empty()) return;
  std::uint64_t bytes = 0;
  for (const Results::Item& item : results.items) bytes += item.result.size() + kResultItemBytes;
  if (unacked_bytes_ > 0 && unacked_bytes_ + bytes > results_bytes_told_) {
    return violate("results window overdrawn: " + std::to_string(unacked_bytes_ + bytes) +
                   " bytes unacknowledged, the most ever allowed here is " +
                   std::to_string(results_bytes_told_));
  }
  received_ += results.items.size();
  unacked_bytes_ += bytes;
  unacked_.push_back({received_, bytes, false});
  events_.emplace_back(ResultsArrived{std::move(results.items), received_, bytes});
}

void MasterSession::handle(Heartbeat& beat, SteadyTime now, SystemTime system_now) {
  // The stream is ordered: what the agent sent before this, and no more, has been read.
  const auto received = beats_.receive(beat, now, system_now, received_);
  if (!received) {
    const bool miscounted = received.error().code() == errc::accounting;
    return close(miscounted ? CloseCode::accounting : CloseCode::protocol_error,
                 received.error().message());
  }
  if (beat.credit) handle(*beat.credit);
  if (stage_ == Stage::active) events_.emplace_back(HeartbeatArrived{beat});
}

void MasterSession::handle(const Credit& credit) {
  const std::pair<Grant&, std::uint64_t> both[] = {{grants_[0], credit.high},
                                                   {grants_[1], credit.other}};
  bool more = false;
  for (const auto& [grant, total] : both) {
    if (total < grant.credit) {
      return violate(std::string{"credit for "} + (&grant == &grants_[0] ? "high" : "other") +
                     " fell from " + std::to_string(grant.credit) + " to " + std::to_string(total));
    }
    more = more || total > grant.credit;
    grant.credit = total;
  }
  if (more) events_.emplace_back(CreditArrived{});
}

void MasterSession::on_bytes_received(std::uint64_t total, SteadyTime now) {
  if (total <= bytes_received_) return;  // a socket that is gone tells 0
  bytes_received_ = total;
  last_life_ = now;
}

void MasterSession::on_committed(std::uint64_t last) {
  const auto found =
      std::lower_bound(unacked_.begin(), unacked_.end(), last,
                       [](const Unacked& one, std::uint64_t value) { return one.last < value; });
  if (found == unacked_.end() || found->last != last) return;
  found->committed = true;
  while (!unacked_.empty() && unacked_.front().committed) {
    committed_ = unacked_.front().last;
    unacked_bytes_ -= unacked_.front().bytes;
    unacked_.pop_front();
    ack_due_ = true;
  }
}

// -- time -----------------------------------------------------------------------------------------

void MasterSession::on_wakeup(SteadyTime now) {
  switch (stage_) {
    case Stage::opening:
      if (now >= hello_by_) {
        close(CloseCode::silent, "no hello within " + seconds(options_.time_to_first_message));
      }
      return;
    case Stage::holding:
      if (now >= held_by_) {
        return close(CloseCode::silent, "the list of what is held did not end in time");
      }
      return close_when_dead(now);
    case Stage::active:
      beat_waits_ = beats_.due(now);  // it leaves as soon as there is room
      return close_when_dead(now);
    case Stage::admitting:
    case Stage::closing:
      return;
  }
}

void MasterSession::close_when_dead(SteadyTime now) {
  if (now < last_life_ + options_.dead_after) return;
  close(CloseCode::silent, "not a byte received for " + seconds(options_.dead_after));
  closing_->abort = true;
}

std::optional<SteadyTime> MasterSession::next_wakeup() const {
  switch (stage_) {
    case Stage::opening:
      return hello_by_;
    case Stage::holding:
      return std::min(held_by_, last_life_ + options_.dead_after);
    case Stage::active: {
      const SteadyTime dead = last_life_ + options_.dead_after;
      return beat_waits_ ? dead : std::min(beats_.next_due(), dead);
    }
    case Stage::admitting:
    case Stage::closing:
      break;
  }
  return std::nullopt;
}

// -- decided by the owner -------------------------------------------------------------------------

void MasterSession::welcome(std::string session, std::uint64_t epoch,
                            const std::vector<TaskId>& wanted, SteadyTime now) {
  assert(stage_ == Stage::admitting);
  stage_ = Stage::active;
  last_life_ = now;
  Welcome message;
  message.session = std::move(session);
  message.epoch = epoch;
  message.store = options_.store;
  message.master = options_.master;
  message.heartbeat_interval = options_.heartbeat_interval;
  message.dead_after = options_.dead_after;
  message.resume_grace = options_.resume_grace;
  message.results_bytes = results_bytes_told_ = results_bytes_;
  const auto slice = [&](std::size_t from) {
    const std::size_t to = std::min(from + kIdsPerMessage, wanted.size());
    return std::vector<TaskId>{wanted.begin() + static_cast<std::ptrdiff_t>(from),
                               wanted.begin() + static_cast<std::ptrdiff_t>(to)};
  };
  message.wanted = slice(0);
  message.last = wanted.size() <= kIdsPerMessage;
  push_control(message);
  for (std::size_t from = kIdsPerMessage; from < wanted.size(); from += kIdsPerMessage) {
    push_control(Wanted{slice(from), from + kIdsPerMessage >= wanted.size()});
  }
  beats_.start(now, options_.heartbeat_interval, true);
}

void MasterSession::reject(std::string reason, std::string detail, milliseconds retry_after) {
  if (stage_ == Stage::closing) return;
  const std::string text = reason + ": " + detail;
  push_control(Reject{std::move(reason), std::move(detail), retry_after});
  close(CloseCode::rejected, text);
}

void MasterSession::close(CloseCode code, std::string text) {
  if (stage_ == Stage::closing) return;
  stage_ = Stage::closing;
  closing_ = Closing{code, std::move(text), false};
  beats_.stop();
}

void MasterSession::violate(std::string text) { close(CloseCode::protocol_error, std::move(text)); }

void MasterSession::ask_for_life(SteadyTime now) {
  if (stage_ == Stage::active) beats_.hurry(now);
}

void MasterSession::set_results_bytes(std::uint64_t bytes, SteadyTime now) {
  bytes = std::max(bytes, kResultsBytesMin);
  if (bytes == results_bytes_) return;
  results_bytes_ = bytes;
  if (stage_ == Stage::active) beats_.hurry(now);
}

void MasterSession::push_control(const Message& message) {
  std::string text;
  encode(message, text);
  lanes_[0].push_control(std::move(text));
}

void MasterSession::push_data(Packed packed, std::vector<TaskId> tasks, bool high, SteadyTime now) {
  grants_[place(high)].given += tasks.size();
  assert(grants_[place(high)].given <= grants_[place(high)].credit);
  lanes_[place(high)].push_data({std::move(packed.text), std::move(tasks), packed.items, now});
}

void MasterSession::cancel(const std::vector<TaskId>& tasks) {
  if (stage_ != Stage::active) return;
  const bool behind_data = lanes_[0].waiting_items() > 0 || !lanes_[1].empty();
  for (std::size_t from = 0; from < tasks.size(); from += kIdsPerMessage) {
    const std::size_t to = std::min(from + kIdsPerMessage, tasks.size());
    Cancel message;
    message.tasks.assign(tasks.begin() + static_cast<std::ptrdiff_t>(from),
                         tasks.begin() + static_cast<std::ptrdiff_t>(to));
    if (!behind_data) {
      push_control(message);
      continue;
    }
    // It may be about tasks that have not left: it must not overtake them.
    Lanes::DataMessage data;
    encode(message, data.text);
    lanes_[1].push_data(std::move(data));
  }
}

std::uint64_t MasterSession::room(bool high) const noexcept {
  const Grant& grant = grants_[place(high)];
  if (stage_ != Stage::active || draining_) return 0;
  // However much is granted, an agent never holds more than its capacity.
  return std::min(grant.credit - grant.given, grant.capacity);
}

// -- what to send ---------------------------------------------------------------------------------

void MasterSession::set_facts(std::int64_t loop_lag_us, std::int64_t cpu_us,
                              const ConnectionFacts& facts) {
  own_.loop_lag_us = loop_lag_us;
  own_.cpu_us = cpu_us;
  set_socket(own_, facts, unsent_bytes());
}

std::string MasterSession::write_heartbeat(SteadyTime now, SystemTime system_now) {
  Heartbeat beat = own_;
  beats_.compose(beat, now, system_now);
  beat_waits_ = false;
  beat.items_sent = lanes_[0].items_sent() + lanes_[1].items_sent();
  beat.results_bytes = results_bytes_;
  beat.ack = committed_;
  results_bytes_told_ = std::max(results_bytes_told_, results_bytes_);
  std::string text;
  encode(beat, text);
  return text;
}

std::string MasterSession::next_message(std::size_t room, SteadyTime now, SystemTime system_now) {
  if (room == 0) return {};
  // The welcome comes before everything else of the session.
  if (beats_.due(now) && (beats_.sent() > 0 || !lanes_[0].has_control())) {
    return write_heartbeat(now, system_now);
  }
  if (ack_due_) {
    ack_due_ = false;
    push_control(Ack{committed_});
  }
  if (stage_ != Stage::active && !lanes_[0].has_control()) return {};
  auto leaving = lanes_[0].next();
  if (!leaving) leaving = lanes_[1].next();
  if (!leaving) return {};
  if (leaving->items > 0) {
    const auto waited = duration_cast<milliseconds>(now - leaving->queued_at);
    if (waited.count() > 0) append_waited(leaving->text, waited);
  }
  return std::move(leaving->text);
}

std::vector<TaskId> MasterSession::take_unsent() {
  std::vector<TaskId> unsent;
  for (Lanes& lane : lanes_) {
    for (const Lanes::DataMessage& data : lane.take_data()) {
      unsent.insert(unsent.end(), data.tasks.begin(), data.tasks.end());
    }
  }
  return unsent;
}

}  // namespace probekit::protocol
