// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/address_policy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

Address address(std::string_view text) {
  const auto parsed = parse_address(text, 0);
  REQUIRE(parsed);
  return *parsed;
}

bool allows(const AddressPolicy& policy, std::string_view text) {
  const AddressDecision decision = policy.judge(address(text));
  CHECK(decision.allowed == policy.allows(address(text)));
  CHECK_FALSE(decision.rule.empty());
  CHECK(decision.message.empty() == decision.allowed);
  return decision.allowed;
}

TEST_CASE("addresses are read and written with and without ports", "[probe][address]") {
  CHECK(parse_address("192.0.2.1", 53)->to_string() == "192.0.2.1:53");
  CHECK(parse_address("192.0.2.1:80", 53)->to_string() == "192.0.2.1:80");
  CHECK(parse_address("2001:DB8::0:1", 53)->to_string() == "[2001:db8::1]:53");
  CHECK(parse_address("[2001:db8::1]", 53)->to_string() == "[2001:db8::1]:53");
  CHECK(parse_address("[2001:db8::1]:80", 53)->ip() == "2001:db8::1");
  for (const char* text :
       {"", ":", "1.2.3", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+1", "01.2.3.4.5", "[1.2.3.4]",
        "[::1]80", "[::1]:", "[::1", "::1]", "::g", "localhost", "1.2.3.4 ", "fe80::1%eth0"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text, 1));
  }
  CHECK_FALSE(parse_address(std::string_view{"1.2.3.4\0", 8}, 1));
}

TEST_CASE("socket addresses of the internet are taken, others refused", "[probe][address]") {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(8080);
  REQUIRE(inet_pton(AF_INET, "192.0.2.9", &v4.sin_addr) == 1);
  CHECK(address_of(reinterpret_cast<const sockaddr*>(&v4))->to_string() == "192.0.2.9:8080");
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(443);
  v6.sin6_addr = in6addr_loopback;
  CHECK(address_of(reinterpret_cast<const sockaddr*>(&v6))->to_string() == "[::1]:443");
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  CHECK_FALSE(address_of(reinterpret_cast<const sockaddr*>(&local)));
  CHECK_FALSE(address_of(nullptr));
}

TEST_CASE("without rules only public unicast addresses are allowed", "[probe][address_policy]") {
  const AddressPolicy policy;
  // The first and the last address of each range, and their neighbours outside.
  const char* const denied[] = {"0.0.0.0",
                                "0.255.255.255",
                                "10.0.0.0",
                                "10.255.255.255",
                                "100.64.0.0",
                                "100.127.255.255",
                                "127.0.0.1",
                                "127.255.255.255",
                                "169.254.0.0",
                                "169.254.169.254",
                                "172.16.0.0",
                                "172.31.255.255",
                                "192.0.0.0",
                                "192.0.0.255",
                                "192.0.2.0",
                                "192.0.2.255",
                                "192.88.99.1",
                                "192.168.0.0",
                                "192.168.255.255",
                                "198.18.0.0",
                                "198.19.255.255",
                                "198.51.100.7",
                                "203.0.113.255",
                                "224.0.0.1",
                                "239.255.255.255",
                                "240.0.0.1",
                                "255.255.255.255",
                                "::",
                                "::1",
                                "::2",
                                "64:ff9b:1::1",
                                "100::1",
                                "2001::1",
                                "2001:2::1",
                                "2001:db8::1",
                                "3fff::1",
                                "5f00::1",
                                "fc00::1",
                                "fdff::1",
                                "fe80::1",
                                "febf::1",
                                "fec0::1",
                                "ff02::1",
                                "4000::1",
                                "8000::1",
                                "::127.0.0.1"};
  for (const char* text : denied) {
    CAPTURE(text);
    CHECK_FALSE(allows(policy, text));
  }
  const char* const allowed[] = {
      "1.0.0.0",     "9.255.255.255", "11.0.0.0",    "100.63.255.255",  "100.128.0.0",
      "126.1.1.1",   "128.0.0.0",     "169.253.1.1", "169.255.0.0",     "172.15.255.255",
      "172.32.0.0",  "192.0.1.0",     "192.0.3.0",   "192.167.1.1",     "192.169.0.0",
      "198.17.1.1",  "198.20.0.0",    "203.0.114.0", "223.255.255.255", "8.8.8.8",
      "2001:200::1", "2001:4860::1",  "2001:db9::1", "2606:4700::1",    "3ffe::1",
      "2a00::1"};
  for (const char* text : allowed) {
    CAPTURE(text);
    CHECK(allows(policy, text));
  }
}

