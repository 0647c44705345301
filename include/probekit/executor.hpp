// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Where user code runs. probekit's own threads never call back into the host: notifications are
/// posted to the host's Executor, and without one to a delivery thread made for them.

#include <cstdint>
#include <functional>
#include <memory>

#include "probekit/export.hpp"

namespace probekit {

/// Runs functions later, never inside post(). *Threads*: post() from any thread; must not block.
class PROBEKIT_EXPORT Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(std::function<void()> function) = 0;
};

/// One thread that runs what is posted, in order. What a function throws is caught and counted to
/// the thread's `failures()`; the thread goes on. The destructor runs what is posted and joins.
class PROBEKIT_EXPORT DeliveryThread final : public Executor {
 public:
  DeliveryThread();
  ~DeliveryThread() override;
  void post(std::function<void()> function) override;
  std::uint64_t failures() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace probekit
