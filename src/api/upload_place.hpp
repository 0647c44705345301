// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The places that uploads have. When all are taken, one whose client hardly sends anything makes
/// room for who asks. Everything on the API's thread.

#include <cstddef>
#include <functional>
#include <list>
#include <optional>

#include "api/problem.hpp"
#include "probekit/clock.hpp"

namespace probekit::api {

struct ApiContext;

/// One of them, while it lives.
class UploadPlace {
 public:
  /// An upload that moved less than this in the idle timeout may be ended for another.
  static constexpr std::size_t kBytesMin = 4096;

  /// `end` responds with a problem and gives the place up.
  UploadPlace(ApiContext& context, std::function<void(const Problem& problem)> end);
  ~UploadPlace();
  UploadPlace(const UploadPlace&) = delete;
  UploadPlace& operator=(const UploadPlace&) = delete;

  void moved(std::size_t bytes);
  /// It is not the client that is waited for; and it is again.
  void pause() noexcept { since_.reset(); }
  void go_on();

  /// Why one more upload cannot start; empty: it can.
  static std::optional<Problem> none_left(ApiContext& context);

 private:
  ApiContext& context_;
  const std::function<void(const Problem& problem)> end_;
  std::optional<SteadyTime> since_;  // of so many bytes
  std::size_t bytes_ = 0;
  std::list<UploadPlace*>::iterator place_;
};

}  // namespace probekit::api
