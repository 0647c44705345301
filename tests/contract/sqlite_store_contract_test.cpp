// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <memory>
#include <string>

#include "contract/store_contract.hpp"
#include "store/sqlite_store.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"

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
