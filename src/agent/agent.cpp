// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "probekit/agent.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <ctime>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "agent/mailbox.hpp"
#include "base/loop_turns.hpp"
#include "base/notifier.hpp"
#include "base/text.hpp"
#include "probekit/diagnosis.hpp"
#include "probekit/probe_executor.hpp"
#include "probekit/version.hpp"
#include "protocol/agent_session.hpp"

namespace probekit {
namespace {

using protocol::AgentSession;
using protocol::Returned;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t kThreadsMax = 64;
constexpr std::size_t kOutboxBytesMin = 128 * 1024;
constexpr std::chrono::seconds kUnauthorizedRetry{15};
constexpr std::chrono::minutes kPauseTold{1};  // a full outbox is logged this often
// Longer waits count as this; it keeps far from where time points overflow.
constexpr milliseconds kWaitMax = std::chrono::hours{24 * 366};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string{"AgentOptions."} + what);
}

AgentOptions completed(AgentOptions options) {
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
  options.backoff_min = std::min(options.backoff_min, kWaitMax);
  options.backoff_max = std::min(options.backoff_max, kWaitMax);
  if (!options.clock) options.clock = system_clock();
  if (!options.random) options.random = system_random();
  return options;
}

ProbeExecutorOptions executor_options(const AgentOptions& options) {
  ProbeExecutorOptions out;
  out.concurrency = options.concurrency;
  out.queue = options.queue;
  out.threads = options.threads;
  out.per_host = options.per_host;
  out.address_policy = options.address_policy;
  out.dns_servers = options.dns_servers;
  out.clock = options.clock;
  out.random = options.random;
  out.executor = options.executor;
  out.log = options.log;
  return out;
}

std::size_t threads_of(const AgentOptions& options) {
  const std::size_t threads =
      options.threads != 0 ? options.threads
                           : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 4);
  return std::min(threads, options.concurrency);
}

// Of the process, as heartbeats tell it.
std::int64_t cpu_us() {
  return static_cast<std::int64_t>(static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC);
}

// CPU time of the process, and when that was.
struct CpuMark {
  std::int64_t us = 0;
  SteadyTime at{};
};

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

// -- everything here runs on the loop's thread, but for what says otherwise -----------------------

struct Agent::Impl final : private ConnectionObserver {
  Impl(std::unique_ptr<Connector> given_connector, AgentOptions given)
      : options(completed(std::move(given))),
        connector(std::move(given_connector)),
        executor(executor_options(options)),
        notifier(options.executor),
        loop(EventLoopOptions{"probekit-agent", options.clock, options.log}),
        mailbox([this] { loop.post([this] { empty_mailbox(); }); }) {
    if (!connector) throw std::invalid_argument("Agent: the connector is null");
    std::array<unsigned char, 16> bits{};
    options.random->fill(bits.data(), bits.size());
    append_hex(instance, bits.data(), bits.size());
    make_session();  // throws when the hello would be too long
  }
  ~Impl() override { stop(); }

  void make_session() {
    protocol::AgentSessionOptions out;
    out.name = options.name;
    out.instance = instance;
    out.version = std::string{version()};
    out.tags = options.tags;
    out.kinds = kinds;
    out.concurrency = options.concurrency;
    out.queue = options.queue;
    out.threads = threads_of(options);
    out.outbox_bytes_max = options.outbox_bytes_max;
    out.backoff_min = options.backoff_min;
    out.backoff_max = options.backoff_max;
    session = std::make_unique<AgentSession>(std::move(out), *options.random,
                                             [this](protocol::Heartbeat& beat) { measure(beat); });
  }

  void start();
  void stop();
  void drain(milliseconds within, std::function<void(Expected<void>)> done);
  AgentStatus status() const;

  // -- connecting -------------------------------------------------------------------------------
  void connect();
  void connect_later(std::chrono::seconds told);
  void on_message(std::string message) override;
  void on_writable() override { process(); }
  void on_closed(const CloseReason& reason) override;

