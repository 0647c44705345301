// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "base/unstepped_clock.hpp"

#include <utility>

namespace probekit {
namespace {

class UnsteppedClock final : public Clock {
 public:
  explicit UnsteppedClock(std::shared_ptr<const Clock> clock)
      : clock_(std::move(clock)),
        steady_begin_(clock_->steady_now()),
        system_begin_(clock_->system_now()) {}

  SteadyTime steady_now() const noexcept override { return clock_->steady_now(); }
  SystemTime system_now() const noexcept override {
    return system_begin_ +
           std::chrono::floor<std::chrono::microseconds>(clock_->steady_now() - steady_begin_);
  }

 private:
  const std::shared_ptr<const Clock> clock_;
  const SteadyTime steady_begin_;
  const SystemTime system_begin_;
};

}  // namespace

std::shared_ptr<const Clock> make_unstepped_clock(std::shared_ptr<const Clock> clock) {
  return std::make_shared<const UnsteppedClock>(std::move(clock));
}

}  // namespace probekit
