// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probers/http_probe.hpp"

#include <chrono>
#include <string>

#include "support/catch.hpp"

namespace probekit {
namespace {

using namespace std::chrono_literals;

std::string text_of(const std::vector<Phase>& phases) {
  std::string out;
  for (const Phase& phase : phases) {
    out += phase.name + '=' + std::to_string(phase.duration.count()) + ' ';
  }
  return out;
}

}  // namespace

TEST_CASE("phases are what was entered, and add up", "[http_probe]") {
  const SteadyTime t{};
  HttpHopTimes times;
  times.begin(HttpStage::resolving, t);
  times.enter(HttpStage::connecting, t + 100us);
  times.enter(HttpStage::sending, t + 300us);
  times.enter(HttpStage::waiting, t + 310us);
  times.enter(HttpStage::receiving, t + 1000us);
  CHECK(text_of(times.phases(t + 1500us)) ==
        "dns_us=100 connect_us=200 send_us=10 first_byte_us=690 receive_us=500 ");
  CHECK(times.stage() == HttpStage::receiving);

  times.begin(HttpStage::connecting, t);
  times.enter(HttpStage::securing, t + 7us);
  CHECK(text_of(times.phases(t + 9us)) == "connect_us=7 tls_us=2 ");
  CHECK(to_phrase(times.stage()) == "during the TLS handshake");
}

TEST_CASE("parts of microseconds do not get lost on the way", "[http_probe]") {
  const SteadyTime t{};
  HttpHopTimes times;
  times.begin(HttpStage::connecting, t + 999ns);
  times.enter(HttpStage::sending, t + 1999ns);
  times.enter(HttpStage::waiting, t + 3700ns);
  times.enter(HttpStage::receiving, t + 5500ns);
  std::chrono::microseconds sum{0};
  for (const Phase& phase : times.phases(t + 10'999ns)) sum += phase.duration;
  CHECK(sum == 10us);
}

TEST_CASE("a stage is entered once and never after a later one", "[http_probe]") {
  const SteadyTime t{};
  HttpHopTimes times;
  times.begin(HttpStage::connecting, t);
  times.enter(HttpStage::receiving, t + 5us);
  times.enter(HttpStage::receiving, t + 6us);
  times.enter(HttpStage::waiting, t + 7us);
  CHECK(text_of(times.phases(t + 8us)) == "connect_us=5 receive_us=3 ");
  // A clock that does not go forward makes no negative phase.
  CHECK(text_of(times.phases(t)) == "connect_us=5 receive_us=0 ");
}

TEST_CASE("header lines are read with care", "[http_probe]") {
  CHECK(location_of("Location: /next\r\n") == "/next");
  CHECK(location_of("LOCATION:\t http://a/ \r\n") == "http://a/");
  CHECK(location_of("location:\r\n").empty());
  CHECK(location_of("Locations: /next\r\n").empty());
  CHECK(location_of("Loc").empty());
  CHECK(status_of("HTTP/1.1 302 Found\r\n") == 302);
  CHECK(status_of("HTTP/2 200 \r\n") == 200);
  CHECK(status_of("HTTP/1.1 20\r\n") == 0);
  CHECK(status_of("HTTP/1.1 2x0 a\r\n") == 0);
  CHECK(status_of("X-Status: HTTP/1.1 200\r\n") == 0);
  CHECK(is_redirect(301));
  CHECK(is_redirect(308));
  CHECK_FALSE(is_redirect(300));
  CHECK_FALSE(is_redirect(304));
}

TEST_CASE("texts of others are made fit for a message", "[http_probe]") {
  CHECK(sanitised("plain text") == "plain text");
  CHECK(sanitised("\x1b[31m\n\xff") == "?[31m??");
  CHECK(sanitised(std::string(1000, 'x')).size() == 200);
}

}  // namespace probekit
