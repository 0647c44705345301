// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What all answers of the API share. On the API's thread.

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "api/http_server.hpp"
#include "api/loop_gate.hpp"
#include "api/upload_place.hpp"
#include "base/epoll_loop.hpp"
#include "master/master_access.hpp"
#include "probekit/http_api.hpp"

namespace probekit::api {

constexpr std::chrono::milliseconds kWaitMax{50'000};

struct ApiContext {
  MasterAccess& access;
  EpollLoop& loop;
  HttpApiOptions options;
  std::shared_ptr<LoopGate> gate;
  std::list<UploadPlace*> uploads{};  ///< running now, the oldest first
  HttpServer* server = nullptr;
  std::size_t scrapes = 0;    ///< of /metrics, being answered now
  std::size_t schedules = 0;  ///< asked for whole, being answered now
  /// Scope and key of each request under an Idempotency-Key that is not answered yet.
  std::set<std::pair<std::string, std::string>> running_keys{};
};

struct ApiFacts;
/// Of now.
ApiFacts api_facts(const ApiContext& context);

}  // namespace probekit::api
