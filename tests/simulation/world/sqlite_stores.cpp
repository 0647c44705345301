// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "simulation/world/sqlite_stores.hpp"

#include "simulation/world/forgetful_disk_sqlite.hpp"
#include "store/sqlite_store.hpp"

namespace probekit::simulation {

namespace {

class SqliteStores final : public Stores {
 public:
  explicit SqliteStores(World& world) : disk_(world) {}
  ~SqliteStores() override { crash(); }

  Expected<std::shared_ptr<TaskStore>> open(const StoreOptions& options) override {
    disk_.restore_power();
    auto opened = store::open_sqlite_store({"/store", ForgetfulDisk::kVfs}, options,
                                           store::StoreThread::caller);
    if (opened) store_ = *opened;
    return opened;
  }
  void close() override { store_.reset(); }
  void crash() override {
    disk_.lose_power();
    if (store_ != nullptr) store_->abandon();  // it holds on to who asked, who holds on to it
    store_.reset();
  }
  bool durable() const noexcept override { return true; }
  bool dead() const noexcept override { return store_ != nullptr && !disk_.has_power(); }
  void die_soon() override { disk_.lose_power_within(40); }
  void settle() override { disk_.keep_power(); }
  void forget_syncs() override { disk_.forget_syncs(); }

 private:
  ForgetfulDisk disk_;
  std::shared_ptr<TaskStore> store_;
};

}  // namespace

std::unique_ptr<Stores> make_sqlite_stores(World& world) {
  return std::make_unique<SqliteStores>(world);
}

}  // namespace probekit::simulation
