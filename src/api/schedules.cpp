// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Schedules but their results. A PUT is read whole before it is parsed, and so it takes one of the
// places that uploads have.

#include <memory>
#include <string>
#include <utility>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "api/media_type.hpp"
#include "api/query.hpp"
#include "api/schedule_body.hpp"

namespace probekit::api {
namespace {

Completion<ScheduleView> respond_with_schedule(CallAnswer& answer) {
  return answer.then_value<ScheduleView>([&answer](const ScheduleView& view) {
    answer.respond_json(200, to_object(view, write_schedule));
  });
}

std::shared_ptr<Answer> with_schedule(const Arrival& arrival,
                                      void (*function)(CallAnswer&, const std::string& name)) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call(
      [name = arrival.name, function](CallAnswer& answer) { function(answer, name); });
}

class PutScheduleAnswer final : public ApiAnswer {
 public:
  explicit PutScheduleAnswer(const Arrival& arrival)
      : ApiAnswer(arrival.context, arrival.exchange), name_(arrival.name) {
    ++context().uploads;
  }
  ~PutScheduleAnswer() override { --context().uploads; }

  std::size_t on_body(std::string_view bytes) override {
    if (body_.size() + bytes.size() > kScheduleBytesMax) {
      body_ = {};
      respond(Error(errc::message_too_large, "a schedule is at most 16 MiB"));
    } else {
      body_.append(bytes);
    }
    return bytes.size();
  }

  void on_body_end() override {
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
  if (const auto refusal = no_upload_left(arrival.context)) return arrival.refuse(*refusal);
  return std::make_shared<PutScheduleAnswer>(arrival);
}

std::shared_ptr<Answer> get_schedule(const Arrival& arrival) {
  return with_schedule(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.store().schedule(name, respond_with_schedule(answer));
  });
}

std::shared_ptr<Answer> delete_schedule(const Arrival& arrival) {
  return with_schedule(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.store().remove_schedule(name, respond_with_schedule(answer));
  });
}

std::shared_ptr<Answer> list_schedules(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  const std::string after = query.text("after").value_or("");
  const std::size_t limit = query.number("limit", 1, 1000).value_or(100);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([after, limit](CallAnswer& answer) {
    answer.store().schedules(after, limit,
                             answer.then_value<ScheduleList>([&answer](const ScheduleList& list) {
                               std::string body;
                               json::Writer writer(body);
                               writer.begin_object().key("items").begin_array();
                               for (const ScheduleView& view : list.items)
                                 write_schedule_head(writer, view);
                               writer.end_array().key("next");
                               if (list.next.empty()) {
                                 writer.null();
                               } else {
                                 writer.string(list.next);
                               }
                               writer.end_object();
                               answer.respond_json(200, std::move(body));
                             }));
  });
}

}  // namespace probekit::api
