// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "api/result_stream.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace probekit::api {
namespace {

constexpr std::size_t kPageLinesMax = 10'000;

/// `Query` is a ResultQuery or a ScheduleResultQuery, read by these calls of the store.
template <class Query>
LineSource make_source(TaskStore& store, Query query,
                       void (TaskStore::*read)(Query, Completion<ResultPage>),
                       void (TaskStore::*page_end)(Query, Completion<ResultPageEnd>)) {
  LineSource source;
  source.read = [&store, query, read](std::string after, std::string until, std::size_t limit,
                                      std::size_t bytes_max, Completion<ResultPage> done) {
    Query asked = query;
    asked.after = std::move(after);
    asked.until = std::move(until);
    asked.limit = limit;
    asked.bytes_max = bytes_max;
    (store.*read)(std::move(asked), std::move(done));
  };
  source.page_end = [&store, query = std::move(query), page_end](
                        std::string after, std::size_t limit, Completion<ResultPageEnd> done) {
    Query asked = query;
    asked.after = std::move(after);
    asked.limit = limit;
    (store.*page_end)(std::move(asked), std::move(done));
  };
  return source;
}

}  // namespace

LineSource lines_of(TaskStore& store, ResultQuery query) {
  return make_source(store, std::move(query), &TaskStore::results, &TaskStore::page_end);
}

LineSource lines_of(TaskStore& store, ScheduleResultQuery query) {
  return make_source(store, std::move(query), &TaskStore::schedule_results,
                     &TaskStore::schedule_page_end);
}

ResultStream::ResultStream(ApiAnswer& owner, LineSource source, std::string after,
                           ResultPageEnd end, Form form, std::string head, std::string tail)
    : owner_(owner),
      source_(std::move(source)),
      after_(std::move(after)),
      until_(std::move(end.next)),
      left_(end.count),
      form_(form),
      slice_(std::move(head)),
      tail_(std::move(tail)) {}

void ResultStream::begin(HttpResponse response) {
  auto kept = std::make_shared<HttpResponse>(std::move(response));
  fetch([this, kept](Expected<void> fetched) {
    if (!fetched) return owner_.respond(fetched.error());
    if (left_ == 0) {
      kept->body = std::move(slice_) + tail_;
    } else {
      kept->streamed = true;
    }
    owner_.respond(std::move(*kept));
  });
}

void ResultStream::fetch(std::function<void(Expected<void>)> done) {
  if (left_ == 0) return done({});
  source_.read(after_, until_, std::min(left_, kPageLinesMax), kSliceBytes,
               owner_.then<ResultPage>([this, done = std::move(done)](Expected<ResultPage> page) {
                 done(page ? take(std::move(*page)) : Expected<void>(page.error()));
               }));
}

Expected<void> ResultStream::take(ResultPage page) {
  if (page.count == 0 || page.count > left_) {
    return Error(errc::internal, "the store gave other lines than it announced");
  }
  left_ -= page.count;
  after_ = std::move(page.next);
  if (!page.lines.empty() && page.lines.back() != '\n') page.lines += '\n';
  if (form_ == Form::items) {
    // A line holds no raw newline but its last byte.
    std::replace(page.lines.begin(), page.lines.end(), '\n', ',');
    if (left_ == 0) page.lines.pop_back();
  }
  slice_.erase(0, taken_);
  taken_ = 0;
  slice_ += page.lines;
  return {};
}

Answer::Piece ResultStream::read(char* to, std::size_t room, Exchange& exchange) {
  using Reading = Answer::Reading;
  if (failed_) return {Reading::failed, 0};
  if (taken_ == slice_.size()) {
    if (left_ > 0) {
      fetch([this, &exchange](Expected<void> fetched) {
        failed_ = !fetched;
        exchange.resume_download();
      });
      return {Reading::wait, 0};
    }
    if (tail_.empty()) return {Reading::end, 0};
    slice_ = std::exchange(tail_, {});
    taken_ = 0;
  }
  const std::size_t size = std::min(room, slice_.size() - taken_);
  std::memcpy(to, slice_.data() + taken_, size);
  taken_ += size;
  return {Reading::more, size};
}

}  // namespace probekit::api
