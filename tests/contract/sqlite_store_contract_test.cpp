// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "contract/store_contract.hpp"
#include "store/sqlite_store.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/store_answer.hpp"

using namespace probekit;
using namespace probekit::test;

TEST_CASE("the SQLite store keeps the contract of stores", "[contract][store][sqlite]") {
  const TemporaryFolder folder;
  int files = 0;
  check_store_contract([&](const StoreOptions& options) {
    auto store = make_sqlite_store(folder.path() + "/" + std::to_string(++files), options);
    if (!store) FAIL(store.error().message());
    return *store;
  });
}

TEST_CASE("a SQLite store without a thread keeps the contract of stores",
          "[contract][store][sqlite]") {
  const TemporaryFolder folder;
  int files = 0;
  check_store_contract([&](const StoreOptions& options) {
    auto store = store::open_sqlite_store({folder.path() + "/" + std::to_string(++files), {}},
                                          options, store::StoreThread::caller);
    if (!store) FAIL(store.error().message());
    return *store;
  });
}

TEST_CASE("a SQLite store is asked which batch a text names while batches come and go",
          "[contract][store][sqlite]") {
  const TemporaryFolder folder;
  StoreOptions options;
  options.results_kept_max = 5;
  const auto opened = make_sqlite_store(folder.path() + "/store", options);
  REQUIRE(opened);
  TaskStore& store = **opened;
  const auto find = [&](std::uint32_t id) {
    return store.find_batch(store.batch_name(BatchId{id}));
  };
  constexpr std::uint32_t kBatches = 200;

  std::atomic<bool> enough{false};
  auto asking = std::async(std::launch::async, [&] {
    std::uint64_t wrong = 0;
    while (!enough) {
      for (std::uint32_t id = 1; id <= kBatches; ++id) {
        const auto found = find(id);
        if (found && *found != BatchId{id}) ++wrong;
      }
    }
    return wrong;
  });
  {
    const struct Ends {
      std::atomic<bool>& enough;
      ~Ends() { enough = true; }
    } ends{enough};
    for (std::uint32_t i = 0; i < kBatches; ++i) {
      // Empty ones, which are done at once.
      const auto upload =
          value_of<std::uint64_t>([&](auto done) { store.open_upload({}, std::move(done)); });
      value_of<BatchView>([&](auto done) { store.commit_upload(upload, 0, std::move(done)); });
    }
  }
  CHECK(asking.get() == 0);
  CHECK_FALSE(find(1));
  CHECK(find(kBatches));
  CHECK_FALSE(find(kBatches + 1));
}
