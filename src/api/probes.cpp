// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// One probe now: inside a batch of its own, which is not listed, and which is waited for.

#include <memory>
#include <optional>
#include <utility>

#include "api/answers.hpp"
#include "api/batch_views.hpp"
#include "api/batch_watch.hpp"
#include "api/import_parser.hpp"
#include "api/media_type.hpp"
#include "api/open_upload.hpp"
#include "api/query.hpp"
#include "api/result_stream.hpp"
#include "api/scoped_timer.hpp"
#include "api/work_answer.hpp"
#include "json/json_value.hpp"
#include "probe/probe_spec_json.hpp"

namespace probekit::api {
namespace {

constexpr std::chrono::milliseconds kProbeDeadlineOverTimeout{5000};

/// Waits until a probe's batch has ended or time is up, and responds with what there is.
class ProbeWait {
 public:
  explicit ProbeWait(ApiAnswer& owner) : owner_(owner), timer_(owner.context().loop) {}

  /// `unfinished`: the status when time was up first.
  void start(BatchId batch, std::chrono::milliseconds wait, int unfinished) {
    batch_ = batch;
    unfinished_ = unfinished;
    waiting_ = wait.count() > 0 && !gone_;
    if (waiting_) {
      watch_.emplace(owner_.context(), batch, owner_.weak_from_this(), [this] { look(); });
      timer_.start(wait, [this] { give_up(); });
    }
    look();
  }
  void give_up() {
    gone_ = true;
    waiting_ = false;
    if (batch_) look();
  }
  Answer::Piece read(char* to, std::size_t room, Exchange& exchange) {
    return stream_->read(to, room, exchange);
  }

 private:
  void look() {
    if (stream_) return;
    if (std::exchange(looking_, true)) {
      look_again_ = true;
      return;
    }
    owner_.store().batch(*batch_, owner_.then_value<BatchView>([this](const BatchView& view) {
      looking_ = false;
      if (view.origin != BatchOrigin::probe) {
        return owner_.respond(Error(errc::not_found, "no such probe"));
      }
      if (view.info.ledger.ended() || !waiting_) return answer(view.info);
      if (std::exchange(look_again_, false)) look();
    }));
  }

  void answer(const BatchSnapshot& batch) {
    watch_.reset();
    timer_.cancel();
    const Ledger& ledger = batch.ledger;
    std::string head;
    write_probe_head(head, batch);
    stream_.emplace(owner_, lines_of(owner_.store(), ResultQuery{*batch_, {}, 1, 1, {}}),
                    std::string(),
                    ResultPageEnd{ledger.done + ledger.expired + ledger.cancelled, {}},
                    ResultStream::Form::items, std::move(head), "]}");
    stream_->begin(json_response(ledger.ended() ? 200 : unfinished_, {}));
  }

  ApiAnswer& owner_;
  std::optional<BatchId> batch_;
  int unfinished_ = 200;
  ScopedTimer timer_;
  std::optional<BatchWatch> watch_;
  std::optional<ResultStream> stream_;
  bool waiting_ = false;
  bool gone_ = false;
  bool looking_ = false;
  bool look_again_ = false;
};

class KnownProbeAnswer final : public ApiAnswer {
 public:
  KnownProbeAnswer(ApiContext& context, Exchange& exchange, BatchId batch,
                   std::chrono::milliseconds wait)
      : ApiAnswer(context, exchange), id_(batch), wait_(wait), probe_(*this) {}
  void on_body_end() override { probe_.start(id_, wait_, 200); }
  void on_client_closed() override { probe_.give_up(); }
  Piece read(char* to, std::size_t room) override { return probe_.read(to, room, exchange()); }

 private:
  BatchId id_;
  std::chrono::milliseconds wait_;
  ProbeWait probe_;
};

class NewProbeAnswer final : public WorkAnswer {
 public:
  NewProbeAnswer(const Arrival& arrival, std::optional<IdempotencyKey> key)
      : WorkAnswer(arrival.context, arrival.exchange, arrival.request, std::move(key)),
        probe_(*this) {}
  void on_client_closed() override { probe_.give_up(); }
  Piece read(char* to, std::size_t room) override { return probe_.read(to, room, exchange()); }

