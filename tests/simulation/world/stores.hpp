// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Where a master's tasks live from one of its processes to the next.

#include <memory>

#include "probekit/stores.hpp"
#include "simulation/world/world.hpp"
#include "store/task_store.hpp"

namespace probekit::simulation {

class Stores {
 public:
  virtual ~Stores() = default;
  /// What there is; made when there is none.
  virtual Expected<std::shared_ptr<TaskStore>> open(const StoreOptions& options) = 0;
  /// The process that had it open has ended as it should.
  virtual void close() = 0;
  /// It was killed, and the power went.
  virtual void crash() = 0;
  /// What was answered outlives a crash.
  virtual bool durable() const noexcept = 0;
  /// The power went in the middle of a call: the process is dead, and nobody has noticed yet.
  virtual bool dead() const noexcept { return false; }
  /// Let that happen at one of the next things a store does to its disk.
  virtual void die_soon() {}
  /// All is well from here on.
  virtual void settle() {}
  /// What is planted: nothing is on the disk when the disk says so.
  virtual void forget_syncs() {}
};

/// One that lives as long as it is not crashed.
class MemoryStores final : public Stores {
 public:
  Expected<std::shared_ptr<TaskStore>> open(const StoreOptions& options) override {
    if (!store_) store_ = make_memory_store(options);
    return store_;
  }
  void close() override {}
  void crash() override { store_.reset(); }
  bool durable() const noexcept override { return false; }

 private:
  std::shared_ptr<TaskStore> store_;
};

}  // namespace probekit::simulation
