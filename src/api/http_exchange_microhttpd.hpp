// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One request that libmicrohttpd reads, and the response it, or we past it, send.

#include <microhttpd.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http_server.hpp"

namespace probekit::api {

class MicrohttpdServer;

/// The response as HTTP/1.1, after which the connection closes.
std::string on_the_wire(const HttpResponse& response, bool with_body);

class MicrohttpdExchange final : public Exchange {
 public:
  MicrohttpdExchange(MicrohttpdServer& server, std::string target);
  ~MicrohttpdExchange() override;

  void respond(HttpResponse response) override;
  void resume_upload() override { resume(Suspended::upload); }
  void resume_download() override { resume(Suspended::download); }

  /// The library's access handler, called for the head, each piece of the body, and the end.
  MHD_Result on_access(MHD_Connection* connection, const char* method, const char* version,
                       const char* upload, std::size_t* upload_size);
  ssize_t read(char* to, std::size_t room);
  /// The server stops: what is suspended must not stay so.
  void abort();
  /// Nothing can come of it any more when the client sends nothing more.
  bool needs_client() const noexcept { return !body_ended_ && suspended_ == Suspended::no; }
  /// What the client still sends is read and dropped.
  bool is_in_vain() const noexcept;

 private:
  enum class Suspended : std::uint8_t { no, upload, response, download };

  void begin(const char* method, const char* version);
  MHD_Result queue_response();
  void give_half_the_time(void (MicrohttpdExchange::*then)());
  void answer_early();
  void send_early();
  void cut();
  void suspend(Suspended why);
  void resume(Suspended why);
  void watch_client();
  void on_client_readable();
  int socket() const;
  bool expects_continue() const;
  bool has_unknown_coding() const;

  MicrohttpdServer& server_;
  MHD_Connection* connection_ = nullptr;
  HttpRequest request_;
  std::string authority_;  // of a target in absolute form
  std::shared_ptr<Answer> answer_;
  std::unique_ptr<HttpResponse> response_;
  std::string early_;  // a response that goes past the library
  std::size_t early_sent_ = 0;
  TimerId refusal_timer_ = 0;
  int watched_ = -1;
  Suspended suspended_ = Suspended::no;
  bool begun_ = false;
  bool body_ended_ = false;
  bool responded_ = false;
  bool queued_ = false;
  bool answered_early_ = false;
  bool aborted_ = false;
};

}  // namespace probekit::api