  // -- the session ------------------------------------------------------------------------------
  void process();
  bool act();
  void pause(bool paused);
  void deliver(std::vector<Task> tasks);
  void cancel(const std::vector<TaskId>& tasks);
  void welcomed(const AgentSession::Welcomed& event);
  void rejected(const protocol::Reject& reject);
  void notify_of_connection();
  void measure(protocol::Heartbeat& beat);
  double cores_used();
  Diagnosis diagnose();
  void look_at_connection();
  void empty_mailbox();
  void wake_at(std::optional<SteadyTime> when);
  void on_timer();
  void end_drains(const Expected<void>& how);

  SteadyTime now() const noexcept { return loop.now(); }
  void log(LogLevel level, std::string message, std::initializer_list<LogField> fields) {
    if (options.log) options.log->write(level, "agent", std::move(message), fields);
  }

  const AgentOptions options;
  std::unique_ptr<Connector> connector;
  ProbeExecutor executor;
  Notifier notifier;
  std::string instance;
  std::vector<std::string> kinds;
  std::function<void(std::string)> notify_connected;
  EventLoop loop;
  Mailbox mailbox;

  // The loop's thread.
  std::unique_ptr<AgentSession> session;
  std::unique_ptr<Connection> connection;
  ConnectionFacts last_facts;
  std::set<std::string> unauthorized_urls;  // masters that refused the token, and it was said
  SteadyTime last_facts_at{};
  SteadyTime opened_at{};
  TimerId timer = 0;
  SteadyTime timer_at{};
  TimerId retry_timer = 0;
  SteadyTime pause_told{-kPauseTold};
  std::array<CpuMark, 2> cpu_marks;  // at the last two heartbeats
  bool acting = false;
  bool drained = false;
  std::vector<std::function<void(Expected<void>)>> drains;