 protected:
  void start() override {}

  std::size_t take(std::string_view bytes) override {
    if (body_.size() + bytes.size() > kSpecBytesMax) {
      respond(Error(errc::message_too_large, "a probe's spec is at most 64 KiB"));
    } else {
      body_.append(bytes);
    }
    return bytes.size();
  }

  void take_end() override {
    const auto value = json::Value::parse(body_);
    if (!value) return respond(problem(400, value.error().message()));
    const json::Value* const wait = value->find("wait_ms");
    if (wait) {
      const auto number = wait->as_int64();
      if (!number || *number < 0 || *number > kWaitMax.count()) {
        return respond(
            problem(400, "wait_ms: not an integer from 0 to " + std::to_string(kWaitMax.count())));
      }
      wait_ = std::chrono::milliseconds(*number);
    }
    SpecDefaults defaults;
    defaults.options.priority = Priority::high;
    auto parsed = read_spec(*value, defaults, access().kinds(), SpecPlace{{}, {"wait_ms"}});
    if (!parsed) return respond(parsed.error());
    body_ = {};
    submit(std::move(*parsed));
  }

  void answer_again(BatchId batch, const std::string&) override { probe_.start(batch, {}, 200); }

 private:
  void submit(ParsedSpec parsed) {
    if (access().draining()) return respond(Error(errc::draining, "the master is draining"));
    if (!access().has_agent(parsed.spec.kind, parsed.agents)) {
      return respond(Error(errc::no_agent, "no connected agent can take this probe"));
    }
    ProbeOptions& options = parsed.spec;
    if (!options.deadline) options.deadline = options.timeout + kProbeDeadlineOverTimeout;
    const auto agents =
        std::make_shared<const Selector>(access().resolve(parsed.agents, options.kind));
    slice_.add(parsed.spec.target, std::make_shared<const ProbeOptions>(std::move(options)),
               agents);
    NewBatch batch;
    batch.origin = BatchOrigin::probe;
    store().open_upload(batch,
                        OpenUpload::into(store(), then_value<std::shared_ptr<OpenUpload>>(
                                                      [this](std::shared_ptr<OpenUpload> upload) {
                                                        upload_ = std::move(upload);
                                                        append();
                                                      })));
  }

  void append() {
    const std::vector<NewTask> tasks = slice_.tasks();
    store().append(upload_->token(), tasks, then_value<std::uint64_t>([this](std::uint64_t) {
                     commit(*upload_, 0, {}, then_value<BatchView>([this](const BatchView& v) {
                       probe_.start(v.id, wait_, 202);
                     }));
                   }));
  }

  std::string body_;
  std::chrono::milliseconds wait_ = kWaitMax;
  TaskSlice slice_;
  std::shared_ptr<OpenUpload> upload_;
  ProbeWait probe_;
};

}  // namespace

std::shared_ptr<Answer> post_probe(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  if (media_type_of(arrival.request) != "application/json") {
    return arrival.refuse(problem(415, "the Content-Type must be application/json, in UTF-8"));
  }
  auto key = read_idempotency_key(arrival);
  if (!key) return arrival.refuse(problem(key.error()));
  auto answer = std::make_shared<NewProbeAnswer>(arrival, std::move(*key));
  answer->begin();
  return answer;
}

std::shared_ptr<Answer> get_probe(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  const std::chrono::milliseconds wait(
      query.number("wait_ms", 0, static_cast<std::uint64_t>(kWaitMax.count())).value_or(0));
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  const auto batch = arrival.context.access.store().find_batch(arrival.name);
  if (!batch) return arrival.refuse(problem(404, "no such probe"));
  return std::make_shared<KnownProbeAnswer>(arrival.context, arrival.exchange, *batch, wait);
}

}  // namespace probekit::api
