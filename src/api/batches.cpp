// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Batches but their import and their results.

#include <memory>
#include <utility>

#include "api/answers.hpp"
#include "api/batch_views.hpp"
#include "api/json_views.hpp"
#include "api/query.hpp"

namespace probekit::api {
namespace {

std::shared_ptr<Answer> with_batch(const Arrival& arrival,
                                   std::function<void(CallAnswer&, BatchView)> function) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  const auto id = arrival.context.access.store().find_batch(arrival.name);
  if (!id) return arrival.refuse(problem(404, "no such batch"));
  return arrival.call([id = *id, function = std::move(function)](CallAnswer& answer) {
    answer.store().batch(id,
                         answer.then_value<BatchView>([&answer, function](const BatchView& view) {
                           // A probe's batch is seen at /v1/probes alone.
                           if (view.origin != BatchOrigin::import) {
                             return answer.respond(Error(errc::not_found, "no such batch"));
                           }
                           function(answer, view);
                         }));
  });
}

}  // namespace

std::shared_ptr<Answer> get_batch(const Arrival& arrival) {
  return with_batch(arrival, [](CallAnswer& answer, const BatchView& view) {
    answer.respond_json(200, to_object(view.info, write_batch));
  });
}

std::shared_ptr<Answer> delete_batch(const Arrival& arrival) {
  return with_batch(arrival, [](CallAnswer& answer, const BatchView& view) {
    answer.store().cancel(view.id,
                          answer.then_value<BatchView>([&answer](const BatchView& cancelled) {
                            answer.respond_json(200, to_object(cancelled.info, write_batch));
                          }));
  });
}

std::shared_ptr<Answer> close_batch(const Arrival& arrival) {
  return with_batch(arrival, [](CallAnswer& answer, const BatchView& view) {
    answer.store().close_batch(view.id,
                               answer.then_value<BatchView>([&answer](const BatchView& closed) {
                                 answer.respond_json(200, to_object(closed.info, write_batch));
                               }));
  });
}

std::shared_ptr<Answer> get_summary(const Arrival& arrival) {
  return with_batch(arrival, [](CallAnswer& answer, const BatchView& view) {
    answer.store().summary(view.id, answer.then_value<BatchSummary>(
                                        [&answer, info = view.info](const BatchSummary& summary) {
                                          std::string body;
                                          json::Writer writer(body);
                                          write_summary(writer, info, summary);
                                          answer.respond_json(200, std::move(body));
                                        }));
  });
}

std::shared_ptr<Answer> list_batches(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  BatchListQuery wanted;
  wanted.after = query.text("after").value_or("");
  wanted.limit = query.number("limit", 1, 1000).value_or(100);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([wanted](CallAnswer& answer) {
    answer.store().batches(wanted, answer.then_value<BatchList>([&answer](const BatchList& list) {
      answer.respond_json(200, to_list(list.items, list.next, write_batch));
    }));
  });
}

}  // namespace probekit::api
