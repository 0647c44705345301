// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Schedules but their results. A PUT is read whole before it is parsed, and so it takes one of the
// places that uploads have.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "api/media_type.hpp"
#include "api/query.hpp"
#include "api/schedule_body.hpp"
#include "api/schedule_views.hpp"

namespace probekit::api {
namespace {

// Each may be as large as what was put.
constexpr std::size_t kWholeMax = 8;
// These are sent at once, or nearly.
constexpr std::size_t kSmallBytes = 1024 * 1024;

/// A schedule with its targets, as it is or as it was.
class WholeScheduleAnswer final : public ApiAnswer {
 public:
  using Call = void (TaskStore::*)(std::string name, Completion<ScheduleView> done);

  WholeScheduleAnswer(const Arrival& arrival, Call call)
      : ApiAnswer(arrival.context, arrival.exchange), name_(arrival.name), call_(call) {
    ++context().schedules;
  }
  ~WholeScheduleAnswer() override { give_up_place(); }

  void on_body_end() override {
    (store().*call_)(name_, then_value<ScheduleView>([this](const ScheduleView& view) {
                       std::string body = to_object(view, write_schedule);
                       if (body.size() <= kSmallBytes) give_up_place();
                       respond_json(200, std::move(body));
                     }));
  }

 private:
  void give_up_place() {
    if (std::exchange(has_place_, false)) --context().schedules;
  }

  std::string name_;
  Call call_;
  bool has_place_ = true;
};

std::shared_ptr<Answer> whole_schedule(const Arrival& arrival, WholeScheduleAnswer::Call call) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  if (arrival.context.schedules >= kWholeMax) {
    return arrival.refuse(
        problem(429, std::to_string(kWholeMax) + " whole schedules are being answered already"));
  }
  return std::make_shared<WholeScheduleAnswer>(arrival, call);
}

class PutScheduleAnswer final : public ApiAnswer {
 public:
  explicit PutScheduleAnswer(const Arrival& arrival)
      : ApiAnswer(arrival.context, arrival.exchange), name_(arrival.name) {
    place_.emplace(context(), [this](const Problem& problem) {
      body_ = {};
      place_.reset();
      respond(problem);
    });
  }

  std::size_t on_body(std::string_view bytes) override {
    place_->moved(bytes.size());
    if (body_.size() + bytes.size() > kScheduleBytesMax) {
      body_ = {};
      respond(Error(errc::message_too_large, "a schedule is at most 16 MiB"));
    } else {
      body_.append(bytes);
    }
    return bytes.size();
  }

  void on_body_end() override {
    place_->pause();
    auto spec = parse_schedule(body_, access().kinds());
    body_ = {};
    if (!spec) return respond(spec.error());
    if (access().draining()) return respond(Error(errc::draining, "the master is draining"));
    store().put_schedule(
        name_, std::move(*spec), then_value<SchedulePut>([this](const SchedulePut& put) {
          HttpResponse response =
              json_response(put.created ? 201 : 200, to_object(put.view, write_schedule));
          if (put.created) {
            response.headers.push_back({"Location", "/v1/schedules/" + name_});
          }
          respond(std::move(response));
        }));
  }

 private:
  std::string name_;
  std::string body_;
  std::optional<UploadPlace> place_;  // until its answer is sent, which is as large
};

}  // namespace

std::shared_ptr<Answer> put_schedule(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  if (!is_valid_name(arrival.name)) {
    return arrival.refuse(problem(400, "a schedule's name is 1 to 64 of A-Z a-z 0-9 . _ -"));
  }
  if (media_type_of(arrival.request) != "application/json") {
    return arrival.refuse(problem(415, "the Content-Type must be application/json, in UTF-8"));
  }
  if (arrival.context.access.draining()) {
    return arrival.refuse(problem(Error(errc::draining, "the master is draining")));
  }
  if (const auto refusal = UploadPlace::none_left(arrival.context)) return arrival.refuse(*refusal);
  return std::make_shared<PutScheduleAnswer>(arrival);
}

std::shared_ptr<Answer> get_schedule(const Arrival& arrival) {
  return whole_schedule(arrival, &TaskStore::schedule);
}

std::shared_ptr<Answer> delete_schedule(const Arrival& arrival) {
  return whole_schedule(arrival, &TaskStore::remove_schedule);
}

std::shared_ptr<Answer> list_schedules(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  const std::string after = query.text("after").value_or("");
  const std::size_t limit = query.number("limit", 1, 1000).value_or(100);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([after, limit](CallAnswer& answer) {
    answer.store().schedules(
        after, limit, answer.then_value<ScheduleList>([&answer](const ScheduleList& list) {
          answer.respond_json(200, to_list(list.items, list.next, write_schedule_head));
        }));
  });
}

}  // namespace probekit::api
