// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// GET /metrics: everything the master counts, in Prometheus's text format.

#include <memory>
#include <string>
#include <utility>

#include "api/answers.hpp"
#include "api/metrics_text.hpp"
#include "api/metrics_views.hpp"
#include "api/query.hpp"
#include "api/status_views.hpp"

namespace probekit::api {
namespace {

/// Each holds its whole text, up to 2 MB with 1000 agents, until its client has read it.
constexpr std::size_t kScrapesMax = 8;

class MetricsAnswer final : public ApiAnswer {
 public:
  MetricsAnswer(ApiContext& context, Exchange& exchange) : ApiAnswer(context, exchange) {
    ++context.scrapes;
  }
  ~MetricsAnswer() override { --context().scrapes; }

  void on_body_end() override {
    access().figures(then_value<MasterFigures>([this](MasterFigures figures) {
      HttpResponse response;
      response.headers = {{"Content-Type", kMetricsContentType}, {"Cache-Control", "no-store"}};
      write_metrics(response.body, std::move(figures), api_facts(context()),
                    context().server->counters(), read_process_figures());
      respond(std::move(response));
    }));
  }
};

}  // namespace

std::shared_ptr<Answer> get_metrics(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  if (arrival.context.scrapes >= kScrapesMax) {
    return arrival.refuse(problem(
        503, std::to_string(kScrapesMax) + " requests of the metrics are being answered already"));
  }
  return std::make_shared<MetricsAnswer>(arrival.context, arrival.exchange);
}

}  // namespace probekit::api
