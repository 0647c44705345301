// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A Connection over one WebSocketStream that is open: accounting, draining before the closing
/// handshake, and the deadline for a peer that takes nothing. On the loop's thread only.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probekit/log.hpp"
#include "probekit/transport.hpp"
#include "transport/loop_link.hpp"
#include "transport/websocket_stream.hpp"

namespace probekit {

class WebSocketConnection final : public Connection,
                                  private WebSocketStreamOwner,
                                  private LoopLink::Member {
 public:
  /// Becomes the owner of `stream`, which has just opened. `log` may be null. `token`: that of the
  /// peer, which arrived `opening_time` ago.
  WebSocketConnection(std::shared_ptr<LoopLink> link, std::shared_ptr<WebSocketStream> stream,
                      std::chrono::milliseconds send_time_limit, std::shared_ptr<Log> log,
                      std::string token = {}, std::chrono::milliseconds opening_time = {});
  ~WebSocketConnection() override;

  void start(ConnectionObserver& observer) override;
  std::size_t send_room() const noexcept override;
  void send(std::string message) override;
  void close(CloseCode code, std::string_view text) override;
  void abort(CloseCode code, std::string_view text) override;
  ConnectionFacts facts() const override;
  std::optional<std::string> token() const override { return token_; }
  std::chrono::milliseconds opening_time() const override { return opening_time_; }

 private:
  using Self = std::shared_ptr<WebSocketConnection*>;  // to null when destroyed

  HandshakeAnswer on_request(const std::string&) override { return {}; }
  void on_open() override {}
  void on_message(std::string message) override;
  void on_written() override;
  void on_ended(const WebSocketStreamEnd& end) override;
  void loop_ended() noexcept override;

  void post(void (WebSocketConnection::*step)());
  void begin();
  void deliver(std::string message);
  void notice_written();
  void finish(CloseReason reason);
  void tell();
  void watch_progress();
  void check_progress();
  void cancel_watch();

  const std::shared_ptr<LoopLink> link_;
  std::shared_ptr<WebSocketStream> stream_;  // null once ended
  const std::chrono::milliseconds send_time_limit_;
  const std::shared_ptr<Log> log_;
  const std::string token_;
  const std::chrono::milliseconds opening_time_;
  const Self self_;
  const std::string peer_;
  const std::string local_;

  ConnectionObserver* observer_ = nullptr;
  bool started_ = false;
  bool told_ = false;
  std::vector<std::string> early_;  // messages that came with the handshake: one read at most
  bool blocked_ = false;
  bool notice_posted_ = false;
  std::optional<CloseReason> closing_;
  bool handshake_begun_ = false;
  CloseReason reason_;
  ConnectionFacts last_facts_;

  TimerId watch_ = 0;
  SteadyTime watch_due_{};
  SteadyTime progress_at_{};
  std::uint64_t acked_bytes_ = 0;
  bool written_since_check_ = false;
  bool spared_ = false;  // the last check found the loop late and judged nothing
};

}  // namespace probekit
