// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/token_set.hpp"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace probekit;
using Catch::Matchers::Contains;

namespace {

std::string fault_of(const std::string& text) {
  TokenSet tokens;
  const auto assigned = tokens.assign(text, "tokens.txt");
  return assigned ? std::string() : assigned.error().message();
}

bool allows(const std::string& pattern, const std::string& name) {
  TokenGrant grant;
  grant.names = pattern;
  return grant.allows(name);
}

}  // namespace

TEST_CASE("a token file holds tokens, patterns, comments and blank lines", "[token_set]") {
  TokenSet tokens;
  CHECK(tokens.size() == 0);
  CHECK_FALSE(tokens.find(""));
  REQUIRE(tokens.assign("# who may come\n\none paris-*\r\n\t two  \nthr#ee *.lab", "f"));
  CHECK(tokens.size() == 3);
  REQUIRE(tokens.find("one"));
  CHECK(tokens.find("one")->names == "paris-*");
  REQUIRE(tokens.find("two"));
  CHECK(tokens.find("two")->names == "*");
  CHECK(tokens.find("thr#ee"));
  for (const char* other : {"", "on", "one ", "onee", "ONE", "#", "paris-*"}) {
    INFO(other);
    CHECK_FALSE(tokens.find(other));
  }
}

TEST_CASE("a bad line of a token file is refused by file and line, without its token",
          "[token_set]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "holds no token"},
      {"# nothing\n\n", "holds no token"},
      {"one\nsecret a b\n", "line 2: more than a token and a name pattern"},
      {"secret pa/ris\n", "line 1: a name pattern is"},
      {"secret " + std::string(65, 'a'), "line 1: a name pattern is"},
      {"\n\ns\xc3\xa9"
       "cret\n",
       "line 3: a token is"},
      {std::string(513, 's'), "line 1: a token is"},
      {"secret\n#\nsecret b\n", "line 3: the same token as in line 1"},
      {std::string(1024 * 1024 + 1, '#'), "longer than 1 MiB"},
  };
  for (const auto& [text, what] : cases) {
    INFO(what);
    const std::string fault = fault_of(text);
    CHECK_THAT(fault, Catch::Matchers::StartsWith("tokens.txt: "));
    CHECK_THAT(fault, Contains(what));
    CHECK_THAT(fault, !Contains("secret"));
  }
}

TEST_CASE("a bad file leaves the tokens that were there", "[token_set]") {
  TokenSet tokens;
  REQUIRE(tokens.assign("one", "f"));
  CHECK_FALSE(tokens.assign("two\nthree three three", "f"));
  CHECK_FALSE(tokens.load("/nowhere/tokens.txt"));
  CHECK(tokens.find("one"));
  CHECK_FALSE(tokens.find("two"));
  CHECK_THAT(tokens.load("/nowhere/tokens.txt").error().message(),
             Contains("/nowhere/tokens.txt: "));
  CHECK_FALSE(tokens.load("/"));  // a folder opens, and cannot be read
}

TEST_CASE("whoever watches hears of each replacement, and of none later", "[token_set]") {
  TokenSet tokens;
  int heard = 0;
  auto watch = tokens.watch([&] {
    ++heard;
    CHECK(tokens.size() == 1);  // the lock is not held
  });
  REQUIRE(tokens.assign("one", "f"));
  CHECK_FALSE(tokens.assign("", "f"));
  CHECK(heard == 1);
  REQUIRE(tokens.assign("two", "f"));
  CHECK(heard == 2);
  watch.reset();
  REQUIRE(tokens.assign("three", "f"));
  CHECK(heard == 2);
}

TEST_CASE("a token has one id in every set, and no two the same", "[token_set]") {
  TokenSet first;
  TokenSet second;
  REQUIRE(first.assign("one\ntwo", "f"));
  REQUIRE(second.assign("two only-*", "f"));
  CHECK(first.find("two")->id == second.find("two")->id);
  CHECK(first.find("two")->id != first.find("one")->id);
  CHECK(first.find("two")->id.size() == 32);
  CHECK_THAT(first.find("two")->id, !Contains("two"));
}

TEST_CASE("a star in a name pattern stands for anything", "[token_set]") {
  for (const auto& [pattern, name] :
       std::vector<std::pair<std::string, std::string>>{{"*", "paris-1"},
                                                        {"paris-*", "paris-1"},
                                                        {"paris-*", "paris-"},
                                                        {"*-1", "paris-1"},
                                                        {"p*s*1", "paris-1"},
                                                        {"paris-1", "paris-1"},
                                                        {"**", "a"},
                                                        {"a*b*c", "abbcbc"}}) {
    INFO(pattern << ' ' << name);
    CHECK(allows(pattern, name));
  }
  for (const auto& [pattern, name] :
       std::vector<std::pair<std::string, std::string>>{{"paris-*", "paris"},
                                                        {"paris-*", "Paris-1"},
                                                        {"*-1", "paris-2"},
                                                        {"paris-1", "paris-11"},
                                                        {"paris-1", "xparis-1"},
                                                        {"a*b", "abc"},
                                                        {".*", "a"}}) {
    INFO(pattern << ' ' << name);
    CHECK_FALSE(allows(pattern, name));
  }
}

TEST_CASE("a bearer token is taken from its header alone", "[token_set]") {
  CHECK(bearer_token("Bearer one") == "one");
  CHECK(bearer_token("bearer   one ") == "one");
  for (const char* other : {"", "Bearer", "Bearer ", "Basic one", "one", "Bearerone", "Bearer a b",
                            "Bearer a, Bearer b"}) {
    INFO(other);
    CHECK(bearer_token(other).empty());
  }
}
