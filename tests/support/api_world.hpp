// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A master over memory with its API, and a worker that does at the store what agents do.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json_value.hpp"
#include "probekit/http_api.hpp"
#include "probekit/master.hpp"
#include "probekit/transport.hpp"
#include "support/raw_http.hpp"
#include "support/stalling_store.hpp"

namespace probekit::test {

inline const std::string kText = "Content-Type: text/plain\r\n";
inline const std::string kLines = "Content-Type: application/x-ndjson\r\n";
inline const std::string kJson = "Content-Type: application/json\r\n";

/// *Threads*: one.
class StoreWorker {
 public:
  explicit StoreWorker(TaskStore& store);
  /// Ends up to `count` tasks; every third one fails. `more` goes into each line.
  std::size_t work(std::size_t count, const std::string& more = {});

 private:
  TaskStore& store_;
  SessionId session_ = 0;
  std::size_t done_ = 0;
};

struct World {
  explicit World(HttpApiOptions options = {}, StoreOptions store_options = {},
                 MasterOptions master_options = {});

  /// Each on a connection of its own.
  RawReply request(std::string_view method, std::string_view target, std::string_view headers = {},
                   std::string_view body = {}) const;
  RawReply get(std::string_view target) const { return request("GET", target); }
  std::string import(std::size_t targets, const std::string& query = {}) const;
  std::uint64_t status(const std::string& part, const std::string& member) const;
  std::uint64_t agents() const;

  MemoryNetwork network;
  std::shared_ptr<StallingStore> store;
  Master master;
  std::optional<HttpApi> api;
  std::uint16_t port = 0;
};

/// A member as text, a string or any other value as JSON; fails the test when it is not there.
std::string text(const json::Value& value, const std::string& member);
std::vector<std::string> lines_of(const std::string& body);

}  // namespace probekit::test
