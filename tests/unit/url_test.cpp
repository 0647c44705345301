// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/url.hpp"

#include <string>

#include "probekit/probe_spec.hpp"
#include "support/catch.hpp"

namespace probekit {
namespace {

std::string normal(std::string_view text) {
  const auto url = parse_url(text);
  return url ? to_string(*url) : "refused: " + url.error().message();
}

std::string refusal(std::string_view text) {
  const auto url = parse_url(text);
  REQUIRE_FALSE(url);
  CHECK(url.error().code() == errc::invalid_argument);
  return url.error().message();
}

TEST_CASE("a URL is taken apart", "[probe][url]") {
  const auto url = parse_url("HTTPS://Example.COM:8443/A/b?q=1&r#top");
  REQUIRE(url);
  CHECK(url->scheme == "https");
  CHECK(url->host == "example.com");
  CHECK(url->port == 8443);
  CHECK(url->target == "/A/b?q=1&r");
  CHECK(host_key(*url) == "example.com:8443");
}

TEST_CASE("default ports and empty paths are filled in", "[probe][url]") {
  REQUIRE(parse_url("http://a"));
  CHECK(parse_url("http://a")->port == 80);
  CHECK(parse_url("https://a:")->port == 443);
  CHECK(normal("http://a") == "http://a/");
  CHECK(normal("http://a?x") == "http://a/?x");
  CHECK(normal("http://a#x") == "http://a/");
  CHECK(normal("http://a:80/") == "http://a/");
  CHECK(normal("https://a:80/") == "https://a:80/");
  CHECK(normal("http://a:00080/") == "http://a/");
  CHECK(normal("http://a.b./") == "http://a.b./");
}

TEST_CASE("an IPv6 host stands in brackets in its shortest form", "[probe][url]") {
  const auto url = parse_url("http://[2001:DB8:0:0::1]:81/");
  REQUIRE(url);
  CHECK(url->host == "[2001:db8::1]");
  CHECK(bare_host(*url) == "2001:db8::1");
  CHECK(host_key(*url) == "[2001:db8::1]:81");
  for (const char* text : {"http://[::1", "http://[]/", "http://[::1]x/", "http://[1.2.3.4]/",
                           "http://[fe80::1%25eth0]/", "http://::1/"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_url(text));
  }
}

TEST_CASE("user and password are refused and never repeated", "[probe][url]") {
  for (const char* text : {"http://user:secret@example.com/", "http://secret@example.com/",
                           "http://@example.com/", "http://a\\@secret.com/"}) {
    CAPTURE(text);
    const std::string message = refusal(text);
    CHECK(message.find("secret") == std::string::npos);
    CHECK(message.find("password") != std::string::npos);
  }
  CHECK(parse_url("http://example.com/a@b"));
}

TEST_CASE("spaces, control characters and bytes that are not UTF-8 are refused", "[probe][url]") {
  CHECK(refusal("http://a/b c").find("space") != std::string::npos);
  CHECK(refusal(" http://a/").find("space") != std::string::npos);
  CHECK(refusal("http://a/\r\nX: y").find("control") != std::string::npos);
  CHECK(refusal(std::string_view{"http://a/\0", 10}).find("control") != std::string::npos);
  CHECK(refusal("http://a/\x7F").find("control") != std::string::npos);
  CHECK(refusal("http://a/\xFF").find("UTF-8") != std::string::npos);
  CHECK(refusal("http://a/\xC0\xAF").find("UTF-8") != std::string::npos);
}

TEST_CASE("characters that no path has are percent-encoded", "[probe][url]") {
  CHECK(normal("http://a/\xC3\xA4?\xE2\x82\xAC") == "http://a/%C3%A4?%E2%82%AC");
  CHECK(normal("http://a/{x}|\\\"<>^`") == "http://a/%7Bx%7D%7C%5C%22%3C%3E%5E%60");
  CHECK(normal("http://a/%41%zz[1]'~!$&()*+,;=:@") == "http://a/%41%zz[1]'~!$&()*+,;=:@");
}

TEST_CASE("hosts are names or addresses in their plain form", "[probe][url]") {
  CHECK(normal("http://xn--mnchen-3ya.de/") == "http://xn--mnchen-3ya.de/");
  CHECK(normal("http://a_b.example/") == "http://a_b.example/");
  CHECK(normal("http://127.0.0.1/") == "http://127.0.0.1/");
  CHECK(refusal("http://m\xC3\xBCnchen.de/").find("xn--") != std::string::npos);
  for (const char* text :
       {"http:///x", "http://", "http://a..b/", "http://.a/", "http://a%41/", "http://127.1/",
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://1.2.3.4.5/",
        "http://127.0.0.1./", "http://256.1.1.1/", "http://0177.0.0.1/", "http://*.a/",
        "http://a,b/", "http://a b/"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_url(text));
  }
  CHECK(parse_url("http://" + std::string(63, 'a') + "/"));
  CHECK_FALSE(parse_url("http://" + std::string(64, 'a') + "/"));
  std::string long_name;
  for (int i = 0; i < 127; ++i) long_name += "a.";
  CHECK(parse_url("http://" + long_name.substr(0, 253) + "/"));
  CHECK_FALSE(parse_url("http://" + long_name + "aa/"));
}

TEST_CASE("ports are 1 to 65535", "[probe][url]") {
  CHECK(parse_url("http://a:65535/"));
  for (const char* text : {"http://a:0/", "http://a:65536/", "http://a:99999999999999999999/",
                           "http://a:8x/", "http://a:-1/", "http://a:80:80/"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_url(text));
  }
}

TEST_CASE("other schemes and missing ones are refused", "[probe][url]") {
  for (const char* text :
       {"", "example.com", "ftp://a/", "//a/", "http:/a", "http:a", ":", "://a"}) {
    CAPTURE(text);
    CHECK(refusal(text).find("http:// or https://") != std::string::npos);
  }
}

TEST_CASE("a URL has at most 8 KiB, encoded too", "[probe][url]") {
  const std::string front = "http://a/";
  CHECK(parse_url(front + std::string(kTargetBytesMax - front.size(), 'x')));
  CHECK_FALSE(parse_url(front + std::string(kTargetBytesMax - front.size() + 1, 'x')));
  CHECK_FALSE(parse_url(front + std::string(kTargetBytesMax / 2, '{')));
}

TEST_CASE("references are resolved as RFC 3986 5.4 shows", "[probe][url]") {
  const auto base = parse_url("http://a/b/c/d;p?q");
  REQUIRE(base);
  const char* const cases[][2] = {
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"g;x", "http://a/b/c/g;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/./x", "http://a/b/c/g?y/./x"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://h:8443/x/../y", "https://h:8443/y"},
      {"HTTP://H", "http://h/"},
  };
  for (const auto& [reference, expected] : cases) {
    CAPTURE(reference);
    const auto url = resolve_reference(*base, reference);
    REQUIRE(url);
    CHECK(to_string(*url) == expected);
  }
}

TEST_CASE("a Location is read as servers write it", "[probe][url]") {
  const auto base = parse_url("https://a:8443/b/");
  REQUIRE(base);
  const auto resolved = [&](std::string_view location) {
    const auto url = resolve_reference(*base, location);
    return url ? to_string(*url) : std::string{"refused"};
  };
  CHECK(resolved("  /c d\t") == "https://a:8443/c%20d");
  CHECK(resolved("/\xE4") == "https://a:8443/%E4");
  CHECK(resolved("//h/x y") == "https://h/x%20y");
  CHECK(resolved("http:g") == "refused");
  CHECK(resolved("ftp://h/") == "refused");
  CHECK(resolved("javascript:alert(1)") == "refused");
  CHECK(resolved("http://u:p@h/") == "refused");
  CHECK(resolved("//u:p@h/") == "refused");
  CHECK(resolved("/a\r\nSet-Cookie: x") == "refused");
  CHECK(resolved("/" + std::string(kTargetBytesMax, 'x')) == "refused");
}

TEST_CASE("a path that grows at each redirect meets its limit", "[probe][url]") {
  auto url = parse_url("http://a/");
  REQUIRE(url);
  const std::string step = std::string(1000, 'x') + "/";
  int hops = 0;
  for (; hops < 20; ++hops) {
    auto next = resolve_reference(*url, step);
    if (!next) break;
    url = next;
  }
  CHECK(hops == 8);
}

}  // namespace
}  // namespace probekit
