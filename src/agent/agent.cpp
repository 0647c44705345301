// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#include "probekit/agent.hpp"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "agent/agent_core.hpp"
#include "base/cpu_time.hpp"
#include "base/loop_turns.hpp"
#include "probe/task_times.hpp"
#include "probekit/probe_executor.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;

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

/// The executor's threads.
class ThreadProbing final : public AgentProbing {
 public:
  explicit ThreadProbing(ProbeExecutor& executor) : executor_(executor) {}
  const ProbeKinds& kinds() const override { return executor_.kinds(); }
  std::vector<Task> submit(std::vector<Task> tasks) override {
    return executor_.submit(std::move(tasks));
  }
  bool cancel(TaskId task, std::function<void(TaskId)> cancelled) override {
    return executor_.cancel(task, std::move(cancelled));
  }
  std::vector<Task> take_back() override { return executor_.take_back(); }
  void set_paused(bool paused) override { executor_.set_paused(paused); }
  bool is_queued(TaskId task) const override { return executor_.is_queued(task); }
  ProbeExecutorFacts facts() const override { return executor_.facts(); }
  std::chrono::microseconds cpu_time() const override { return process_cpu_time(); }

 private:
  ProbeExecutor& executor_;
};

std::unique_ptr<Connector> given(std::unique_ptr<Connector> connector) {
  if (!connector) throw std::invalid_argument("Agent: the connector is null");
  return connector;
}

}  // namespace

struct Agent::Impl {
  Impl(std::unique_ptr<Connector> given_connector, AgentOptions given_options)
      : options(AgentCore::completed(std::move(given_options))),
        connector(given(std::move(given_connector))),
        executor(executor_options(options)),
        probing(executor),
        notifier(options.executor),
        loop(EventLoopOptions{"probekit-agent", options.clock, options.log}),
        core(options, *connector, probing, notifier, loop) {}
  ~Impl() { stop(); }

  void start();
  void stop();
  void drain(milliseconds within, std::function<void(Expected<void>)> done);
  AgentStatus status() const;

  const AgentOptions options;
  const std::unique_ptr<Connector> connector;
  ProbeExecutor executor;
  ThreadProbing probing;
  Notifier notifier;
  std::vector<std::string> kinds;
  EventLoop loop;
  AgentCore core;

  std::mutex stop_mutex;
  std::condition_variable stop_done;
  bool started = false;  // under stop_mutex
  bool stopped = false;  // under stop_mutex: stop() was called
  bool ended = false;    // under stop_mutex: and no thread of ours runs any more
};

void Agent::Impl::start() {
  const std::lock_guard<std::mutex> lock{stop_mutex};
  if (started || stopped) throw std::logic_error("Agent: start() after start() or stop()");
  core.set_kinds(kinds);
  executor.start(&core.mailbox());
  loop.start();
  started = true;
  loop.post([this] { core.connect(); });
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
      core.end(Error{make_error_code(errc::cancelled), "the agent was stopped"});
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
  core.add_status(status);
  const ProbeExecutorFacts facts = executor.facts();
  status.queued = facts.queue.queued_high + facts.queue.queued_other;
  status.running = facts.queue.running;
  return status;
}

void Agent::Impl::drain(milliseconds within, std::function<void(Expected<void>)> done) {
  const auto finish = [this, done = std::move(done)](const Expected<void>& how) {
    if (done) notifier.answer([done, how] { done(how); });
  };
  within = std::clamp(within, milliseconds{0}, kLongestTime);
  const std::lock_guard<std::mutex> lock{stop_mutex};
  if (stopped) return finish(Error{make_error_code(errc::closed), "the agent has stopped"});
  if (!started) return finish({});  // nothing is held
  loop.post([this, within, finish] { core.drain(within, finish); });
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
  impl_->core.on_connected(std::move(notify));
}

void Agent::start() { impl_->start(); }
AgentStatus Agent::status() const { return impl_->status(); }
std::uint64_t Agent::loop_turns() const noexcept { return probekit::loop_turns(impl_->loop); }
void Agent::drain(milliseconds within, std::function<void(Expected<void>)> done) {
  impl_->drain(within, std::move(done));
}
void Agent::stop() { impl_->stop(); }

}  // namespace probekit
