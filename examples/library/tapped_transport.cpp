// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "tapped_transport.hpp"

#include <optional>
#include <string>
#include <utility>

namespace examples {
namespace {

using probekit::CloseCode;
using probekit::Connection;
using probekit::EventLoop;
using probekit::Expected;

constexpr char kCut[] = "cut by the tap";

// snippet: connection
// One end. It lives on the loop of the connection inside, as that does.
class TappedConnection final : public Connection, private probekit::ConnectionObserver {
 public:
  TappedConnection(std::unique_ptr<Connection> inner, Tap tap)
      : tap_(std::move(tap)), inner_(std::move(inner)) {}

  void start(probekit::ConnectionObserver& observer) override {
    observer_ = &observer;
    inner_->start(*this);
  }
  std::size_t send_room() const noexcept override { return inner_->send_room(); }
  void send(std::string message) override {
    if (!tap_(Way::sent, message)) return inner_->abort(CloseCode::internal, kCut);
    inner_->send(std::move(message));
  }
  void close(CloseCode code, std::string_view text) override { inner_->close(code, text); }
  void abort(CloseCode code, std::string_view text) override { inner_->abort(code, text); }
  probekit::ConnectionFacts facts() const override { return inner_->facts(); }
  std::optional<std::string> token() const override { return inner_->token(); }
  std::chrono::milliseconds opening_time() const override { return inner_->opening_time(); }

 private:
  // The host may destroy this object inside any of these calls: they are the last thing done.
  void on_message(std::string message) override {
    if (!tap_(Way::received, message)) return inner_->abort(CloseCode::internal, kCut);
    observer_->on_message(std::move(message));
  }
  void on_writable() override { observer_->on_writable(); }
  void on_closed(const probekit::CloseReason& reason) override { observer_->on_closed(reason); }

  const Tap tap_;
  probekit::ConnectionObserver* observer_ = nullptr;
  const std::unique_ptr<Connection> inner_;
};
// snippet end

// snippet: listener
class TappedListener final : public probekit::Listener, private probekit::AcceptObserver {
 public:
  TappedListener(std::unique_ptr<probekit::Listener> inner, Tap tap)
      : tap_(std::move(tap)), inner_(std::move(inner)) {}

  Expected<std::string> start(EventLoop& loop, probekit::AcceptObserver& observer) override {
    observer_ = &observer;
    return inner_->start(loop, *this);
  }
  void stop() override { inner_->stop(); }

 private:
  void on_connection(std::unique_ptr<Connection> connection) override {
    observer_->on_connection(std::make_unique<TappedConnection>(std::move(connection), tap_));
  }
  bool authorizes(std::string_view token) override { return observer_->authorizes(token); }
  bool admits(std::chrono::seconds& retry_after) override { return observer_->admits(retry_after); }

  const Tap tap_;
  probekit::AcceptObserver* observer_ = nullptr;
  const std::unique_ptr<probekit::Listener> inner_;
};
// snippet end

// snippet: connector
class TappedConnector final : public probekit::Connector {
 public:
  TappedConnector(std::unique_ptr<probekit::Connector> inner, Tap tap)
      : tap_(std::move(tap)), inner_(std::move(inner)) {}

  void connect(EventLoop& loop, Done done) override {
    inner_->connect(loop, [tap = tap_, done = std::move(done)](
                              Expected<std::unique_ptr<Connection>> connection) {
      if (!connection) return done(connection.error());
      done(std::unique_ptr<Connection>{
          std::make_unique<TappedConnection>(std::move(*connection), tap)});
    });
  }
  void cancel() override { inner_->cancel(); }
  std::string url() const override { return inner_->url(); }
  std::chrono::seconds retry_after() const override { return inner_->retry_after(); }

 private:
  const Tap tap_;
  const std::unique_ptr<probekit::Connector> inner_;
};
// snippet end

}  // namespace

std::unique_ptr<probekit::Listener> tapped(std::unique_ptr<probekit::Listener> listener, Tap tap) {
  return std::make_unique<TappedListener>(std::move(listener), std::move(tap));
}

std::unique_ptr<probekit::Connector> tapped(std::unique_ptr<probekit::Connector> connector,
                                            Tap tap) {
  return std::make_unique<TappedConnector>(std::move(connector), std::move(tap));
}

}  // namespace examples
