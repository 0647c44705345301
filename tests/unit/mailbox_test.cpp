// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "agent/mailbox.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace probekit {
namespace {

using protocol::Returned;

Task task(std::uint64_t id) {
  Task made;
  made.id = TaskId{id};
  made.attempt = 3;
  return made;
}

ProbeResult passed() {
  ProbeResult result;
  result.verdict = Verdict::passed;
  return result;
}

}  // namespace

TEST_CASE("a burst is one post, and the letters come in order, encoded", "[agent][mailbox]") {
  int posts = 0;
  Mailbox mailbox{[&] { ++posts; }};
  mailbox.on_burst_end();  // of nothing
  CHECK(posts == 0);
  mailbox.on_result(task(1), passed());
  mailbox.on_result(task(2), failed_result(FailureKind::tls, "expired"));
  mailbox.on_returned(task(3), TaskObserver::Returned::host_busy);
  CHECK(posts == 0);
  mailbox.on_burst_end();
  mailbox.on_result(task(4), passed());
  mailbox.on_burst_end();  // the first post is not read yet
  CHECK(posts == 1);

  Mailbox::Letters letters = mailbox.take();
  REQUIRE(letters.finished.size() == 3);
  CHECK(letters.finished[0].task == TaskId{1});
  CHECK(letters.finished[0].item.find(R"({"task":1,"attempt":3,"result":{"verdict":"passed")") ==
        0);
  CHECK(letters.finished[1].item.find(R"("message":"expired")") != std::string::npos);
  // What counts in the window is the result without the item around it.
  const std::string around = R"({"task":1,"attempt":3,"result":})";
  CHECK(letters.finished[0].result_bytes == letters.finished[0].item.size() - around.size());
  REQUIRE(letters.returned.size() == 1);
  CHECK(letters.returned[0].second == Returned::host_busy);

  letters = mailbox.take();
  CHECK(letters.finished.empty());
  CHECK(letters.returned.empty());
  mailbox.on_result(task(5), passed());
  mailbox.on_burst_end();
  CHECK(posts == 2);
}

TEST_CASE("each way of coming back has its word", "[agent][mailbox]") {
  int posts = 0;
  Mailbox mailbox{[&] { ++posts; }};
  mailbox.on_returned(task(1), TaskObserver::Returned::expired);
  mailbox.on_returned(task(2), TaskObserver::Returned::host_busy);
  mailbox.on_returned(task(3), TaskObserver::Returned::unsupported);
  mailbox.on_cancelled(TaskId{4});
  CHECK(posts == 1);  // a cancel is told at once
  const auto letters = mailbox.take();
  REQUIRE(letters.returned.size() == 4);
  CHECK(letters.returned[0].second == Returned::expired);
  CHECK(letters.returned[1].second == Returned::host_busy);
  CHECK(letters.returned[2].second == Returned::unsupported);
  CHECK(letters.returned[3].second == Returned::cancelled);
  CHECK(letters.returned[3].first == TaskId{4});
}

TEST_CASE("a result over the limit arrives smaller", "[agent][mailbox]") {
  Mailbox mailbox{[] {}};
  ProbeResult result = passed();
  result.sections = {{"s", '"' + std::string(2 * kResultBytesMax, 'x') + '"'}};
  mailbox.on_result(task(1), result);
  const auto letters = mailbox.take();
  REQUIRE(letters.finished.size() == 1);
  CHECK(letters.finished[0].result_bytes <= kResultBytesMax);
  CHECK(letters.finished[0].item.find(R"("truncated":true)") != std::string::npos);
}

TEST_CASE("no letter of many threads is lost or stays unread", "[agent][mailbox]") {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 500;
  std::atomic<int> posts{0};
  Mailbox mailbox{[&] { ++posts; }};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&mailbox, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        mailbox.on_result(task(t * kEach + i), passed());
        mailbox.on_burst_end();
      }
    });
  }
  // Reads only when told to: a post that is missing leaves letters here.
  std::vector<bool> got(kThreads * kEach);
  std::size_t count = 0;
  for (int read = 0; count < got.size();) {
    if (posts == read) {
      std::this_thread::yield();
      continue;
    }
    ++read;
    for (const auto& one : mailbox.take().finished) {
      CHECK_FALSE(got[one.task.value]);
      got[one.task.value] = true;
      ++count;
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(mailbox.take().finished.empty());
}

}  // namespace probekit
