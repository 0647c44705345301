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

/// Runs everything on the host's executor, never inside the call and with no lock held, and what is
/// left over when its owner stops as close() says.
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
  /// Runs `done` exactly once, for what a host waits for: on the executor; inside close(), when it
  /// comes before the executor's turn; and past the gate, on the executor, when the call that
  /// `done` answers was made after close(). What was asked before must be answered before close().
  void answer(std::function<void()> done);
  /// Waits for what is running, then runs the answers the executor has not come to, here. None runs
  /// after it returned. Called from within one of them it waits for none, so that two that stop the
  /// same owner do not wait for each other. Idempotent.
  void close();

 private:
  struct Gate;
  std::shared_ptr<Gate> gate_;
  std::shared_ptr<Executor> executor_;
};

}  // namespace probekit
