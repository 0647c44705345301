// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probe/dns_target.hpp"

#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

std::string normal(std::string_view text) {
  const auto target = parse_dns_target(text);
  return target ? to_string(*target) : "refused: " + target.error().message();
}

TEST_CASE("a DNS target is a name, a type and a server", "[probe][dns_target]") {
  const auto target = parse_dns_target("dns:Example.COM/mx@192.0.2.1:5353");
  REQUIRE(target);
  CHECK(target->name == "example.com");
  CHECK(target->type == DnsType::mx);
  REQUIRE(target->server);
  CHECK(target->server->to_string() == "192.0.2.1:5353");
}

TEST_CASE("the type is A and the port 53 unless said", "[probe][dns_target]") {
  CHECK(normal("dns:example.com") == "dns:example.com/A");
  CHECK(normal("dns:example.com@192.0.2.1") == "dns:example.com/A@192.0.2.1:53");
  CHECK(normal("DNS:example.com.") == "dns:example.com/A");
  CHECK(normal("dns:./NS") == "dns:./NS");
  CHECK(normal("dns:_sip._tcp.example.com/SRV") == "dns:_sip._tcp.example.com/SRV");
  CHECK(normal("dns:*.example.com/TXT") == "dns:*.example.com/TXT");
}

TEST_CASE("every type is read in any case", "[probe][dns_target]") {
  for (const char* type : {"A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "PTR", "CAA"}) {
    CHECK(normal("dns:a.b/" + std::string{type}) == "dns:a.b/" + std::string{type});
  }
  CHECK(normal("dns:a.b/aaaa") == "dns:a.b/AAAA");
  CHECK(normal("dns:a.b/ANY").find("one of A, AAAA") != std::string::npos);
  CHECK(normal("dns:a.b/").find("one of A, AAAA") != std::string::npos);
}

TEST_CASE("an address becomes its reverse name", "[probe][dns_target]") {
  CHECK(normal("dns:192.0.2.17/PTR") == "dns:17.2.0.192.in-addr.arpa/PTR");
  CHECK(normal("dns:192.0.2.17./PTR") == "dns:17.2.0.192.in-addr.arpa/PTR");
  const std::string reverse =
      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  CHECK(normal("dns:2001:db8::1/PTR") == "dns:" + reverse + "/PTR");
  CHECK(normal("dns:[2001:db8::1]/PTR@[2001:db8::53]") ==
        "dns:" + reverse + "/PTR@[2001:db8::53]:53");
  CHECK(normal("dns:192.0.2.17").find("ADDRESS/PTR") != std::string::npos);
  CHECK(normal("dns:2001:db8::1/A").find("ADDRESS/PTR") != std::string::npos);
}

TEST_CASE("an IPv6 server with a port stands in brackets", "[probe][dns_target]") {
  CHECK(normal("dns:a/A@[2001:db8::1]:5300") == "dns:a/A@[2001:db8::1]:5300");
  CHECK(normal("dns:a/A@2001:db8::1") == "dns:a/A@[2001:db8::1]:53");
  for (const char* text : {"dns:a@", "dns:a@ns.example.com", "dns:a@1.2.3.4:0",
                           "dns:a@1.2.3.4:65536", "dns:a@[::1", "dns:a@1.2.3.4:x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_dns_target(text));
  }
}

TEST_CASE("broken names are refused", "[probe][dns_target]") {
  for (const char* text :
       {"dns:", "example.com", "dns:/A", "dns://example.com", "dns:a..b", "dns:.a", "dns:a b",
        "dns:\xC3\xA4.de", "dns:a\\b", "dns:192.0.2.1:53", "dns:1.2.3.4:53/PTR"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_dns_target(text));
  }
  CHECK_FALSE(parse_dns_target("dns:" + std::string(64, 'a')));
  CHECK_FALSE(parse_dns_target("dns:" + std::string(9000, 'a')));
  CHECK(normal("dns:m\xC3\xBCnchen.de").find("xn--") != std::string::npos);
}

TEST_CASE("what is written reads back as the same", "[probe][dns_target]") {
  for (const char* text : {"dns:example.com/CAA@[::1]:53", "dns:./SOA", "dns:192.0.2.17/PTR"}) {
    const std::string once = normal(text);
    CHECK(normal(once) == once);
  }
}

}  // namespace
}  // namespace probekit
