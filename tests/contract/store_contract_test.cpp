// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/store_contract.hpp"
#include "store/task_store.hpp"
#include "support/catch.hpp"
#include "support/stalling_store.hpp"
#include "support/store_answer.hpp"

using namespace probekit;
using namespace probekit::test;

TEST_CASE("the memory store keeps the contract of stores", "[contract][store]") {
  check_store_contract([](const StoreOptions& options) { return make_memory_store(options); });
}

TEST_CASE("a stalling store that does not stall keeps the contract of stores",
          "[contract][store]") {
  check_store_contract([](const StoreOptions& options) {
    return std::make_shared<StallingStore>(make_memory_store(options));
  });
}

TEST_CASE("options of the memory store are checked by name", "[contract][store]") {
  const auto fault = [](auto change) -> std::string {
    StoreOptions options;
    change(options);
    try {
      make_memory_store(options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return {};
  };
  CHECK(fault([](auto& o) { o.queued_max = 0; }).find("queued_max") != std::string::npos);
  CHECK(fault([](auto& o) { o.queued_max = ~0ULL; }).find("queued_max") != std::string::npos);
  CHECK(fault([](auto& o) { o.results_kept_max = 0; }).find("results_kept") != std::string::npos);
  CHECK(fault([](auto& o) { o.attempts_max = 0; }).find("attempts_max") != std::string::npos);
  CHECK(fault([](auto&) {}).empty());
}

TEST_CASE("a completion may call the store again", "[contract][store]") {
  const auto store = make_memory_store();
  int answers = 0;
  store->open_session({"a", {}, {}}, [&](auto opened) {
    REQUIRE(opened);
    store->open_session({"a", {}, {}}, [&](auto again) {
      CHECK(again->epoch == 2);
      ++answers;
    });
    ++answers;
  });
  CHECK(answers == 2);
}

TEST_CASE("a stalling store holds back calls or completions, and loses none", "[contract][store]") {
  const auto inner = make_memory_store();
  StallingStore store(inner);
  const bool calls = GENERATE(true, false);
  store.stall(calls ? StallingStore::Stall::calls : StallingStore::Stall::completions);
  std::vector<std::uint64_t> epochs;
  for (int i = 0; i < 3; ++i) {
    store.open_session({"a", {}, {}}, [&](auto opened) { epochs.push_back(opened->epoch); });
  }
  CHECK(epochs.empty());
  CHECK(store.held() == 3);
  const auto direct = value_of<TaskStore::SessionOpened>([&](auto done) {
    inner->open_session({"a", {}, {}}, std::move(done));
  });
  CHECK(direct.epoch == (calls ? 1 : 4));
  store.go_on();
  CHECK(epochs ==
        (calls ? std::vector<std::uint64_t>{2, 3, 4} : std::vector<std::uint64_t>{1, 2, 3}));
  CHECK(store.held() == 0);
  store.open_session({"a", {}, {}}, [&](auto opened) { epochs.push_back(opened->epoch); });
  CHECK(epochs.back() == 5);
}