TEST_CASE("IPv4 inside IPv6 is judged as that IPv4 address", "[probe][address_policy]") {
  AddressPolicy policy;
  CHECK_FALSE(allows(policy, "::ffff:127.0.0.1"));
  CHECK_FALSE(allows(policy, "::ffff:10.1.2.3"));
  CHECK(allows(policy, "::ffff:8.8.8.8"));
  CHECK_FALSE(allows(policy, "64:ff9b::10.1.2.3"));
  CHECK(allows(policy, "64:ff9b::8.8.8.8"));
  CHECK_FALSE(allows(policy, "2002:7f00:1::1"));
  CHECK_FALSE(allows(policy, "2002:a9fe:a9fe::1"));
  CHECK(allows(policy, "2002:808:808::1"));
  CHECK_FALSE(allows(policy, "2001::1"));

  policy.allow("127.0.0.0/8");
  CHECK(allows(policy, "::ffff:127.0.0.1"));
  CHECK(allows(policy, "64:ff9b::127.0.0.1"));
  CHECK(policy.judge(address("64:ff9b::10.0.0.1")).message.find("carries an IPv4 address") !=
        std::string::npos);

  // Teredo carries the client's address inverted: f5ff:fffe is 10.0.0.1, f7f7:f7f7 is 8.8.8.8.
  policy.allow("2001::/32");
  CHECK_FALSE(allows(policy, "2001:0:808:808::f5ff:fffe"));
  CHECK(allows(policy, "2001:0:808:808::f7f7:f7f7"));
}

TEST_CASE("the longest prefix decides, on a tie deny", "[probe][address_policy]") {
  AddressPolicy policy;
  policy.allow("10.0.0.0/8");
  policy.deny("10.1.0.0/16");
  policy.allow("10.1.2.0/24");
  policy.deny("10.1.2.3");
  CHECK(allows(policy, "10.0.0.1"));
  CHECK_FALSE(allows(policy, "10.1.0.1"));
  CHECK(allows(policy, "10.1.2.1"));
  CHECK_FALSE(allows(policy, "10.1.2.3"));

  AddressPolicy tie;
  tie.deny("192.168.1.0/24");
  tie.allow("192.168.1.0/24");
  CHECK_FALSE(allows(tie, "192.168.1.1"));
  AddressPolicy other_order;
  other_order.allow("192.168.1.0/24");
  other_order.deny("192.168.1.0/24");
  CHECK_FALSE(allows(other_order, "192.168.1.1"));
}

TEST_CASE("an allowed range opens the built-in one of the same prefix", "[probe][address_policy]") {
  AddressPolicy policy;
  policy.allow("127.0.0.0/8");
  CHECK(allows(policy, "127.0.0.1"));
  CHECK_FALSE(allows(policy, "::1"));
  policy.allow("::1");
  CHECK(allows(policy, "::1"));
}

TEST_CASE("rules come before the built-in ranges whatever their length",
          "[probe][address_policy]") {
  AddressPolicy policy;
  policy.allow("0.0.0.0/0");
  CHECK(allows(policy, "169.254.169.254"));
  CHECK_FALSE(allows(policy, "::1"));

  AddressPolicy v6;
  v6.allow("::/0");
  CHECK(allows(v6, "fe80::1"));
  CHECK_FALSE(allows(v6, "127.0.0.1"));
  CHECK_FALSE(allows(v6, "::ffff:127.0.0.1"));

  AddressPolicy closed;
  closed.deny("0.0.0.0/0");
  closed.allow("8.8.8.8/32");
  CHECK_FALSE(allows(closed, "1.1.1.1"));
  CHECK(allows(closed, "8.8.8.8"));
}

TEST_CASE("a tool that allows everything still takes denials", "[probe][address_policy]") {
  AddressPolicy policy = AddressPolicy::allow_all();
  CHECK(allows(policy, "127.0.0.1"));
  CHECK(allows(policy, "ff02::1"));
  policy.deny("127.0.0.0/8");
  CHECK_FALSE(allows(policy, "127.0.0.1"));
  CHECK(allows(policy, "128.0.0.1"));
}

TEST_CASE("a denial names the rule and the flag that allows", "[probe][address_policy]") {
  AddressPolicy policy;
  const AddressDecision loopback = policy.judge(address("127.0.0.1"));
  CHECK(loopback.rule == "127.0.0.0/8 (loopback)");
  CHECK(loopback.message ==
        "connecting to 127.0.0.1 is denied by 127.0.0.0/8 (loopback); --allow 127.0.0.0/8 allows "
        "it");
  CHECK(policy.judge(address("4000::1")).message.find("--allow 4000::1/128") != std::string::npos);
  policy.deny("8.8.0.0/16");
  const AddressDecision own = policy.judge(address("8.8.8.8"));
  CHECK(own.rule == "--deny 8.8.0.0/16");
  CHECK(own.message.find("--allow 8.8.8.8/32") != std::string::npos);
}

TEST_CASE("what is no prefix is refused and changes nothing", "[probe][address_policy]") {
  AddressPolicy policy;
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8x", "10/8",
                           "10.0.0.1/8", "::1/64", "10.0.0.0:80/8", "[::1]", "[::1]:80/128",
                           "example.com", "10.0.0.0/-1", "10.0.0.0/0008"}) {
    CAPTURE(text);
    CHECK_FALSE(policy.try_allow(text));
    CHECK_FALSE(policy.try_deny(text));
  }
  CHECK_FALSE(allows(policy, "10.0.0.1"));
  CHECK_THROWS_AS(policy.allow("10.0.0.0/33"), std::invalid_argument);
  CHECK_THROWS_AS(policy.deny("x"), std::invalid_argument);
}

}  // namespace
}  // namespace probekit
