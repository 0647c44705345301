// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/request_guard.hpp"

#include <string>
#include <vector>

#include "api/media_type.hpp"
#include "support/catch.hpp"

using namespace probekit::api;

namespace {

int refusal(std::vector<HttpHeader> headers, const std::string& method = "GET",
            bool http_1_0 = false) {
  HttpRequest request;
  request.method = method;
  request.target = "/v1/status";
  request.http_1_0 = http_1_0;
  request.headers = std::move(headers);
  const auto problem = guard(request);
  return problem ? problem->status : 0;
}

}  // namespace

TEST_CASE("only loopback names are taken in Host", "[api][guard]") {
  for (const char* host : {"localhost", "LOCALHOST:8766", "127.0.0.1", "127.9.8.7:1", "[::1]",
                           "[::1]:8766", "127.0.0.1:65535"}) {
    INFO(host);
    CHECK(refusal({{"Host", host}}) == 0);
  }
  for (const char* host :
       {"", "example.com", "192.0.2.1", "127.0.0.1.example.com", "localhost.example.com", "[::2]",
        "::1", "[127.0.0.1]", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:", "127.1",
        "a@localhost", "localhost:80:80", "[::1]x", "0.0.0.0"}) {
    INFO(host);
    CHECK(refusal({{"Host", host}}) == 403);
  }
  CHECK(refusal({}) == 400);
  CHECK(refusal({}, "GET", true) == 0);
  CHECK(refusal({{"Host", "localhost"}, {"host", "localhost"}}) == 400);
}

TEST_CASE("a page of another origin is refused, one of this origin is not", "[api][guard]") {
  const auto from = [](const char* origin) {
    return refusal({{"Host", "localhost:8766"}, {"Origin", origin}});
  };
  CHECK(from("http://localhost:8766") == 0);
  CHECK(from("http://LocalHost:8766") == 0);
  CHECK(from("http://localhost") == 403);
  CHECK(from("https://localhost:8766") == 403);
  CHECK(from("http://127.0.0.1:8766") == 403);
  CHECK(from("http://example.com") == 403);
  CHECK(from("null") == 403);
  CHECK(from("") == 403);
  CHECK(refusal({{"Host", "localhost"}, {"Origin", "http://localhost:80"}}) == 0);
  CHECK(refusal({{"Host", "localhost"},
                 {"Origin", "http://localhost"},
                 {"Origin", "http://example.com"}}) == 403);
}

TEST_CASE("requests with two opinions on their length are refused", "[api][guard]") {
  CHECK(refusal({{"Host", "localhost"}, {"Transfer-Encoding", "chunked"}}, "POST") == 0);
  CHECK(refusal({{"Host", "localhost"}, {"Transfer-Encoding", "gzip, chunked"}}, "POST") == 501);
  CHECK(refusal({{"Host", "localhost"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}},
                "POST") == 400);
  CHECK(refusal({{"Host", "localhost"}, {"Content-Length", "3"}, {"Content-Length", "3"}},
                "POST") == 400);
  CHECK(refusal({{"Host", "localhost"}, {"Content-Encoding", "gzip"}}, "POST") == 415);
}

TEST_CASE("a media type counts without its case and only in UTF-8", "[api][guard]") {
  const auto type = [](std::vector<HttpHeader> headers) {
    HttpRequest request;
    request.headers = std::move(headers);
    return media_type_of(request).value_or("refused");
  };
  CHECK(type({{"Content-Type", "text/plain"}}) == "text/plain");
  CHECK(type({{"content-type", " Text/Plain ; Charset=\"UTF-8\"; a=b"}}) == "text/plain");
  CHECK(type({{"Content-Type", "text/plain; charset=latin1"}}) == "refused");
  CHECK(type({}) == "refused");
  CHECK(type({{"Content-Type", "a/b"}, {"Content-Type", "a/b"}}) == "refused");
}
