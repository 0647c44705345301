// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// GET /v1/batches/{id}/results: a page of lines; an empty one may be held until it is not.

#include <memory>
#include <optional>
#include <utility>

#include "api/answers.hpp"
#include "api/query.hpp"
#include "api/result_stream.hpp"

namespace probekit::api {
namespace {

class ResultsAnswer final : public ApiAnswer {
 public:
  ResultsAnswer(ApiContext& context, Exchange& exchange, ResultQuery query,
                std::chrono::milliseconds wait)
      : ApiAnswer(context, exchange), query_(std::move(query)), wait_(wait), timer_(context.loop) {}

  void on_body_end() override {
    store().batch(query_.batch, then_value<BatchView>([this](const BatchView& view) {
                    if (view.origin != BatchOrigin::import) {
                      return respond(Error(errc::not_found, "no such batch"));
                    }
                    if (wait_.count() > 0) {
                      // Watched before it is read: nothing is recorded unseen in between.
                      watch_.emplace(context(), query_.batch, weak_from_this(), [this] { look(); });
                      timer_.start(wait_, [this] { give_up(); });
                    }
                    look();
                  }));
  }
  void on_client_closed() override { give_up(); }
  Piece read(char* to, std::size_t room) override { return stream_->read(to, room, exchange()); }

 private:
  void give_up() {
    wait_ = {};
    look();
  }

  void look() {
    if (stream_) return;
    if (std::exchange(looking_, true)) {
      look_again_ = true;
      return;
    }
    store().page_end(query_, then_value<ResultPageEnd>([this](const ResultPageEnd& end) {
                       looking_ = false;
                       if (end.count == 0 && !end.next.empty() && wait_.count() > 0) {
                         query_.after = end.next;
                         if (std::exchange(look_again_, false)) look();
                         return;
                       }
                       answer(end);
                     }));
  }

  void answer(const ResultPageEnd& end) {
    watch_.reset();
    timer_.cancel();
    HttpResponse response = json_response(200, {});
    response.headers.front().value = "application/x-ndjson";
    if (!end.next.empty()) response.headers.push_back({"Probekit-Next-Cursor", end.next});
    stream_.emplace(*this, query_, end.count, ResultStream::Form::lines, "", "");
    stream_->begin(std::move(response));
  }

  ResultQuery query_;
  std::chrono::milliseconds wait_;
  ScopedTimer timer_;
  std::optional<BatchWatch> watch_;
  std::optional<ResultStream> stream_;
  bool looking_ = false;
  bool look_again_ = false;
};

}  // namespace

std::shared_ptr<Answer> get_results(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  ResultQuery wanted;
  wanted.after = query.text("after").value_or("");
  wanted.limit = query.number("limit", 1, 10'000).value_or(1000);
  if (const auto verdict = query.word("verdict", {"passed", "failed"})) {
    wanted.verdict = *verdict == "passed" ? Verdict::passed : Verdict::failed;
  }
  const std::chrono::milliseconds wait(
      query.number("wait_ms", 0, static_cast<std::uint64_t>(kWaitMax.count())).value_or(0));
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  const auto batch = arrival.context.access.store().find_batch(arrival.name);
  if (!batch) return arrival.refuse(problem(404, "no such batch"));
  wanted.batch = *batch;
  return std::make_shared<ResultsAnswer>(arrival.context, arrival.exchange, std::move(wanted),
                                         wait);
}

}  // namespace probekit::api
