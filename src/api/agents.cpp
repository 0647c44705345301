// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "api/query.hpp"

namespace probekit::api {
namespace {

std::shared_ptr<Answer> with_agent(const Arrival& arrival,
                                   void (*function)(CallAnswer&, const std::string& name)) {
  QueryReader query(arrival.request.query());
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call(
      [name = arrival.name, function](CallAnswer& answer) { function(answer, name); });
}

Completion<AgentSnapshot> respond_with_agent(CallAnswer& answer) {
  return answer.then_value<AgentSnapshot>([&answer](const AgentSnapshot& agent) {
    answer.respond_json(200, to_object(agent, write_agent));
  });
}

}  // namespace

std::shared_ptr<Answer> list_agents(const Arrival& arrival) {
  QueryReader query(arrival.request.query());
  const std::string after = query.text("after").value_or("");
  const std::size_t limit = query.number("limit", 1, 1000).value_or(100);
  if (const auto fault = query.fault()) return arrival.refuse(problem(400, *fault));
  return arrival.call([after, limit](CallAnswer& answer) {
    answer.access().agents(answer.then_value<std::vector<AgentSnapshot>>([&answer, after,
                                                                          limit](auto agents) {
      // The cursor is the last agent's name.
      std::sort(agents.begin(), agents.end(),
                [](const AgentSnapshot& a, const AgentSnapshot& b) { return a.name < b.name; });
      auto at = std::find_if(agents.begin(), agents.end(),
                             [&after](const AgentSnapshot& agent) { return agent.name > after; });
      std::string body;
      json::Writer writer(body);
      writer.begin_object().key("items").begin_array();
      std::string last;
      for (std::size_t count = 0; at != agents.end() && count < limit; ++at, ++count) {
        write_agent(writer, *at);
        last = at->name;
      }
      writer.end_array().key("next");
      if (at == agents.end()) {
        writer.null();
      } else {
        writer.string(last);
      }
      writer.end_object();
      answer.respond_json(200, std::move(body));
    }));
  });
}

std::shared_ptr<Answer> get_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().agent(name, respond_with_agent(answer));
  });
}

std::shared_ptr<Answer> drain_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().set_agent_drained(name, true, respond_with_agent(answer));
  });
}

std::shared_ptr<Answer> undrain_agent(const Arrival& arrival) {
  return with_agent(arrival, [](CallAnswer& answer, const std::string& name) {
    answer.access().set_agent_drained(name, false, respond_with_agent(answer));
  });
}

}  // namespace probekit::api
