// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "agent/agent_core.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "base/unstepped_clock.hpp"
#include "probe/task_times.hpp"
#include "probekit/version.hpp"

namespace probekit {
namespace {

using protocol::AgentSession;
using protocol::Returned;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t kThreadsMax = 64;
constexpr std::size_t kOutboxBytesMin = 128 * 1024;
constexpr std::chrono::seconds kUnauthorizedRetry{15};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string{"AgentOptions."} + what);
}

std::string words_for(const CloseReason& reason) {
  std::string words;
  if (reason.error) {
    words = reason.error.message();
  } else {
    words = reason.local ? "closed here" : "closed by the master";
  }
  words += " (" + std::to_string(static_cast<unsigned>(reason.code)) + ")";
  if (!reason.text.empty()) words += ": " + to_valid_utf8(reason.text);
  return words;
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

AgentOptions AgentCore::completed(AgentOptions options) {
  require(is_valid_name(options.name), "name: 1 to 64 of letters, digits and ._-");
  require(options.tags.size() <= protocol::kTagsMax, "tags: at most 64");
  for (const Label& tag : options.tags) {
    require(is_valid_name(tag.key) && is_valid_name(tag.value),
            "tags: keys and values are 1 to 64 of letters, digits and ._-");
  }
  require(options.concurrency >= 1 && options.concurrency <= 65'536, "concurrency: 1 to 65536");
  require(options.queue >= 1 && options.queue <= 1'048'576, "queue: 1 to 1048576");
  require(options.threads <= kThreadsMax, "threads: at most 64");
  require(options.outbox_bytes_max >= kOutboxBytesMin, "outbox_bytes_max: at least 131072");
  require(options.backoff_min > milliseconds{0}, "backoff_min: more than 0");
  require(options.backoff_max >= options.backoff_min, "backoff_max: at least backoff_min");
  options.backoff_min = std::min(options.backoff_min, kLongestTime);
  options.backoff_max = std::min(options.backoff_max, kLongestTime);
  // Not one that steps: what it tells before and after, the master would move by one offset.
  options.clock = make_unstepped_clock(options.clock ? options.clock : system_clock());
  if (!options.random) options.random = system_random();
  return options;
}

std::size_t AgentCore::threads_of(const AgentOptions& options) {
  const std::size_t threads =
      options.threads != 0 ? options.threads
                           : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 4);
  return std::min(threads, options.concurrency);
}

AgentCore::AgentCore(const AgentOptions& options, Connector& connector, AgentProbing& probing,
                     Notifier& notifier, EventLoop& loop)
    : options_(options),
      connector_(connector),
      probing_(probing),
      notifier_(notifier),
      loop_(loop),
      mailbox_([this] { loop_.post([this] { empty_mailbox(); }); }) {
  std::array<unsigned char, 16> bits{};
  options_.random->fill(bits.data(), bits.size());
  append_hex(instance_, bits.data(), bits.size());
  make_session();
}

AgentCore::~AgentCore() = default;

void AgentCore::set_kinds(std::vector<std::string> kinds) {
  kinds_ = std::move(kinds);
  make_session();
}

void AgentCore::make_session() {
  protocol::AgentSessionOptions out;
  out.name = options_.name;
  out.instance = instance_;
  out.version = std::string{version()};
  out.tags = options_.tags;
  out.kinds = kinds_;
  out.concurrency = options_.concurrency;
  out.queue = options_.queue;
  out.threads = threads_of(options_);
  out.outbox_bytes_max = options_.outbox_bytes_max;
  out.backoff_min = options_.backoff_min;
  out.backoff_max = options_.backoff_max;
  session_ = std::make_unique<AgentSession>(std::move(out), *options_.random,
                                            [this](protocol::Heartbeat& beat) { measure(beat); });
}

void AgentCore::end(const Error& why) {
  drained_ = true;  // no new connection
  connector_.cancel();
  connection_.reset();
  is_connected_ = false;
  end_drains(why);
}

void AgentCore::add_status(AgentStatus& status) const {
  status.connected = is_connected_;
  status.unacknowledged = unacknowledged_;
  status.received = received_;
  status.results = results_;
  status.disconnects = disconnects_;
  const std::lock_guard<std::mutex> lock{text_mutex_};
  status.url = url_;
  status.last_disconnect = last_disconnect_;
  status.diagnosis = diagnosis_;
  status.last_diagnosis = last_diagnosis_;
}

// -- connecting -----------------------------------------------------------------------------------

void AgentCore::connect() {
  if (drained_) return;
  connector_.connect(loop_, [this](Expected<std::unique_ptr<Connection>> made) {
    if (drained_) return;
    {
      const std::lock_guard<std::mutex> lock{text_mutex_};
      url_ = connector_.url();
    }
    if (!made) {
      // Only a person can change that: it is said once for each master, and asked again slowly.
      const bool unauthorized = made.error().code() == errc::unauthorized;
      const bool told = unauthorized && !unauthorized_urls_.insert(connector_.url()).second;
      log(told           ? LogLevel::debug
          : unauthorized ? LogLevel::error
                         : LogLevel::warn,
          "cannot connect: " + made.error().message(), {{"url", connector_.url()}});
      return connect_later(told ? kUnauthorizedRetry : connector_.retry_after());
    }
    unauthorized_urls_.erase(connector_.url());
    connection_ = std::move(*made);
    watch_.connected(now());
    last_facts_ = {};
    look_at_connection();
    opened_at_ = now();
    cpu_marks_.fill(CpuMark{cpu_us(), opened_at_});
    connection_->start(*this);
    session_->connected(now(), last_facts_.bytes_received,
                        [this](TaskId task) { return probing_.is_queued(task); });
    process();
  });
}

void AgentCore::connect_later(std::chrono::seconds told) {
  if (drained_ || retry_timer_ != 0) return;
  const milliseconds delay = session_->reconnect_delay(told);
  log(LogLevel::debug, "connecting again later", {{"delay_ms", std::to_string(delay.count())}});
  retry_timer_ = loop_.call_after(delay, [this] {
    retry_timer_ = 0;
    connect();
  });
}

void AgentCore::on_message(std::string message) {
  session_->message(message, now(), system_now());
  watch_.heard(*session_);
  process();
}

void AgentCore::on_closed(const CloseReason& reason) {
  const std::string words = words_for(reason);
  const std::size_t held = session_->held();
  const auto seconds = duration_cast<std::chrono::seconds>(now() - opened_at_).count();
  look_at_connection();
  const Diagnosis diagnosis = diagnose_disconnect(measured());
  {
    const std::lock_guard<std::mutex> lock{text_mutex_};
    last_disconnect_ = words;
    diagnosis_ = last_diagnosis_ = diagnosis;
  }
  const bool asked_for = reason.local && reason.code == CloseCode::normal && session_->draining();
  if (!asked_for) ++disconnects_;
  is_connected_ = false;
  log(asked_for ? LogLevel::info : LogLevel::warn, "disconnected: " + words,
      {{"session", session_->session().empty() ? "none" : session_->session()},
       {"peer", last_facts_.peer},
       {"local", last_facts_.local},
       {"url", connector_.url()},
       {"seconds", std::to_string(seconds)},
       {"held", std::to_string(held)},
       {"unacknowledged", std::to_string(session_->unacknowledged())},
       {"recv_queue_bytes", std::to_string(last_facts_.recv_queue_bytes)},
       {"send_queue_bytes", std::to_string(last_facts_.send_queue_bytes)},
       {"measured_ms_ago",
        std::to_string(duration_cast<milliseconds>(now() - last_facts_at_).count())},
       {"loop_lag_us", std::to_string(loop_.lag().max.count())},
       {"diagnosis", std::string{to_string(diagnosis.verdict)}},
       {"text", diagnosis.text}});
  // Its own callback is still running.
  loop_.post([over = std::shared_ptr<Connection>{std::move(connection_)}] {});
  session_->closed(now());
  process();
  connect_later(reason.local ? std::chrono::seconds{0} : protocol::retry_after_of(reason.text));
}

// -- the session ----------------------------------------------------------------------------------

void AgentCore::process() {
  if (acting_) return;  // an event's action led back here; the loop below goes on
  acting_ = true;
  const std::unique_ptr<bool, void (*)(bool*)> guard{&acting_, [](bool* flag) { *flag = false; }};
  do {
    while (act()) {
    }
    while (connection_ && connection_->send_room() > 0) {
      auto message = session_->next_message(connection_->send_room(), now(), system_now());
      if (!message) break;
      connection_->send(std::move(*message));
    }
  } while (act());
  unacknowledged_.store(session_->unacknowledged(), std::memory_order_relaxed);
  received_.store(session_->received_total(), std::memory_order_relaxed);
  results_.store(session_->results_total(), std::memory_order_relaxed);
  wake_at(session_->next_wakeup(now()));
}

// True when there was something to do.
bool AgentCore::act() {
  auto events = session_->take_events();
  for (auto& event : events) {
    std::visit(Overloaded{
                   [this](AgentSession::Deliver& one) { deliver(std::move(one.tasks)); },
                   [this](AgentSession::CancelTasks& one) { cancel(one.tasks); },
                   [this](AgentSession::TakeBack&) {
                     for (const Task& task : probing_.take_back())
                       session_->returned(task.id, Returned::draining, now());
                   },
                   [this](AgentSession::Pause& one) { pause(one.paused); },
                   [this](AgentSession::Close& one) {
                     if (!connection_) return;
                     look_at_connection();
                     if (one.abort) {
                       connection_->abort(one.code, one.text);
                     } else {
                       connection_->close(one.code, one.text);
                     }
                   },
                   [this](AgentSession::Welcomed& one) { welcomed(one); },
                   [this](AgentSession::StoreChanged& one) {
                     log(LogLevel::warn,
                         "the master serves another store: tasks of the one before are dropped",
                         {{"before", one.before},
                          {"now", one.now},
                          {"dropped", std::to_string(one.dropped)}});
                   },
                   [this](AgentSession::Rejected& one) { rejected(one.reject); },
                   [this](AgentSession::Drained&) {
                     drained_ = true;
                     end_drains({});
                   },
               },
               event);
  }
  return !events.empty();
}

void AgentCore::pause(bool paused) {
  probing_.set_paused(paused);
  if (!paused || now() - pause_told_ < kPauseTold) return;
  pause_told_ = now();
  log(LogLevel::warn, "the outbox is full and no probe starts: the master is slow to acknowledge",
      {{"unacknowledged", std::to_string(session_->unacknowledged())},
       {"peer", last_facts_.peer},
       {"send_queue_bytes", std::to_string(last_facts_.send_queue_bytes)}});
}

void AgentCore::deliver(std::vector<Task> tasks) {
  if (options_.per_host != 0) {
    const ProbeOptions* known = nullptr;
    const ProbeKind* kind = nullptr;
    for (Task& task : tasks) {
      if (task.options.get() != known) {
        known = task.options.get();
        kind = probing_.kinds().find(task.options->kind);
      }
      if (kind != nullptr && kind->host_key) task.host_key = kind->host_key(task.target);
    }
  }
  for (const Task& task : probing_.submit(std::move(tasks)))
    session_->returned(task.id, Returned::overdrawn, now());
}

void AgentCore::cancel(const std::vector<TaskId>& tasks) {
  for (const TaskId task : tasks) {
    if (probing_.cancel(task, [this](TaskId one) { mailbox_.on_cancelled(one); }))
      session_->cancelled(task, now());
  }
}

void AgentCore::welcomed(const AgentSession::Welcomed& event) {
  is_connected_ = true;
  log(LogLevel::info, "connected",
      {{"url", connector_.url()},
       {"session", event.session},
       {"master", event.master},
       {"peer", last_facts_.peer},
       {"local", last_facts_.local},
       {"resumed", std::to_string(event.resumed)},
       {"unwanted", std::to_string(event.unwanted)}});
  if (notify_connected_) notify_of_connection();
}

// One slot: a host that is slow to hear of it hears of the last one only.
void AgentCore::notify_of_connection() {
  {
    const std::lock_guard<std::mutex> lock{connected_mutex_};
    if (connected_to_.has_value()) {
      connected_to_ = connector_.url();
      return;
    }
    connected_to_ = connector_.url();
  }
  notifier_.post([this] {
    std::string to;
    {
      const std::lock_guard<std::mutex> lock{connected_mutex_};
      to = std::move(*connected_to_);
      connected_to_.reset();
    }
    notify_connected_(to);
  });
}

void AgentCore::rejected(const protocol::Reject& reject) {
  std::string message = "rejected: " + reject.reason;
  if (!reject.detail.empty()) message += ": " + reject.detail;
  if (reject.reason == "name_in_use")
    message += " (another agent that answers is called " + options_.name +
               "; give this one a name of its own with --name)";
  log(LogLevel::error, std::move(message),
      {{"url", connector_.url()}, {"retry_after_ms", std::to_string(reject.retry_after.count())}});
}

void AgentCore::measure(protocol::Heartbeat& beat) {
  look_at_connection();
  const ProbeExecutorFacts probing = probing_.facts();
  watch_.measure(beat, probing, *session_, std::max(probing.lag.max, loop_.lag().max), now());
  cpu_marks_ = {cpu_marks_[1], CpuMark{cpu_us(), now()}};
  beat.cpu_us = cpu_marks_[1].us;
  diagnose();
}

void AgentCore::look_at_connection() {
  if (!connection_) return;
  ConnectionFacts facts = connection_->facts();
  if (last_facts_.measured && !facts.measured) return;  // its socket is gone: what it was is kept
  last_facts_ = std::move(facts);
  last_facts_at_ = now();
  watch_.look(last_facts_, *session_, last_facts_at_);
}

// Of the process, as heartbeats tell it.
std::int64_t AgentCore::cpu_us() const { return probing_.cpu_time().count(); }

// Since the last heartbeat but one: long enough to mean something.
double AgentCore::cores_used() {
  using Seconds = std::chrono::duration<double>;
  const CpuMark& from = cpu_marks_[0];
  const double seconds = std::max(Seconds{now() - from.at}.count(), 0.001);
  return static_cast<double>(cpu_us() - from.us) / 1e6 / seconds;
}

// For those who have only the agent's log, or its process.
AgentFacts AgentCore::measured() {
  const ProbeExecutorFacts probing = probing_.facts();
  AgentFacts facts =
      watch_.facts(probing, *session_, std::max(probing.lag.max, loop_.lag().max), now());
  facts.slots = options_.concurrency;
  facts.cpu_cores = cores_used();
  facts.threads = threads_of(options_);
  return facts;
}

void AgentCore::diagnose() {
  diagnosed_at_ = now();
  Diagnosis diagnosis = diagnose_agent(measured());
  const std::lock_guard<std::mutex> lock{text_mutex_};
  diagnosis_ = std::move(diagnosis);
}

void AgentCore::empty_mailbox() {
  Mailbox::Letters letters = mailbox_.take();
  const SteadyTime at = now();
  if (!letters.finished.empty()) session_->finished(std::move(letters.finished), at);
  for (const auto& [task, why] : letters.returned) session_->returned(task, why, at);
  process();
}

void AgentCore::wake_at(std::optional<SteadyTime> when) {
  // One that comes too early does no harm; setting it anew for each message would cost.
  if (!when || (timer_ != 0 && timer_at_ <= *when)) return;
  if (timer_ != 0) loop_.cancel(timer_);
  timer_at_ = *when;
  timer_ = loop_.call_at(timer_at_, [this] { on_timer(); });
}

void AgentCore::on_timer() {
  timer_ = 0;
  const SteadyTime at = now();
  look_at_connection();
  session_->tick(at, last_facts_.bytes_received, at - timer_at_);
  if (connection_ && at - diagnosed_at_ >= kDiagnosedEvery) diagnose();
  process();
}

// -- drain ----------------------------------------------------------------------------------------

void AgentCore::drain(milliseconds within, Drained done) {
  if (drained_) return done({});
  drains_.push_back(std::move(done));
  if (drains_.size() > 1) return;  // the first one's time counts
  log(LogLevel::info, "draining", {{"held", std::to_string(session_->held())}});
  loop_.call_after(within, [this] {
    end_drains(Error{make_error_code(errc::timed_out), "the agent did not drain in time"});
  });
  session_->drain(now());
  process();
}

void AgentCore::end_drains(const Expected<void>& how) {
  for (const auto& finish : std::exchange(drains_, {})) finish(how);
}

}  // namespace probekit
