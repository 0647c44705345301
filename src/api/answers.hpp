// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One function for each call of the API: it checks the head of the request, and responds at once
/// or returns what will.

#include <memory>
#include <string>

#include "api/api_answer.hpp"
#include "api/api_context.hpp"

namespace probekit::api {

/// One request at its start.
struct Arrival {
  ApiContext& context;
  Exchange& exchange;
  const HttpRequest& request;
  std::string name;      ///< what stands at the pattern's `*`
  std::string token_id;  ///< of the token it came with (TokenGrant::id); empty: none was asked for

  std::shared_ptr<Answer> refuse(const Problem& problem) const {
    exchange.respond(to_response(problem));
    return nullptr;
  }
  std::shared_ptr<Answer> call(CallAnswer::Call function) const {
    return std::make_shared<CallAnswer>(context, exchange, std::move(function));
  }
};

using MakeAnswer = std::shared_ptr<Answer> (*)(const Arrival& arrival);

std::shared_ptr<Answer> post_probe(const Arrival& arrival);
std::shared_ptr<Answer> get_probe(const Arrival& arrival);

std::shared_ptr<Answer> post_batch(const Arrival& arrival);
std::shared_ptr<Answer> post_targets(const Arrival& arrival);
std::shared_ptr<Answer> close_batch(const Arrival& arrival);
std::shared_ptr<Answer> list_batches(const Arrival& arrival);
std::shared_ptr<Answer> get_batch(const Arrival& arrival);
std::shared_ptr<Answer> delete_batch(const Arrival& arrival);
std::shared_ptr<Answer> get_summary(const Arrival& arrival);
std::shared_ptr<Answer> get_results(const Arrival& arrival);

std::shared_ptr<Answer> list_schedules(const Arrival& arrival);
std::shared_ptr<Answer> put_schedule(const Arrival& arrival);
std::shared_ptr<Answer> get_schedule(const Arrival& arrival);
std::shared_ptr<Answer> delete_schedule(const Arrival& arrival);
std::shared_ptr<Answer> get_schedule_results(const Arrival& arrival);

std::shared_ptr<Answer> list_agents(const Arrival& arrival);
std::shared_ptr<Answer> get_agent(const Arrival& arrival);
std::shared_ptr<Answer> drain_agent(const Arrival& arrival);
std::shared_ptr<Answer> undrain_agent(const Arrival& arrival);

std::shared_ptr<Answer> get_page(const Arrival& arrival);
std::shared_ptr<Answer> get_metrics(const Arrival& arrival);
std::shared_ptr<Answer> get_scrape_probe(const Arrival& arrival);
std::shared_ptr<Answer> list_masters(const Arrival& arrival);
std::shared_ptr<Answer> get_status(const Arrival& arrival);
std::shared_ptr<Answer> get_healthz(const Arrival& arrival);
std::shared_ptr<Answer> get_readyz(const Arrival& arrival);

}  // namespace probekit::api
