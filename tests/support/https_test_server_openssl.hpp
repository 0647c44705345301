// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An HTTPS server on loopback with a certificate made for the occasion. It answers every request
/// `200 OK`, one connection at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "support/server_thread.hpp"

namespace probekit::test {

/// A certification authority of the test's own; its certificate lies in a temporary file.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  const std::string& file() const noexcept { return file_; }

  struct Impl;
  Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
  std::string file_;
};

struct TestCertificate {
  std::string name = "localhost";  ///< a DNS name, or an IP address
  bool expired = false;            ///< it ended yesterday
};

/// A certificate and its key in temporary files, for servers that read such.
class CertificateFiles {
 public:
  CertificateFiles(const TestAuthority& authority, const TestCertificate& certificate);
  ~CertificateFiles();
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;
  const std::string& certificate() const noexcept { return certificate_; }
  const std::string& key() const noexcept { return key_; }

 private:
  std::string certificate_;
  std::string key_;
};

class HttpsTestServer {
 public:
  using Certificate = TestCertificate;
  HttpsTestServer(const TestAuthority& authority, const Certificate& certificate);
  ~HttpsTestServer();

  std::uint16_t port() const noexcept { return port_; }
  std::string url(const std::string& host, const std::string& path) const;

 private:
  void serve();

  struct Impl;
  std::unique_ptr<Impl> impl_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace probekit::test
