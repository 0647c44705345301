// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// An HTTP client that sends exactly the bytes it is given, also wrong ones, slowly or in part.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "json/json_value.hpp"

namespace probekit::test {

struct RawReply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< without its chunks' sizes

  std::string header(const std::string& name) const;  ///< empty: there is none
  json::Value json() const;                           ///< fails the test when the body is not
};

/// One connection to 127.0.0.1. *Threads*: one.
class RawHttp {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  /// `receive_buffer` 0: the system's.
  explicit RawHttp(std::uint16_t port, int receive_buffer = 0);
  ~RawHttp();
  RawHttp(const RawHttp&) = delete;
  RawHttp& operator=(const RawHttp&) = delete;

  /// False when the peer closed, or did not take it all in time.
  bool send(std::string_view bytes, std::chrono::milliseconds patience = kPatience);
  /// How much the peer took at once, without waiting.
  std::size_t send_some(std::string_view bytes);
  /// The next response; empty when the connection ended before it was whole. Headers of a HEAD
  /// response come without a body.
  std::optional<RawReply> receive(bool head = false);
  /// Waits for bytes or the end to arrive.
  bool readable(std::chrono::milliseconds patience);
  /// Waits for the peer to close, reading what comes before.
  bool closed(std::chrono::milliseconds patience = kPatience);
  void half_close();

  /// A whole request: Host and, with a body, its length are added.
  std::optional<RawReply> request(std::string_view method, std::string_view target,
                                  std::string_view headers = {}, std::string_view body = {});

 private:
  bool fill(std::chrono::milliseconds patience);
  std::optional<std::string> take(std::size_t size);
  std::optional<std::string> take_line();

  int fd_ = -1;
  std::string buffer_;
};

/// The head of a request with `headers`, each with its line end.
std::string request_head(std::string_view method, std::string_view target,
                         std::string_view headers);
std::string chunk(std::string_view bytes);

}  // namespace probekit::test
