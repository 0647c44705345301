// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#pragma once

// The HTTP client of the import program: one request at a time over one kept connection.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace examples {

struct HttpResponse {
  int status = 0;
  std::string body;
  std::string next_cursor;  ///< header Probekit-Next-Cursor
};

class HttpClient {
 public:
  /// `stopped` is asked a few times a second; true ends the request under way.
  HttpClient(std::string base, std::function<bool()> stopped);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// All throw std::runtime_error when there is no answer, and Interrupted when stopped.
  HttpResponse get(const std::string& path);
  HttpResponse remove(const std::string& path);
  /// Streams: `read` fills a buffer and returns how much, 0 at the end. From then on the request
  /// is not stopped any more: only its answer tells whether the server took it.
  HttpResponse post(const std::string& path, const std::string& content_type,
                    std::function<std::size_t(char*, std::size_t)> read);

  struct Interrupted {};

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Percent-encodes for a query.
std::string url_encode(const std::string& text);

}  // namespace examples
