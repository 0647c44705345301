// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What every scenario here ends with: the ledger is exact and each task has one line.

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "support/api_client_curl.hpp"

namespace probekit::test {

/// `count` targets that differ in their query: "URL?n=0", ...
std::vector<std::string> many(const std::string& url, std::size_t count);

/// Waits for the batch, then checks: all `count` tasks are done, one line each, no task twice.
/// Returns the lines.
std::vector<json::Value> check_everything_arrived(const ApiClient& api, const std::string& batch,
                                                  std::size_t count,
                                                  std::chrono::milliseconds timeout);

}  // namespace probekit::test
