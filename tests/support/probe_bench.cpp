// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/probe_bench.hpp"

#include <atomic>
#include <future>

#include "support/run_until.hpp"

namespace probekit::test {

LoopThread::LoopThread() : loop_(nullptr, nullptr), thread_([this] { loop_.run(); }) {}

LoopThread::~LoopThread() {
  loop_.stop();
  thread_.join();
}

void LoopThread::run(const std::function<void()>& function) {
  std::promise<void> ran;
  loop_.post([&] {
    function();
    ran.set_value();
  });
  ran.get_future().wait();
}

ProbeEnvironment ProbeBench::environment() {
  ProbeEnvironment made;
  made.address_policy.allow("127.0.0.0/8");
  // The discard port: whoever forgets to name a server asks in vain.
  made.dns_servers.push_back(*parse_address("127.0.0.1", 9));
  made.random = system_random();
  made.concurrency = 64;
  return made;
}

ProbeBench::ProbeBench(std::unique_ptr<Prober> prober, ProbeEnvironment environment)
    : prober_(std::move(prober)), environment_(std::move(environment)) {
  run([this] { runner_ = prober_->make_runner(thread_.loop(), environment_, *this); });
}

ProbeBench::~ProbeBench() { destroy_runner(); }

void ProbeBench::destroy_runner() {
  run([this] {
    refill_ = nullptr;
    runner_.reset();
    orders_.clear();
  });
}

std::uint64_t ProbeBench::start(std::string target, std::chrono::milliseconds timeout) {
  std::uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = next_++;
  }
  run([&] {
    Order& order = orders_[id];
    order.target = std::move(target);
    order.options.timeout = timeout;
    runner_->start(id, order.target, order.options);
  });
  return id;
}

void ProbeBench::cancel(std::uint64_t probe) {
  run([&] {
    runner_->cancel(probe);
    orders_.erase(probe);
  });
}

ProbeResult ProbeBench::wait(std::uint64_t probe) {
  ProbeResult result;
  run_until(
      [&] {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = results_.find(probe);
        if (found == results_.end()) return false;
        result = std::move(found->second);
        results_.erase(found);
        return true;
      },
      std::chrono::seconds(30));
  return result;
}

ProbeResult ProbeBench::probe(std::string target, std::chrono::milliseconds timeout) {
  return wait(start(std::move(target), timeout));
}

std::vector<ProbeResult> ProbeBench::probe_all(const std::vector<std::string>& targets,
                                               std::size_t at_once,
                                               std::chrono::milliseconds timeout) {
  std::uint64_t first = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    first = next_;
    next_ += targets.size();
  }
  std::size_t started = 0;
  ProbeOptions options;
  options.timeout = timeout;
  std::size_t in_flight = 0;
  run([&] {
    refill_ = [&] {
      while (in_flight < at_once && started < targets.size()) {
        ++in_flight;
        const std::size_t index = started++;
        runner_->start(first + index, targets[index], options);
      }
    };
    refill_();
  });
  std::vector<ProbeResult> out(targets.size());
  for (std::size_t i = 0; i < targets.size();) {
    out[i] = wait(first + i);
    ++i;
    run([&] {
      --in_flight;
      refill_();
    });
  }
  run([&] { refill_ = nullptr; });
  return out;
}

std::size_t ProbeBench::results() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return results_.size();
}

void ProbeBench::on_result(std::uint64_t probe, ProbeResult result) {
  orders_.erase(probe);
  const std::lock_guard<std::mutex> lock(mutex_);
  results_[probe] = std::move(result);
}

}  // namespace probekit::test
