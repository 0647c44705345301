// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A blocking client of a master's HTTP API for tests.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "json/json_value.hpp"

namespace probekit::test {

struct ApiAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  /// Fails the test when the body is not JSON.
  json::Value json() const;
};

struct BatchCounts {
  std::string state;
  std::uint64_t accepted = 0, rejected = 0, queued = 0, in_flight = 0, done = 0, expired = 0,
                cancelled = 0, passed = 0, failed = 0;
  bool balanced() const {
    return accepted == queued + in_flight + done + expired + cancelled && done == passed + failed;
  }
};

/// *Threads*: one a thread.
class ApiClient {
 public:
  explicit ApiClient(std::string base);

  ApiAnswer request(const std::string& method, const std::string& path,
                    const std::string& content_type = {}, const std::string& body = {},
                    const std::vector<std::string>& headers = {}) const;
  ApiAnswer get(const std::string& path) const { return request("GET", path); }

  /// Imports lines of text; fails the test unless 201. Returns the batch's id.
  std::string import(const std::vector<std::string>& targets, const std::string& query = {}) const;
  BatchCounts batch(const std::string& id) const;
  /// Waits until the batch has ended, checking the ledger at each look.
  BatchCounts wait_for(const std::string& id, std::chrono::milliseconds timeout) const;
  /// Every result line, by cursor.
  std::vector<json::Value> results(const std::string& id) const;

 private:
  std::string base_;
};

/// The member's text, or number as text; fails the test when it is not there.
std::string text_at(const json::Value& value, const std::string& member);
std::uint64_t number_at(const json::Value& value, const std::string& member);

}  // namespace probekit::test
