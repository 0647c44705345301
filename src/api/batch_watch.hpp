// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Waiting for a batch to move. On the API's thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "api/api_answer.hpp"
#include "api/api_context.hpp"

namespace probekit::api {

/// Hears when a batch moved, on the API's thread, coalesced, until it is destroyed.
class BatchWatch {
 public:
  BatchWatch(ApiContext& context, BatchId batch, std::weak_ptr<ApiAnswer> owner,
             std::function<void()> moved)
      : access_(context.access) {
    auto pending = std::make_shared<std::atomic<bool>>(false);
    token_ = access_.watch(
        batch, [gate = context.gate, pending, owner = std::move(owner), moved = std::move(moved)] {
          if (pending->exchange(true)) return;
          gate->post([pending, owner, moved] {
            pending->store(false);
            if (const auto alive = owner.lock()) moved();
          });
        });
  }
  ~BatchWatch() { access_.unwatch(token_); }
  BatchWatch(const BatchWatch&) = delete;
  BatchWatch& operator=(const BatchWatch&) = delete;

 private:
  MasterAccess& access_;
  std::uint64_t token_ = 0;
};

}  // namespace probekit::api
