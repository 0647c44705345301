// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <memory>
#include <utility>
#include <vector>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "api/query.hpp"
#include "api/status_views.hpp"

namespace probekit::api {

ApiFacts api_facts(const ApiContext& context) {
  ApiFacts facts;
  facts.connections = context.server->connections();
  facts.connections_dropped = context.server->counters().dropped;
  facts.connections_max = context.options.connections_max;
  facts.uploads = context.uploads.size();
  facts.uploads_max = context.options.uploads_max;
  facts.line_bytes_max = context.options.line_bytes_max;
  facts.loop_lag = context.loop.lag();
  return facts;
}

std::shared_ptr<Answer> get_status(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([](CallAnswer& answer) {
    answer.access().status(answer.then_value<MasterStatus>([&answer](const MasterStatus& status) {
      std::string body;
      json::Writer writer(body);
      write_status(writer, status, api_facts(answer.context()));
      answer.respond_json(200, std::move(body));
    }));
  });
}

std::shared_ptr<Answer> list_masters(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  // Masters of one store; of this store there is no other.
  query.text("after");
  query.number("limit", 1, 1000);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([](CallAnswer& answer) {
    answer.access().status(answer.then_value<MasterStatus>([&answer](const MasterStatus& status) {
      answer.respond_json(200, to_list(std::vector<MasterStatus>{status}, {}, write_master));
    }));
  });
}

std::shared_ptr<Answer> get_healthz(const Arrival& arrival) {
  return arrival.call([](CallAnswer& answer) { answer.respond_json(200, R"({"status":"ok"})"); });
}

std::shared_ptr<Answer> get_readyz(const Arrival& arrival) {
  return arrival.call([](CallAnswer& answer) {
    if (answer.access().draining()) {
      return answer.respond(Error(errc::draining, "the master is draining"));
    }
    // Ready means that the master's thread and the store answer.
    answer.access().status(answer.then_value<MasterStatus>([&answer](const MasterStatus&) {
      answer.store().facts(answer.then_value<StoreFacts>([&answer](const StoreFacts& facts) {
        if (!facts.trouble.empty()) {
          return answer.respond(Error(errc::store_failed, facts.trouble));
        }
        answer.respond_json(200, R"({"status":"ready"})");
      }));
    }));
  });
}

}  // namespace probekit::api
