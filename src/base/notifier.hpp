// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The way to the host's callbacks: posts them to its Executor and makes sure that none runs once
/// their source has stopped.

#include <functional>
#include <memory>

#include "probekit/executor.hpp"
#include "probekit/export.hpp"

namespace probekit {

/// *Threads*: safe to share.
class PROBEKIT_EXPORT Notifier {
 public:
  /// Null: a delivery thread of its own.
  explicit Notifier(std::shared_ptr<Executor> executor);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Runs `notify` once on the executor, or never when close() comes first. What it throws goes to
  /// the executor.
  void post(std::function<void()> notify);
  /// Waits for the notification that is running, unless called from within it. None runs after
  /// it returned. Idempotent.
  void close();

 private:
  struct Gate;
  std::shared_ptr<Gate> gate_;
  std::shared_ptr<Executor> executor_;
};

}  // namespace probekit
