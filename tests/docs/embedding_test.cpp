// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The code of docs/embedding.md.

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "probekit/agent.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/testing/scripted_prober.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"

namespace {

using namespace std::chrono_literals;

// snippet: executor
/// The host's own loop: what probekit has to tell is run by the thread that calls run_one().
class HostLoop final : public probekit::Executor {
 public:
  void post(std::function<void()> function) override {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(function));
    changed_.notify_one();
  }
  void run_one() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    const auto function = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();  // never call out with a lock held
    function();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
};
// snippet end

// snippet: errors
enum class Next { done, try_again_later, tell_somebody };

Next submit(probekit::Master& master, const probekit::BatchRequest& request) {
  const auto batch = master.submit(request);
  if (batch) return Next::done;
  const std::error_code code = batch.error().code();
  // The code says what went wrong, the reaction what to do about it.
  if (code == probekit::reaction::retry_later) return Next::try_again_later;
  return Next::tell_somebody;  // batch.error().message() names the target and the fault
}
// snippet end

// snippet: shutdown
/// Graceful within 10 s: the agent hands over what it holds, the master records it.
bool end(probekit::Agent& agent, probekit::Master& master) {
  std::promise<bool> handed_over;
  agent.drain(10s, [&](probekit::Expected<void> how) { handed_over.set_value(how.has_value()); });
  const bool whole = handed_over.get_future().get();
  agent.stop();
  master.stop();  // from here on no callback runs
  return whole;
}
// snippet end

std::unique_ptr<probekit::Prober> always_passing() {
  return probekit::testing::make_scripted_prober(
      "fake", "fake", [](std::string_view, const probekit::ProbeOptions&) {
        return probekit::testing::passed_at_once();
      });
}

}  // namespace

TEST_CASE("a host runs what it is told on its own thread, and ends in order", "[docs]") {
  probekit::MemoryNetwork network;
  const auto loop = std::make_shared<HostLoop>();
  probekit::MasterOptions master_options;
  master_options.executor = loop;
  master_options.kinds.add(always_passing()->kind());
  probekit::Master master{probekit::make_memory_store(), master_options};
  REQUIRE(master.listen(network.listener()));
  probekit::AgentOptions agent_options;
  agent_options.name = "here";
  probekit::Agent agent{network.connector(), agent_options};
  agent.add(always_passing());
  agent.start();

  probekit::BatchRequest request;
  request.targets = {"fake:a", "fake:b"};
  const auto batch = master.submit(request);
  REQUIRE(batch);
  // snippet: read
  // Asks for a page and goes on; the answer comes to the host's loop, within 20 s in any case.
  std::optional<probekit::ResultPage> page;
  std::string cursor;
  std::size_t seen = 0;
  do {
    batch->read_results(cursor, 1000, 20s, [&](probekit::Expected<probekit::ResultPage> answer) {
      page = answer ? std::move(*answer) : probekit::ResultPage{};
    });
    loop->run_one();  // where a host would do its other work
    seen += page->count;
    cursor = page->next;
  } while (!cursor.empty());
  // snippet end
  CHECK(seen == 2);
  CHECK(submit(master, request) == Next::done);
  request.targets = {"no target"};
  CHECK(submit(master, request) == Next::tell_somebody);
  CHECK(end(agent, master));
}

TEST_CASE("a full store is a reason to come again later", "[docs]") {
  probekit::StoreOptions options;
  options.queued_max = 1;
  probekit::Master master{probekit::make_memory_store(options)};
  probekit::BatchRequest request;
  request.targets = {"http://127.0.0.1/", "http://127.0.0.1/2"};
  CHECK(submit(master, request) == Next::try_again_later);
}
