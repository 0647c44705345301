// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probers/curl_errors_curl.hpp"

#include <curl/curl.h>

#include <cerrno>
#include <string_view>

#include "support/catch.hpp"

namespace probekit {

TEST_CASE("every code of libcurl has a meaning", "[curl_errors]") {
  int kinds[kFailureKinds] = {};
  for (int code = 1; code < CURL_LAST; ++code) {
    CAPTURE(code);
    const CurlFault fault = curl_fault(code);
    CHECK_FALSE(fault.what.empty());
    ++kinds[static_cast<int>(fault.kind)];
    // A name that cannot be verified is TLS's; nothing but TLS's own codes are.
    const std::string_view text = curl_easy_strerror(static_cast<CURLcode>(code));
    if (fault.kind == FailureKind::tls) {
      CHECK((text.find("SSL") != text.npos || text.find("certificate") != text.npos ||
             text.find("Certificate") != text.npos || text.find("key") != text.npos));
    }
  }
  CHECK(kinds[static_cast<int>(FailureKind::connect)] == 1);
  CHECK(kinds[static_cast<int>(FailureKind::timeout)] == 1);
  CHECK(kinds[static_cast<int>(FailureKind::tls)] == 10);
  CHECK(kinds[static_cast<int>(FailureKind::denied)] == 0);
  CHECK(kinds[static_cast<int>(FailureKind::dns)] == 0);
}

TEST_CASE("codes that matter are told apart", "[curl_errors]") {
  CHECK(curl_fault(CURLE_COULDNT_CONNECT).kind == FailureKind::connect);
  CHECK(curl_fault(CURLE_PEER_FAILED_VERIFICATION).kind == FailureKind::tls);
  CHECK(curl_fault(CURLE_SSL_CACERT_BADFILE).kind == FailureKind::internal);
  CHECK(curl_fault(CURLE_GOT_NOTHING).kind == FailureKind::protocol);
  CHECK(curl_fault(CURLE_RECV_ERROR).kind == FailureKind::protocol);
  CHECK(curl_fault(CURLE_OUT_OF_MEMORY).kind == FailureKind::internal);
  CHECK(curl_fault(CURL_LAST + 1000).kind == FailureKind::internal);
  CHECK_FALSE(curl_fault(CURL_LAST + 1000).what.empty());
}

TEST_CASE("what this host lacks is not the target's fault", "[curl_errors]") {
  for (const int error : {EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    CHECK(is_agent_fault(error));
  }
  for (const int error : {0, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT}) {
    CHECK_FALSE(is_agent_fault(error));
  }
}

}  // namespace probekit
