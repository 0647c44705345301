// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// The HTTP client of the import program: one request at a time over one kept connection.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "stop_signal.hpp"

namespace examples {

struct HttpClientOptions {
  std::string base;     ///< http:// or https:// URL
  std::string token;    ///< sent as a bearer token when not empty
  std::string ca_file;  ///< for https://; empty: the system's
};

struct HttpResponse {
  int status = 0;
  std::string body;
  std::string next_cursor;  ///< header Probekit-Next-Cursor
  std::string retry_after;  ///< header Retry-After
};

/// The body of a POST, as it comes in.
struct HttpBody {
  /// Fills at most `size` bytes: more than 0, 0 at the end, nothing when there is nothing yet.
  std::function<std::optional<std::size_t>(char* bytes, std::size_t size)> read;
  /// Readable when read() should be asked again; it is asked once a second anyway.
  int fd = -1;
};

class HttpClient {
 public:
  HttpClient(HttpClientOptions options, const StopSignal& stop_signal);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// All throw Interrupted at the first signal, and Broken when there is no answer.
  HttpResponse get(const std::string& path);
  HttpResponse remove(const std::string& path);
  /// Chunked. Once all is sent the request is not interrupted any more: only its answer tells
  /// whether the server took it.
  HttpResponse post(const std::string& path, const std::vector<std::string>& headers,
                    HttpBody body);
  /// From now on signals interrupt nothing.
  void ignore_signals();

  struct Interrupted {};
  struct Broken : std::runtime_error {
    Broken(const std::string& text, bool connection_made, bool body_sent)
        : std::runtime_error(text), connected(connection_made), sent_whole(body_sent) {}
    bool connected;   ///< there was someone at the other end
    bool sent_whole;  ///< a POST's body was
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Percent-encodes for a query.
std::string url_encode(const std::string& text);

}  // namespace examples
