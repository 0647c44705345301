// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/thread.hpp"
#include "probekit/prober.hpp"

namespace probekit {
namespace {

constexpr std::size_t kThreadsMax = 1024;

using BlockingProbe = std::function<ProbeResult(std::string_view, const ProbeOptions&)>;

struct Request {
  std::uint64_t probe = 0;
  std::string target;
  ProbeOptions options;
};

/// Between a runner and its threads.
struct Exchange {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Request> requests;  // under mutex
  bool stopping = false;         // under mutex
};

class BlockingRunner final : public ProbeRunner {
 public:
  BlockingRunner(const BlockingProbe& probe, std::size_t threads, ProbeLoop& loop, ProbeSink& sink)
      : probe_(probe), loop_(loop), sink_(sink), self_(std::make_shared<BlockingRunner*>(this)) {
    try {
      for (std::size_t i = 0; i < threads; ++i) {
        threads_.push_back(start_thread("probekit-block", [this] { work(); }));
      }
    } catch (...) {
      stop();
      throw;
    }
  }

  ~BlockingRunner() override {
    self_.reset();
    stop();
    for (const auto& running : running_) loop_.cancel(running.second.timer);
  }

  void start(std::uint64_t probe, std::string_view target, const ProbeOptions& options) override {
    Running running;
    running.started = loop_.clock_now();
    running.started_at = loop_.system_now();
    running.timer =
        loop_.call_at(running.started + options.timeout, [this, probe] { late(probe); });
    running_.emplace(probe, running);
    {
      const std::lock_guard<std::mutex> lock(exchange_.mutex);
      exchange_.requests.push_back(Request{probe, std::string{target}, options});
    }
    exchange_.changed.notify_one();
  }

  void cancel(std::uint64_t probe) override {
    const auto found = running_.find(probe);
    if (found == running_.end()) return;
    loop_.cancel(found->second.timer);
    running_.erase(found);
    take_unstarted(probe);
  }

 private:
  struct Running {
    SteadyTime started{};
    SystemTime started_at{};
    TimerId timer = 0;
  };

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(exchange_.mutex);
      exchange_.stopping = true;
    }
    exchange_.changed.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  bool take_unstarted(std::uint64_t probe) {
    const std::lock_guard<std::mutex> lock(exchange_.mutex);
    for (auto request = exchange_.requests.begin(); request != exchange_.requests.end();
         ++request) {
      if (request->probe != probe) continue;
      exchange_.requests.erase(request);
      return true;
    }
    return false;
  }

  void late(std::uint64_t probe) {
    const bool waited = take_unstarted(probe);
    answer(probe, waited
                      ? failed_result(FailureKind::internal,
                                      "every thread of the prober was busy until the timeout")
                      : failed_result(FailureKind::timeout, "the prober did not return in time"));
  }

  void answer(std::uint64_t probe, ProbeResult result) {
    const auto found = running_.find(probe);
    if (found == running_.end()) return;
    const Running running = found->second;
    loop_.cancel(running.timer);
    running_.erase(found);
    if (result.started_at == SystemTime{}) result.started_at = running.started_at;
    if (result.duration.count() == 0) {
      result.duration = std::chrono::duration_cast<std::chrono::microseconds>(loop_.clock_now() -
                                                                              running.started);
    }
    sink_.on_result(probe, std::move(result));
  }

  void work() {
    for (;;) {
      Request request;
      {
        std::unique_lock<std::mutex> lock(exchange_.mutex);
        exchange_.changed.wait(
            lock, [this] { return exchange_.stopping || !exchange_.requests.empty(); });
        if (exchange_.stopping) return;
        request = std::move(exchange_.requests.front());
        exchange_.requests.pop_front();
      }
      ProbeResult result;
      try {
        result = probe_(request.target, request.options);
      } catch (const std::exception& error) {
        result =
            failed_result(FailureKind::internal, std::string{"the prober threw: "} + error.what());
      } catch (...) {
        result = failed_result(FailureKind::internal, "the prober threw");
      }
      loop_.post([self = std::weak_ptr<BlockingRunner*>(self_weak_), probe = request.probe,
                  result = std::move(result)]() mutable {
        if (const auto runner = self.lock()) (*runner)->answer(probe, std::move(result));
      });
    }
  }

  const BlockingProbe& probe_;
  ProbeLoop& loop_;
  ProbeSink& sink_;
  std::shared_ptr<BlockingRunner*> self_;  // gone with the runner; posts of its threads look here
  const std::weak_ptr<BlockingRunner*> self_weak_{self_};
  std::unordered_map<std::uint64_t, Running> running_;
  Exchange exchange_;
  std::vector<std::thread> threads_;
};

class BlockingProber final : public Prober {
 public:
  BlockingProber(ProbeKind kind, BlockingProbe probe, std::size_t threads)
      : kind_(std::move(kind)), probe_(std::move(probe)), threads_(threads) {}

  const ProbeKind& kind() const noexcept override { return kind_; }

  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop, const ProbeEnvironment&,
                                           ProbeSink& sink) const override {
    return std::make_unique<BlockingRunner>(probe_, threads_, loop, sink);
  }

 private:
  ProbeKind kind_;
  BlockingProbe probe_;
  std::size_t threads_;
};

}  // namespace

std::unique_ptr<Prober> make_blocking_prober(
    ProbeKind kind,
    std::function<ProbeResult(std::string_view target, const ProbeOptions& options)> probe,
    std::size_t threads) {
  if (!probe) throw std::invalid_argument("make_blocking_prober: probe is empty");
  if (threads < 1 || threads > kThreadsMax) {
    throw std::invalid_argument("make_blocking_prober: threads: " + std::to_string(threads) +
                                " is not 1 to 1024");
  }
  return std::make_unique<BlockingProber>(std::move(kind), std::move(probe), threads);
}

}  // namespace probekit