  // Any thread.
  std::mutex stop_mutex;
  std::condition_variable stop_done;
  bool started = false;  // under stop_mutex
  bool stopped = false;  // under stop_mutex: stop() was called
  bool ended = false;    // under stop_mutex: and no thread of ours runs any more
  std::mutex connected_mutex;
  std::optional<std::string> connected_to;  // under connected_mutex: not notified of yet
  std::atomic<bool> is_connected{false};
  std::atomic<std::size_t> unacknowledged{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> results{0};
  std::atomic<std::uint64_t> disconnects{0};
  mutable std::mutex text_mutex;
  std::string url;              // under text_mutex
  std::string last_disconnect;  // under text_mutex
};

void Agent::Impl::start() {
  const std::lock_guard<std::mutex> lock{stop_mutex};
  if (started || stopped) throw std::logic_error("Agent: start() after start() or stop()");
  make_session();  // with the kinds that were added
  executor.start(&mailbox);
  loop.start();
  started = true;
  loop.post([this] { connect(); });
}

void Agent::Impl::stop() {
  bool running = false;
  {
    std::unique_lock<std::mutex> lock{stop_mutex};
    if (std::exchange(stopped, true)) {
      stop_done.wait(lock, [this] { return ended; });
      lock.unlock();
      return notifier.close();
    }
    running = started;
  }
  if (running) {
    // Sockets end on their own thread, while its loop still runs.
    std::promise<void> closed;
    loop.post([this, &closed] {
      drained = true;  // no new connection
      connector->cancel();
      connection.reset();
      is_connected = false;
      end_drains(Error{make_error_code(errc::cancelled), "the agent was stopped"});
      closed.set_value();
    });
    closed.get_future().wait();
  }
  executor.stop();
  loop.stop();
  {
    const std::lock_guard<std::mutex> lock{stop_mutex};
    ended = true;
  }
  stop_done.notify_all();
  notifier.close();  // with no lock held: the notification it waits for may be in stop(), too
}

AgentStatus Agent::Impl::status() const {
  AgentStatus status;
  status.connected = is_connected;
  const ProbeExecutorFacts facts = executor.facts();
  status.queued = facts.queue.queued_high + facts.queue.queued_other;
  status.running = facts.queue.running;
  status.unacknowledged = unacknowledged;
  status.received = received;
  status.results = results;
  status.disconnects = disconnects;
  const std::lock_guard<std::mutex> lock{text_mutex};
  status.url = url;
  status.last_disconnect = last_disconnect;
  return status;
}

// -- connecting -----------------------------------------------------------------------------------

void Agent::Impl::connect() {
  if (drained) return;
  connector->connect(loop, [this](Expected<std::unique_ptr<Connection>> made) {
    if (drained) return;
    {
      const std::lock_guard<std::mutex> lock{text_mutex};
      url = connector->url();
    }
    if (!made) {
      // Only a person can change that: it is said once for each master, and asked again slowly.
      const bool unauthorized = made.error().code() == errc::unauthorized;
      const bool told = unauthorized && !unauthorized_urls.insert(connector->url()).second;
      log(told           ? LogLevel::debug
          : unauthorized ? LogLevel::error
                         : LogLevel::warn,
          "cannot connect: " + made.error().message(), {{"url", connector->url()}});
      return connect_later(told ? kUnauthorizedRetry : connector->retry_after());
    }
    unauthorized_urls.erase(connector->url());
    connection = std::move(*made);
    look_at_connection();
    opened_at = now();
    cpu_marks.fill(CpuMark{cpu_us(), opened_at});
    connection->start(*this);
    session->connected(now(), last_facts.bytes_received,
                       [this](TaskId task) { return executor.is_queued(task); });
    process();
  });
}

void Agent::Impl::connect_later(std::chrono::seconds told) {
  if (drained || retry_timer != 0) return;
  const milliseconds delay = session->reconnect_delay(told);
  log(LogLevel::debug, "connecting again later", {{"delay_ms", std::to_string(delay.count())}});
  retry_timer = loop.call_after(delay, [this] {
    retry_timer = 0;
    connect();
  });
}

void Agent::Impl::on_message(std::string message) {
  session->message(message, now(), options.clock->system_now());
  process();
}

void Agent::Impl::on_closed(const CloseReason& reason) {
  const std::string words = words_for(reason);
  const std::size_t held = session->held();
  const auto seconds = duration_cast<std::chrono::seconds>(now() - opened_at).count();
  {
    const std::lock_guard<std::mutex> lock{text_mutex};
    last_disconnect = words;
  }
  const bool asked_for = reason.local && reason.code == CloseCode::normal && session->draining();
  if (!asked_for) ++disconnects;
  is_connected = false;
  const Diagnosis diagnosis = diagnose();
  log(asked_for ? LogLevel::info : LogLevel::warn, "disconnected: " + words,
      {{"session", session->session().empty() ? "none" : session->session()},
       {"peer", last_facts.peer},
       {"url", connector->url()},
       {"seconds", std::to_string(seconds)},
       {"held", std::to_string(held)},
       {"unacknowledged", std::to_string(session->unacknowledged())},
       {"recv_queue_bytes", std::to_string(last_facts.recv_queue_bytes)},
       {"send_queue_bytes", std::to_string(last_facts.send_queue_bytes)},
       {"measured_ms_ago",
        std::to_string(duration_cast<milliseconds>(now() - last_facts_at).count())},
       {"loop_lag_us", std::to_string(loop.lag().max.count())},
       {"diagnosis", std::string{to_string(diagnosis.verdict)}},
       {"text", diagnosis.text}});
  // Its own callback is still running.
  loop.post([over = std::shared_ptr<Connection>{std::move(connection)}] {});
  session->closed(now());
  process();
  connect_later(reason.local ? std::chrono::seconds{0} : protocol::retry_after_of(reason.text));
}

// -- the session ----------------------------------------------------------------------------------

void Agent::Impl::process() {
  if (acting) return;  // an event's action led back here; the loop below goes on
  acting = true;
  const std::unique_ptr<bool, void (*)(bool*)> guard{&acting, [](bool* flag) { *flag = false; }};
  do {
    while (act()) {
    }
    while (connection && connection->send_room() > 0) {
      auto message =
          session->next_message(connection->send_room(), now(), options.clock->system_now());
      if (!message) break;
      connection->send(std::move(*message));
    }
  } while (act());
  unacknowledged.store(session->unacknowledged(), std::memory_order_relaxed);
  received.store(session->received_total(), std::memory_order_relaxed);
  results.store(session->results_total(), std::memory_order_relaxed);
  wake_at(session->next_wakeup(now()));
}

// True when there was something to do.
bool Agent::Impl::act() {
  auto events = session->take_events();
  for (auto& event : events) {
    std::visit(Overloaded{
                   [this](AgentSession::Deliver& one) { deliver(std::move(one.tasks)); },
                   [this](AgentSession::CancelTasks& one) { cancel(one.tasks); },
                   [this](AgentSession::TakeBack&) {
                     for (const Task& task : executor.take_back())
                       session->returned(task.id, Returned::draining, now());
                   },
                   [this](AgentSession::Pause& one) { pause(one.paused); },
                   [this](AgentSession::Close& one) {
                     if (!connection) return;
                     look_at_connection();
                     if (one.abort) {
                       connection->abort(one.code, one.text);
                     } else {
                       connection->close(one.code, one.text);
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
                     drained = true;
                     end_drains({});
                   },
               },
               event);
  }
  return !events.empty();
}

void Agent::Impl::pause(bool paused) {
  executor.set_paused(paused);
  if (!paused || now() - pause_told < kPauseTold) return;
  pause_told = now();
  log(LogLevel::warn, "the outbox is full and no probe starts: the master is slow to acknowledge",
      {{"unacknowledged", std::to_string(session->unacknowledged())},
       {"peer", last_facts.peer},
       {"send_queue_bytes", std::to_string(last_facts.send_queue_bytes)}});
}

void Agent::Impl::deliver(std::vector<Task> tasks) {
  if (options.per_host != 0) {
    const ProbeOptions* known = nullptr;
    const ProbeKind* kind = nullptr;
    for (Task& task : tasks) {
      if (task.options.get() != known) {
        known = task.options.get();
        kind = executor.kinds().find(task.options->kind);
      }
      if (kind != nullptr && kind->host_key) task.host_key = kind->host_key(task.target);
    }
  }
  for (const Task& task : executor.submit(std::move(tasks)))
    session->returned(task.id, Returned::overdrawn, now());
}

void Agent::Impl::cancel(const std::vector<TaskId>& tasks) {
  for (const TaskId task : tasks) {
    if (executor.cancel(task, [this](TaskId one) { mailbox.on_cancelled(one); }))
      session->cancelled(task, now());
  }
}

void Agent::Impl::welcomed(const AgentSession::Welcomed& event) {
  is_connected = true;
  log(LogLevel::info, "connected",
      {{"url", connector->url()},
       {"session", event.session},
       {"master", event.master},
       {"peer", last_facts.peer},
       {"resumed", std::to_string(event.resumed)},
       {"unwanted", std::to_string(event.unwanted)}});
  if (notify_connected) notify_of_connection();
}

// One slot: a host that is slow to hear of it hears of the last one only.
void Agent::Impl::notify_of_connection() {
  {
    const std::lock_guard<std::mutex> lock{connected_mutex};
    if (connected_to.has_value()) {
      connected_to = connector->url();
      return;
    }
    connected_to = connector->url();
  }
  notifier.post([this] {
    std::string to;
    {
      const std::lock_guard<std::mutex> lock{connected_mutex};
      to = std::move(*connected_to);
      connected_to.reset();
    }
    notify_connected(to);
  });
}

void Agent::Impl::rejected(const protocol::Reject& reject) {
  std::string message = "rejected: " + reject.reason;
  if (!reject.detail.empty()) message += ": " + reject.detail;
  if (reject.reason == "name_in_use")
    message += " (another agent that answers is called " + options.name +
               "; give this one a name of its own with --name)";
  log(LogLevel::error, std::move(message),
      {{"url", connector->url()}, {"retry_after_ms", std::to_string(reject.retry_after.count())}});
}

void Agent::Impl::measure(protocol::Heartbeat& beat) {
  const ProbeExecutorFacts facts = executor.facts();
  beat.loop_lag_us = std::max(facts.lag.max, loop.lag().max).count();
  beat.queued = facts.queue.queued_high + facts.queue.queued_other;
  beat.running = facts.queue.running;
  beat.queue_age_ms = duration_cast<milliseconds>(facts.queue.oldest_age).count();
  cpu_marks = {cpu_marks[1], CpuMark{cpu_us(), now()}};
  beat.cpu_us = cpu_marks[1].us;
  if (!connection) return;
  look_at_connection();
  beat.recv_queue_bytes = last_facts.recv_queue_bytes;
  beat.send_queue_bytes = last_facts.send_queue_bytes;
}

void Agent::Impl::look_at_connection() {
  last_facts = connection->facts();
  last_facts_at = now();
}

// Since the last heartbeat but one: long enough to mean something.
double Agent::Impl::cores_used() {
  using Seconds = std::chrono::duration<double>;
  const CpuMark& from = cpu_marks[0];
  const double seconds = std::max(Seconds{now() - from.at}.count(), 0.001);
  return static_cast<double>(cpu_us() - from.us) / 1e6 / seconds;
}

// What the master would say of this agent, for those who have only the agent's log.
Diagnosis Agent::Impl::diagnose() {
  const ProbeExecutorFacts probing = executor.facts();
  AgentFacts facts;
  facts.slots = options.concurrency;
  facts.slots_busy = probing.queue.running;
  facts.queued = probing.queue.queued_high + probing.queue.queued_other;
  facts.queue_age = duration_cast<milliseconds>(probing.queue.oldest_age);
  facts.loop_lag = std::max(probing.lag.max, loop.lag().max);
  facts.cpu_cores = cores_used();
  facts.threads = threads_of(options);
  return diagnose_agent(facts);
}

void Agent::Impl::empty_mailbox() {
  Mailbox::Letters letters = mailbox.take();
  const SteadyTime at = now();
  if (!letters.finished.empty()) session->finished(std::move(letters.finished), at);
  for (const auto& [task, why] : letters.returned) session->returned(task, why, at);
  process();
}

void Agent::Impl::wake_at(std::optional<SteadyTime> when) {
  // One that comes too early does no harm; setting it anew for each message would cost.
  if (!when || (timer != 0 && timer_at <= *when)) return;
  if (timer != 0) loop.cancel(timer);
  timer_at = *when;
  timer = loop.call_at(timer_at, [this] { on_timer(); });
}

void Agent::Impl::on_timer() {
  timer = 0;
  const SteadyTime at = now();
  if (connection) look_at_connection();
  session->tick(at, last_facts.bytes_received, at - timer_at);
  process();
}

// -- drain ----------------------------------------------------------------------------------------

void Agent::Impl::drain(milliseconds within, std::function<void(Expected<void>)> done) {
  const auto finish = [this, done = std::move(done)](const Expected<void>& how) {
    if (done) notifier.answer([done, how] { done(how); });
  };
  within = std::clamp(within, milliseconds{0}, kWaitMax);
  const std::lock_guard<std::mutex> lock{stop_mutex};
  if (stopped) return finish(Error{make_error_code(errc::closed), "the agent has stopped"});
  if (!started) return finish({});  // nothing is held
  loop.post([this, within, finish] {
    if (drained) return finish({});
    drains.push_back(finish);
    if (drains.size() > 1) return;  // the first one's time counts
    log(LogLevel::info, "draining", {{"held", std::to_string(session->held())}});
    loop.call_after(within, [this] {
      end_drains(Error{make_error_code(errc::timed_out), "the agent did not drain in time"});
    });
    session->drain(now());
    process();
  });
}

void Agent::Impl::end_drains(const Expected<void>& how) {
  for (const auto& finish : std::exchange(drains, {})) finish(how);
}

// -- Agent ----------------------------------------------------------------------------------------

Agent::Agent(std::unique_ptr<Connector> connector, AgentOptions options)
    : impl_(std::make_unique<Impl>(std::move(connector), std::move(options))) {}
Agent::~Agent() = default;

void Agent::add(std::unique_ptr<Prober> prober) {
  if (!prober) throw std::invalid_argument("Agent::add: the prober is null");
  const std::string& kind = prober->kind().name;
  if (std::find(impl_->kinds.begin(), impl_->kinds.end(), kind) == impl_->kinds.end())
    impl_->kinds.push_back(kind);
  impl_->executor.add(std::move(prober));
}

void Agent::on_connected(std::function<void(std::string url)> notify) {
  impl_->notify_connected = std::move(notify);
}

void Agent::start() { impl_->start(); }
AgentStatus Agent::status() const { return impl_->status(); }
std::uint64_t Agent::loop_turns() const noexcept { return probekit::loop_turns(impl_->loop); }
void Agent::drain(milliseconds within, std::function<void(Expected<void>)> done) {
  impl_->drain(within, std::move(done));
}
void Agent::stop() { impl_->stop(); }

}  // namespace probekit
