// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/https_test_server_openssl.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <utility>

namespace probekit::test {
namespace {

constexpr long kDay = 24 * 3600;

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct CertFree {
  void operator()(X509* cert) const { X509_free(cert); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;
using Cert = std::unique_ptr<X509, CertFree>;

Key make_key() { return Key(EVP_EC_gen("P-256")); }

void extend(X509* cert, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (made == nullptr) throw std::runtime_error("certificate extension " + value);
  X509_add_ext(cert, made, -1);
  X509_EXTENSION_free(made);
}

Cert make_cert(EVP_PKEY* key, const std::string& common_name, long from, long until) {
  static std::atomic<long> serial{1};
  Cert cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), until);
  X509_set_pubkey(cert.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return cert;
}

// Returns the path.
std::string write_file(const std::function<void(std::FILE*)>& write) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/probekit-tls-XXXXXX";
  const int fd = mkstemp(path.data());
  std::FILE* const out = fd < 0 ? nullptr : fdopen(fd, "w");
  if (out == nullptr) throw std::runtime_error("cannot write " + path);
  write(out);
  std::fclose(out);
  return path;
}

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                  unsigned in_size, void*) {
  static const unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, 9, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct TestAuthority::Impl {
  Key key = make_key();
  Cert cert;
};

TestAuthority::TestAuthority() : impl_(std::make_unique<Impl>()) {
  impl_->cert = make_cert(impl_->key.get(), "probekit test authority", -kDay, 30 * kDay);
  // A name of its own: another authority's certificates are unknown here, not badly signed.
  X509_NAME_add_entry_by_txt(X509_get_subject_name(impl_->cert.get()), "serialNumber", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(
                                 std::to_string(reinterpret_cast<std::uintptr_t>(this)).c_str()),
                             -1, -1, 0);
  X509* const cert = impl_->cert.get();
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  extend(cert, NID_basic_constraints, "critical,CA:TRUE");
  extend(cert, NID_key_usage, "critical,keyCertSign");
  X509_sign(cert, impl_->key.get(), EVP_sha256());

  file_ = write_file([cert](std::FILE* out) { PEM_write_X509(out, cert); });
}

TestAuthority::~TestAuthority() { unlink(file_.c_str()); }

namespace {

Cert issue(const TestAuthority& authority, const TestCertificate& certificate, EVP_PKEY* key) {
  Cert cert = make_cert(key, "probekit test", -2 * kDay, certificate.expired ? -kDay : 20 * kDay);
  X509_set_issuer_name(cert.get(), X509_get_subject_name(authority.impl().cert.get()));
  const bool ip = std::isdigit(static_cast<unsigned char>(certificate.name.back())) != 0;
  extend(cert.get(), NID_subject_alt_name, (ip ? "IP:" : "DNS:") + certificate.name);
  X509_sign(cert.get(), authority.impl().key.get(), EVP_sha256());
  return cert;
}

}  // namespace

CertificateFiles::CertificateFiles(const TestAuthority& authority,
                                   const TestCertificate& certificate) {
  const Key key = make_key();
  const Cert cert = issue(authority, certificate, key.get());
  certificate_ = write_file([&](std::FILE* out) { PEM_write_X509(out, cert.get()); });
  key_ = write_file([&](std::FILE* out) {
    PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

CertificateFiles::~CertificateFiles() {
  unlink(certificate_.c_str());
  unlink(key_.c_str());
}

struct HttpsTestServer::Impl {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  ~Impl() { SSL_CTX_free(context); }
};

HttpsTestServer::HttpsTestServer(const TestAuthority& authority, const Certificate& certificate)
    : impl_(std::make_unique<Impl>()), listener_(bound_socket(SOCK_STREAM, "127.0.0.1", 0)) {
  const Key key = make_key();
  const Cert cert = issue(authority, certificate, key.get());
  SSL_CTX_use_certificate(impl_->context, cert.get());
  SSL_CTX_use_PrivateKey(impl_->context, key.get());
  SSL_CTX_set_alpn_select_cb(impl_->context, &choose_http11, nullptr);

  port_ = port_of(listener_);
  listen(listener_.get(), 128);
  fcntl(listener_.get(), F_SETFL, 0);
  thread_ = std::thread([this] { serve(); });
}

HttpsTestServer::~HttpsTestServer() {
  stopping_.store(true);
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

std::string HttpsTestServer::url(const std::string& host, const std::string& path) const {
  return "https://" + host + ':' + std::to_string(port_) + path;
}

void HttpsTestServer::serve() {
  // OpenSSL writes without MSG_NOSIGNAL, and clients leave as soon as they see the certificate.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (!stopping_.load()) {
    const Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.get() < 0) continue;
    const timeval limit{5, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL* const ssl = SSL_new(impl_->context);
    SSL_set_fd(ssl, fd.get());
    if (SSL_accept(ssl) == 1) {
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const int got = SSL_read(ssl, buffer, sizeof buffer);
        if (got <= 0) break;
        request.append(buffer, static_cast<std::size_t>(got));
      }
      static const std::string kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
      SSL_write(ssl, kResponse.data(), static_cast<int>(kResponse.size()));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
  }
}

}  // namespace probekit::test
