// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// The base of the answers that ask the store or the master. On the API's thread.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/api_context.hpp"
#include "api/http_server.hpp"
#include "api/loop_gate.hpp"
#include "api/problem.hpp"
#include "master/master_access.hpp"

namespace probekit::api {

/// An answer that waits for completions.
class ApiAnswer : public Answer, public std::enable_shared_from_this<ApiAnswer> {
 public:
  ApiAnswer(ApiContext& context, Exchange& exchange) : context_(context), exchange_(exchange) {}

  ApiContext& context() noexcept { return context_; }
  TaskStore& store() noexcept { return context_.access.store(); }
  MasterAccess& access() noexcept { return context_.access; }
  bool responded() const noexcept { return responded_; }

  /// The first response counts, later ones are dropped.
  void respond(HttpResponse response) {
    if (std::exchange(responded_, true)) return;
    on_respond();
    exchange_.respond(std::move(response));
  }
  void respond(const Problem& problem) { respond(to_response(problem)); }
  void respond(const Error& error) { respond(problem(error)); }
  void respond_json(int status, std::string body) {
    respond(json_response(status, std::move(body)));
  }

  /// A completion that runs `function(Expected<T>)` on the API's thread while this answer lives.
  template <class T, class Function>
  Completion<T> then(Function function) {
    return [gate = context_.gate, weak = weak_from_this(), function](Expected<T> result) {
      gate->post([weak, function, kept = std::make_shared<Expected<T>>(std::move(result))] {
        if (const auto self = weak.lock()) function(std::move(*kept));
      });
    };
  }
  /// As then(), for the value; an error is the response.
  template <class T, class Function>
  Completion<T> then_value(Function function) {
    return then<T>([this, function](Expected<T> result) {
      if (responded_) return;
      if (!result) return respond(result.error());
      function(std::move(*result));
    });
  }

 protected:
  Exchange& exchange() noexcept { return exchange_; }
  /// Before the response goes out.
  virtual void on_respond() {}

 private:
  ApiContext& context_;
  Exchange& exchange_;
  bool responded_ = false;
};

/// Runs a function once the request is complete; its body, if any, is ignored.
class CallAnswer final : public ApiAnswer {
 public:
  using Call = std::function<void(CallAnswer&)>;
  CallAnswer(ApiContext& context, Exchange& exchange, Call call)
      : ApiAnswer(context, exchange), call_(std::move(call)) {}
  void on_body_end() override { call_(*this); }

 private:
  Call call_;
};

}  // namespace probekit::api
