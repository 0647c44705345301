// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Results of a batch or a schedule: a page of lines; an empty one may be held until it is not.

#include <memory>
#include <optional>
#include <utility>

#include "api/answers.hpp"
#include "api/batch_watch.hpp"
#include "api/query.hpp"
#include "api/result_stream.hpp"
#include "api/scoped_timer.hpp"

namespace probekit::api {
namespace {

/// What the query of both says.
struct PageQuery {
  std::string after;
  std::size_t limit = 1000;
  std::optional<Verdict> verdict;
  std::chrono::milliseconds wait{0};
};

PageQuery read_page_query(QueryReader& query) {
  PageQuery wanted;
  wanted.after = query.text("after").value_or("");
  wanted.limit = query.number("limit", 1, 10'000).value_or(1000);
  if (const auto verdict = query.word("verdict", {"passed", "failed"})) {
    wanted.verdict = *verdict == "passed" ? Verdict::passed : Verdict::failed;
  }
  wanted.wait = std::chrono::milliseconds(
      query.number("wait_ms", 0, static_cast<std::uint64_t>(kWaitMax.count())).value_or(0));
  return wanted;
}

class ResultsAnswer final : public ApiAnswer {
 public:
  /// Calls `begin` once the request is complete, which then calls look_for().
  using Begin = std::function<void(ResultsAnswer&)>;
  ResultsAnswer(const Arrival& arrival, PageQuery query, LineSource source, Begin begin)
      : ApiAnswer(arrival.context, arrival.exchange),
        query_(std::move(query)),
        source_(std::move(source)),
        begin_(std::move(begin)),
        timer_(arrival.context.loop) {}

  void on_body_end() override { begin_(*this); }
  void on_client_closed() override { give_up(); }
  Piece read(char* to, std::size_t room) override { return stream_->read(to, room, exchange()); }

  /// There are lines to be had; `watched` moves when more come.
  void look_for(BatchId watched) {
    begun_ = true;
    if (query_.wait.count() > 0) {
      // Watched before it is read: nothing is recorded unseen in between.
      watch_.emplace(context(), watched, weak_from_this(), [this] { look(); });
      timer_.start(query_.wait, [this] { give_up(); });
    }
    look();
  }

 private:
  void give_up() {
    query_.wait = {};
    if (begun_) look();
  }

  void look() {
    if (stream_) return;
    if (std::exchange(looking_, true)) {
      look_again_ = true;
      return;
    }
    source_.page_end(query_.after, query_.limit,
                     then_value<ResultPageEnd>([this](const ResultPageEnd& end) {
                       looking_ = false;
                       if (end.count == 0 && !end.next.empty() && query_.wait.count() > 0) {
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
    stream_.emplace(*this, source_, query_.after, end, ResultStream::Form::lines, "", "");
    stream_->begin(std::move(response));
  }

  PageQuery query_;
  LineSource source_;
  Begin begin_;
  ScopedTimer timer_;
  std::optional<BatchWatch> watch_;
  std::optional<ResultStream> stream_;
  bool begun_ = false;
  bool looking_ = false;
  bool look_again_ = false;
};

}  // namespace

std::shared_ptr<Answer> get_results(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  PageQuery wanted = read_page_query(query);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  TaskStore& store = arrival.context.access.store();
  const auto batch = store.find_batch(arrival.name);
  if (!batch) return arrival.refuse(problem(404, "no such batch"));
  ResultQuery lines;
  lines.batch = *batch;
  lines.verdict = wanted.verdict;
  return std::make_shared<ResultsAnswer>(
      arrival, std::move(wanted), lines_of(store, lines), [id = *batch](ResultsAnswer& answer) {
        answer.store().batch(id, answer.then_value<BatchView>([&answer](const BatchView& view) {
          if (view.origin != BatchOrigin::import) {
            return answer.respond(Error(errc::not_found, "no such batch"));
          }
          answer.look_for(view.id);
        }));
      });
}

std::shared_ptr<Answer> get_schedule_results(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  PageQuery wanted = read_page_query(query);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  ScheduleResultQuery lines;
  lines.name = arrival.name;
  lines.verdict = wanted.verdict;
  TaskStore& store = arrival.context.access.store();
  return std::make_shared<ResultsAnswer>(
      arrival, std::move(wanted), lines_of(store, lines),
      [name = arrival.name](ResultsAnswer& answer) {
        answer.store().schedule(
            name, answer.then_value<ScheduleView>(
                      [&answer](const ScheduleView& view) { answer.look_for(view.watch); }));
      });
}

}  // namespace probekit::api
