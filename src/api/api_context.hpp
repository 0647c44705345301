// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What all answers of the API share, and the base of those that ask the store or the master.
/// Everything on the API's thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/http_server.hpp"
#include "api/loop_gate.hpp"
#include "api/problem.hpp"
#include "api/upload_place.hpp"
#include "base/epoll_loop.hpp"
#include "master/master_access.hpp"
#include "probekit/http_api.hpp"

namespace probekit::api {

constexpr std::chrono::milliseconds kWaitMax{50'000};

struct ApiContext {
  MasterAccess& access;
  EpollLoop& loop;
  HttpApiOptions options;
  std::shared_ptr<LoopGate> gate;
  std::list<UploadPlace*> uploads{};  ///< running now, the oldest first
  HttpServer* server = nullptr;
  std::size_t scrapes = 0;    ///< of /metrics, being answered now
  std::size_t schedules = 0;  ///< asked for whole, being answered now
  /// Scope and key of each request under an Idempotency-Key that is not answered yet.
  std::set<std::pair<std::string, std::string>> running_keys{};
};

struct ApiFacts;
/// Of now.
ApiFacts api_facts(const ApiContext& context);

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

/// Hears when a batch moved, on the API's thread, coalesced, until it is destroyed.
class BatchWatch {
 public:
  BatchWatch(ApiContext& context, BatchId batch, std::weak_ptr<ApiAnswer> owner,
             std::function<void()> moved)
      : access_(context.access) {
    auto pending = std::make_shared<std::atomic<bool>>(false);
    token_ = access_.watch(
        batch, [gate = context.gate, pending, owner = std::move(owner), moved = std::move(moved)] {
          if (pending->exchange(true)) return;
          gate->post([pending, owner, moved] {
            pending->store(false);
            if (const auto alive = owner.lock()) moved();
          });
        });
  }
  ~BatchWatch() { access_.unwatch(token_); }
  BatchWatch(const BatchWatch&) = delete;
  BatchWatch& operator=(const BatchWatch&) = delete;

 private:
  MasterAccess& access_;
  std::uint64_t token_ = 0;
};

/// A timer that ends with its owner.
class ScopedTimer {
 public:
  explicit ScopedTimer(EpollLoop& loop) : loop_(loop) {}
  ~ScopedTimer() { cancel(); }
  ScopedTimer(const ScopedTimer&) = delete;
  ScopedTimer& operator=(const ScopedTimer&) = delete;

  void start(std::chrono::milliseconds delay, std::function<void()> function) {
    cancel();
    timer_ = loop_.call_at(loop_.now() + delay, [this, function = std::move(function)] {
      timer_ = 0;
      function();
    });
  }
  void cancel() {
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  }

 private:
  EpollLoop& loop_;
  TimerId timer_ = 0;
};

/// An upload of the store, abandoned unless it is released.
class OpenUpload {
 public:
  OpenUpload(TaskStore& store, std::uint64_t token) : store_(store), token_(token) {}
  ~OpenUpload() {
    if (open_) store_.abandon_upload(token_);
  }
  OpenUpload(const OpenUpload&) = delete;
  OpenUpload& operator=(const OpenUpload&) = delete;

  std::uint64_t token() const noexcept { return token_; }
  void release() noexcept { open_ = false; }

  /// A completion for TaskStore::open_upload(): whoever does not take the upload abandons it.
  static Completion<std::uint64_t> into(TaskStore& store,
                                        Completion<std::shared_ptr<OpenUpload>> done) {
    return [&store, done = std::move(done)](Expected<std::uint64_t> token) {
      if (!token) return done(token.error());
      done(std::make_shared<OpenUpload>(store, *token));
    };
  }

 private:
  TaskStore& store_;
  std::uint64_t token_;
  bool open_ = true;
};

}  // namespace probekit::api
