// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// GET / as the server gives it; what a browser makes of it is tests/incident/page_test.cpp.

#include <openssl/evp.h>

#include <string>

#include "probekit/http_api.hpp"
#include "probekit/master.hpp"
#include "probekit/stores.hpp"
#include "probekit/transport.hpp"
#include "support/catch.hpp"
#include "support/raw_http.hpp"

using namespace probekit;
using namespace probekit::test;

namespace {

struct PageServer {
  PageServer() : master(make_memory_store(), MasterOptions{}), api(master, options()) {
    const auto url = api.start();
    REQUIRE(url);
    port = static_cast<std::uint16_t>(std::stoi(url->substr(url->rfind(':') + 1)));
  }
  static HttpApiOptions options() {
    HttpApiOptions options;
    options.port = 0;
    return options;
  }
  RawReply request(std::string_view method, std::string_view headers = {}) const {
    auto reply = RawHttp(port).request(method, "/", headers);
    REQUIRE(reply);
    return std::move(*reply);
  }

  Master master;
  HttpApi api;
  std::uint16_t port = 0;
};

/// What stands between the first `<tag>` and its end.
std::string inside(const std::string& page, const std::string& tag) {
  const auto begin = page.find('<' + tag + '>');
  const auto end = page.find("</" + tag + '>');
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  CHECK(page.find('<' + tag, begin + 1) == std::string::npos);
  return page.substr(begin + tag.size() + 2, end - begin - tag.size() - 2);
}

/// A source of a policy: RFC 4648 base64 of the SHA-256.
std::string hash_source(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  unsigned char base64[2 * EVP_MAX_MD_SIZE];
  const int length = EVP_EncodeBlock(base64, digest, static_cast<int>(size));
  return "'sha256-" +
         std::string(reinterpret_cast<char*>(base64), static_cast<std::size_t>(length)) + "'";
}

}  // namespace

TEST_CASE("the page is one file that nothing else may run in or be loaded into",
          "[api][page][loopback]") {
  const PageServer server;
  const RawReply page = server.request("GET");
  REQUIRE(page.status == 200);
  CHECK(page.header("content-type") == "text/html; charset=utf-8");
  CHECK(page.header("x-content-type-options") == "nosniff");
  CHECK(page.header("referrer-policy") == "no-referrer");
  CHECK(page.header("cross-origin-resource-policy") == "same-origin");
  CHECK(page.header("cache-control") == "no-cache");

  const std::string policy = page.header("content-security-policy");
  for (const char* directive :
       {"default-src 'none'; ", "connect-src 'self'; ", "base-uri 'none'; ", "form-action 'none'; ",
        "frame-ancestors 'none'; ", "require-trusted-types-for 'script'; "}) {
    INFO(directive);
    CHECK(policy.find(directive) != std::string::npos);
  }
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(policy.find("script-src " + hash_source(inside(page.body, "script")) + ';') !=
        std::string::npos);
  CHECK(policy.find("style-src " + hash_source(inside(page.body, "style")) + ';') !=
        std::string::npos);

  // Nothing of it is elsewhere, or would need what the policy forbids.
  for (const char* forbidden : {"@PAGE_", " src=", "@import", "innerHTML", "outerHTML", "eval(",
                                "insertAdjacentHTML", "document.write", " onclick=", " style="}) {
    INFO(forbidden);
    CHECK(page.body.find(forbidden) == std::string::npos);
  }
}

TEST_CASE("a browser that has the page is told so", "[api][page][loopback]") {
  const PageServer server;
  const RawReply page = server.request("GET");
  const std::string tag = page.header("etag");
  REQUIRE(tag.size() > 2);
  for (const std::string& tags : {tag, "\"other\", W/" + tag, std::string("*")}) {
    INFO(tags);
    const RawReply same = server.request("GET", "If-None-Match: " + tags + "\r\n");
    CHECK(same.status == 304);
    CHECK(same.body.empty());
    CHECK(same.header("etag") == tag);
    CHECK(same.header("content-security-policy") == page.header("content-security-policy"));
  }
  const RawReply other = server.request("GET", "If-None-Match: \"other\"\r\n");
  CHECK(other.status == 200);
  CHECK(other.body == page.body);
}

TEST_CASE("the page answers HEAD, and no other method or query", "[api][page][loopback]") {
  const PageServer server;
  RawHttp connection(server.port);
  REQUIRE(connection.send(request_head("HEAD", "/", "")));
  const auto head = connection.receive(true);
  REQUIRE(head);
  CHECK(head->status == 200);
  CHECK(head->header("content-type") == "text/html; charset=utf-8");
  CHECK(head->header("etag") == server.request("GET").header("etag"));

  const RawReply post = server.request("POST");
  CHECK(post.status == 405);
  CHECK(post.header("allow") == "GET, HEAD");
  const auto query = connection.request("GET", "/?x=1");
  REQUIRE(query);
  CHECK(query->status == 400);
}
