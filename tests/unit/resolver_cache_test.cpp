// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/resolver_cache.hpp"

#include <chrono>
#include <memory>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;

ResolutionPtr found(const char* ip) {
  auto resolution = std::make_shared<Resolution>();
  resolution->addresses.push_back(*parse_address(ip, 0));
  return resolution;
}

ResolutionPtr failed(const char* why) {
  auto resolution = std::make_shared<Resolution>();
  resolution->message = why;
  return resolution;
}

}  // namespace

TEST_CASE("a name is known until its TTL is over", "[resolver_cache]") {
  ResolverCache cache(10);
  const SteadyTime now{};
  CHECK(cache.find("a", now) == nullptr);
  cache.store("a", found("192.0.2.1"), 60s, now);
  CHECK(cache.find("a", now + 59s)->addresses.at(0).ip() == "192.0.2.1");
  CHECK(cache.find("b", now) == nullptr);
  CHECK(cache.find("a", now + 60s) == nullptr);
  CHECK(cache.size() == 0);
}

TEST_CASE("TTLs are kept within their limits", "[resolver_cache]") {
  ResolverCache cache(10);
  const SteadyTime now{};
  cache.store("long", found("192.0.2.1"), 100h, now);
  CHECK(cache.find("long", now + 299s));
  CHECK_FALSE(cache.find("long", now + 300s));
  cache.store("zero", found("192.0.2.1"), 0s, now);
  CHECK(cache.find("zero", now + 999ms));
  CHECK_FALSE(cache.find("zero", now + 1s));
  cache.store("failed", failed("NXDOMAIN"), 1h, now);
  CHECK(cache.find("failed", now + 29s)->message == "NXDOMAIN");
  CHECK_FALSE(cache.find("failed", now + 30s));
  cache.store("unkept", failed("SERVFAIL"), 0s, now);
  CHECK_FALSE(cache.find("unkept", now));
}

TEST_CASE("at the limit the name longest unused goes", "[resolver_cache]") {
  ResolverCache cache(3);
  const SteadyTime now{};
  for (const char* name : {"a", "b", "c"}) cache.store(name, found("192.0.2.1"), 60s, now);
  CHECK(cache.find("a", now));
  cache.store("d", found("192.0.2.4"), 60s, now);
  CHECK(cache.size() == 3);
  CHECK(cache.find("a", now));
  CHECK_FALSE(cache.find("b", now));
  CHECK(cache.find("c", now));
  CHECK(cache.find("d", now));
}

TEST_CASE("a name stored again is as new", "[resolver_cache]") {
  ResolverCache cache(2);
  const SteadyTime now{};
  cache.store("a", failed("SERVFAIL"), 1s, now);
  cache.store("a", found("192.0.2.1"), 60s, now + 500ms);
  CHECK(cache.size() == 1);
  CHECK(cache.find("a", now + 60s)->addresses.size() == 1);
  for (int i = 0; i < 1000; ++i) cache.store(std::to_string(i), found("192.0.2.1"), 60s, now);
  CHECK(cache.size() == 2);
  cache.clear();
  CHECK_FALSE(cache.find("999", now));
}

}  // namespace probekit
