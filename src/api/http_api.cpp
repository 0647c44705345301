// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "probekit/http_api.hpp"

#include <stdexcept>
#include <thread>
#include <utility>

#include "api/api_context.hpp"
#include "api/http_server.hpp"
#include "api/request_guard.hpp"
#include "api/router.hpp"
#include "base/thread.hpp"
#include "probekit/master.hpp"

namespace probekit {
namespace {

using api::Answer;
using api::Exchange;
using api::HttpRequest;

constexpr std::size_t kConnectionsMax = 65'536;
constexpr std::size_t kLineBytesMin = 256;
constexpr std::size_t kLineBytesMax = 1024 * 1024;
constexpr std::chrono::seconds kIdleTimeoutMax{86'400};

void require(bool fine, const char* what) {
  if (!fine) throw std::invalid_argument(std::string("HttpApiOptions::") + what);
}

void check(const HttpApiOptions& options) {
  require(options.tokens || options.insecure || api::is_loopback_address(options.host),
          "host: without tokens only a loopback address may be listened on");
  require(options.connections_max >= 1 && options.connections_max <= kConnectionsMax,
          "connections_max: not 1 to 65536");
  require(options.uploads_max >= 1, "uploads_max: not at least 1");
  require(options.line_bytes_max >= kLineBytesMin && options.line_bytes_max <= kLineBytesMax,
          "line_bytes_max: not 256 bytes to 1 MiB");
  require(options.idle_timeout.count() >= 1 && options.idle_timeout <= kIdleTimeoutMax,
          "idle_timeout: not 1 s to 1 day");
}

std::shared_ptr<Answer> answer(api::ApiContext& context, Exchange& exchange,
                               const HttpRequest& request) {
  const auto refuse = [&exchange](const api::Problem& problem) {
    exchange.respond(api::to_response(problem));
    return nullptr;
  };
  const auto& tokens = context.options.tokens;
  // `insecure` may be for the other port's sake.
  const bool any_host = tokens || !api::is_loopback_address(context.options.host);
  if (const auto refusal = api::guard(request, any_host)) return refuse(*refusal);
  api::Routed routed = api::find_route(request.method, request.path());
  const bool open = routed.route && routed.route->open;
  const api::Authorization who = api::authorize(request, open ? nullptr : tokens.get());
  if (who.refusal) return refuse(*who.refusal);
  if (!routed.route) return refuse(routed.problem);
  if (!routed.route->make) return refuse(api::unsupported(routed.route->unsupported));
  return routed.route->make(
      api::Arrival{context, exchange, request, std::move(routed.route->name), who.token_id});
}

}  // namespace

struct HttpApi::Impl {
  Impl(Master& master, HttpApiOptions given) : access(master.access()), options(std::move(given)) {
    if (!options.log) options.log = access.log();
  }

  MasterAccess& access;
  HttpApiOptions options;
  std::unique_ptr<EpollLoop> loop;
  std::unique_ptr<api::ApiContext> context;
  std::unique_ptr<api::HttpServer> server;
  std::thread thread;
};

HttpApi::HttpApi(Master& master, HttpApiOptions options) {
  check(options);
  impl_ = std::make_unique<Impl>(master, std::move(options));
}

HttpApi::~HttpApi() { stop(); }

Expected<std::string> HttpApi::start() {
  Impl& self = *impl_;
  if (self.loop) return Error(errc::invalid_argument, "the API was started already");
  // The master outlives the API, and its clock the master.
  const std::shared_ptr<const Clock> clock(std::shared_ptr<void>(), &self.access.clock());
  self.loop = std::make_unique<EpollLoop>(clock, self.options.log);
  self.context = std::make_unique<api::ApiContext>(api::ApiContext{
      self.access, *self.loop, self.options, std::make_shared<api::LoopGate>(*self.loop)});

  api::HttpServerOptions options;
  options.host = self.options.host;
  options.port = self.options.port;
  options.connections_max = self.options.connections_max;
  options.idle_timeout = self.options.idle_timeout;
  const api::Problem crowded = api::problem(
      503, std::to_string(self.options.connections_max) + " connections are open already");
  options.refusal = api::to_response(crowded);
  options.log = self.options.log;
  api::ApiContext& context = *self.context;
  self.server = api::make_http_server(std::move(options), *self.loop,
                                      [&context](Exchange& exchange, const HttpRequest& request) {
                                        return answer(context, exchange, request);
                                      });
  context.server = self.server.get();
  const auto port = self.server->listen();
  if (!port) {
    stop();
    return port.error();
  }
  self.thread = start_thread("probekit-api", [loop = self.loop.get()] { loop->run(); });
  const bool v6 = self.options.host.find(':') != std::string::npos;
  return "http://" + (v6 ? '[' + self.options.host + ']' : self.options.host) + ':' +
         std::to_string(*port);
}

std::uint64_t HttpApi::loop_turns() const noexcept {
  return impl_->loop ? impl_->loop->turns() : 0;
}

void HttpApi::stop() {
  Impl& self = *impl_;
  if (!self.loop) return;
  if (self.thread.joinable()) {
    self.loop->post([&self] {
      self.server->close();
      self.loop->stop();
    });
    self.thread.join();
  }
  self.context->gate->close();
  self.server.reset();
  self.context.reset();
  self.loop.reset();
}

}  // namespace probekit
