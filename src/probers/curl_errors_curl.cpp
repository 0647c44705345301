// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probers/curl_errors_curl.hpp"

#include <curl/curl.h>

#include <cerrno>

namespace probekit {

CurlFault curl_fault(int code) noexcept {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return {FailureKind::connect, "cannot connect"};
    case CURLE_OPERATION_TIMEDOUT:
      return {FailureKind::timeout, "timeout"};

    case CURLE_SSL_CONNECT_ERROR:
      return {FailureKind::tls, "the TLS handshake failed"};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {FailureKind::tls, "the certificate is not accepted"};
    case CURLE_SSL_ISSUER_ERROR:
      return {FailureKind::tls, "the certificate's issuer is another"};
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return {FailureKind::tls, "the public key is another"};
    case CURLE_SSL_INVALIDCERTSTATUS:
      return {FailureKind::tls, "the certificate's status is not valid"};
    case CURLE_SSL_SHUTDOWN_FAILED:
      return {FailureKind::tls, "TLS did not end properly"};
    case CURLE_SSL_CIPHER:
      return {FailureKind::tls, "no cipher in common"};
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CLIENTCERT:
      return {FailureKind::tls, "the server asks for a certificate"};
    case CURLE_USE_SSL_FAILED:
      return {FailureKind::tls, "TLS is not offered"};

    case CURLE_UNSUPPORTED_PROTOCOL:  // also HTTP/0.9, and with it any garbage
    case CURLE_WEIRD_SERVER_REPLY:
      return {FailureKind::protocol, "the answer is not HTTP"};
    case CURLE_GOT_NOTHING:
      return {FailureKind::protocol, "the connection ended without an answer"};
    case CURLE_PARTIAL_FILE:
      return {FailureKind::protocol, "the response ended early"};
    case CURLE_SEND_ERROR:
      return {FailureKind::protocol, "the request could not be sent"};
    case CURLE_RECV_ERROR:
      return {FailureKind::protocol, "the connection broke"};
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP3:
    case CURLE_QUIC_CONNECT_ERROR:
      return {FailureKind::protocol, "HTTP/2 was broken"};
    case CURLE_BAD_CONTENT_ENCODING:
      return {FailureKind::protocol, "the content encoding is broken"};
    case CURLE_TOO_MANY_REDIRECTS:
      return {FailureKind::protocol, "too many redirects"};
    case CURLE_HTTP_RETURNED_ERROR:
      return {FailureKind::protocol, "the server answered an error"};
    case CURLE_FILESIZE_EXCEEDED:
      return {FailureKind::protocol, "the body is too large"};
    case CURLE_RANGE_ERROR:
      return {FailureKind::protocol, "the range is broken"};

    case CURLE_SSL_CACERT_BADFILE:
      return {FailureKind::internal, "the CA bundle cannot be read"};
    case CURLE_OUT_OF_MEMORY:
      return {FailureKind::internal, "out of memory"};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {FailureKind::internal, "libcurl was left to resolve a name"};
    case CURLE_INTERFACE_FAILED:
      return {FailureKind::internal, "cannot use the local address"};
    default:
      return {FailureKind::internal, "libcurl failed"};
  }
}

bool is_agent_fault(int os_error) noexcept {
  switch (os_error) {
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

}  // namespace probekit
