// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Lines of results on their way from the store to a client, a slice at a time.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "api/api_answer.hpp"

namespace probekit::api {

/// Where lines come from: a batch or a schedule, and which verdict is wanted.
struct LineSource {
  std::function<void(std::string after, std::string until, std::size_t limit, std::size_t bytes_max,
                     Completion<ResultPage> done)>
      read;
  std::function<void(std::string after, std::size_t limit, Completion<ResultPageEnd> done)>
      page_end;
};
/// Of `query`, what is asked each time counts for nothing: cursor and limits.
LineSource lines_of(TaskStore& store, ResultQuery query);
LineSource lines_of(TaskStore& store, ScheduleResultQuery query);

/// A body made of `head`, exactly `count` lines between two cursors, and `tail`; the store said
/// that the lines are there. Should it have forgotten some when they are read, the body is cut.
/// Holds one slice of them.
class ResultStream {
 public:
  enum class Form : std::uint8_t {
    lines,  ///< NDJSON
    items,  ///< commas between them, for a JSON array
  };
  static constexpr std::size_t kSliceBytes = 128 * 1024;

  /// The owner outlives it. `after`: the cursor to begin at. `end`: count, and the cursor where the
  /// lines end; empty: wherever there are so many.
  ResultStream(ApiAnswer& owner, LineSource source, std::string after, ResultPageEnd end, Form form,
               std::string head, std::string tail);

  /// Gets the first slice and makes it, or all, the body of `response`; then the owner responds.
  void begin(HttpResponse response);
  /// For the owner's Answer::read().
  Answer::Piece read(char* to, std::size_t room, Exchange& exchange);

 private:
  /// Calls `done` on the owner's thread while it lives; at once when nothing is left.
  void fetch(std::function<void(Expected<void>)> done);
  Expected<void> take(ResultPage page);

  ApiAnswer& owner_;
  LineSource source_;
  std::string after_;
  std::string until_;
  std::size_t left_;
  Form form_;
  std::string slice_;
  std::size_t taken_ = 0;  // of slice_
  std::string tail_;
  bool failed_ = false;
};

}  // namespace probekit::api
