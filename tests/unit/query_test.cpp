// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/query.hpp"

#include <string>

#include "support/catch.hpp"

using namespace probekit::api;

TEST_CASE("a query is decoded as forms write it", "[api][query]") {
  QueryReader query("name=nightly+run%21&agents=name%3Aa%2Cname:b&flag&&empty=");
  CHECK(query.text("name") == std::string("nightly run!"));
  CHECK(query.text("agents") == std::string("name:a,name:b"));
  CHECK(query.text("flag") == std::string());
  CHECK(query.text("empty") == std::string());
  CHECK_FALSE(query.text("missing"));
  CHECK_FALSE(query.fault());
}

TEST_CASE("numbers have a range and are named when they leave it", "[api][query]") {
  const auto [raw, expected] = GENERATE(table<std::string, int>({
      {"limit=1", 1},
      {"limit=10000", 10'000},
      {"limit=0", -1},
      {"limit=10001", -1},
      {"limit=", -1},
      {"limit=-1", -1},
      {"limit=1e3", -1},
      {"limit=18446744073709551617", -1},
  }));
  INFO(raw);
  QueryReader query(raw);
  const auto number = query.number("limit", 1, 10'000);
  if (expected < 0) {
    CHECK_FALSE(number);
    CHECK(query.fault() == std::string("query parameter limit: must be a number from 1 to 10000"));
  } else {
    CHECK(number == static_cast<std::uint64_t>(expected));
    CHECK_FALSE(query.fault());
  }
}

TEST_CASE("parameters that nobody takes are refused by name", "[api][query]") {
  QueryReader query("limit=5&limits=6");
  CHECK(query.number("limit", 1, 10) == 5u);
  CHECK(query.fault() == std::string("unknown query parameter: limits"));
}

TEST_CASE("queries that could be read in two ways are refused", "[api][query]") {
  CHECK(QueryReader("a=1&a=2").fault() == std::string("query parameter a is given twice"));
  CHECK(QueryReader("a=%").fault());
  CHECK(QueryReader("a=%zz").fault());
  CHECK(QueryReader("a=%00").fault());
  CHECK(QueryReader("a=%FF").fault());
  QueryReader query("verdict=ok");
  CHECK_FALSE(query.word("verdict", {"passed", "failed"}));
  CHECK(query.fault() == std::string("query parameter verdict: must be one of: passed, failed"));
}
